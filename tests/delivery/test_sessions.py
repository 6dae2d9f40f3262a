"""Which host, over which session: targets, TLS, logins, and sessions that are kept."""

import asyncio
import base64
import os
import ssl
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest

from relay.delivery import session as session_module
from relay.delivery import unreachable
from relay.delivery.attempt import Batch
from relay.delivery.route import Target, choose_route
from relay.facts.accounts import account_key
from relay.mail.address import parse_address
from relay.mail.envelope import Notify, Recipient
from relay.policy.decision import Decision, Name, ReversePath
from relay.policy.outcome import Action, Phase, Scope
from relay.sandbox.certificates import Authority
from relay.sandbox.scripted_peer import Drop, Garbage, Hang, Reset, Say, Script, ScriptedPeer
from relay.sandbox.zones import FaultKind
from relay.store.spool import State

from .house import ANNA, DAY, DOMAIN, House, server_at, with_server

STARTTLS = Say("250-peer.example\r\n250-STARTTLS\r\n250-PIPELINING\r\n250 AUTH PLAIN LOGIN")
QUICK = {"connect": "10s", "greeting": "10s", "command": "300ms"}


@pytest.fixture(scope="session")
def authority(tmp_path_factory) -> Authority:
    authority = Authority()
    authority.ca_file = tmp_path_factory.mktemp("ca") / "ca.pem"  # type: ignore[attr-defined]
    authority.ca_file.write_bytes(authority.ca_pem)  # type: ignore[attr-defined]
    return authority


@pytest.fixture
def password(tmp_path) -> Path:
    path = tmp_path / "password"
    path.write_text("s\u00e9same\n")
    return path


async def own_server_batch(house: House, server) -> Batch:
    """A mail that goes through a company's own server."""
    house.zones.publish("smtp.own.example", "A", "127.0.0.1")
    house.configure(with_server(server))
    entry = await house.put(company="own", sender=f"own@{DOMAIN}")
    author = with_server(server).address
    decision = Decision(Name.OWN_SERVER, author, ReversePath.AUTHOR, server=server)
    settings = house.active.snapshot.settings.delivery
    return Batch(entry.message, entry.deliveries, decision, choose_route(decision, author, settings), house.active)


async def attempt(house: House, batch: Batch):
    attempts = house.attempts()
    result = await attempts.attempt(batch)
    attempts.close()
    return result


# Targets


@pytest.mark.parametrize("first", [Drop(), Reset(), Say("421 4.3.2 Busy"), Say("554 5.7.1 Not you"), Garbage(b"?\r\n")])
async def test_the_next_target_is_tried_when_one_turns_everyone_away(house, first):
    async with ScriptedPeer(Script(banner=first)) as bad, ScriptedPeer(host="127.0.0.2", port=bad.port) as good:
        house.host("customer.example", "127.0.0.1", "127.0.0.2")
        house.configure(delivery={"port": bad.port})
        result = await house.attempt()
        assert result.outcomes[0].action is Action.DELIVERED
        assert result.target is not None
        assert (result.target.host, result.target.ip) == ("mx1.customer.example", "127.0.0.2")
        assert len(bad.records) == len(good.records) == 1


@pytest.mark.parametrize(
    "script",
    [
        Script(mail=Say("451 4.7.1 Greylisted")),
        Script(rcpt=Say("550 5.1.1 Nobody")),
        Script(end=Drop()),
        Script(end=Say("550 5.7.1 Spam")),
    ],
)
async def test_an_answer_about_the_mail_and_silence_after_the_dot_end_the_attempt(house, script):
    """Silence too: the next host might deliver it a second time."""
    async with ScriptedPeer(script) as first, ScriptedPeer(host="127.0.0.2", port=first.port) as second:
        house.host("customer.example", "127.0.0.1", "127.0.0.2")
        house.configure(delivery={"port": first.port})
        assert (await house.attempt()).outcomes[0].action is not Action.DELIVERED
        assert second.records == []


