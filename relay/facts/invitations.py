"""Invitations to consent on a page of ours: one at a time for a company, for a while, and good for one consent.

The link holds a token of which only a hash is kept; what a consent under way needs is kept sealed.
"""

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from relay.clock import Clock
from relay.config.sealing import SealingError, SealingKeys, place_of
from relay.events import Json
from relay.store.facts import Fact, FactStore
from relay.store.update import update

KIND = "invitation"
_LASTS = 7 * 86400.0
_PLACE = "consent"


@dataclass(frozen=True, slots=True)
class Invitations:
    """All invitations. Calls raise SpoolError."""

    facts: Callable[[], FactStore]
    clock: Clock

    async def invite(self, slug: str, account: str) -> str:
        """A token for a link to consent for the account of that name; an earlier one no longer counts."""
        token = secrets.token_urlsafe(24)
        until = self.clock.now() + _LASTS
        value: dict[str, Json] = {"token": _hash(token), "until": until, "begun": "", "account": account}
        await update(self.facts(), KIND, slug, lambda fact: replace(fact, value=value))
        return token

    async def find(self, slug: str, token: str) -> Fact | None:
        """The invitation that a link belongs to, while it counts."""
        fact = await self.facts().get(KIND, slug)
        if fact is None or self.clock.now() >= float(str(fact.value["until"])):
            return None
        return fact if secrets.compare_digest(str(fact.value["token"]), _hash(token)) else None

    async def begin(self, fact: Fact, state: str, verifier: str, sealing: SealingKeys) -> bool:
        """Remember the consent that begins now; an earlier one no longer counts. Raises SealingError."""
        sealed = sealing.seal(json.dumps([state, verifier]).encode(), place_of(fact.key, _PLACE))
        return await self.facts().put(replace(fact, value={**fact.value, "begun": sealed})) is not None

    async def end(self, slug: str, state: str, sealing: SealingKeys) -> tuple[str, str] | None:
        """The verifier and the account of the consent that comes back with `state`, once; None: there is none."""
        fact = await self.facts().get(KIND, slug)
        if fact is None or self.clock.now() >= float(str(fact.value["until"])) or not fact.value["begun"]:
            return None
        try:
            known, verifier = json.loads(sealing.open(str(fact.value["begun"]), place_of(slug, _PLACE)))
        except SealingError:
            return None
        if not secrets.compare_digest(str(known).encode(), state.encode()):
            return None
        return (str(verifier), account_of(fact)) if await self.facts().drop(fact) else None


def account_of(fact: Fact) -> str:
    """The name of the account that an invitation is about; empty in one that was made before that was kept."""
    return str(fact.value.get("account", ""))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
