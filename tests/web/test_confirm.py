"""The page on which a company confirms its address."""

import base64
import hashlib
import html
import re
from dataclasses import replace
from html.parser import HTMLParser

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from relay.events import EventType
from relay.mail.address import Address
from relay.policy.company import Language
from relay.store.spool import SpoolError
from relay.web.forms import FormError, read_form
from relay.web.pages import Form, Page, Pages
from relay.web.words import CONFIRM

from .house import BAKERY, GARAGE, House

DAY = 86400
EN = CONFIRM[Language.EN]


@pytest.fixture
async def client(house: House):
    async with house.client(house.confirm_routes()) as client:
        yield client


def title_of(answer: httpx2.Response) -> str:
    found = re.search(r"<h1>(?:<span.*?</span> )?(.*?)</h1>", answer.text)
    assert found
    return html.unescape(found[1])


async def test_looking_shows_and_confirms_nothing_however_often(house: House, client):
    await house.addresses.ask(BAKERY)
    link = await house.link(BAKERY)
    for method in ("GET", "HEAD", "GET"):
        answer = await client.request(method, link)
        assert answer.status_code == 200
    assert title_of(answer) == EN.ask.title
    assert "info@bakery.example" in answer.text
    assert "Bakery &lt;Peeters&gt; &amp; Sons" in answer.text
    assert not await house.addresses.is_confirmed(BAKERY)


async def test_the_button_confirms_once_and_a_second_time_is_told_kindly(house: House, client):
    await house.addresses.ask(BAKERY)
    link = await house.link(BAKERY)
    answers = [await client.post(link, data={"do": "confirm"}) for _ in range(2)]
    assert [(answer.status_code, title_of(answer)) for answer in answers] == [
        (200, EN.done.title),
        (200, EN.already.title),
    ]
    assert title_of(await client.get(link)) == EN.already.title
    assert await house.addresses.is_confirmed(BAKERY)
    (event,) = house.sink.of(EventType.ADDRESS_CONFIRMED)
    assert event.data == {"company": "bakery", "address": "info@bakery.example", "how": "link"}


async def test_a_link_that_is_too_old_offers_a_new_mail(house: House, client):
    await house.addresses.ask(BAKERY)
    link = await house.link(BAKERY)
    house.clock.at += 7 * DAY
    for answer in (await client.get(link), await client.post(link, data={"do": "confirm"})):
        assert (answer.status_code, title_of(answer)) == (410, EN.expired.title)
        assert 'value="again"' in answer.text
    assert title_of(await client.post(link, data={"do": "again"})) == EN.sent.title
    assert (await house.addresses.state(BAKERY)).sent == 2
    # At once again: the last mail is not far, and no other one is sent.
    assert title_of(await client.post(link, data={"do": "again"})) == EN.sent.title
    assert (await house.addresses.state(BAKERY)).sent == 2
    assert title_of(await client.get(await house.link(BAKERY))) == EN.ask.title


async def test_a_good_link_asks_for_no_new_mail(house: House, client):
    await house.addresses.ask(BAKERY)
    answer = await client.post(await house.link(BAKERY), data={"do": "again"})
    assert (await house.addresses.state(BAKERY)).sent == 1
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/confirm/bakery/1.AAAA", "/confirm/nobody/1.AAAA"])
async def test_links_that_are_not_ours_look_alike_whether_or_not_there_is_such_a_company(house: House, client, path):
    house.configure(replace(BAKERY, language=Language.FR))
    for answer in (await client.get(path), await client.post(path, data={"do": "again"})):
        assert (answer.status_code, title_of(answer)) == (404, EN.wrong.title)
        assert "bakery" not in answer.text.lower()


async def test_the_link_to_a_former_address_is_not_valid(house: House, client):
    await house.addresses.ask(BAKERY)
    link = await house.link(BAKERY)
    house.configure(replace(BAKERY, address=Address("new", "bakery.example")))
    assert title_of(await client.post(link, data={"do": "confirm"})) == EN.wrong.title


async def test_the_code_confirms_as_well(house: House, client):
    await house.addresses.ask(BAKERY)
    page = await client.get("/confirm/bakery")
    assert (page.status_code, title_of(page)) == (200, EN.type_code.title)
    assert '<label for="given">' in page.text
    answer = await client.post("/confirm/bakery", data={"given": (await house.code(BAKERY)).lower()})
    assert (answer.status_code, title_of(answer)) == (200, EN.done.title)
    assert house.sink.of(EventType.ADDRESS_CONFIRMED)[0].data["how"] == "code"


async def test_wrong_codes_are_told_to_be_wrong_and_at_last_no_longer_taken(house: House, client):
    await house.addresses.ask(BAKERY)
    for _ in range(10):
        answer = await client.post("/confirm/bakery", data={"given": "AAAA-AAAA"})
        assert answer.status_code == 422
        assert html.escape(EN.wrong_code) in answer.text
        assert 'role="alert"' in answer.text
    answer = await client.post("/confirm/bakery", data={"given": await house.code(BAKERY)})
    assert answer.status_code == 422
    assert html.escape(EN.wrong_code) in answer.text
    assert not await house.addresses.is_confirmed(BAKERY)