async def test_a_host_that_is_not_there_is_passed_over(house):
    async with ScriptedPeer(host="127.0.0.3") as good:
        house.host("customer.example", "127.0.0.1", "127.0.0.2", "127.0.0.3")
        house.configure(delivery={"port": good.port})
        assert (await house.attempt()).outcomes[0].action is Action.DELIVERED


async def test_all_hosts_gone(house):
    async with ScriptedPeer() as gone:
        pass
    house.configure(delivery={"port": gone.port})
    (outcome,) = (await house.attempt()).outcomes
    assert (outcome.action, outcome.scope, outcome.status) == (Action.DEFER, Scope.TARGET, "4.4.1")
    assert outcome.phase is Phase.CONNECT


async def test_ipv6(house):
    async with ScriptedPeer(host="::1") as peer:
        house.host("customer.example", "::1")
        house.configure(delivery={"port": peer.port})
        result = await house.attempt()
        assert result.outcomes[0].action is Action.DELIVERED
        assert result.target is not None
        assert result.target.ip == "::1"


async def test_an_address_for_a_domain(house):
    async with ScriptedPeer() as peer:
        house.configure(delivery={"port": peer.port})
        assert (await house.attempt("anna@[127.0.0.1]")).outcomes[0].action is Action.DELIVERED


async def test_a_machine_without_ipv6_uses_the_other_addresses(house, monkeypatch):
    real = session_module.socket.socket

    def without_ipv6(family=-1, *args, **named):
        if family == session_module.socket.AF_INET6:
            raise OSError(97, "Address family not supported by protocol")
        return real(family, *args, **named)

    async with ScriptedPeer() as peer:
        house.host("customer.example", "::1", "127.0.0.1")
        house.configure(delivery={"port": peer.port})
        batch = await house.batch()
        monkeypatch.setattr(session_module.socket, "socket", without_ipv6)
        assert (await attempt(house, batch)).outcomes[0].action is Action.DELIVERED


@pytest.mark.parametrize(
    ("records", "action", "status"),
    [
        ({"MX": ["0 ."]}, Action.FAIL, "5.1.10"),
        ({}, Action.FAIL, "5.1.2"),
        ({"TXT": ["nothing that takes mail"]}, Action.FAIL, "5.4.4"),
        ({"MX": ["10 nowhere.example."]}, Action.FAIL, "5.4.4"),
        ({"MX": ["10 127.0.0.1."]}, Action.FAIL, "5.4.4"),
    ],
)
async def test_domains_that_take_no_mail(house, records, action, status):
    house.zones.withdraw("customer.example")
    house.zones.withdraw("mx0.customer.example")
    for kind, values in records.items():
        house.zones.publish("customer.example", kind, *values)
    (outcome,) = (await house.attempt()).outcomes
    assert (outcome.action, outcome.status, outcome.phase) == (action, status, Phase.RESOLVE)


@pytest.mark.parametrize("name", ["customer.example", "mx0.customer.example"])
async def test_what_the_dns_does_not_say_now_is_asked_again_later(house, name):
    house.zones.break_name(name, FaultKind.SERVFAIL)
    (outcome,) = (await house.attempt()).outcomes
    assert (outcome.action, outcome.status, outcome.phase) == (Action.DEFER, "4.4.3", Phase.RESOLVE)


async def test_a_wrong_host_in_the_settings_is_no_verdict_on_the_recipient(house):
    house.configure(delivery={"port": 25, "smarthost": {"host": "missing.example", "tls": "none"}})
    decision = Decision(Name.RELAY, None, ReversePath.NULL)
    entry = await house.put()
    settings = house.active.snapshot.settings.delivery
    route = choose_route(decision, entry.deliveries[0].recipient.address, settings)
    (outcome,) = (await attempt(house, Batch(entry.message, entry.deliveries, decision, route, house.active))).outcomes
    assert (outcome.action, outcome.scope) == (Action.DEFER, Scope.TARGET)


# TLS


