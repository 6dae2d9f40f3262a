"""Tokens for own servers: had from an issuer on loopback, kept sealed, renewed once whoever wants them."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from relay.facts.issuing import Issued, Refused, read_answer
from relay.facts.tokens import KIND, TokenError, fact_key
from relay.http import HttpResponse
from relay.policy.company import Grant, OAuth2, SecretKind, SecretRef, Server
from relay.policy.outcome import Fault
from relay.policy.refusals import Cause
from relay.store.spool import SpoolFull
from relay.store.sqlite.facts import SqliteFacts

from .house import House
from .issuer import Issuer


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with Issuer() as issuer:
        yield issuer


@pytest.fixture
def server(house: House, issuer: Issuer, tmp_path: Path) -> Server:
    (tmp_path / "refresh").write_text("refresh-0")
    (tmp_path / "client-secret").write_text("s3cret")
    client = {
        "client_id": "relay",
        "client_secret": {"file": str(tmp_path / "client-secret")},
        "token_url": f"{issuer.url}/{{tenant}}/token",
        "scope": "mail",
        "internal": True,
    }
    house.configure(oauth2={"issuer": client})
    return server_with(OAuth2("own", "issuer", refresh_token=SecretRef(SecretKind.FILE, str(tmp_path / "refresh"))))


def server_with(oauth2: OAuth2) -> Server:
    return Server("smtp.own.example", 587, "starttls", "info@own.example", None, None, oauth2)


async def fault(house: House, server: Server) -> Fault:
    with pytest.raises(TokenError) as caught:
        await house.tokens().access(server)
    return caught.value.trouble.fault


async def test_a_token_is_had_once_and_used_until_shortly_before_its_end(house, issuer, server):
    tokens = house.tokens()
    assert [await tokens.access(server), await tokens.access(server)] == ["access-1", "access-1"]
    assert issuer.asked == [
        {
            "grant_type": "refresh_token",
            "refresh_token": "refresh-0",
            "client_id": "relay",
            "client_secret": "s3cret",
        }
    ]
    house.clock.at += 3600 - 301
    assert await tokens.access(server) == "access-1"
    house.clock.at += 1
    assert await tokens.access(server) == "access-2"
    assert issuer.asked[1]["refresh_token"] == "refresh-1"


async def test_what_is_kept_is_sealed_for_its_company_and_its_place(house, issuer, server):
    await house.tokens().access(server)
    fact = await house.spool.facts.get(KIND, fact_key(server))
    text = json.dumps(dict(fact.value))
    assert "access-1" not in text
    assert "refresh-1" not in text
    moved = {**fact.value, "access": fact.value["refresh"]}
    await house.spool.facts.put(type(fact)(KIND, fact.key, moved, fact.version, fact.due))
    assert await fault(house, server) is Fault.SECRET


async def test_workers_that_want_a_token_at_once_ask_the_issuer_once(house, issuer, server):
    workers = [house.tokens() for _ in range(3)]
    tokens = await asyncio.gather(*(worker.access(server) for worker in workers for _ in range(3)))
    assert set(tokens) == {"access-1"}
    assert len(issuer.asked) == 1


async def test_a_token_that_still_holds_is_used_while_somebody_else_renews_it(house, issuer, server):
    first, second = house.tokens(), house.tokens()
    await first.access(server)
    house.clock.at += 3400
    issuer.before_answer = asyncio.Event()
    issuer.arrived.clear()
    renewing = asyncio.create_task(first.access(server))
    await issuer.arrived.wait()
    assert await second.access(server) == "access-1"
    issuer.before_answer.set()
    assert await renewing == "access-2"


async def test_an_issuer_in_trouble_costs_nothing_while_the_token_holds(house, issuer, server):
    tokens = house.tokens()
    await tokens.access(server)
    issuer.answer = (503, b"later")
    house.clock.at += 3400
    assert await tokens.access(server) == "access-1"
    house.clock.at += 200
    with pytest.raises(TokenError) as caught:
        await tokens.access(server)
    assert caught.value.trouble.fault is Fault.FACTS
    issuer.answer = None
    assert await tokens.access(server) == "access-4"


async def test_what_an_issuer_gave_is_kept_as_soon_as_the_store_can(house, issuer, server, monkeypatch):
    monkeypatch.setattr("relay.facts.tokens._STORE_AGAIN", (0.0,))
    real, full = SqliteFacts.put, iter([True, True])

    async def put(facts, fact):
        if issuer.asked and next(full, False):
            raise SpoolFull("test")
        return await real(facts, fact)

    monkeypatch.setattr(SqliteFacts, "put", put)
    assert await house.tokens().access(server) == "access-1"
    house.clock.at += 3600
    assert await house.tokens().access(server) == "access-2"
    assert issuer.asked[1]["refresh_token"] == "refresh-1"


async def test_a_refused_token_needs_no_store_to_be_refused(house, issuer, server, monkeypatch):
    tokens = house.tokens()
    await tokens.access(server)

    async def broken(facts, fact):
        raise SpoolFull("test")

    monkeypatch.setattr(SqliteFacts, "put", broken)
    await tokens.refused(server)


async def test_a_revoked_consent_asks_for_consent_again_and_a_new_one_counts(house, issuer, server):
    issuer.valid = None
    with pytest.raises(TokenError) as caught:
        await house.tokens().access(server)
    assert caught.value.trouble.fault is Fault.CONSENT
    assert "taken back or has lapsed" in caught.value.trouble.text
    await house.tokens().consented(server, Issued("from-consent", 3600.0, "refresh-new"))
    assert await house.tokens().access(server) == "from-consent"


async def test_a_token_that_the_server_refuses_is_not_used_again(house, issuer, server):
    first, second = house.tokens(), house.tokens()
    await first.access(server)
    await first.refused(server)
    assert await second.access(server) == "access-2"
    assert await first.access(server) == "access-2"


async def test_another_refresh_token_in_yaml_begins_anew(house, issuer, server, tmp_path):
    await house.tokens().access(server)
    (tmp_path / "refresh").write_text("refresh-other")
    issuer.valid = "refresh-other"
    assert await house.tokens().access(server) == "access-2"
    assert issuer.asked[1]["refresh_token"] == "refresh-other"


async def test_without_consent_nobody_is_asked(house, issuer, server):
    assert await fault(house, server_with(OAuth2("own", "issuer"))) is Fault.CONSENT
    assert issuer.asked == []


async def test_a_missing_registration_or_secret_is_said(house, issuer, server, tmp_path):
    assert await fault(house, server_with(OAuth2("own", "unknown"))) is Fault.SECRET
    (tmp_path / "client-secret").unlink()
    assert await fault(house, server) is Fault.SECRET
    assert issuer.asked == []


async def test_a_renewal_that_nobody_ended_is_taken_over(house, issuer, server):
    """As after kill -9 between the issuer's answer and its being stored: the old refresh token is tried again."""
    issuer.rotates = False
    issuer.before_answer = asyncio.Event()
    killed = asyncio.create_task(house.tokens().access(server))
    await issuer.arrived.wait()
    fact = await house.spool.facts.get(KIND, fact_key(server))
    assert fact.value["claimed_until"] == house.clock.at + 60
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    # What a killed worker cannot do: it would have given its claim back.
    now = await house.spool.facts.get(KIND, fact_key(server))
    await house.spool.facts.put(type(fact)(KIND, fact.key, fact.value, now.version))
    issuer.before_answer.set()
    house.clock.at += 61
    assert await house.tokens().access(server) == "access-2"
    assert [form["refresh_token"] for form in issuer.asked] == ["refresh-0", "refresh-0"]


