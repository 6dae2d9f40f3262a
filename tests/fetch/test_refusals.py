"""Mailboxes that do not let us in: who is told, and how it goes on. With tokens of an issuer, too."""

import socket
from dataclasses import replace

import pytest

from relay.config.snapshot import Snapshot
from relay.facts.tokens import KIND as TOKEN
from relay.facts.troubles import KIND as TROUBLE
from relay.facts.whereabouts import Finder
from relay.imap.faults import MailboxError, MailboxFault
from relay.mail.address import Address
from relay.policy.company import OAuth2, SecretKind, SecretRef
from relay.policy.providers import Endpoint
from relay.policy.whereabouts import Sighting, Whereabouts
from tests.delivery.issuer import Issuer
from tests.peers.mailboxes import HOST, PASSWORD, Mailboxes

from .test_mailbox import invoice


async def told(house):
    return {fact.key: fact.value["details"] for fact in await house.spool.facts.list(TROUBLE)}


async def test_the_company_is_told_that_its_mailbox_refuses_us_and_when_that_is_over(house, tmp_path):
    (tmp_path / "password").write_text("wrong")
    await house.look()
    await house.look()
    ((key, details),) = (await told(house)).items()
    assert key == "bakery mailbox-refused"
    assert details["about"] == f"{house.user} at localhost"
    assert PASSWORD not in str(details)
    (tmp_path / "password").write_text(PASSWORD)
    await house.look()
    assert await told(house) == {}


async def test_the_operator_is_told_once_that_fast_input_refuses_the_key(house):
    house.configure(fast_input={"api": {"url": house.api.url, "allow_private": True, "key": {"env": "HOME"}}})
    await house.put(invoice(1))
    await house.look()
    ((key, details),) = (await told(house)).items()
    assert key == " fast-input-refused"
    assert details["about"] == house.api.url
    house.configure()
    await house.look()
    assert await told(house) == {}


@pytest.mark.parametrize(
    "trouble",
    [MailboxError(MailboxFault.REFUSED, "Wrong"), MailboxError(MailboxFault.BUSY, "Too many", crowded=True)],
    ids=["refused", "crowded"],
)
async def test_a_mailbox_that_is_taken_out_while_its_server_refuses_us_keeps_nobody_elses_mail(house, trouble):
    async def remove_and_raise(_):
        house.company = replace(house.company, mailbox=None)
        house.active = replace(house.active, snapshot=Snapshot.of(house.active.snapshot.settings, [house.company]))
        raise trouble

    house.fetcher._attendant._door.open = remove_and_raise
    await house.look()
    assert await told(house) == {}


@pytest.fixture
async def issuer():
    async with Issuer() as running:
        yield running


@pytest.fixture
async def mailboxes(issuer):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = int(sock.getsockname()[1])
    async with Mailboxes(port, tokens=f"{issuer.url}/introspect") as running:
        yield running


@pytest.fixture
def with_tokens(house, issuer, tmp_path):
    """A mailbox that has no password any more."""
    issuer.username = house.user
    (tmp_path / "refresh").write_text("refresh-0")
    house.oauth2 = {"issuer": {"client_id": "relay", "scope": "mail", "internal": True, "token_url": issuer.url}}
    refresh = SecretRef(SecretKind.FILE, str(tmp_path / "refresh"))
    house.configure(password=None, oauth2=OAuth2("bakery", "issuer", refresh_token=refresh, uses="read"))
    return house


async def test_a_mailbox_is_read_with_a_token(with_tokens, issuer):
    await with_tokens.put(invoice(1))
    await with_tokens.look()
    assert with_tokens.api.names == ["factuur 1.pdf"]
    assert [form["grant_type"] for form in issuer.asked] == ["refresh_token"]


async def test_a_token_is_enough_where_the_server_has_to_be_found_and_is_shown_for_one_name_only(with_tokens, issuer):
    async def locate(_):
        end = Endpoint(HOST, with_tokens.mailboxes.port, "implicit")
        return Sighting(Whereabouts(end, ("somebody", "else"), "SRV records"))

    finder = Finder(lambda: with_tokens.spool.facts, locate, with_tokens.clock)
    with_tokens.fetcher._attendant._door._finder = finder
    with_tokens.configure(host="", sought=Address(with_tokens.user, "bakery.example"))
    await with_tokens.look()
    await with_tokens.put(invoice(1))
    await with_tokens.look(after=600)
    assert ((await with_tokens.state()).error, with_tokens.api.names) == ("", ["factuur 1.pdf"])
    assert [form["grant_type"] for form in issuer.asked] == ["refresh_token"]


async def test_a_token_that_is_refused_is_renewed_at_once(with_tokens, issuer):
    await with_tokens.look()
    issuer.asked.append({})  # another program has had a newer one: ours does not count any more
    await with_tokens.look(after=600)
    assert (await with_tokens.state()).error == ""


async def test_a_consent_that_was_withdrawn_is_told_and_holds_the_mailbox_a_few_minutes(with_tokens, issuer):
    await with_tokens.look()
    await with_tokens.put(invoice(1))
    known, issuer.valid = issuer.valid, None
    await with_tokens.look()
    assert list(await told(with_tokens)) == ["bakery mailbox-refused"]
    assert (await with_tokens.state()).until - with_tokens.clock.now() <= 300
    issuer.valid = known
    await with_tokens.look(after=400)
    assert with_tokens.api.names == ["factuur 1.pdf"]
    assert await told(with_tokens) == {}


async def test_an_issuer_that_is_not_there_is_no_refusal(with_tokens, issuer):
    issuer.answer = (503, b"")
    await with_tokens.look()
    assert "no token can be had now" in (await with_tokens.state()).error
    assert await told(with_tokens) == {}


async def test_tokens_are_kept_under_the_name_that_sending_knows_them_by(with_tokens):
    await with_tokens.look()
    assert [fact.key for fact in await with_tokens.spool.facts.list(TOKEN)] == [f"bakery {with_tokens.user}"]