async def test_tls_is_used_where_it_is_offered_and_needs_no_proof(house):
    tls = Authority().server_context("somebody.else.example")
    async with ScriptedPeer(Script(ehlo=STARTTLS), tls=tls) as peer:
        house.configure(delivery={"port": peer.port})
        result = await house.attempt()
        assert result.outcomes[0].action is Action.DELIVERED
        assert result.tls == "TLSv1.3"
        assert peer.records[0].tls


def speaking(version: ssl.TLSVersion) -> ssl.SSLContext:
    """A host that knows no newer version."""
    tls = Authority().server_context("mx0.customer.example")
    tls.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    tls.set_ciphers("ALL:@SECLEVEL=0")
    tls.maximum_version = version
    return tls


async def test_tls_1_2_is_good_enough(house):
    async with ScriptedPeer(Script(ehlo=STARTTLS), tls=speaking(ssl.TLSVersion.TLSv1_2)) as peer:
        house.configure(delivery={"port": peer.port})
        assert (await house.attempt()).tls == "TLSv1.2"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
async def test_older_versions_are_no_tls(house, version):
    """RFC 8996: not spoken. Where TLS is a wish, the mail goes without; where it must be, it does not go."""
    async with ScriptedPeer(Script(ehlo=STARTTLS), tls=speaking(ssl.TLSVersion[version])) as peer:
        house.configure(delivery={"port": peer.port})
        result = await house.attempt()
        assert (result.outcomes[0].action, result.tls) == (Action.DELIVERED, None)
        smarthost = {"host": "127.0.0.1", "port": peer.port, "tls": "starttls"}
        house.configure(delivery={"port": peer.port, "smarthost": smarthost})
        decision, entry = Decision(Name.RELAY, None, ReversePath.NULL), await house.put()
        settings = house.active.snapshot.settings.delivery
        route = choose_route(decision, entry.deliveries[0].recipient.address, settings)
        batch = Batch(entry.message, entry.deliveries, decision, route, house.active)
        (outcome,) = (await attempt(house, batch)).outcomes
        assert (outcome.action, outcome.phase) == (Action.DEFER, Phase.TLS)
        assert len(peer.messages) == 1


@pytest.mark.parametrize("starttls", [Say("454 4.7.0 Not now"), Say("220 Go\r\n\x15\x03\x01 no TLS at all"), Drop()])
async def test_where_tls_fails_mail_goes_without(house, starttls):
    async with ScriptedPeer(Script(ehlo=STARTTLS, starttls=starttls)) as peer:
        house.configure(delivery={"port": peer.port})
        result = await house.attempt()
        assert result.outcomes[0].action is Action.DELIVERED
        assert result.tls is None
        assert len(peer.records) == 2


async def test_a_smarthost_that_relays_for_strangers_only_defers(house):
    async with ScriptedPeer(Script(rcpt=Say("554 5.7.1 Relay access denied"))) as peer:
        house.configure(delivery={"smarthost": {"host": "127.0.0.1", "port": peer.port, "tls": "none"}})
        queue_id = await house.deliver()
        assert (await house.delivery(queue_id)).state is State.QUEUED
        assert await house.reports() == []


async def test_mail_that_a_smarthost_does_not_let_us_send_is_held_in_the_end_and_goes_when_it_does(house):
    async with ScriptedPeer(Script(rcpt=Say("554 5.7.1 Relay access denied"))) as peer:
        smarthost = {"host": "127.0.0.1", "port": peer.port, "tls": "none"}
        house.configure(delivery={"smarthost": smarthost, "connections_idle": "1ms"})
        queue_id = await house.deliver(Recipient(parse_address(ANNA), notify=frozenset((Notify.FAILURE,))))
        while (await house.delivery(queue_id)).state is State.QUEUED:
            house.clock.at += DAY
            assert await house.lease() == 1
        await house.dispatcher.release_held()
        assert (await house.delivery(queue_id)).state is State.HELD
        assert await house.reports() == []
        peer.scripts = (Script(),)
        await house.deliver()
        await house.dispatcher.release_held()
        assert await house.lease() == 1
        assert (await house.delivery(queue_id)).state is State.DELIVERED


