"""Access tokens for companies' accounts, kept sealed in the store and renewed in time.

In charge of one renewal at a time for an account, whichever worker wants it, and of what an issuer hands out being on
stable storage before it is used: a rotated refresh token is the only key left. Talks to issuers over `relay.http`.

What remains possible: a worker that is killed after the issuer has rotated the refresh token, and before that is
stored, leaves us with the old one. It is tried again; an issuer that takes an old token for theft then revokes the
consent, which holds the mail and asks the company to consent again.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Any
from weakref import WeakValueDictionary

import structlog

from relay.clock import Clock
from relay.config.keyring import Active
from relay.config.sealing import SealingError, place_of
from relay.config.secrets import SecretError
from relay.events import Json
from relay.facts.issuing import Issued, Refused, Registration, read_answer
from relay.http import Caps, HttpClient, HttpError, HttpRequest, Reach
from relay.policy.company import Account, Company, Grant, OAuth2
from relay.policy.outcome import Fault, Trouble
from relay.policy.refusals import CONSENT_AGAIN, Cause, Refusal
from relay.store.facts import Fact, FactStore
from relay.store.spool import SpoolError

KIND = "token"
_AHEAD = 300.0  # renewed when less than this is left of its life, or half of it
_IDLE = 30 * 86400.0  # due for `idle_tokens` when nobody has renewed it for so long
_CLAIM = 60.0  # how long the others leave a renewal to the worker that began it; longer than a request may take
_LOOK_AGAIN = 0.2
_CAPS = Caps(seconds=20.0, octets=64 * 1024)
_STORE_AGAIN = (0.5, 1.0, 2.0, 5.0)

log = structlog.get_logger("relay.facts")


class TokenError(Exception):
    """No token is to be had; `trouble` says why, and whether somebody has to do something about it."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.text)
        self.trouble = trouble


@dataclass(frozen=True, slots=True, repr=False)
class _Kept:
    """A token fact, opened. `serial` counts what issuers gave; it is part of the place that tokens are sealed for."""

    serial: int = 0
    access: str = ""
    refresh: str = ""
    expires: float = 0.0
    renew: float = 0.0
    settings: str = ""
    claimed_until: float = 0.0


