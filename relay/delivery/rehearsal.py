"""Trying a company's own server step by step: what `relay company test` shows.

The steps are those of a delivery, by the same code; after MAIL all is taken back with RSET, unless there is a letter to
send: to our own alias of the company, so that it can be seen what the provider makes of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from relay.delivery.route import Route, Target, TlsPolicy, find_targets
from relay.delivery.session import Opening, OpenSession, open_session
from relay.delivery.trouble import AttemptError
from relay.dns import Resolver
from relay.mail.address import Address
from relay.policy.advice import advise
from relay.policy.company import Server
from relay.policy.outcome import Phase
from relay.policy.trust import Basis, Demand, Proof


class StepName(StrEnum):
    """The steps, in their order."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    LOGIN = "login"
    MAIL = "mail"
    SEND = "send"
    ARRIVE = "arrive"


_ALWAYS = (StepName.RESOLVE, StepName.CONNECT, StepName.TLS, StepName.LOGIN, StepName.MAIL)


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to send by way of trial. `octets` end in CRLF, and no line of them begins with a dot."""

    recipient: Address
    message_id: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `ok` is None when it was not tried; `said` is what was seen, or what is wrong; `advice` what to do."""

    name: StepName
    ok: bool | None
    said: str = ""
    advice: str = ""


_STEP_OF = {
    Phase.RESOLVE: StepName.RESOLVE,
    Phase.CONNECT: StepName.CONNECT,
    Phase.GREETING: StepName.CONNECT,
    Phase.HELLO: StepName.CONNECT,
    Phase.TLS: StepName.TLS,
    Phase.LOGIN: StepName.LOGIN,
}


async def rehearse(
    server: Server, author: Address, resolver: Resolver, opening: Opening, letter: Letter | None = None
) -> list[Step]:
    """Go through all steps with the first address that answers, as far as they go; never raises."""
    key = f"account:{server.username}@{server.host}:{server.port}"
    route = Route(key, server.host, server.port, TlsPolicy(server.tls), server=server, ca=server.ca)
    targets: list[Target] = []
    trouble: AttemptError | None = None
    try:
        async for target in find_targets(route, resolver):
            targets.append(target)
            try:
                session = await open_session(target, route, opening, Demand(Basis.SETTINGS, Proof.CERTIFICATE))
            except AttemptError as error:
                trouble = error
                if error.phase is Phase.CONNECT:
                    continue
                break
            steps = await _mail(session, author, opening, letter)
            return [*_good(server, targets, session.tls), *steps]
    except AttemptError as error:
        trouble = trouble or error
    return _until(trouble, server, targets)


async def _mail(session: OpenSession, author: Address, opening: Opening, letter: Letter | None) -> list[Step]:
    steps: list[Step] = []
    name = StepName.MAIL

    async def ask(command: bytes, phase: Phase) -> None:
        session.stream.send(command, replies=1)
        reply = await session.stream.reply(phase, opening.timeouts.command)
        if not reply.is_positive:
            raise AttemptError(reply, phase)

    try:
        await ask(f"MAIL FROM:<{author}>\r\n".encode(), Phase.MAIL)
        steps.append(Step(name, ok=True, said=f"takes mail from {author}"))
        if letter is None:
            await ask(b"RSET\r\n", Phase.MAIL)
            return steps
        name = StepName.SEND
        await ask(f"RCPT TO:<{letter.recipient}>\r\n".encode(), Phase.RCPT)
        await ask(b"DATA\r\n", Phase.DATA)
        await ask(letter.octets + b".\r\n", Phase.FINAL)
        steps.append(Step(name, ok=True, said=f"a mail to {letter.recipient} is taken"))
    except AttemptError as error:
        steps.append(Step(name, False, *advise(error.trouble, error.phase)))  # noqa: FBT003 -- beside its words
    finally:
        session.close()
    return steps


def _until(trouble: AttemptError | None, server: Server, targets: Sequence[Target]) -> list[Step]:
    if trouble is None:
        return [Step(StepName.RESOLVE, ok=False, said=f"the host {server.host} has no address")]
    failed = _STEP_OF.get(trouble.phase, StepName.LOGIN)
    at = _ALWAYS.index(failed)
    steps = _good(server, targets, None)[:at]
    steps.append(Step(failed, False, *advise(trouble.trouble, trouble.phase)))  # noqa: FBT003 -- beside its words
    return [*steps, *(Step(name, ok=None) for name in _ALWAYS[at + 1 :])]


def _good(server: Server, targets: Sequence[Target], tls: str | None) -> list[Step]:
    ips = ", ".join(target.ip for target in targets)
    how = "a token" if server.oauth2 is not None else "its password"
    return [
        Step(StepName.RESOLVE, ok=True, said=f"{server.host} is at {ips}"),
        Step(StepName.CONNECT, ok=True, said=f"port {server.port} answers"),
        Step(StepName.TLS, ok=True, said=f"{tls or 'TLS'}, certificate valid for {server.host}"),
        Step(StepName.LOGIN, ok=True, said=f"{server.username} is let in with {how}"),
    ]