@pytest.mark.parametrize("how", ["starttls", "implicit"])
async def test_a_smarthost_with_a_certificate_that_does_not_hold_defers(house, how):
    """Nothing could release what is held: there is no account."""
    house.zones.publish("smart.example", "A", "127.0.0.1")
    server = (
        TlsServer() if how == "implicit" else ScriptedPeer(Script(ehlo=STARTTLS), tls=Authority().server_context("x"))
    )
    async with server:
        house.configure(delivery={"smarthost": {"host": "smart.example", "port": server.port, "tls": how}})
        entry = await house.put()
        decision = Decision(Name.RELAY, None, ReversePath.NULL)
        settings = house.active.snapshot.settings.delivery
        route = choose_route(decision, entry.deliveries[0].recipient.address, settings)
        assert route.tls == how
        (outcome,) = (
            await attempt(house, Batch(entry.message, entry.deliveries, decision, route, house.active))
        ).outcomes
        assert (outcome.action, outcome.scope, outcome.phase) == (Action.DEFER, Scope.TARGET, Phase.TLS)
        assert "certificate" in outcome.text


class TlsServer:
    """TLS from the first octet, then a scripted banner and nothing more."""

    def __init__(self, authority: Authority | None = None, *names: str) -> None:
        self.context = (authority or Authority()).server_context(*(names or ("smart.example",)))
        self.port = 0
        self.lines: list[bytes] = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 smart.example\r\n")
        replies = {
            b"EHLO": b"250-x\r\n250 AUTH LOGIN\r\n",
            b"AUTH": b"334 \r\n",
            b"DATA": b"354 \r\n",
            b".\r\n": b"250 \r\n",
        }
        content = False
        while line := await reader.readline():
            self.lines.append(line)
            if content and line != b".\r\n":
                continue
            content = line == b"DATA\r\n"
            reply = replies.get(line[:4].upper(), b"250 \r\n")
            if line[:1] != b"." and len(self.lines) > 1 and self.lines[-2][:4] == b"AUTH":
                reply = b"235 \r\n"
            writer.write(reply)
        writer.close()


async def test_implicit_tls_with_login(house, authority, password):
    async with TlsServer(authority, "smtp.own.example") as server:
        own = server_at(server.port, password, tls="implicit", ca=authority.ca_file)
        (outcome,) = (await attempt(house, await own_server_batch(house, own))).outcomes
        assert outcome.action is Action.DELIVERED, outcome
        user, secret = server.lines[1].split()[-1], server.lines[2].strip()
        assert base64.b64decode(user).decode() == "info@own.example"
        assert base64.b64decode(secret).decode() == "s\u00e9same"


# Own servers


async def test_a_login_goes_over_tls_only(house, authority, password):
    tls = authority.server_context("smtp.own.example")
    async with ScriptedPeer(Script(ehlo=STARTTLS), tls=tls) as peer:
        own = server_at(peer.port, password, ca=authority.ca_file)
        result = await attempt(house, await own_server_batch(house, own))
        assert result.outcomes[0].action is Action.DELIVERED
        lines = peer.records[0].lines
        assert lines[1] == "STARTTLS"
        assert lines[3].startswith("AUTH PLAIN ")
        assert base64.b64decode(lines[3].split()[-1]).decode() == "\0info@own.example\0s\u00e9same"
        assert "MAIL FROM:<info@own.example>" in lines


LOGIN_WITHOUT_TLS = Say("250-peer.example\r\n250 AUTH PLAIN LOGIN")


async def test_a_server_without_tls_never_sees_the_password(house, authority, password):
    async with ScriptedPeer(Script(ehlo=LOGIN_WITHOUT_TLS)) as peer:
        own = server_at(peer.port, password, ca=authority.ca_file)
        (outcome,) = (await attempt(house, await own_server_batch(house, own))).outcomes
        assert (outcome.action, outcome.scope, outcome.phase) == (Action.HOLD, Scope.ACCOUNT, Phase.TLS)
        assert not any("AUTH" in line for line in peer.records[0].lines)


