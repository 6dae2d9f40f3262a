"""The page on which a company consents, from its link over the provider and back."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from relay.config.keyring import Active, Keyring
from relay.config.sealing import SealingKeys
from relay.dns import Resolver
from relay.facts.invitations import Invitations
from relay.facts.tokens import KIND as TOKEN
from relay.facts.tokens import Tokens
from relay.http import HttpClient
from relay.intake.tally import Tallies
from relay.mail.address import Address
from relay.policy.company import Company, IdentityKind, Language, Mailbox, OAuth2, Server
from relay.web.consent import ConsentPage, ConsentWorld
from relay.web.pages import Pages
from relay.web.throttle import Counts
from tests.delivery.issuer import Issuer

from .house import SECRET, House

FORM = {"content-type": "application/x-www-form-urlencoded"}
SERVER = Server("smtp.own.example", 587, "starttls", "info@own.example", None, None, OAuth2("own", "issuer"))
OWN = Company(
    "own",
    "Own",
    Address("info", "own.example"),
    "own",
    identity=IdentityKind.OWN_SERVER,
    server=SERVER,
    language=Language.NL,
)


@dataclass
class Place:
    """What the page lives in."""

    house: House
    issuer: Issuer
    http: HttpClient
    browser: httpx2.AsyncClient
    released: list[bool]
    oauth2: dict[str, Any]
    listeners: dict[str, Any]

    async def link(self, account: str = "info@own.example") -> str:
        invitations = Invitations(lambda: self.house.spool.facts, self.house.clock)
        return f"/consent/own/{await invitations.invite('own', account)}"

    async def lead_on(self, link: str) -> dict[str, str]:
        """Press the button; what the provider is asked."""
        answer = await self.browser.post(link, headers=FORM, content="do=consent")
        url = answer.headers["refresh"].removeprefix("0; url=")
        assert url.startswith(f"{self.issuer.url}/page?")
        return {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}


@pytest.fixture
async def place(house) -> AsyncIterator[Place]:
    async with Issuer() as issuer:
        client = {"client_id": "relay", "scope": "mail", "internal": True}
        client |= {"token_url": f"{issuer.url}/token", "authorize_url": f"{issuer.url}/page"}
        web = {"web": {"address": "127.0.0.1:8025", "public_url": "https://relay.test"}}
        house.configure(OWN, oauth2={"issuer": client}, listeners=web)
        house.active = Active(house.active.snapshot, Keyring((SECRET,), {}, SealingKeys([SECRET * 2])))
        released: list[bool] = []
        http = HttpClient(Resolver(["127.0.0.1:9"], 1.0))
        world = ConsentWorld(lambda: house.active, house.spool, http, Pages(), Counts(Tallies(), house.clock))
        page = ConsentPage(world, lambda: released.append(True))
        async with house.client(list(page.routes())) as browser:
            browser.base_url = "https://relay.test"
            yield Place(house, issuer, http, browser, released, {"issuer": client}, web)


async def test_the_button_leads_to_the_provider_and_back_to_a_token(place):
    link = await place.link()
    looked = await place.browser.get(link)
    assert looked.status_code == 200
    assert "Mogen wij uw account gebruiken?" in looked.text
    assert "Documenten van Own gaan uit via info@own.example. Uw provider" in looked.text
    assert place.issuer.asked == []
    asked = await place.lead_on(link)
    assert asked["redirect_uri"] == "https://relay.test/consent"
    back = await place.browser.get("/consent", params={"state": asked["state"], "code": "c"})
    assert back.status_code == 200
    assert "alles is in orde" in back.text
    assert place.issuer.asked[0]["code"] == "c"
    assert place.released == [True]
    house = place.house
    tokens = Tokens(lambda: house.active, lambda: house.spool.facts, place.http, house.clock)
    assert await tokens.access(SERVER) == "access-1"


async def test_a_link_is_about_one_account_of_two(place):
    mailbox = Mailbox(
        "imap.own.example", 993, "implicit", "bills@own.example", None, oauth2=OAuth2("own", "issuer", uses="read")
    )
    house = place.house
    house.configure(replace(OWN, mailbox=mailbox), oauth2=place.oauth2, listeners=place.listeners)
    house.active = Active(house.active.snapshot, Keyring((SECRET,), {}, SealingKeys([SECRET * 2])))
    link = await place.link("bills@own.example")
    text = (await place.browser.get(link)).text
    assert "Facturen voor Own worden gelezen uit bills@own.example. Uw provider" in text
    assert "gaan uit" not in text
    asked = await place.lead_on(link)
    assert asked["login_hint"] == "bills@own.example"
    back = await place.browser.get("/consent", params={"state": asked["state"], "code": "c"})
    assert back.status_code == 200
    assert [fact.key for fact in await house.spool.facts.list(TOKEN)] == ["own bills@own.example"]
    assert (await place.browser.get(await place.link("gone@own.example"))).status_code == 404


async def test_a_link_and_a_state_are_good_for_one_consent(place):
    link = await place.link()
    asked = await place.lead_on(link)
    query = {"state": asked["state"], "code": "c"}
    assert (await place.browser.get("/consent", params={**query, "state": asked["state"] + "x"})).status_code == 404
    assert (await place.browser.get("/consent", params=query)).status_code == 200
    assert (await place.browser.get("/consent", params=query)).status_code == 404
    assert (await place.browser.get(link)).status_code == 404
    assert len(place.issuer.asked) == 1


async def test_only_the_browser_that_began_a_consent_ends_it(place):
    asked = await place.lead_on(await place.link())
    query = {"state": asked["state"], "code": "of somebody else"}
    mine = place.browser.cookies
    (cookie,) = mine.jar
    assert (cookie.path, cookie.secure) == ("/consent", True)
    for cookies in ({}, {"consent": asked["state"] + "x"}):
        place.browser.cookies = cookies
        assert (await place.browser.get("/consent", params=query)).status_code == 404
    assert place.issuer.asked == []
    place.browser.cookies = mine
    assert (await place.browser.get("/consent", params={**query, "code": "c"})).status_code == 200


async def test_links_expire_and_a_new_one_takes_the_place_of_the_old(place):
    old = await place.link()
    new = await place.link()
    assert (await place.browser.get(old)).status_code == 404
    assert (await place.browser.get(new)).status_code == 200
    place.house.clock.at += 7 * 86400
    assert (await place.browser.get(new)).status_code == 404
    for path in ("/consent", "/consent?state=own~x&code=c", "/consent/nobody/x"):
        assert (await place.browser.get(path)).status_code == 404


async def test_a_provider_that_says_no_changes_nothing(place):
    asked = await place.lead_on(await place.link())
    back = await place.browser.get("/consent", params={"state": asked["state"], "error": "access_denied"})
    assert back.status_code == 422
    assert place.issuer.asked == []
    assert place.released == []


async def test_what_is_kept_of_a_consent_under_way_is_sealed(place):
    link = await place.link()
    asked = await place.lead_on(link)
    (fact,) = await place.house.spool.facts.list("invitation")
    assert asked["state"] not in str(fact.value)
    assert link.rpartition("/")[2] not in str(fact.value)