async def test_the_page_for_codes_does_not_tell_which_companies_there_are(house: House, client):
    house.configure(replace(BAKERY, language=Language.FR))
    known, unknown = [await client.get(f"/confirm/{slug}") for slug in ("bakery", "nobody")]
    assert known.text == unknown.text
    await house.addresses.ask(BAKERY)
    # Also when so many were wrong that none is looked at any more.
    for _ in range(15):
        known, unknown = [await client.post(f"/confirm/{slug}", data={"given": "x"}) for slug in ("bakery", "nobody")]
        assert (known.status_code, known.text) == (unknown.status_code, unknown.text)


@pytest.mark.parametrize("language", Language)
async def test_the_page_speaks_the_companys_language(house: House, language: Language):
    company = replace(BAKERY, language=language)
    house.configure(company)
    await house.addresses.ask(company)
    words = CONFIRM[language]
    async with house.client(house.confirm_routes()) as client:
        link = await house.link(company)
        asked = await client.get(link)
        assert f'<html lang="{language}">' in asked.text
        assert asked.headers["content-language"] == language
        answers = [asked, await client.post(link, data={"do": "confirm"}), await client.get(link)]
        said = [words.ask, words.done, words.already]
        assert [title_of(answer) for answer in answers] == [each.title for each in said]


async def test_a_page_is_not_kept_nor_framed_nor_tells_where_it_was_and_runs_nothing(house: House, client):
    answer = await client.get("/confirm/bakery")
    headers = answer.headers
    style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert headers["content-security-policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    for sign in ("<script", "http:", "https:", "url(", "@import", "onclick"):
        assert sign not in answer.text


async def test_one_client_and_one_company_can_be_asked_about_only_so_often(house: House, client):
    for _ in range(60):
        assert (await client.get("/confirm/bakery")).status_code == 200
    answer = await client.get("/confirm/bakery")
    assert (answer.status_code, title_of(answer), answer.headers["retry-after"]) == (429, EN.slow.title, "60")
    routes = house.confirm_routes()
    statuses = []
    for number in range(121):
        async with house.client(routes, peer=f"10.0.0.{number}") as other:
            statuses.append((await other.get("/confirm/bakery")).status_code)
    assert statuses == [200] * 120 + [429]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{}", "application/json"),
        (b"x=" + b"y" * 9000, "application/x-www-form-urlencoded"),
        (b"&".join(b"%d=1" % number for number in range(30)), "application/x-www-form-urlencoded"),
        (b"\xff=1", "application/x-www-form-urlencoded"),
    ],
    ids=["another type", "too large", "too many fields", "no text"],
)
async def test_what_is_no_form_of_ours_is_refused(house: House, client, content: bytes, kind: str):
    answer = await client.post("/confirm/bakery", content=content, headers={"Content-Type": kind})
    assert answer.status_code == 400


async def test_a_store_in_trouble_is_told_without_its_insides(house: House, client, monkeypatch):
    async def broken(company, token):
        raise SpoolError("/var/lib/secret place")

    monkeypatch.setattr(house.addresses, "judge_link", broken)
    answer = await client.get("/confirm/bakery/1.A")
    assert answer.status_code == 503
    assert "secret place" not in answer.text


@given(st.binary(max_size=300))
async def test_any_octets_are_a_form_or_none(octets: bytes):
    async def receive():
        return {"type": "http.request", "body": octets, "more_body": False}

    headers = [(b"content-type", b"application/x-www-form-urlencoded; charset=utf-8")]
    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    try:
        form = await read_form(request)
    except FormError:
        return
    assert all(isinstance(value, str) for value in form.values())


async def test_a_form_that_never_ends_is_given_up():
    async def receive():
        return {"type": "http.disconnect"}

    headers = [(b"content-type", b"application/x-www-form-urlencoded")]
    with pytest.raises(FormError):
        await read_form(Request({"type": "http", "method": "POST", "headers": headers}, receive))


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.values: list[str | None] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.values += [value for _, value in attrs]


PAGES = Pages()


@given(st.text(), st.text(), st.text())
def test_what_is_filled_in_is_text_and_nothing_else(title: str, text: str, button: str):
    form = Form(button, "confirm", "Code")
    shown, plain = _Tags(), _Tags()
    page = Page(Language.EN, title, (text,), form, alert=text or "x")
    shown.feed(bytes(PAGES.show(page, relay=button).body).decode())
    plain.feed(bytes(PAGES.show(Page(Language.EN, "t", ("p",), form, alert="a"), relay="r").body).decode())
    assert (shown.tags, shown.values) == (plain.tags, plain.values)


def test_every_language_says_everything():
    assert set(CONFIRM) == set(Language)
    for words in CONFIRM.values():
        for said in (words.ask, words.done, words.already, words.expired, words.sent, words.wrong, words.slow):
            assert said.text.format(company=GARAGE.name, address=GARAGE.address)
