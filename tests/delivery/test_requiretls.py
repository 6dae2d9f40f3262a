"""Mail whose sender requires TLS, or wants it ignored (RFC 8689)."""

import pytest

from relay.delivery.plan import _batch
from relay.facts.sts import Sts
from relay.mail.envelope import TlsWish
from relay.policy.outcome import Action
from relay.policy.sts import StsMode, StsPolicy
from relay.policy.trust import Basis
from relay.sandbox.certificates import Authority
from relay.sandbox.scripted_peer import Say, Script, ScriptedPeer
from relay.store.spool import State

from .house import AS_IT_IS, House

NAME = "mx0.customer.example"
OFFER = Say("250-peer.example\r\n250-STARTTLS\r\n250-REQUIRETLS\r\n250 PIPELINING")
NO_OFFER = Say("250-peer.example\r\n250-STARTTLS\r\n250 PIPELINING")
ENFORCED = Sts(StsPolicy(StsMode.ENFORCE, 86_400, (NAME,)))


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


async def attempt(house: House, peer: ScriptedPeer, wish: TlsWish | None, ca=None):
    house.configure(delivery={"port": peer.port, "ca": None if ca is None else str(ca)})
    entry = await house.put(envelope={"tls": wish})
    attempts = house.attempts()
    batch = _batch(entry.message, entry.deliveries[0], AS_IT_IS, house.active)
    try:
        return await attempts.attempt(batch)
    finally:
        attempts.close()


@pytest.fixture
def ca(authority, tmp_path):
    path = tmp_path / "ca.pem"
    path.write_bytes(authority.ca_pem)
    return path


async def test_required_tls_is_required_of_the_next_host_as_well(house, authority, ca):
    house.policies["customer.example"] = ENFORCED
    async with ScriptedPeer(Script(ehlo=OFFER), tls=authority.server_context(NAME)) as peer:
        result = await attempt(house, peer, TlsWish.REQUIRED, ca)
        assert (result.outcomes[0].action, result.trust) == (Action.DELIVERED, Basis.STS)
        (command,) = [line for line in peer.records[0].lines if line.startswith("MAIL")]
        assert command.endswith(" REQUIRETLS")


@pytest.mark.parametrize("sts", [ENFORCED, Sts()])
async def test_a_host_that_cannot_pass_it_on_or_that_nobody_vouches_for_gets_nothing(house, authority, ca, sts):
    house.policies["customer.example"] = sts
    ehlo = NO_OFFER if sts is ENFORCED else OFFER
    async with ScriptedPeer(Script(ehlo=ehlo), tls=authority.server_context(NAME)) as peer:
        (outcome,) = (await attempt(house, peer, TlsWish.REQUIRED, ca)).outcomes
        assert (outcome.action, outcome.status) == (Action.FAIL, "5.7.30")
        assert not any(line.startswith("MAIL") for record in peer.records for line in record.lines)


async def test_a_certificate_that_does_not_hold_lets_required_mail_wait(house, authority, ca):
    house.policies["customer.example"] = Sts(StsPolicy(StsMode.TESTING, 86_400, (NAME,)))
    async with ScriptedPeer(Script(ehlo=OFFER), tls=Authority().server_context(NAME)) as peer:
        (outcome,) = (await attempt(house, peer, TlsWish.REQUIRED, ca)).outcomes
        assert outcome.action is Action.DEFER
        assert not any(line.startswith("MAIL") for record in peer.records for line in record.lines)


async def test_a_smarthost_without_tls_gets_no_mail_that_requires_it(house):
    house.zones.publish("smart.example", "A", "127.0.0.1")
    async with ScriptedPeer(Script(ehlo=OFFER)) as peer:
        house.configure(delivery={"smarthost": {"host": "smart.example", "port": peer.port, "tls": "none"}})
        queue_id = await house.deliver(envelope={"tls": TlsWish.REQUIRED})
        delivery = await house.delivery(queue_id)
        assert delivery.state is State.FAILED
        assert peer.records == []
        (report,) = await house.reports()
        assert b"Hello" not in house.octets(report.message)


async def test_mail_that_says_so_goes_without_proof(house):
    house.policies["customer.example"] = ENFORCED
    async with ScriptedPeer(Script()) as peer:
        assert (await attempt(house, peer, None)).outcomes[0].action is Action.DEFER
        assert (await attempt(house, peer, TlsWish.IGNORED)).outcomes[0].action is Action.DELIVERED


async def test_a_session_without_proof_is_not_used_for_mail_that_requires_it(house, authority, ca):
    house.policies["customer.example"] = ENFORCED
    async with ScriptedPeer(Script(ehlo=OFFER), tls=authority.server_context(NAME)) as peer:
        house.configure(delivery={"port": peer.port, "ca": str(ca)})
        attempts = house.attempts()
        for wish in (TlsWish.IGNORED, TlsWish.REQUIRED):
            entry = await house.put(envelope={"tls": wish})
            result = await attempts.attempt(_batch(entry.message, entry.deliveries[0], AS_IT_IS, house.active))
            assert result.outcomes[0].action is Action.DELIVERED
        attempts.close()
        assert len(peer.records) == 2


@pytest.mark.parametrize(("offer", "action"), [(NO_OFFER, Action.DEFER), (OFFER, Action.DELIVERED)])
async def test_a_host_that_is_away_may_pass_it_on_later_though_another_one_cannot(house, authority, ca, offer, action):
    house.host("customer.example", "127.0.0.2", "127.0.0.1")
    names = ("mx0.customer.example", "mx1.customer.example")
    house.policies["customer.example"] = Sts(StsPolicy(StsMode.ENFORCE, 86_400, names))
    async with ScriptedPeer(Script(ehlo=offer), tls=authority.server_context(names[1])) as peer:
        (outcome,) = (await attempt(house, peer, TlsWish.REQUIRED, ca)).outcomes
        assert outcome.action is action
