"""Logins with a token on companies' own servers: one mechanism, the cause in plain words, and mail that waits."""

import base64
import json

import pytest

from relay.events import EventType
from relay.policy.company import OAuth2, SecretKind, SecretRef, Server
from relay.sandbox.certificates import Authority
from relay.sandbox.scripted_peer import Say, Script, ScriptedPeer
from relay.store.spool import State

from .house import DOMAIN, with_server
from .issuer import Issuer


def ehlo(mechanisms: str) -> Say:
    return Say(f"250-peer.example\r\n250-STARTTLS\r\n250 AUTH {mechanisms}")


def challenge(**said: str) -> Say:
    return Say("334 " + base64.b64encode(json.dumps(said).encode()).decode())


async def configure(house, issuer, peer, authority, tmp_path):
    (tmp_path / "refresh").write_text("refresh-0")
    (tmp_path / "ca.pem").write_bytes(authority.ca_pem)
    house.zones.publish("smtp.own.example", "A", "127.0.0.1")
    oauth2 = OAuth2("own", "issuer", refresh_token=SecretRef(SecretKind.FILE, str(tmp_path / "refresh")))
    server = Server(
        "smtp.own.example", peer.port, "starttls", "info@own.example", None, str(tmp_path / "ca.pem"), oauth2
    )
    client = {"client_id": "relay", "token_url": f"{issuer.url}/token", "internal": True}
    house.configure(with_server(server), oauth2={"issuer": client}, delivery={"connections_idle": "1ms"})
    return server


async def send(house) -> str:
    return await house.deliver(company="own", sender=f"own@{DOMAIN}")


@pytest.mark.parametrize(
    ("offered", "response"),
    [
        ("PLAIN XOAUTH2", "XOAUTH2 user=info@own.example\x01auth=Bearer access-1\x01\x01"),
        (
            "XOAUTH2 OAUTHBEARER",
            "OAUTHBEARER n,a=info@own.example,\x01host=smtp.own.example\x01port={port}\x01auth=Bearer access-1\x01\x01",
        ),
    ],
)
async def test_mail_goes_out_with_a_token(house, tmp_path, offered, response):
    authority = Authority()
    tls = authority.server_context("smtp.own.example")
    async with Issuer() as issuer, ScriptedPeer(Script(ehlo=ehlo(offered)), tls=tls) as peer:
        await configure(house, issuer, peer, authority, tmp_path)
        queue_id = await send(house)
        assert (await house.delivery(queue_id)).state is State.DELIVERED
        (login,) = [line for line in peer.records[0].lines if line.startswith("AUTH")]
        _, mechanism, said = login.split(" ")
        assert f"{mechanism} {base64.b64decode(said).decode()}" == response.format(port=peer.port)
        assert "access-1" not in str(house.sink.events)


async def test_a_refused_token_is_held_with_its_cause_and_the_next_one_is_new(house, tmp_path):
    authority = Authority()
    refusing = Script(
        ehlo=ehlo("OAUTHBEARER"),
        auth=challenge(status="invalid_token", scope="mail"),
        other=Say("535 5.7.8 Wrong token"),
    )
    tls = authority.server_context("smtp.own.example")
    peer = ScriptedPeer(refusing, Script(ehlo=ehlo("OAUTHBEARER")), tls=tls)
    async with Issuer() as issuer, peer:
        await configure(house, issuer, peer, authority, tmp_path)
        queue_id = await send(house)
        assert (await house.delivery(queue_id)).state is State.HELD
        (held,) = house.sink.of(EventType.HELD)
        assert "status invalid_token" in held.data["reply"]
        assert "AQ==" in peer.records[0].lines
        await house.dispatcher.release_held()
        house.clock.at += 900
        await house.dispatcher.release_held()
        await house.lease()
        assert (await house.delivery(queue_id)).state is State.DELIVERED
        assert len(issuer.asked) == 2


async def test_a_revoked_consent_holds_mail_before_anybody_logs_in(house, tmp_path):
    authority = Authority()
    tls = authority.server_context("smtp.own.example")
    async with Issuer(valid=None) as issuer, ScriptedPeer(Script(ehlo=ehlo("XOAUTH2")), tls=tls) as peer:
        await configure(house, issuer, peer, authority, tmp_path)
        queue_id = await send(house)
        assert (await house.delivery(queue_id)).state is State.HELD
        assert not any(line.startswith("AUTH") for line in peer.records[0].lines)
        assert await house.reports() == []


@pytest.mark.parametrize("offered", ["PLAIN LOGIN", "CRAM-MD5"])
async def test_a_server_that_takes_no_token_gets_no_other_login(house, tmp_path, offered):
    authority = Authority()
    tls = authority.server_context("smtp.own.example")
    async with Issuer() as issuer, ScriptedPeer(Script(ehlo=ehlo(offered)), tls=tls) as peer:
        await configure(house, issuer, peer, authority, tmp_path)
        queue_id = await send(house)
        assert (await house.delivery(queue_id)).state is State.HELD
        assert issuer.asked == []
