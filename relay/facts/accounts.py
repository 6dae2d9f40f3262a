"""What is known about accounts on companies' own servers: their names, and which of them are refused.

In charge of one state of an account for all workers: a refusal that one of them met holds for all, and so does its end.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from relay.config.keyring import Keyring
from relay.config.secrets import SecretError
from relay.policy.company import Server
from relay.store.facts import Fact, FactStore
from relay.store.update import update


def account_key(server: Server, author: str, keyring: Keyring) -> str:
    """Names a server's settings, its password and authorities included, and the author who sends there.

    It changes when any of them does.
    """
    oauth2 = server.oauth2
    secret = server.password if oauth2 is None else oauth2.refresh_token
    try:
        password = "" if secret is None else keyring.secret(secret)
    except SecretError as error:
        password = str(error)
    try:
        ca = Path(server.ca).read_text("latin-1") if server.ca is not None else ""
    except OSError as error:
        ca = str(error)
    parts: tuple[str, ...] = (
        server.host,
        str(server.port),
        server.tls,
        server.username,
        password,
        server.ca or "",
        ca,
        author,
    )
    if oauth2 is not None:
        parts += (oauth2.company, oauth2.client, oauth2.grant.value, oauth2.tenant)
    return f"account:{server.username}@{server.host}:{keyring.fingerprint(*parts)}"


KIND = "account"


@dataclass(frozen=True, slots=True)
class AccountState:
    """A refusal of a company's account. Times in seconds since the epoch.

    `account` is the key that was refused: settings that were repaired since have another one. Nobody tries before
    `until`; `probe` is when a try was last allowed although nothing of ours had changed.
    """

    account: str
    until: float
    probe: float
    action: str
    status: str
    text: str
    phase: str
    cause: str = ""
    plain: str = ""
    advice: str = ""


class AccountStates:
    """The refused accounts in the store, one a company. Every call raises SpoolError."""

    def __init__(self, facts: Callable[[], FactStore]) -> None:
        self._facts = facts

    async def of(self, slug: str) -> AccountState | None:
        """The refusal of a company's account; None while nothing stands against it."""
        fact = await self._facts().get(KIND, slug)
        return None if fact is None else _read(fact.value)

    async def refuse(self, slug: str, state: AccountState) -> bool:
        """The account was refused. Whether that is news: not the same account refused again."""

        def refused(fact: Fact) -> Fact:
            known = _again(fact, state)
            return replace(fact, value=asdict(state if known is None else replace(state, probe=known.probe)))

        change = await update(self._facts(), KIND, slug, refused)
        return _again(change.before, state) is None

    async def prove(self, slug: str) -> AccountState | None:
        """The account is in order: what was known against it until now."""
        change = await update(self._facts(), KIND, slug, lambda _: None)
        return _read(change.before.value) if change.before.version else None

    async def allow(self, slug: str) -> None:
        """Something was repaired that the account's key does not show: it may be tried now."""

        def allowed(fact: Fact) -> Fact:
            return replace(fact, value={**fact.value, "until": 0.0, "probe": 0.0}) if fact.version else fact

        await update(self._facts(), KIND, slug, allowed)

    async def claim_probe(self, slug: str, *, now: float, every: float) -> bool:
        """Whether this worker may see if the other side has repaired the account."""
        fact = await self._facts().get(KIND, slug)
        if fact is None:
            return True
        state = _read(fact.value)
        if now - state.probe < every:
            return False
        return await self._facts().put(replace(fact, value=asdict(replace(state, probe=now)))) is not None


def _again(fact: Fact, state: AccountState) -> AccountState | None:
    """What was known when the same account had been refused in the same way before; else None."""
    known = _read(fact.value) if fact.version else None
    return known if known and (known.account, known.action) == (state.account, state.action) else None


def _read(value: Mapping[str, Any]) -> AccountState:
    return AccountState(**value)
