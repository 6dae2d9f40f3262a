"""A company's consent for its account: by a code to type in (RFC 8628), or a page that leads back (RFC 7636).

In charge of the conversation with the issuer and of what follows: the tokens are stored sealed, mail that waits for the
consent goes on at once, and nobody is reminded of it any more.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from relay.clock import Clock
from relay.config.keyring import Active
from relay.config.secrets import SecretError
from relay.facts.accounts import AccountStates, account_key
from relay.facts.issuing import Issued, Refused, read_json
from relay.facts.tokens import Tokens
from relay.facts.troubles import Trouble, Troubles
from relay.http import Caps, HttpClient, HttpError, Reach
from relay.policy.company import Account, Company
from relay.store.spool import Spool

_INTERVAL = 5.0  # seconds between questions, where the issuer says nothing (RFC 8628 3.5)
_MOST_WAITING = 1800.0
_MOST_TEXT = 2000


class ConsentError(Exception):
    """There is no consent; the text says why, and what to do."""


@dataclass(frozen=True, slots=True, repr=False)
class DeviceCode:
    """What a person needs: open `url`, type in `user_code`, within `lasts` seconds."""

    url: str
    user_code: str
    device_code: str
    interval: float
    lasts: float


class Consenting:
    """Gets consent for one company's account."""

    def __init__(self, active: Active, spool: Spool, client: HttpClient, clock: Clock) -> None:
        self._active = active
        self._spool = spool
        self._client = client
        self._clock = clock
        self._tokens = Tokens(lambda: active, lambda: spool.facts, client, clock)

    async def choose(self, accounts: Sequence[Account]) -> Account:
        """Which of the accounts to ask for: the first that nobody has consented for, else the first.

        Raises SpoolError, SealingError or SecretError.
        """
        for account in accounts if len(accounts) > 1 else ():
            if not await self._tokens.has_consent(account):
                return account
        return accounts[0]

    async def begin_device(self, account: Account) -> DeviceCode | None:
        """Ask for a code; None when the issuer has none for us. Raises ConsentError or TokenError."""
        registration = self._tokens.registration(account)
        request = registration.begin_device()
        if request is None:
            return None
        reach = Reach(registration.client.internal, registration.client.ca)
        try:
            response = await self._client.send(request, reach, Caps(octets=64 * 1024))
        except HttpError as error:
            raise ConsentError(str(error)) from None
        said = read_json(response.body)
        url = said.get("verification_uri") or said.get("verification_url")
        user_code, device_code = said.get("user_code"), said.get("device_code")
        texts = (url, user_code, device_code)
        if not response.is_success or not all(isinstance(text, str) and 0 < len(text) < _MOST_TEXT for text in texts):
            raise ConsentError(f"the issuer gives no code: it answers {response.status}")
        interval = _number(said.get("interval"), _INTERVAL)
        lasts = min(_number(said.get("expires_in"), 900.0), _MOST_WAITING)
        return DeviceCode(str(url), str(user_code), str(device_code), interval, lasts)

    async def await_device(
        self,
        company: Company,
        code: DeviceCode,
        pause: Callable[[float], Awaitable[None]],
        account: Account | None = None,
    ) -> int:
        """Wait until the person has consented; how many deliveries go on. Raises ConsentError or TokenError."""
        account = account or _account_of(company)
        registration = self._tokens.registration(account)
        interval, end = code.interval, self._clock.now() + code.lasts
        while self._clock.now() < end:
            await pause(interval)
            request = registration.ask_with_device(code.device_code, now=self._clock.now())
            answer = await self._tokens.exchange(account, request)
            if isinstance(answer, Issued):
                return await self._keep(company, account, answer)
            if answer.error == "slow_down":
                interval += 5.0  # RFC 8628 3.5
            elif answer.error != "authorization_pending" and answer.refusal is not None:
                raise ConsentError(_why(answer))
            elif answer.error in ("expired_token", "authorization_declined", "access_denied"):
                raise ConsentError(f"the issuer says: {answer.error}")
        raise ConsentError("nobody has consented in time: begin again")

    def page(self, account: Account, redirect: str, *, prefix: str = "") -> tuple[str, str, str]:
        """The page to consent at, and the state and the verifier that belong to it. Raises ConsentError."""
        state, verifier = prefix + secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        url = self._tokens.registration(account).consent_url(state, verifier, redirect)
        if not url:
            raise ConsentError("the registration has neither a device_url nor an authorize_url")
        return url, state, verifier

    async def finish(  # noqa: PLR0913 -- what a page leads back with
        self, company: Company, landed: str, redirect: str, state: str, verifier: str, *, account: Account | None = None
    ) -> int:
        """Take the URL that the page has led to; how many deliveries go on. Raises ConsentError or TokenError."""
        query = parse_qs(urlsplit(landed.strip()).query, max_num_fields=20)
        if not secrets.compare_digest(query.get("state", [""])[0].encode(), state.encode()):
            raise ConsentError("this is not where the page of this consent has led to")
        code = query.get("code", [""])[0]
        if not code:
            raise ConsentError(f"the issuer says: {query.get('error', ['no consent'])[0][:100]}")
        account = account or _account_of(company)
        try:
            request = self._tokens.registration(account).ask_with_code(code, verifier, redirect, now=self._clock.now())
        except (SecretError, ValueError) as error:
            raise ConsentError(str(error)) from None
        answer = await self._tokens.exchange(account, request)
        if isinstance(answer, Refused):
            raise ConsentError(_why(answer))
        return await self._keep(company, account, answer)

    async def _keep(self, company: Company, account: Account, issued: Issued) -> int:
        if not issued.refresh:
            raise ConsentError("the issuer gives no refresh token: the registration's scope may not ask for one")
        await self._tokens.consented(account, issued)
        server = company.server
        if server is None or server.oauth2 is None or server.username != account.username:
            return 0  # a mailbox's alone: it is looked at again by itself
        await AccountStates(lambda: self._spool.facts).allow(company.slug)
        key = account_key(server, str(company.own_author), self._active.keyring)
        count = await self._spool.release(key, now=self._clock.now())
        await Troubles(self._spool.facts, self._clock).over(company.slug, Trouble.CONSENT_NEEDED)
        return count


def _account_of(company: Company) -> Account:
    if not company.accounts:
        raise ConsentError(f"{company.slug} has no account with oauth2")
    return company.accounts[0]


def _why(answer: Refused) -> str:
    refusal = answer.refusal
    return f"the issuer says: {answer.error}" if refusal is None else f"{refusal.plain} {refusal.advice}"


def _number(value: object, default: float) -> float:
    return float(value) if isinstance(value, int | float) and 0 < value < 86400 else default