@pytest.mark.parametrize("starttls", [Say("454 4.7.0 Not now"), Drop(), Say("220 Go\r\n250 injected")])
async def test_an_own_server_whose_tls_fails_is_tried_later_and_never_without(house, authority, password, starttls):
    async with ScriptedPeer(Script(ehlo=STARTTLS, starttls=starttls)) as peer:
        own = server_at(peer.port, password, ca=authority.ca_file)
        (outcome,) = (await attempt(house, await own_server_batch(house, own))).outcomes
        assert (outcome.action, outcome.scope) == (Action.DEFER, Scope.TARGET)
        assert len(peer.records) == 1
        assert not any("AUTH" in line for line in peer.records[0].lines)


@pytest.mark.parametrize("how", ["starttls", "implicit"])
@pytest.mark.parametrize("name", ["smtp.own.example", "other.example"])
async def test_a_certificate_that_does_not_hold_waits_for_a_person(house, authority, password, how, name):
    """Of an authority that nobody trusts, or for another name."""
    issuer = authority if name == "other.example" else Authority()
    if how == "implicit":
        server = TlsServer(issuer, name)
    else:
        server = ScriptedPeer(Script(ehlo=STARTTLS), tls=issuer.server_context(name))
    async with server:
        own = server_at(server.port, password, tls=how, ca=authority.ca_file)
        (outcome,) = (await attempt(house, await own_server_batch(house, own))).outcomes
        assert (outcome.action, outcome.scope, outcome.phase) == (Action.HOLD, Scope.ACCOUNT, Phase.TLS)
        assert "certificate is not valid" in outcome.text


async def test_a_changed_file_of_authorities_counts_at_once(house, tmp_path, password, authority):
    ca = tmp_path / "ca.pem"
    ca.write_bytes(Authority().ca_pem)
    async with ScriptedPeer(Script(ehlo=STARTTLS), tls=authority.server_context("smtp.own.example")) as peer:
        own = server_at(peer.port, password, ca=ca)
        assert (await attempt(house, await own_server_batch(house, own))).outcomes[0].action is Action.HOLD
        before = account_key(own, "info@own.example", house.active.keyring)
        ca.write_bytes(authority.ca_pem)
        assert (await attempt(house, await own_server_batch(house, own))).outcomes[0].action is Action.DELIVERED
        assert account_key(own, "info@own.example", house.active.keyring) != before


@pytest.mark.parametrize("content", [None, b"this is no certificate"])
async def test_authorities_that_cannot_be_read_wait_for_a_person(house, tmp_path, password, content):
    ca = tmp_path / "ca.pem"
    if content is not None:
        ca.write_bytes(content)
    async with ScriptedPeer(Script(ehlo=STARTTLS)) as peer:
        own = server_at(peer.port, password, ca=ca)
        (outcome,) = (await attempt(house, await own_server_batch(house, own))).outcomes
        assert (outcome.action, outcome.scope) == (Action.HOLD, Scope.ACCOUNT)
        assert str(ca) in outcome.text
        assert peer.records == []


@pytest.mark.parametrize(
    ("auth", "action"),
    [
        (Say("535 5.7.8 Wrong"), Action.HOLD),
        (Say("534 5.7.9 Needs something stronger"), Action.HOLD),
        (Say("454 4.7.0 Not now"), Action.DEFER),
        (Say("421 4.7.0 Too many logins"), Action.DEFER),
        (Drop(), Action.DEFER),
        (Hang(), Action.DEFER),
        (Garbage(b"?\r\n"), Action.DEFER),
        (Say("334 VXNlcm5hbWU6"), Action.DEFER),
    ],
)
async def test_logins_that_are_refused_are_tried_once(house, authority, password, auth, action):
    house.configure(timeouts=QUICK)
    tls = authority.server_context("smtp.own.example")
    async with ScriptedPeer(Script(ehlo=STARTTLS, auth=auth), tls=tls) as peer:
        own = server_at(peer.port, password, ca=authority.ca_file)
        (outcome,) = (await attempt(house, await own_server_batch(house, own))).outcomes
        assert outcome.action is action
        assert outcome.phase is Phase.LOGIN
        assert sum("AUTH" in line for line in peer.records[0].lines) == 1
        assert "s\u00e9same" not in str(outcome)


