"""Opens a session with a target: connection, greeting, EHLO, TLS, login. What follows is `dialogue`'s.

aiosmtplib does the opening; it does not pipeline and sends a message as one block, so the open connection is then
handed to `ReplyStream`.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar, cast

import aiosmtplib

from relay.config.secrets import SecretError
from relay.config.settings import DeliveryTimeouts
from relay.delivery.dane import chain_of, check_chain
from relay.delivery.route import Route, Target, TlsPolicy
from relay.delivery.stream import ReplyStream
from relay.delivery.trouble import AttemptError
from relay.facts.tokens import TokenError, Tokens
from relay.mail.reply import Reply, parse_reply
from relay.policy import bearer
from relay.policy.company import SecretRef, Server
from relay.policy.outcome import Fault, Phase, Trouble
from relay.policy.trust import Basis, Demand, Proof, TlsFailure

T = TypeVar("T")

_VERIFIED = (TlsPolicy.STARTTLS, TlsPolicy.IMPLICIT)
_UNPROVEN = (TlsPolicy.NONE, TlsPolicy.OPPORTUNISTIC)
_TLS = {
    Proof.NOTHING: TlsPolicy.OPPORTUNISTIC,
    Proof.ENCRYPTION: TlsPolicy.ENCRYPTED,
    Proof.CERTIFICATE: TlsPolicy.STARTTLS,
    Proof.RECORDS: TlsPolicy.ENCRYPTED,
}


@dataclass(slots=True)
class OpenSession:
    """A session that is ready for transactions. `extensions` in lower case, with their parameters."""

    target: Target
    route: Route
    stream: ReplyStream
    extensions: dict[str, str]
    tls: str | None
    trust: Basis = Basis.NONE
    transactions: int = 0

    @property
    def is_alive(self) -> bool:
        """Whether another transaction can be tried here."""
        return self.stream.is_usable

    def close(self) -> None:
        """Say goodbye without waiting for the answer."""
        self.stream.quit()


@dataclass(frozen=True, slots=True)
class Opening:
    """How to introduce ourselves, how patient to be, and who looks up passwords and tokens."""

    hostname: str
    timeouts: DeliveryTimeouts
    secret: Callable[[SecretRef], str]
    tokens: Tokens


Failed = Callable[[AttemptError], None]


async def open_session(
    target: Target, route: Route, opening: Opening, demand: Demand, failed: Failed = lambda _: None
) -> OpenSession:
    """Open a session with a target that proves what is demanded; raises AttemptError when it does not.

    Where TLS is opportunistic and fails, the session goes without; where proof is only wished for, without proof.
    `failed` hears of both.
    """
    tls = _TLS[demand.proof] if route.tls is TlsPolicy.OPPORTUNISTIC else route.tls
    try:
        return await _open(target, route, opening, tls, demand)
    except AttemptError as error:
        if error.phase is not Phase.TLS:
            raise
        if tls is TlsPolicy.OPPORTUNISTIC:
            failed(error)
            return await _open(target, route, opening, TlsPolicy.NONE, demand)
        if not demand.tentative:
            raise
        failed(error)
        return await open_session(target, route, opening, Demand())


async def _open(target: Target, route: Route, opening: Opening, tls: TlsPolicy, demand: Demand) -> OpenSession:
    timeouts, context = opening.timeouts, _context_for(tls, route.ca if tls in _VERIFIED else None)
    sock = await _connect(target, timeouts.connect)
    client = aiosmtplib.SMTP(
        hostname=demand.names[0] if demand.names else target.host,
        sock=sock,
        local_hostname=opening.hostname,
        use_tls=tls is TlsPolicy.IMPLICIT,
        start_tls=False,
        tls_context=context,
        timeout=timeouts.greeting,
    )
    try:
        await _step(client.connect(), Phase.GREETING)
        await _hello(client, timeouts.command)
        await _secure(client, tls, timeouts, demand)
        if route.server is not None:
            await _login(client, route.server, opening)
        return _hand_over(client, target, route, demand.basis if tls not in _UNPROVEN else Basis.NONE)
    except BaseException:
        client.close()
        raise


async def _connect(target: Target, timeout: float) -> socket.socket:  # noqa: ASYNC109 -- a setting, passed down
    family = socket.AF_INET6 if ":" in target.ip else socket.AF_INET
    sock = None
    try:
        # Here too: a machine may have no IPv6, or no more sockets.
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)  # noqa: FBT003 -- its only argument
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(timeout):
            await asyncio.get_running_loop().sock_connect(sock, (target.ip, target.port))
    except TimeoutError:
        _close(sock)
        raise AttemptError(Trouble(Fault.TIMEOUT, f"{target.ip} does not answer"), Phase.CONNECT) from None
    except OSError as error:
        _close(sock)
        text = f"no connection to {target.ip} port {target.port}: {error.strerror or error}"
        raise AttemptError(Trouble(Fault.REFUSED, text), Phase.CONNECT) from error
    except BaseException:
        _close(sock)
        raise
    return sock


def _close(sock: socket.socket | None) -> None:
    if sock is not None:
        sock.close()


async def _hello(client: aiosmtplib.SMTP, timeout: float) -> None:  # noqa: ASYNC109 -- as above
    try:
        await _step(client.ehlo(timeout=timeout), Phase.HELLO)
    except AttemptError as error:
        if not isinstance(error.trouble, Reply) or not error.trouble.is_permanent:
            raise
        # RFC 5321 3.2: a host that does not know EHLO may know HELO.
        await _step(client.helo(timeout=timeout), Phase.HELLO)


async def _secure(client: aiosmtplib.SMTP, tls: TlsPolicy, timeouts: DeliveryTimeouts, demand: Demand) -> None:
    if tls in (TlsPolicy.NONE, TlsPolicy.IMPLICIT):
        return
    if not client.supports_extension("starttls"):
        if tls is TlsPolicy.OPPORTUNISTIC:
            return
        raise AttemptError(
            Trouble(Fault.NO_TLS, "the server does not offer STARTTLS"), Phase.TLS, TlsFailure.NO_STARTTLS
        )
    await _step(client.starttls(timeout=timeouts.connect), Phase.TLS)
    if demand.records:
        _prove(client, demand)
    await _step(client.ehlo(timeout=timeouts.command), Phase.HELLO)


def _prove(client: aiosmtplib.SMTP, demand: Demand) -> None:
    connection = None if client.transport is None else client.transport.get_extra_info("ssl_object")
    chain = [] if connection is None else chain_of(connection)
    failure = check_chain(chain, demand.records, demand.names)
    if failure is not None:
        text = f"the certificate of {demand.names[0]} is not what its TLSA records allow: {failure}"
        raise AttemptError(Trouble(Fault.CERTIFICATE, text), Phase.TLS, failure)


async def _login(client: aiosmtplib.SMTP, server: Server, opening: Opening) -> None:
    if client.transport is None or client.transport.get_extra_info("ssl_object") is None:
        raise AttemptError(Trouble(Fault.NO_TLS, "no login goes over a connection without TLS"), Phase.LOGIN)
    timeout = opening.timeouts.command
    # One mechanism, chosen here: trying all after a refusal is how accounts get locked.
    if server.oauth2 is not None:
        await _login_with_token(client, server, opening)
        return
    password = _password_of(server, opening)
    if "plain" in client.supported_auth_methods:
        await _step(client.auth_plain(server.username, password, timeout=timeout), Phase.LOGIN)
    elif "login" in client.supported_auth_methods:
        await _step(client.auth_login(server.username, password, timeout=timeout), Phase.LOGIN)
    else:
        raise AttemptError(Trouble(Fault.NO_LOGIN, "the server offers neither AUTH PLAIN nor LOGIN"), Phase.LOGIN)


def _password_of(server: Server, opening: Opening) -> str:
    if server.password is None:
        raise AttemptError(Trouble(Fault.SECRET, "the server has neither a password nor oauth2"), Phase.LOGIN)
    try:
        return opening.secret(server.password)
    except SecretError as error:
        raise AttemptError(Trouble(Fault.SECRET, str(error)), Phase.LOGIN) from None


async def _login_with_token(client: aiosmtplib.SMTP, server: Server, opening: Opening) -> None:
    offered = client.server_auth_methods
    mechanism = next((one for one in bearer.MECHANISMS if one.lower() in offered), None)
    if mechanism is None:
        raise AttemptError(Trouble(Fault.NO_LOGIN, "the server offers no login with a token"), Phase.LOGIN)
    try:
        token = await opening.tokens.access(server)
    except TokenError as error:
        raise AttemptError(error.trouble, Phase.LOGIN) from None
    response = bearer.first_response(mechanism, server.username, server.host, server.port, token)

    async def talk() -> Reply:
        answer = await client.execute_command(b"AUTH", mechanism.encode(), response, timeout=opening.timeouts.command)
        if answer.code != 334:
            return parse_reply(answer.code, answer.message)
        # What is wrong comes as a challenge; the refusal itself only after another line of ours.
        why = bearer.read_challenge(answer.message)
        answer = await client.execute_command(bearer.GIVE_UP[mechanism], timeout=opening.timeouts.command)
        return parse_reply(answer.code, f"{answer.message} ({why})" if why else answer.message)

    try:
        reply = await _step(talk(), Phase.LOGIN)
    except ValueError:
        raise AttemptError(Trouble(Fault.PROTOCOL, "the server's answer is not SMTP"), Phase.LOGIN) from None
    if reply.code != 235:
        if reply.is_permanent:
            await opening.tokens.refused(server)
        raise AttemptError(reply, Phase.LOGIN)


async def _step(call: Awaitable[T], phase: Phase) -> T:
    """Run one step of the opening; whatever goes wrong becomes an AttemptError of that phase."""
    try:
        return await call
    except aiosmtplib.SMTPResponseException as error:
        raise AttemptError(_reply_or_trouble(error.code, error.message), phase) from None
    except ssl.SSLError as error:
        raise _tls_error(error) from None
    except (TimeoutError, aiosmtplib.SMTPTimeoutError):
        raise AttemptError(Trouble(Fault.TIMEOUT, f"no answer to {phase}"), phase) from None
    except (OSError, aiosmtplib.SMTPException) as error:
        if isinstance(error.__cause__, ssl.SSLError):
            # How aiosmtplib tells of a handshake that fails at the first octet.
            raise _tls_error(error.__cause__) from None
        text = f"the connection broke during {phase}: {error}"
        raise AttemptError(Trouble(Fault.DISCONNECTED, text), phase) from error


# By OpenSSL's codes: X509_V_ERR_CERT_HAS_EXPIRED, ..._HOSTNAME_MISMATCH, and those of a chain that leads nowhere.
_FAILURES = {10: TlsFailure.EXPIRED, 62: TlsFailure.OTHER_NAME} | dict.fromkeys(
    (2, 18, 19, 20, 21, 24, 27), TlsFailure.NOT_TRUSTED
)


def _tls_error(error: ssl.SSLError) -> AttemptError:
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"the server's certificate is not valid: {error.verify_message}"
        failure = _FAILURES.get(error.verify_code, TlsFailure.OTHER)
        return AttemptError(Trouble(Fault.CERTIFICATE, text), Phase.TLS, failure)
    text = f"TLS failed: {error.reason or error}"
    return AttemptError(Trouble(Fault.TLS, text), Phase.TLS, TlsFailure.OTHER)


def _reply_or_trouble(code: int, message: str) -> Reply | Trouble:
    try:
        return parse_reply(code, message)
    except ValueError:
        return Trouble(Fault.PROTOCOL, "the server's answer is not SMTP")


def _hand_over(client: aiosmtplib.SMTP, target: Target, route: Route, trust: Basis) -> OpenSession:
    # uvloop's transports are asyncio's by duty, not by descent.
    transport = cast("asyncio.Transport | None", client.transport)
    if transport is None or transport.is_closing():
        raise AttemptError(Trouble(Fault.DISCONNECTED, "the server closed the connection"), Phase.HELLO)
    stream = ReplyStream(transport)
    transport.set_protocol(stream)
    ssl_object = transport.get_extra_info("ssl_object")
    tls = ssl_object.version() if ssl_object is not None else None
    transport.set_write_buffer_limits(high=256 * 1024)
    return OpenSession(target, route, stream, dict(client.esmtp_extensions), tls, trust)


def _context_for(tls: TlsPolicy, ca: str | None) -> ssl.SSLContext:
    """The context for a policy, with what the file `ca` says now."""
    try:
        if ca is None:
            return _tls_context(tls, None)
        found = Path(ca).stat()
        return _tls_context(tls, ca, found.st_ino, found.st_size, found.st_mtime_ns)
    except OSError as error:
        text = f"the authorities in {ca} cannot be read: {error.strerror or error}"
        raise AttemptError(Trouble(Fault.CERTIFICATE, text), Phase.TLS) from error


@lru_cache(maxsize=256)
def _tls_context(tls: TlsPolicy, ca: str | None, *state: int) -> ssl.SSLContext:  # noqa: ARG001 -- tells states apart
    """One context a policy: building one costs more than the rest of the opening."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is not None:
        context.load_verify_locations(ca)
    if tls in (TlsPolicy.OPPORTUNISTIC, TlsPolicy.ENCRYPTED):
        # RFC 7435: encryption without proof beats none. What DANE asks for is looked at behind the handshake.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