async def test_an_application_asks_for_itself_with_its_secret(house, issuer, server):
    oauth2 = OAuth2("own", "issuer", Grant.CLIENT_CREDENTIALS, tenant="own-tenant")
    assert await house.tokens().access(server_with(oauth2)) == "access-1"
    assert issuer.asked[0]["grant_type"] == "client_credentials"
    assert issuer.asked[0]["scope"] == "mail"
    assert issuer.paths == ["/own-tenant/token"]


async def test_a_service_account_signs_that_it_acts_for_the_user(house, issuer, server, tmp_path):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(pem)
    url = f"{issuer.url}/token"
    client = {
        "client_id": "service@project.example",
        "key": {"file": str(tmp_path / "key.pem")},
        "key_id": "kid-1",
        "token_url": url,
        "scope": "mail",
        "internal": True,
    }
    house.configure(oauth2={"service": client})
    assert await house.tokens().access(server_with(OAuth2("own", "service", Grant.JWT_BEARER))) == "access-1"
    header, claims, _ = issuer.asked[0]["assertion"].split(".")
    assert _decoded(header)["kid"] == "kid-1"
    said = _decoded(claims)
    assert (said["iss"], said["sub"], said["aud"], said["scope"]) == (
        "service@project.example", "info@own.example", url, "mail"
    )  # fmt: skip
    assert await house.tokens().access(server_with(OAuth2("own", "service", Grant.CLIENT_CREDENTIALS))) == "access-2"
    (tmp_path / "key.pem").write_text("no key")
    house.clock.at += 4000
    assert await fault(house, server_with(OAuth2("own", "service", Grant.JWT_BEARER))) is Fault.SECRET


def _decoded(part: str) -> dict[str, object]:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (200, b"", None),
        (200, b"[]", None),
        (200, b'{"access_token": "a\\r\\nMAIL"}', None),
        (200, b'{"access_token": ""}', None),
        (200, b'{"access_token": "a", "refresh_token": 5}', None),
        (500, b'{"error": "invalid_grant"}', None),
        (429, b'{"error": "invalid_grant"}', None),
        (400, b"<html>", None),
        (400, b'{"error": "temporarily_unavailable"}', None),
        (400, b'{"error": "invalid_grant"}', Cause.CONSENT),
        (401, b'{"error": "invalid_client"}', Cause.CREDENTIALS),
    ],
)
def test_answers_that_hold_no_token(status, body, cause):
    answer = read_answer(HttpResponse(status, {}, body))
    assert isinstance(answer, Refused)
    assert (answer.refusal and answer.refusal.cause) == cause


@pytest.mark.parametrize(("said", "lasts"), [("60", 60), ('"60"', 60), ("null", 3600), ("-1", 0), ("1e99", 86400)])
def test_how_long_a_token_lasts(said, lasts):
    answer = read_answer(HttpResponse(200, {}, f'{{"access_token": "a", "expires_in": {said}}}'.encode()))
    assert answer == Issued("a", lasts)
