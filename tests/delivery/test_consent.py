"""A company's consent: by device code and by page, with mail that waits for it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from relay.events import EventType
from relay.facts.consenting import ConsentError, Consenting
from relay.facts.issuing import Issued
from relay.http import HttpClient
from relay.policy.company import Mailbox, OAuth2, SecretKind, SecretRef, Server
from relay.sandbox.certificates import Authority
from relay.sandbox.scripted_peer import Say, Script, ScriptedPeer
from relay.store.spool import State

from .house import BAKERY, DAY, DOMAIN, House, with_server
from .issuer import Issuer

EHLO = Say("250-peer.example\r\n250-STARTTLS\r\n250 AUTH XOAUTH2")
BACK = "https://relay.example/back"


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with Issuer() as issuer:
        yield issuer


@pytest.fixture
async def peer() -> AsyncIterator[ScriptedPeer]:
    authority = Authority()
    async with ScriptedPeer(Script(ehlo=EHLO), tls=authority.server_context("smtp.own.example")) as peer:
        peer.authority = authority
        yield peer


@pytest.fixture
def server(house, issuer, peer, tmp_path) -> Server:
    (tmp_path / "ca.pem").write_bytes(peer.authority.ca_pem)
    house.zones.publish("smtp.own.example", "A", "127.0.0.1")
    urls = {name: f"{issuer.url}/{path}" for name, path in (("token_url", "token"), ("authorize_url", "page"))}
    client = {"client_id": "relay", "scope": "mail", "internal": True, **urls, "device_url": f"{issuer.url}/device"}
    oauth2 = OAuth2("own", "issuer")
    server = Server(
        "smtp.own.example", peer.port, "starttls", "info@own.example", None, str(tmp_path / "ca.pem"), oauth2
    )
    house.configure(with_server(server), oauth2={"issuer": client}, delivery={"connections_idle": "1ms"})
    return server


def consenting(house: House) -> Consenting:
    return Consenting(house.active, house.spool, HttpClient(house.resolver), house.clock)


async def test_mail_waits_for_consent_and_goes_on_with_it(house, issuer, server):
    queue_id = await house.deliver(company="own", sender=f"own@{DOMAIN}")
    assert (await house.delivery(queue_id)).state is State.HELD
    assert [fact.key for fact in await house.spool.facts.list("trouble")] == ["own consent-needed"]
    work = consenting(house)
    code = await work.begin_device(server)
    assert (code.url, code.user_code) == ("https://issuer.example/device", "ABCD-EFGH")

    pauses = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        issuer.consented = len(pauses) == 3

    assert await work.await_device(house.companies[0], code, pause) == 1
    assert pauses == [2.0, 2.0, 2.0]
    assert await house.spool.facts.list("trouble") == []
    await house.lease()
    assert (await house.delivery(queue_id)).state is State.DELIVERED
    assert await house.spool.facts.list("account") == []
    assert len(house.sink.of(EventType.ACCOUNT_REFUSED)) == len(house.sink.of(EventType.ACCOUNT_BACK)) == 1


async def test_nobody_is_waited_for_longer_than_the_code_lasts(house, issuer, server):
    work = consenting(house)
    code = await work.begin_device(server)

    async def pause(seconds: float) -> None:
        house.clock.at += 300

    with pytest.raises(ConsentError, match="in time"):
        await work.await_device(house.companies[0], code, pause)


async def test_the_page_leads_back_with_a_code_that_counts_with_its_verifier(house, issuer, server):
    work = consenting(house)
    url, state, verifier = work.page(server, BACK)
    asked = parse_qs(urlsplit(url).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert verifier not in url
    assert asked["login_hint"] == ["info@own.example"]
    company = house.companies[0]
    with pytest.raises(ConsentError, match="not where"):
        await work.finish(company, f"{BACK}?state=other&code=c", BACK, state, verifier)
    with pytest.raises(ConsentError, match="access_denied"):
        await work.finish(company, f"{BACK}?state={state}&error=access_denied", BACK, state, verifier)
    assert issuer.asked == []
    assert await work.finish(company, f"{BACK}?state={state}&code=c", BACK, state, verifier) == 0
    assert (issuer.asked[0]["code"], issuer.asked[0]["code_verifier"]) == ("c", verifier)
    assert await house.tokens().access(server) == "access-1"


async def test_of_two_accounts_the_one_that_has_no_consent_is_asked_for(house, issuer, server):
    mailbox = Mailbox("imap.own.example", 993, "implicit", "bills@own.example", None, oauth2=OAuth2("own", "issuer"))
    company, work = replace(house.companies[0], mailbox=mailbox), consenting(house)
    for account in (server, mailbox):
        assert await work.choose(company.accounts) == account
        _, state, verifier = work.page(account, BACK)
        await work.finish(company, f"{BACK}?state={state}&code=c", BACK, state, verifier, account=account)
    assert await work.choose(company.accounts) == server


async def test_a_consent_for_the_mailbox_says_nothing_about_the_account_that_sends(house, issuer, server):
    await house.deliver(company="own", sender=f"own@{DOMAIN}")
    mailbox = Mailbox("imap.own.example", 993, "implicit", "bills@own.example", None, oauth2=OAuth2("own", "issuer"))
    company, work = replace(house.companies[0], mailbox=mailbox), consenting(house)
    _, state, verifier = work.page(mailbox, BACK)
    assert await work.finish(company, f"{BACK}?state={state}&code=c", BACK, state, verifier, account=mailbox) == 0
    (trouble,) = await house.spool.facts.list("trouble")
    assert (trouble.key, trouble.value["over"]) == ("own consent-needed", False)
    assert [fact.key for fact in await house.spool.facts.list("account")] == ["own"]


async def test_a_token_had_elsewhere_needs_no_consent(house, server, tmp_path):
    (tmp_path / "refresh").write_text("refresh-0")
    elsewhere = SecretRef(SecretKind.FILE, str(tmp_path / "refresh"))
    mine = replace(server, oauth2=replace(server.oauth2, refresh_token=elsewhere))
    other = replace(server, username="other@own.example")
    assert await consenting(house).choose((mine, other)) == other


async def test_a_consent_that_nobody_uses_is_kept_alive_by_one_worker(house, issuer, server):
    await house.tokens().consented(server, Issued("access-0", 3600.0, "refresh-0"))
    workers = [house.dispatcher, house.make_dispatcher()]
    for days, asked in ((29, 0), (2, 1), (29, 1), (2, 2)):
        house.clock.at += days * DAY
        await asyncio.gather(*(worker.idle_tokens.renew() for worker in workers))
        assert len(issuer.asked) == asked
    assert await house.spool.facts.list("trouble") == []


async def test_a_consent_that_has_ended_is_told_before_mail_waits_for_it(house, issuer, server):
    await house.tokens().consented(server, Issued("access-0", 3600.0, "refresh-0"))
    house.clock.at += 31 * DAY
    issuer.answer = (503, b"later")
    await house.dispatcher.idle_tokens.renew()
    assert await house.spool.facts.list("trouble") == []
    house.clock.at += DAY
    issuer.valid, issuer.answer = None, None
    await house.dispatcher.idle_tokens.renew()
    (told,) = await house.spool.facts.list("trouble")
    assert told.key == "own consent-needed"
    assert told.value["details"]["about"] == "info@own.example at smtp.own.example"


async def test_an_account_that_nobody_has_any_more_is_left_alone(house, issuer, server):
    await house.tokens().consented(server, Issued("access-0", 3600.0, "refresh-0"))
    house.configure(BAKERY)
    house.clock.at += 31 * DAY
    await house.dispatcher.idle_tokens.renew()
    assert issuer.asked == []


async def test_an_issuer_that_gives_no_code_is_said(house, issuer, server):
    issuer.answer = (400, b"{}")
    with pytest.raises(ConsentError, match="gives no code"):
        await consenting(house).begin_device(server)