class Tokens:
    """Access tokens as one worker knows them."""

    def __init__(
        self, active: Callable[[], Active], facts: Callable[[], FactStore], client: HttpClient, clock: Clock
    ) -> None:
        self._active = active
        self._facts = facts
        self._client = client
        self._clock = clock
        self._known: dict[str, _Kept] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def access(self, account: Account) -> str:
        """A token to log in with now. Raises TokenError."""
        oauth2 = _oauth2_of(account)
        known = self._known.get(fact_key(account))
        if known is not None and self._is_fresh(known, self._settings_of(account, oauth2)):
            return known.access
        turn = self._turns.setdefault(fact_key(account), asyncio.Lock())
        async with turn:
            try:
                kept = await self._renewed(account, oauth2)
            except (SecretError, SealingError, ValueError) as error:
                raise TokenError(Trouble(Fault.SECRET, f"no token can be had: {error}")) from None
            except SpoolError as error:
                raise TokenError(Trouble(Fault.FACTS, f"tokens cannot be read now: {error}")) from None
        self._known[fact_key(account)] = kept
        return kept.access

    async def refused(self, account: Account) -> None:
        """The server did not take the token: the next one is a new one, for consent may have been taken back."""
        self._known.pop(fact_key(account), None)
        try:
            fact = await self._facts().get(KIND, fact_key(account))
            if fact is not None and fact.value.get("access"):
                await self._facts().put(replace(fact, value={**fact.value, "access": "", "expires": 0.0, "renew": 0.0}))
        except SpoolError as error:
            # The refusal counts all the same.
            log.warning("a refused token cannot be forgotten now", account=account.username, error=str(error))

    async def consented(self, account: Account, issued: Issued) -> None:
        """The company has consented: keep what the issuer gave. Raises SpoolError or SealingError."""
        oauth2 = _oauth2_of(account)
        while True:
            fact, kept = await self._read(account, oauth2)
            wanted = self._with(replace(kept, settings=self._settings_of(account, oauth2)), issued)
            if await self._write(self._in_use(fact, oauth2), wanted, oauth2) is not None:
                self._known.pop(fact_key(account), None)
                return

    async def has_consent(self, account: Account) -> bool:
        """Whether there is something to renew its tokens with; whether that still counts, only its issuer knows.

        Raises SpoolError, SealingError or SecretError.
        """
        oauth2 = _oauth2_of(account)
        if self._configured(oauth2):
            return True
        _, kept = await self._read(account, oauth2)
        return bool(kept.refresh) and kept.settings == self._settings_of(account, oauth2)

    async def lacking(self, company: Company) -> list[str]:
        """The names of the company's accounts that it has not consented to. Raises as `has_consent`."""
        asked = [each for each in company.accounts if _oauth2_of(each).grant is Grant.REFRESH_TOKEN]
        return [account.username for account in asked if not await self.has_consent(account)]

    def registration(self, account: Account) -> Registration:
        """Our registration with the issuer of the account's tokens. Raises TokenError."""
        oauth2 = _oauth2_of(account)
        client = self._active().snapshot.settings.oauth2.get(oauth2.client)
        if client is None:
            text = f"there is no registration {oauth2.client} under oauth2 in relay.yaml"
            raise TokenError(Trouble(Fault.SECRET, text))
        return Registration(client, oauth2, account.username)

    async def exchange(self, account: Account, request: HttpRequest) -> Issued | Refused:
        """What the issuer answers to a request; trouble on the way there is a refusal without a cause."""
        client = self.registration(account).client
        try:
            response = await self._client.send(request, Reach(client.internal, client.ca), _CAPS)
        except HttpError as error:
            return Refused(str(error), None)
        return read_answer(response)

    async def _renewed(self, account: Account, oauth2: OAuth2) -> _Kept:
        """A token that lasts, from the store or from the issuer."""
        while True:
            fact, kept = await self._read(account, oauth2)
            settings = self._settings_of(account, oauth2)
            if self._is_fresh(kept, settings):
                return kept
            now = self._clock.now()
            if now < kept.claimed_until <= now + _CLAIM:
                if kept.settings == settings and now < kept.expires:
                    return kept  # somebody is at it, and this one still holds
                await asyncio.sleep(_LOOK_AGAIN)
                continue
            if kept.settings != settings:
                # Another configuration: what was had under the old one says nothing about it.
                kept = replace(kept, access="", refresh="", expires=0.0, settings=settings)
            claimed = await self._write(fact, replace(kept, claimed_until=now + _CLAIM), oauth2)
            if claimed is not None:
                return await self._ask(account, oauth2, claimed, kept)

    async def _ask(self, account: Account, oauth2: OAuth2, claimed: Fact, kept: _Kept) -> _Kept:
        answer: Issued | Refused = Refused("nobody was asked", None)
        try:
            registration = self.registration(account)
            refresh = kept.refresh or self._configured(oauth2)
            if oauth2.grant is Grant.REFRESH_TOKEN and not refresh:
                refusal = Refusal(Cause.CONSENT, "The company has not consented yet.", CONSENT_AGAIN)
                raise TokenError(Trouble(Fault.CONSENT, refusal.plain, refusal))
            answer = await self.exchange(account, registration.ask(refresh, now=self._clock.now()))
        finally:
            if not isinstance(answer, Issued):
                await self._write(claimed, kept, oauth2)
        if isinstance(answer, Refused):
            if answer.refusal is None and self._clock.now() < kept.expires:
                return kept  # it was renewed ahead of time: there is time for another try
            raise TokenError(_trouble(answer))
        wanted = self._with(kept, answer)
        for pause in chain(_STORE_AGAIN, repeat(_STORE_AGAIN[-1])):
            try:
                await self._keep(account, oauth2, claimed, wanted)
            except SpoolError as error:
                # A full disk, say: giving up now would throw away the only key left.
                log.warning("a new token cannot be kept yet", account=account.username, error=str(error))
                await asyncio.sleep(pause)
            else:
                break
        return wanted

    async def _keep(self, account: Account, oauth2: OAuth2, claimed: Fact, wanted: _Kept) -> None:
        while await self._write(self._in_use(claimed, oauth2), wanted, oauth2) is None:
            # Nobody but us may renew now; whatever changed meanwhile is older than what the issuer has just said.
            found = await self._facts().get(KIND, fact_key(account))
            claimed = found or Fact(KIND, fact_key(account), {})

    def _with(self, kept: _Kept, issued: Issued) -> _Kept:
        expires = self._clock.now() + issued.lasts
        return replace(
            kept,
            serial=kept.serial + 1,
            access=issued.access,
            refresh=issued.refresh or kept.refresh,
            expires=expires,
            renew=expires - min(_AHEAD, issued.lasts / 2),
            claimed_until=0.0,
        )

    def _in_use(self, fact: Fact, oauth2: OAuth2) -> Fact:
        """The fact of tokens that were just had; only those by consent can die of not being used."""
        return replace(fact, due=self._clock.now() + _IDLE if oauth2.grant is Grant.REFRESH_TOKEN else None)

    def _is_fresh(self, kept: _Kept, settings: str) -> bool:
        return bool(kept.access) and kept.settings == settings and self._clock.now() < kept.renew

    async def _read(self, account: Account, oauth2: OAuth2) -> tuple[Fact, _Kept]:
        fact = await self._facts().get(KIND, fact_key(account))
        if fact is None:
            return Fact(KIND, fact_key(account), {}), _Kept()
        return fact, self._open(fact.value, oauth2)

    def _open(self, value: Mapping[str, Any], oauth2: OAuth2) -> _Kept:
        serial = int(value["serial"])

        def opened(field: str) -> str:
            sealed = str(value[field])
            keys = self._active().keyring.sealing
            return keys.open(sealed, _place(oauth2, field, serial)).decode() if sealed else ""

        return _Kept(
            serial,
            opened("access"),
            opened("refresh"),
            float(value["expires"]),
            float(value["renew"]),
            str(value["settings"]),
            float(value["claimed_until"]),
        )

    async def _write(self, fact: Fact, kept: _Kept, oauth2: OAuth2) -> Fact | None:
        def sealed(field: str, token: str) -> str:
            keys = self._active().keyring.sealing
            return keys.seal(token.encode(), _place(oauth2, field, kept.serial)) if token else ""

        value: dict[str, Json] = {
            "serial": kept.serial,
            "access": sealed("access", kept.access),
            "refresh": sealed("refresh", kept.refresh),
            "expires": kept.expires,
            "renew": kept.renew,
            "settings": kept.settings,
            "claimed_until": kept.claimed_until,
        }
        return await self._facts().put(replace(fact, value=value))

    def _configured(self, oauth2: OAuth2) -> str:
        return "" if oauth2.refresh_token is None else self._active().keyring.secret(oauth2.refresh_token)

    def _settings_of(self, account: Account, oauth2: OAuth2) -> str:
        """Names what tokens are had with: another registration, grant or refresh token in YAML begins anew."""
        try:
            configured = self._configured(oauth2)
        except SecretError as error:
            configured = str(error)
        parts = (oauth2.client, oauth2.grant.value, oauth2.tenant, account.username, configured)
        # Not with a key of ours: a new one would end every consent. Who can guess a token needs no hash of it.
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def fact_key(account: Account) -> str:
    """Names the tokens of a company's account among the facts."""
    oauth2 = _oauth2_of(account)
    return f"{oauth2.company} {account.username}"


def _oauth2_of(account: Account) -> OAuth2:
    if account.oauth2 is None:
        raise ValueError("the account is not one for OAuth2")
    return account.oauth2


def _place(oauth2: OAuth2, field: str, serial: int) -> str:
    return place_of(oauth2.company, f"token.{field}.{serial}")


def _trouble(answer: Refused) -> Trouble:
    refusal: Refusal | None = answer.refusal
    if refusal is None:
        return Trouble(Fault.FACTS, f"no token can be had now: {answer.error}")
    return Trouble(Fault.CONSENT, f"{refusal.plain} ({answer.error})", refusal)
