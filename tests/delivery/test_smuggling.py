"""What we send is one mail, also for hosts that take more than CRLF.CRLF for the end of one (RFC 5321 4.1.1.4)."""

import asyncio
import re
from itertools import product
from typing import Self

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.delivery.dialogue import _stuffed
from relay.delivery.outgoing import Outgoing
from relay.delivery.reporting import Reporter
from relay.delivery.settle import Notice
from relay.mail.address import Address
from relay.mail.reply import parse_reply
from relay.mail.report import Action
from relay.policy.decision import Decision, Name, ReversePath
from relay.policy.outcome import Phase, classify
from relay.policy.retry import Patience
from relay.store.spool import Content

from .house import ANNA, AS_IT_IS, DOMAIN, MAIL, House

# Any line end around a dot, NULs anywhere between.
LENIENT_END = re.compile(rb"(?:\r\n|\n|\r|\A)\0*\.\0*(?:\r\n|\n|\r)")
SMUGGLED = b"MAIL FROM:<evil@evil.example>\r\nRCPT TO:<victim@customer.example>\r\nDATA\r\nFrom: x\r\n\r\nsmuggled\r\n"


class LenientHost:
    """Ends a mail wherever any host ever did, and obeys what follows; use it as an asynchronous context."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.commands: list[bytes] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 lenient.example\r\n")
        waiting, in_mail = b"", False
        while block := await reader.read(65536):
            waiting += block
            while True:
                end = LENIENT_END.search(waiting) if in_mail else re.search(rb"\r\n|\n|\r(?!\n|\Z)", waiting)
                if end is None:
                    break
                before, waiting = waiting[: end.start()], waiting[end.end() :]
                if in_mail:
                    self.mails.append(before)
                    writer.write(b"250 taken\r\n")
                    in_mail = False
                    continue
                self.commands.append(before)
                in_mail = before.upper() == b"DATA"
                writer.write(_answer(before))
        writer.close()


def _answer(command: bytes) -> bytes:
    if command.upper() == b"DATA":
        return b"354 go\r\n"
    ehlo = b"250-lenient.example\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n"
    return ehlo if command.upper().startswith(b"EHLO") else b"250 ok\r\n"


# All that the store may hold: the receiving edge takes CR and LF in pairs only, and no NUL.
DOTS = [b"", b".", b"..", b"...", b" .", b". ", b"x.", b".x"]
BODIES = [b"\r\n".join(lines) + b"\r\n" + SMUGGLED for lines in product(DOTS, DOTS)]

FORWARDED = Decision(Name.FORWARD, Address("bakery", DOMAIN), ReversePath.SRS, via="Bakery", reasons=("test",))
AS_ALIAS = Decision(Name.ALIAS, Address("bakery", DOMAIN), ReversePath.BOUNCE, reasons=("test",))


@pytest.mark.parametrize("decision", [AS_IT_IS, AS_ALIAS, FORWARDED], ids=["report", "app", "forward"])
async def test_a_lenient_host_gets_one_mail(house: House, decision: Decision):
    async with LenientHost() as host:
        house.configure(delivery={"port": host.port})
        for body in BODIES:
            octets = MAIL + body
            assert (await house.attempt(ANNA, octets=octets, decision=decision)).outcomes[0].action == "delivered"
        assert len(host.mails) == len(BODIES)
    assert all(mail.count(b"smuggled") == 1 for mail in host.mails)
    assert not [line for line in host.commands if b"evil" in line]
    assert not [line for line in host.commands if line.startswith(b"BDAT")]


HOSTILE = [
    b"\r\n.\r\n",
    b"\n.\n",
    b"\r.\r",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
]


@pytest.mark.parametrize("form", HOSTILE, ids=repr)
async def test_what_a_host_says_and_what_comes_back_end_no_report(house: House, form: bytes):
    """The answer of a host is quoted, the mail returned."""
    entry = await house.put(ANNA, octets=MAIL + b"\r\n.\r\n" + SMUGGLED)
    said = parse_reply(550, "5.1.1 Nobody" + (form + SMUGGLED).decode())
    outcome = classify(said, Phase.RCPT, account=False)
    notice = Notice(entry.deliveries[0], outcome, Action.FAILED, "mx.customer.example")
    reporter = Reporter(house.spool, hostname=f"mx1.{DOMAIN}", domain=DOMAIN)
    report = reporter.report(entry.message, [notice], now=house.clock.now(), patience=Patience((60.0,), 3600.0, 600.0))
    assert report is not None
    octets = house.octets(report.message)
    await house.spool.commit(report)
    async with LenientHost() as host:
        house.configure(delivery={"port": host.port})
        assert (await house.attempt(ANNA, octets=octets, sender="")).outcomes[0].action == "delivered"
    (mail,) = host.mails
    # In the returned mail, and in the two places where the host's answer is quoted.
    assert mail.count(b"smuggled") == 3


class Store:
    """A spool that holds one message."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def read(self, content: Content, start: int, length: int) -> bytes:
        return self._octets[start : start + length]


LINES = st.lists(st.binary(max_size=5).map(lambda line: bytes(c for c in line if c not in b"\0\r\n")) | st.just(b"."))


@given(header=LINES, body=LINES, block=st.integers(1, 9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_content_has_an_end_of_any_kind_but_its_own(monkeypatch, header, body, block):
    head = b"".join(b"X: " + line + b"\r\n" for line in header) + b"\r\n"
    octets = head + b"".join(line + b"\r\n" for line in body)
    monkeypatch.setattr("relay.delivery.outgoing._BLOCK", block)
    monkeypatch.setattr("relay.delivery.dialogue._MOST_JOINED", block)
    content = Content("s", ((0, len(octets)),), len(octets), len(head), "")
    message = type("Message", (), {"content": content})()
    wire = b"".join(_stuffed(Outgoing(None, (), head, message, Store(octets))))  # type: ignore[arg-type]
    ends = [match.end() for match in LENIENT_END.finditer(wire)]
    assert ends == [len(wire)]