async def test_no_mechanism_and_no_password_wait_for_a_person(house, authority, password):
    tls = authority.server_context("smtp.own.example")
    odd = Say("250-peer.example\r\n250-STARTTLS\r\n250 AUTH CRAM-MD5 XOAUTH2")
    async with ScriptedPeer(Script(ehlo=odd), Script(ehlo=STARTTLS), tls=tls) as peer:
        own = server_at(peer.port, password, ca=authority.ca_file)
        (outcome,) = (await attempt(house, await own_server_batch(house, own))).outcomes
        assert (outcome.action, outcome.status) == (Action.HOLD, "4.7.10")
        password.unlink()
        (outcome,) = (await attempt(house, await own_server_batch(house, own))).outcomes
        assert (outcome.action, outcome.status) == (Action.HOLD, "4.7.8")
        assert str(password) in outcome.text


# Kept sessions


async def test_a_session_is_kept_for_the_next_mail(house):
    async with ScriptedPeer() as peer:
        house.configure(delivery={"port": peer.port})
        attempts = house.attempts()
        for _ in range(3):
            assert (await attempts.attempt(await house.batch())).outcomes[0].action is Action.DELIVERED
        attempts.close()
        await peer.wait_for(lambda peer: peer.records[0].closed)
        assert len(peer.records) == 1
        assert [line.split(" ")[0] for line in peer.records[0].lines].count("EHLO") == 1


@pytest.mark.parametrize("ehlo", [Script().ehlo, Say("250 peer.example")], ids=["pipelining", "without"])
@pytest.mark.parametrize("act", [Drop(), Reset(), (Say("421 4.4.2 Idle"), Drop()), Say("421 4.4.2 Idle"), Hang()])
async def test_a_kept_session_that_is_over_costs_no_attempt(house, ehlo, act):
    """The second MAIL on the first connection runs into it."""
    script = SimpleNamespace(**{field.name: getattr(Script(ehlo=ehlo), field.name) for field in fields(Script)})
    async with ScriptedPeer(script, Script(ehlo=ehlo)) as peer:
        house.configure(delivery={"port": peer.port}, timeouts=QUICK)
        attempts = house.attempts()
        assert (await attempts.attempt(await house.batch())).outcomes[0].action is Action.DELIVERED
        script.mail = act
        assert (await attempts.attempt(await house.batch())).outcomes[0].action is Action.DELIVERED
        attempts.close()
        assert len(peer.records) == 2


async def test_a_session_that_the_peer_ended_while_idle_is_not_used(house):
    async with ScriptedPeer(Script(end=(Say("250 2.0.0 Taken"), Say("421 4.4.2 Bye"), Drop())), Script()) as peer:
        house.configure(delivery={"port": peer.port})
        attempts = house.attempts()
        for _ in range(2):
            assert (await attempts.attempt(await house.batch())).outcomes[0].action is Action.DELIVERED
        attempts.close()


async def test_a_session_is_not_kept_for_ever(house, monkeypatch):
    monkeypatch.setattr("relay.delivery.attempt._MOST_TRANSACTIONS", 2)
    async with ScriptedPeer() as peer:
        house.configure(delivery={"port": peer.port})
        attempts = house.attempts()
        for _ in range(4):
            await attempts.attempt(await house.batch())
        attempts.close()
        assert len(peer.records) == 2


