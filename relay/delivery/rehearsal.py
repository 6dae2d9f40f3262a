"""Trying a company's own server step by step, without sending mail: what `relay company test` shows.

The steps are those of a delivery, by the same code; after MAIL all is taken back with RSET.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from relay.delivery.route import Route, Target, TlsPolicy, find_targets
from relay.delivery.session import Opening, OpenSession, open_session
from relay.delivery.trouble import AttemptError
from relay.dns import Resolver
from relay.mail.address import Address
from relay.mail.reply import Reply
from relay.policy.advice import advise
from relay.policy.company import Server
from relay.policy.outcome import Phase, Trouble


class StepName(StrEnum):
    """The steps, in their order."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    LOGIN = "login"
    MAIL = "mail"


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


async def rehearse(server: Server, author: Address, resolver: Resolver, opening: Opening) -> list[Step]:
    """Go through all steps with the first address that answers, as far as they go; never raises."""
    key = f"account:{server.username}@{server.host}:{server.port}"
    route = Route(key, server.host, server.port, TlsPolicy(server.tls), server=server, ca=server.ca)
    targets: list[Target] = []
    trouble: AttemptError | None = None
    try:
        async for target in find_targets(route, resolver):
            targets.append(target)
            try:
                session = await open_session(target, route, opening)
            except AttemptError as error:
                trouble = error
                if error.phase is Phase.CONNECT:
                    continue
                break
            return await _mail(session, server, author, opening, targets)
    except AttemptError as error:
        trouble = trouble or error
    return _until(trouble, server, targets)


async def _mail(
    session: OpenSession, server: Server, author: Address, opening: Opening, targets: Sequence[Target]
) -> list[Step]:
    steps = _good(server, targets, session.tls)
    timeout = opening.timeouts.command
    wrong: Reply | Trouble | None = None
    try:
        session.stream.send(f"MAIL FROM:<{author}>\r\n".encode(), replies=1)
        reply = await session.stream.reply(Phase.MAIL, timeout)
        if reply.is_positive:
            session.stream.send(b"RSET\r\n", replies=1)
            await session.stream.reply(Phase.MAIL, timeout)
        else:
            wrong = reply
    except AttemptError as error:
        wrong = error.trouble
    finally:
        session.close()
    if wrong is None:
        return [*steps, Step(StepName.MAIL, ok=True, said=f"takes mail from {author}")]
    return [*steps, Step(StepName.MAIL, False, *advise(wrong, Phase.MAIL))]  # noqa: FBT003 -- beside its words


def _until(trouble: AttemptError | None, server: Server, targets: Sequence[Target]) -> list[Step]:
    if trouble is None:
        return [Step(StepName.RESOLVE, ok=False, said=f"the host {server.host} has no address")]
    failed = _STEP_OF.get(trouble.phase, StepName.LOGIN)
    order = list(StepName)
    at = order.index(failed)
    steps = _good(server, targets, None)[:at]
    steps.append(Step(failed, False, *advise(trouble.trouble, trouble.phase)))  # noqa: FBT003 -- beside its words
    return [*steps, *(Step(name, ok=None) for name in order[at + 1 :])]


def _good(server: Server, targets: Sequence[Target], tls: str | None) -> list[Step]:
    ips = ", ".join(target.ip for target in targets)
    how = "a token" if server.oauth2 is not None else "its password"
    return [
        Step(StepName.RESOLVE, ok=True, said=f"{server.host} is at {ips}"),
        Step(StepName.CONNECT, ok=True, said=f"port {server.port} answers"),
        Step(StepName.TLS, ok=True, said=f"{tls or 'TLS'}, certificate valid for {server.host}"),
        Step(StepName.LOGIN, ok=True, said=f"{server.username} is let in with {how}"),
    ]
