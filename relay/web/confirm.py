"""The page on which a company confirms its address.

`/confirm/<company>/<token>` is what the link in the mail leads to: looking at it changes nothing, so programs that
follow links confirm nothing; the button does. `/confirm/<company>` takes the code instead. Whoever has neither learns
nothing here, not even whether there is such a company: until then the page speaks the relay's language.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from relay.config.keyring import Active
from relay.events import Event, EventSink, EventType
from relay.facts.addresses import Addresses, How, Verdict
from relay.policy.company import Company, Language
from relay.store.spool import SpoolError
from relay.web.forms import FormError, read_form
from relay.web.pages import Form, Page, Pages
from relay.web.throttle import Counts, Throttle, client_of
from relay.web.words import CONFIRM, ConfirmWords, Said

_MOST_OF_A_CLIENT = 60
_MOST_OF_A_COMPANY = 120
_CONFIRM, _AGAIN = "confirm", "again"

log = structlog.get_logger("relay.web")


@dataclass(frozen=True, slots=True)
class _Visit:
    """One request: for which company, if there is one, and how to speak as long as nothing is proved."""

    request: Request
    company: Company | None
    language: Language
    relay: str

    @property
    def words(self) -> ConfirmWords:
        return CONFIRM[self.language]

    def proved(self) -> "_Visit":
        """The visit of somebody who has had the mail: the company is spoken to in its language."""
        own = None if self.company is None else self.company.language
        return replace(self, language=own or self.language)


_Look = Callable[[_Visit], Awaitable[Response]]
_Act = Callable[[_Visit, dict[str, str]], Awaitable[Response]]


class ConfirmPage:
    """Serves the page for one worker."""

    def __init__(
        self, active: Callable[[], Active], addresses: Addresses, pages: Pages, counts: Counts, events: EventSink
    ) -> None:
        self._active = active
        self._addresses = addresses
        self._pages = pages
        self._clock = counts.clock
        self._events = events
        self._clients = Throttle(counts, "confirm from", most=_MOST_OF_A_CLIENT)
        self._companies = Throttle(counts, "confirm", most=_MOST_OF_A_COMPANY)

    def routes(self) -> list[Route]:
        """The page by link, and by code."""
        return [
            Route("/confirm/{slug}/{token}", self._by_link, methods=["GET", "POST"]),
            Route("/confirm/{slug}", self._by_code, methods=["GET", "POST"]),
        ]

    async def _by_link(self, request: Request) -> Response:
        return await self._serve(request, self._followed, self._pressed)

    async def _by_code(self, request: Request) -> Response:
        return await self._serve(request, self._empty, self._typed)

    async def _serve(self, request: Request, look: _Look, act: _Act) -> Response:
        visit = self._visit(request)
        wait = self._clients.take(client_of(request)) or self._companies.take(request.path_params["slug"])
        if wait:
            page = self._page(visit, visit.words.slow)
            return self._pages.show(page, relay=visit.relay, status=429, retry_after=math.ceil(wait))
        try:
            if request.method != "POST":
                return await look(visit)
            return await act(visit, await read_form(request))
        except FormError:
            return self._show(visit, visit.words.wrong, status=400)
        except SpoolError as error:
            log.warning("the store is in trouble", error=str(error))
            return self._show(visit, visit.words.slow, status=503)

    def _visit(self, request: Request) -> _Visit:
        snapshot = self._active().snapshot
        notices = snapshot.settings.notices
        company = snapshot.company(request.path_params["slug"])
        return _Visit(request, company, notices.language, notices.name or snapshot.settings.domain)

    # By the link

    async def _followed(self, visit: _Visit) -> Response:
        verdict = Verdict.WRONG
        if visit.company is not None:
            verdict = await self._addresses.judge_link(visit.company, visit.request.path_params["token"])
        if verdict is Verdict.GOOD:
            visit = visit.proved()
            return self._show(visit, visit.words.ask, form=Form(visit.words.yes, _CONFIRM))
        return self._answer(visit, verdict)

    async def _pressed(self, visit: _Visit, form: dict[str, str]) -> Response:
        token, company = visit.request.path_params["token"], visit.company
        if company is None:
            return self._answer(visit, Verdict.WRONG)
        if form.get("do") != _AGAIN:
            verdict = await self._addresses.confirm_by_link(company, token)
            self._note(company, verdict, How.LINK)
            return self._answer(visit, verdict)
        verdict = await self._addresses.judge_link(company, token)
        if verdict is not Verdict.EXPIRED:
            return self._answer(visit, verdict)
        # Where it is too early for another mail, the last one is not far.
        await self._addresses.ask(company)
        return self._show(visit.proved(), visit.proved().words.sent)

    # By the code

    async def _empty(self, visit: _Visit) -> Response:
        return self._code_page(visit)

    async def _typed(self, visit: _Visit, form: dict[str, str]) -> Response:
        words, verdict = visit.words, Verdict.WRONG
        if visit.company is not None:
            verdict = await self._addresses.confirm_by_code(visit.company, form.get("given", ""))
            self._note(visit.company, verdict, How.CODE)
        match verdict:
            case Verdict.GOOD | Verdict.ALREADY:
                return self._answer(visit, verdict)
            case _:
                # The same for a code that is not looked at any more: that would tell that there is such a company.
                return self._code_page(visit, words.wrong_code, 422)

    def _code_page(self, visit: _Visit, alert: str = "", status: int = 200) -> Response:
        words = visit.words
        form = Form(words.confirm, _CONFIRM, words.code)
        page = Page(visit.language, words.type_code.title, (words.type_code.text,), form, alert)
        return self._pages.show(page, relay=visit.relay, status=status)

    # What is said

    def _answer(self, visit: _Visit, verdict: Verdict) -> Response:
        visit = visit if verdict is Verdict.WRONG else visit.proved()
        words = visit.words
        match verdict:
            case Verdict.GOOD:
                return self._show(visit, words.done, mark=True)
            case Verdict.ALREADY:
                return self._show(visit, words.already, mark=True)
            case Verdict.EXPIRED:
                return self._show(visit, words.expired, form=Form(words.again, _AGAIN), status=410)
            case _:
                return self._show(visit, words.wrong, status=404)

    def _show(
        self, visit: _Visit, said: Said, *, form: Form | None = None, mark: bool = False, status: int = 200
    ) -> Response:
        return self._pages.show(self._page(visit, said, form=form, mark=mark), relay=visit.relay, status=status)

    def _page(self, visit: _Visit, said: Said, *, form: Form | None = None, mark: bool = False) -> Page:
        company = visit.company
        known = {"company": company.name, "address": str(company.address)} if company is not None else {}
        text = said.text.format(**known) if "{" in said.text else said.text
        return Page(visit.language, said.title, (text,), form, mark=mark)

    def _note(self, company: Company, verdict: Verdict, how: How) -> None:
        if verdict is Verdict.GOOD:
            told = {"company": company.slug, "address": str(company.address), "how": how.value}
            self._events.emit(Event(EventType.ADDRESS_CONFIRMED, self._clock.now(), data=told))
