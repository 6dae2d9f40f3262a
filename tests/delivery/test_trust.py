"""What hosts have to prove before they get mail, and what happens to mail when they cannot."""

from collections.abc import Callable

import pytest

from relay.facts.sts import Sts
from relay.facts.tls_results import read_results
from relay.policy.outcome import Action, Phase, Scope
from relay.policy.sts import StsMode, StsPolicy
from relay.policy.trust import Basis, TlsFailure
from relay.sandbox.certificates import Authority
from relay.sandbox.scripted_peer import Drop, Say, Script, ScriptedPeer
from relay.store.spool import State

from .house import House

STARTTLS = Say("250-peer.example\r\n250-STARTTLS\r\n250 PIPELINING")
NAME = "mx0.customer.example"
Serve = Callable[..., ScriptedPeer]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def serve(house: House, authority: Authority, tmp_path) -> Serve:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.ca_pem)

    def serve(peer: ScriptedPeer) -> None:
        house.configure(delivery={"port": peer.port, "ca": str(ca)})

    return serve


def publish(house: House, mode: StsMode, *hosts: str) -> None:
    house.policies["customer.example"] = Sts(StsPolicy(mode, 86_400, hosts or (NAME,)))


def peer_of(authority: Authority, name: str = NAME, script: Script | None = None) -> ScriptedPeer:
    return ScriptedPeer(script or Script(ehlo=STARTTLS), tls=authority.server_context(name))


async def test_without_a_policy_any_certificate_will_do(house, authority, serve):
    async with peer_of(Authority(), "other.example") as peer:
        serve(peer)
        result = await house.attempt()
        assert result.outcomes[0].action is Action.DELIVERED
        assert (result.tls is not None, result.trust) == (True, Basis.NONE)


async def test_an_enforced_policy_is_kept_by_a_host_with_a_valid_certificate(house, authority, serve):
    publish(house, StsMode.ENFORCE)
    async with peer_of(authority) as peer:
        serve(peer)
        result = await house.attempt()
        assert result.outcomes[0].action is Action.DELIVERED
        assert result.trust is Basis.STS
        assert peer.records[0].tls


@pytest.mark.parametrize("fault", ["authority", "name", "no-starttls", "refused", "dropped"])
async def test_an_enforced_policy_lets_mail_wait_for_a_host_that_does_not_keep_it(house, authority, serve, fault):
    publish(house, StsMode.ENFORCE)
    script = {
        "no-starttls": Script(),
        "refused": Script(ehlo=STARTTLS, starttls=Say("454 4.7.0 Not now")),
        "dropped": Script(ehlo=STARTTLS, starttls=Drop()),
    }.get(fault)
    issuer = Authority() if fault == "authority" else authority
    async with peer_of(issuer, "other.example" if fault == "name" else NAME, script) as peer:
        serve(peer)
        (outcome,) = (await house.attempt()).outcomes
        assert (outcome.action, outcome.scope, outcome.phase) == (Action.DEFER, Scope.TARGET, Phase.TLS)
        assert len(peer.records) == 1
        assert not any(line.startswith("MAIL") for line in peer.records[0].lines)


async def test_an_enforced_policy_bars_hosts_that_it_does_not_name(house, authority, serve):
    publish(house, StsMode.ENFORCE, "mx1.customer.example")
    async with peer_of(authority) as peer:
        serve(peer)
        (outcome,) = (await house.attempt()).outcomes
        assert (outcome.action, outcome.status) == (Action.DEFER, "4.7.5")
        assert "does not name mx0.customer.example" in outcome.text
        assert peer.records == []
        house.host("customer.example", "127.0.0.9", "127.0.0.1")
        house.resolver.forget()
        async with peer_of(authority, "mx1.customer.example") as second:
            serve(second)
            result = await house.attempt()
            assert (result.target.host, result.trust) == ("mx1.customer.example", Basis.STS)


@pytest.mark.parametrize("fault", ["authority", "no-starttls", "unnamed", ""])
async def test_a_policy_in_testing_keeps_no_mail(house, authority, serve, fault):
    publish(house, StsMode.TESTING, "mx7.customer.example" if fault == "unnamed" else NAME)
    async with peer_of(
        Authority() if fault == "authority" else authority, script=Script() if fault == "no-starttls" else None
    ) as peer:
        serve(peer)
        result = await house.attempt()
        assert result.outcomes[0].action is Action.DELIVERED
        assert result.trust is (Basis.NONE if fault in ("authority", "no-starttls", "unnamed") else Basis.STS)


async def test_the_timeline_says_what_a_host_proved(house, authority, serve):
    house.zones.publish("smart.example", "A", "127.0.0.1")
    async with peer_of(authority, "smart.example") as peer:
        serve(peer)
        smarthost = {"host": "smart.example", "port": peer.port, "tls": "starttls"}
        house.configure(delivery={"smarthost": smarthost, "ca": house.changes["delivery"]["ca"]})
        queue_id = await house.deliver()
        assert (await house.delivery(queue_id)).state is State.DELIVERED
        (delivered,) = [event for event in house.sink.events if event.type == "delivered"]
        assert delivered.data["trust"] == "settings"


# What is counted for the domain's report


async def counted(house) -> list[tuple[str, int, list[str]]]:
    house.zones.publish("_smtp._tls.customer.example", "TXT", "v=TLSRPTv1; rua=mailto:tls@customer.example")
    await house.tls_results.flush()
    facts = await house.spool.facts.list("tls-results")
    results = [each for fact in facts for each in read_results(fact.value)]
    return [(each.kind, each.successes, [fault.result for fault in each.faults]) for each in results]


CASES = {
    "no policy": (None, {}, ("no-policy-found", 1, [])),
    "no policy, no TLS": (None, {"script": Script()}, ("no-policy-found", 0, ["starttls-not-supported"])),
    "no policy, broken TLS": (
        None,
        {"script": Script(ehlo=STARTTLS, starttls=Say("454 4.7.0 Not now"))},
        ("no-policy-found", 0, ["validation-failure"]),
    ),
    "kept": (StsMode.ENFORCE, {}, ("sts", 1, [])),
    "another name": (StsMode.ENFORCE, {"name": "other.example"}, ("sts", 0, ["certificate-host-mismatch"])),
    "another authority": (StsMode.TESTING, {"authority": Authority()}, ("sts", 0, ["certificate-not-trusted"])),
    "no TLS": (StsMode.TESTING, {"script": Script()}, ("sts", 0, ["starttls-not-supported"])),
    "not named": (StsMode.TESTING, {"hosts": ("mx9.customer.example",)}, ("sts", 0, ["validation-failure"])),
    "barred": (StsMode.ENFORCE, {"hosts": ("mx9.customer.example",)}, ("sts", 0, ["validation-failure"])),
}


@pytest.mark.parametrize("case", CASES)
async def test_every_session_is_counted_once_with_what_was_wrong(house, authority, serve, case):
    mode, host, expected = CASES[case]
    if mode is not None:
        publish(house, mode, *host.get("hosts", ()))
    async with peer_of(host.get("authority", authority), host.get("name", NAME), host.get("script")) as peer:
        serve(peer)
        await house.attempt()
    assert await counted(house) == [expected]


async def test_a_policy_that_cannot_be_fetched_is_counted_as_that(house, authority, serve):
    house.policies["customer.example"] = Sts(None, TlsFailure.FETCH, "down")
    async with peer_of(authority) as peer:
        serve(peer)
        assert (await house.attempt()).outcomes[0].action is Action.DELIVERED
    assert await counted(house) == [("sts", 0, ["sts-policy-fetch-error"])]
