"""The page on which a company lets the relay use its account (OAuth2, RFC 7636).

`/consent/<company>/<token>` is what the link leads to: looking changes nothing, the button leads on to the provider,
and the provider leads back to `/consent`. A link is good for one consent, in the browser that began it (RFC 9700 4.7):
else whoever has a link could lead somebody else through the provider's page, and have their account.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from relay.config.keyring import Active
from relay.config.sealing import SealingError
from relay.facts.consenting import ConsentError, Consenting
from relay.facts.invitations import Invitations, account_of
from relay.facts.tokens import TokenError
from relay.http import HttpClient
from relay.policy.company import Account, Company, Language
from relay.store.spool import Spool, SpoolError
from relay.web.consent_words import CONSENT, ConsentWords
from relay.web.pages import Form, Page, Pages
from relay.web.throttle import Counts, Throttle, client_of
from relay.web.words import Said

_MOST_OF_A_CLIENT = 60
_COOKIE = "consent"
_COOKIE_LASTS = 3600

log = structlog.get_logger("relay.web")


@dataclass(frozen=True, slots=True)
class ConsentWorld:
    """What the page works with."""

    active: Callable[[], Active]
    spool: Spool
    client: HttpClient
    pages: Pages
    counts: Counts


class ConsentPage:
    """Serves the page for one worker; `released` is called when held mail may go on."""

    def __init__(self, world: ConsentWorld, released: Callable[[], None]) -> None:
        self._world = world
        self._released = released
        self._invitations = Invitations(lambda: world.spool.facts, world.counts.clock)
        self._clients = Throttle(world.counts, "consent from", most=_MOST_OF_A_CLIENT)

    def routes(self) -> list[Route]:
        """The page, and where providers lead back to."""
        return [
            Route("/consent", self._back, methods=["GET"]),
            Route("/consent/{slug}/{token}", self._page, methods=["GET", "POST"]),
        ]

    async def _page(self, request: Request) -> Response:
        company = self._active.snapshot.company(request.path_params["slug"])
        words = self._words(company)
        try:
            if self._clients.take(client_of(request)):
                return self._show(None, self._words(None).slow, status=429)
            invitation = await self._invitations.find(request.path_params["slug"], request.path_params["token"])
            account = None if invitation is None else _account(company, account_of(invitation))
            if company is None or account is None or invitation is None:
                return self._show(None, self._words(None).wrong, status=404)
            if request.method != "POST":
                return self._show(company, words.ask, account, form=Form(words.yes, "consent"))
            prefix = f"{company.slug}~"
            url, state, verifier = self._consenting().page(account, self._redirect, prefix=prefix)
            if not await self._invitations.begin(invitation, state, verifier, self._active.keyring.sealing):
                return self._show(company, words.slow, status=503)
            response = self._show(company, words.on_the_way, account)
        except (SpoolError, SealingError, ConsentError, TokenError) as error:
            log.warning("no consent can be had", company=request.path_params["slug"], error=str(error))
            return self._show(company, words.slow, status=503)
        # Not a redirect: browsers hold those of a form to `form-action`, which is our own site.
        response.headers["Refresh"] = f"0; url={url}"
        home = urlsplit(self._redirect)
        # Lax: it comes along when the provider leads back, and with nothing that another site sends by itself.
        response.set_cookie(
            _COOKIE,
            state,
            max_age=_COOKIE_LASTS,
            path=home.path,
            secure=home.scheme == "https",
            httponly=True,
            samesite="lax",
        )
        return response

    async def _back(self, request: Request) -> Response:
        state = request.query_params.get("state", "")
        company = self._active.snapshot.company(state.partition("~")[0])
        words = self._words(company)
        try:
            if self._clients.take(client_of(request)):
                return self._show(None, self._words(None).slow, status=429)
            ended = None
            begun_here = secrets.compare_digest(request.cookies.get(_COOKIE, "").encode(), state.encode())
            if company is not None and begun_here:
                ended = await self._invitations.end(company.slug, state, self._active.keyring.sealing)
            verifier, name = ended or ("", "")
            account = _account(company, name)
            if company is None or account is None or ended is None:
                return self._show(None, self._words(None).wrong, status=404)
            landed = str(request.url)
            await self._consenting().finish(company, landed, self._redirect, state, verifier, account=account)
        except (ConsentError, TokenError) as error:
            log.warning("a consent came to nothing", company=company.slug if company else "", error=str(error))
            return self._show(company, words.refused, status=422)
        except (SpoolError, SealingError) as error:
            log.warning("a consent cannot be kept", error=str(error))
            return self._show(company, words.slow, status=503)
        self._released()
        return self._show(company, words.done, account, mark=True)

    @property
    def _active(self) -> Active:
        return self._world.active()

    @property
    def _redirect(self) -> str:
        web = self._active.snapshot.settings.listeners.web
        if web is None or web.public_url is None:
            raise ConsentError("listeners.web.public_url is not set")
        return f"{web.public_url}/consent"

    def _consenting(self) -> Consenting:
        world = self._world
        return Consenting(self._active, world.spool, world.client, world.counts.clock)

    def _language(self, company: Company | None) -> Language:
        default = self._active.snapshot.settings.notices.language
        return default if company is None else company.language or default

    def _words(self, company: Company | None) -> ConsentWords:
        return CONSENT[self._language(company)]

    def _uses(self, company: Company | None, account: Account | None) -> str:
        """What the account is for, in sentences."""
        words, oauth2 = self._words(company), None if account is None else account.oauth2
        if oauth2 is None:
            return ""
        said = {"send": (words.sends,), "read": (words.reads,), "both": (words.sends, words.reads)}
        return " ".join(said[oauth2.uses])

    def _show(  # noqa: PLR0913 -- what a page shows
        self,
        company: Company | None,
        said: Said,
        account: Account | None = None,
        *,
        form: Form | None = None,
        mark: bool = False,
        status: int = 200,
    ) -> Response:
        settings = self._active.snapshot.settings
        name = "" if account is None else account.username
        names = {"account": name, "company": "" if company is None else company.name}
        text = said.text.format(uses=self._uses(company, account).format(**names), **names)
        page = Page(self._language(company), said.title, (text,), form, mark=mark)
        return self._world.pages.show(page, relay=settings.notices.name or settings.domain, status=status)


def _account(company: Company | None, name: str) -> Account | None:
    """The company's account of that name, its first one without a name; None when it is not there any more."""
    accounts = () if company is None else company.accounts
    return next((account for account in accounts if name in ("", account.username)), None)