async def test_a_session_is_not_used_for_a_route_that_changed(house):
    """The same host and port: but now TLS is demanded."""
    async with ScriptedPeer() as peer:
        house.zones.publish("smart.example", "A", "127.0.0.1")
        attempts = house.attempts()
        decision = Decision(Name.RELAY, None, ReversePath.NULL)
        outcomes = []
        for how in ("none", "starttls"):
            house.configure(delivery={"smarthost": {"host": "smart.example", "port": peer.port, "tls": how}})
            entry = await house.put()
            settings = house.active.snapshot.settings.delivery
            route = choose_route(decision, entry.deliveries[0].recipient.address, settings)
            outcomes += (
                await attempts.attempt(Batch(entry.message, entry.deliveries, decision, route, house.active))
            ).outcomes
        attempts.close()
        assert [outcome.action for outcome in outcomes] == [Action.DELIVERED, Action.DEFER]
        assert outcomes[1].phase is Phase.TLS


async def test_what_nobody_expected_is_an_outcome_too(house, monkeypatch):
    def broken(*args, **named):
        raise RuntimeError("secret detail")

    async with ScriptedPeer() as peer:
        house.configure(delivery={"port": peer.port})
        batch = await house.batch()
        monkeypatch.setattr(house.spool, "read", broken)
        (outcome,) = (await attempt(house, batch)).outcomes
        assert (outcome.action, outcome.scope, outcome.text) == (
            Action.DEFER,
            Scope.MESSAGE,
            "internal fault: RuntimeError",
        )


async def test_octets_that_are_gone_in_the_middle_never_become_a_message(house):
    octets = b"From: a@b.example\r\n\r\n" + (b"x" * 76 + b"\r\n") * 50_000
    async with ScriptedPeer() as peer:
        house.configure(delivery={"port": peer.port})
        batch = await house.batch(ANNA, octets=octets)
        os.truncate(house.spool._segments._folder / batch.message.content.segment, 600_000)
        (outcome,) = (await attempt(house, batch)).outcomes
        assert outcome.action is Action.DEFER
        await peer.wait_for(lambda peer: not peer.records or peer.records[0].closed)
        assert peer.messages == []


# Hosts that were not there


@pytest.mark.parametrize("script", [Script(banner=Hang()), Script(banner=Garbage(b"?\r\n"))])
async def test_a_host_that_said_nothing_is_tried_by_one_mail_at_a_time(house, script):
    async with ScriptedPeer(script, Script(banner=Hang()), Script()) as peer:
        house.configure(delivery={"port": peer.port}, timeouts={"greeting": "300ms"})
        assert (await house.attempt()).outcomes[0].action is Action.DEFER
        house.configure(timeouts={"greeting": "30s"})
        trying = asyncio.create_task(house.attempt())
        await peer.wait_for(lambda peer: len(peer.records) == 2)
        (outcome,) = (await house.attempt()).outcomes
        assert (outcome.action, outcome.scope, outcome.status) == (Action.DEFER, Scope.TARGET, "4.4.1")
        assert "being tried for another mail" in outcome.text
        assert len(peer.records) == 2
        trying.cancel()
        await asyncio.gather(trying, return_exceptions=True)
        assert (await house.attempt()).outcomes[0].action is Action.DELIVERED


async def test_whoever_comes_alone_tries_a_host_again_at_once(house):
    async with ScriptedPeer() as gone:
        pass
    house.configure(delivery={"port": gone.port})
    assert (await house.attempt()).outcomes[0].action is Action.DEFER
    async with ScriptedPeer(port=gone.port):
        assert (await house.attempt()).outcomes[0].action is Action.DELIVERED


async def test_a_host_that_refuses_is_there_for_everybody(house):
    async with ScriptedPeer(Script(banner=Say("554 5.7.1 Not you"))) as peer:
        house.configure(delivery={"port": peer.port})
        await asyncio.gather(*(house.attempt() for _ in range(5)))
        assert len(peer.records) == 5


def test_only_so_many_absent_hosts_are_remembered(house, monkeypatch):
    monkeypatch.setattr(unreachable, "_MOST", 2)
    targets = [Target("mx.customer.example", f"192.0.2.{number}", 25) for number in range(3)]
    for target in targets:
        house.unreachable.silent(target)
        assert house.unreachable.begin(target) is None
    assert [house.unreachable.begin(target) is not None for target in targets] == [False, False, True]
