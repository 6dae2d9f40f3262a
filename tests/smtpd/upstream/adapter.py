"""A pytest plugin under which aiosmtpd's own test suite runs against our sessions.

Loaded by name in a process of its own. It puts a session with a gate behind aiosmtpd's controllers, lets the suite
compare the class of a reply instead of aiosmtpd's words (RFC 5321 4.2: clients act on the first digit), puts
addresses into angle brackets, and expects the cases listed in `differences` to fail: if one passes, the list is wrong.
"""

import asyncio
import re
import socket
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import aiosmtpd.controller
import aiosmtpd.smtp
import pytest
from aiosmtpd.testing.statuscodes import StatusCode
from differences import DIFFERENCES

from relay.intake.gate import Content, Hello, Peer, SessionLimits
from relay.mail.address import Address
from relay.mail.envelope import MailParameters, Recipient
from relay.mail.reply import Reply, parse_reply
from relay.smtpd.connection import Surroundings
from relay.smtpd.tls import TlsMode
from relay.smtpd.transaction import Session

OK = Reply(250, "2.0.0", "Ok")
SUITE = Path(aiosmtpd.__file__).parent


class Collected:
    """A message as one string of octets."""

    def __init__(self) -> None:
        self.octets = bytearray()
        self.refusal: Reply | None = None

    def write(self, block: bytes | bytearray | memoryview) -> None:
        self.octets += block

    def refuse(self, reply: Reply) -> None:
        self.refusal = self.refusal or reply

    def abort(self) -> None:
        self.octets.clear()


class HandlerGate:
    """A gate in front of one of aiosmtpd's handlers; `options` are what its SMTP class would have been given."""

    def __init__(self, session: "AdaptedSession", handler: Any, options: dict[str, Any]) -> None:
        self._session, self._handler, self._options = session, handler, options
        self.hostname = options.get("hostname") or socket.getfqdn()
        self.offers_login = True
        self.delay = 0.0
        self.greeting_pause = 0.0
        self.is_strict = False
        size = options.get("data_size_limit", 2**25) or 2**40
        self.limits = SessionLimits(size, 1000, 100, options.get("timeout", 300), 300)
        self._envelope = aiosmtpd.smtp.Envelope()

    def connect(self) -> Reply:
        return Reply(220, "", self._options.get("ident") or aiosmtpd.smtp.__ident__)

    def hello(self, hello: Hello) -> None:
        pass

    async def login(self, username: str, password: str) -> Reply:
        credentials = aiosmtpd.smtp.LoginPassword(username.encode(), password.encode())
        authenticator = self._options.get("authenticator")
        if authenticator is not None:
            result = authenticator(self._session, self._session.session, self._envelope, "PLAIN", credentials)
            success = result.success
            if result.message:
                code, _, text = result.message.partition(" ")
                return parse_reply(int(code), text)
        else:
            callback = self._options.get("auth_callback")
            success = bool(callback and callback("PLAIN", *credentials))
        return Reply(235, "2.7.0", "Authenticated") if success else Reply(535, "5.7.8", "Wrong user name or password")

    def mail(self, reverse_path: Address | None, parameters: MailParameters) -> Reply:
        self._envelope = aiosmtpd.smtp.Envelope()
        self._envelope.mail_from = str(reverse_path or "")
        return OK

    async def rcpt(self, recipient: Recipient) -> Reply:
        self._envelope.rcpt_tos.append(str(recipient.address))
        return OK

    def content(self) -> Content:
        return Collected()

    async def accept(self, content: Content) -> Reply:
        assert isinstance(content, Collected)
        if content.refusal is not None:
            return content.refusal
        octets = bytes(content.octets)
        self._envelope.content = octets.decode() if self._options.get("decode_data") else octets
        if not hasattr(self._handler, "handle_DATA"):
            return OK
        status = await self._handler.handle_DATA(self._session, self._session.session, self._envelope)
        code, _, text = (status or "250 OK").partition(" ")
        return parse_reply(int(code), text)

    def refused(self, verb: str, reply: Reply) -> None:
        pass

    def reset(self) -> None:
        self._envelope = aiosmtpd.smtp.Envelope()

    def close(self) -> None:
        pass


class AdaptedSession(Session):
    """Our session, made the way aiosmtpd's is made."""

    def __init__(self, handler: Any, *, loop: asyncio.AbstractEventLoop | None = None, **options: Any) -> None:
        context = options.get("tls_context")
        surroundings = Surroundings(
            lambda _: HandlerGate(self, handler, options),
            TlsMode.NONE if context is None else TlsMode.STARTTLS,
            lambda: context,
            self.report,
        )
        super().__init__(surroundings, loop or asyncio.get_event_loop())
        if not options.get("auth_require_tls", True):
            # The suite logs in without TLS; here that does not exist.
            self._tls = "none, as the suite wants it"

    def report(self, verb: str, peer: Peer, error: BaseException) -> None:
        """Nobody listens."""


class Mocker:
    """The little of pytest-mock that the suite uses."""

    Mock = mock.Mock

    def __init__(self) -> None:
        self._patches: list[Any] = []

    def patch(self, target: str, **options: Any) -> Any:
        patch = mock.patch(target, **options)
        self._patches.append(patch)
        return patch.start()

    def spy(self, owner: Any, name: str) -> Any:
        patch = mock.patch.object(owner, name, side_effect=getattr(owner, name))
        self._patches.append(patch)
        return patch.start()

    def stop(self) -> None:
        for patch in self._patches:
            patch.stop()


def _fixture(scope: str) -> Callable[[], Iterator[Mocker]]:
    @pytest.fixture(scope=scope, name="mocker" if scope == "function" else f"{scope}_mocker")
    def fixture() -> Iterator[Mocker]:
        mocker = Mocker()
        yield mocker
        mocker.stop()

    return fixture


mocker = _fixture("function")
session_mocker = _fixture("session")


def pytest_configure(config: pytest.Config) -> None:
    """Prepare what the suite imports, before it does."""
    for line in ["controller_data", "handler_data", "client_data"]:
        config.addinivalue_line("markers", f"{line}: of the suite")
    sys.modules["pytest_mock"] = types.SimpleNamespace(MockFixture=Mocker)  # type: ignore[assignment]
    found = types.SimpleNamespace(resource_filename=lambda _, name: str(SUITE / "tests" / "certs" / name))
    sys.modules["pkg_resources"] = found  # type: ignore[assignment]
    aiosmtpd.controller.SMTP = AdaptedSession  # type: ignore[misc]
    StatusCode.__eq__ = lambda self, other: self[0] // 100 == other[0] // 100  # type: ignore[method-assign, assignment]
    StatusCode.__ne__ = lambda self, other: not self == other  # type: ignore[method-assign, assignment]  # noqa: SIM201


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bracket addresses, name our class where the suite names aiosmtpd's, and mark the differences."""
    conftest = sys.modules["aiosmtpd.tests.conftest"]
    conftest.HostPort.__new__.__defaults__ = ("127.0.0.1", _free_port())
    for item in items:
        module = item.module  # type: ignore[attr-defined]
        module.Server = AdaptedSession
        parameters = getattr(item, "callspec", None)
        if parameters is not None and "address" in parameters.params:
            address = parameters.params["address"].strip()
            parameters.params["address"] = address if address.startswith("<") else f"<{address}>"
        name = item.nodeid.rpartition("/")[2]
        for pattern, reason in DIFFERENCES.items():
            if re.search(pattern, name):
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
