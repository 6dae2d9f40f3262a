"""What is seen of a company's domain, with a name server that changes under it."""

from collections.abc import AsyncIterator

import pytest

from relay.authn.own_domain import Ours, look_at
from relay.dns import Resolver
from relay.policy.dmarc import Policy
from relay.sandbox.dns_server import DnsServer
from relay.sandbox.zones import FaultKind, Zones

RSA, OTHER, ED = "v=DKIM1; k=rsa; p=AAAA", "v=DKIM1; k=rsa; p=BBBB", "v=DKIM1; k=ed25519; p=CCCC"
OURS = Ours("my.relay.example", "mx1.my.relay.example", ("192.0.2.1", "192.0.2.2"), {"d1": RSA, "d2": OTHER, "e1": ED})
SHOP = "shop.example"
WORD = "relay-verification=word"


def is_proof(texts) -> bool:
    return WORD in texts


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    zones = Zones(ttl=300)
    zones.publish("my.relay.example", "TXT", "v=spf1 ip4:192.0.2.0/24 -all")
    zones.publish("my.relay.example", "MX", "10 mx1.my.relay.example.", "20 mx2.my.relay.example.")
    zones.publish("d1._domainkey.my.relay.example", "TXT", RSA)
    zones.publish("d2._domainkey.my.relay.example", "TXT", OTHER)
    zones.publish("e1._domainkey.my.relay.example", "TXT", ED)
    async with DnsServer(zones) as server:
        yield server


async def look(dns, *, proof=is_proof, ours=OURS):
    return (await look_at(SHOP, proof, ours, Resolver([dns.address]))).evidence


async def test_nothing_published_is_nothing_found(dns) -> None:
    seen = await look(dns)

    assert [each.holds for each in (seen.proof, seen.spf, seen.keys, seen.bounce)] == [False] * 4
    assert seen.selectors == ()
    assert seen.dmarc is not None
    assert seen.dmarc.policy is Policy.NONE
    assert "is missing" in seen.proof.reason


async def test_everything_published_is_found(dns) -> None:
    dns.zones.publish("_relay-challenge.shop.example", "TXT", "other", WORD)
    dns.zones.publish(SHOP, "TXT", "v=spf1 include:my.relay.example -all")
    dns.zones.publish("d1._domainkey.shop.example", "CNAME", "d1._domainkey.my.relay.example.")
    dns.zones.publish("bounce.shop.example", "CNAME", "my.relay.example.")
    dns.zones.publish("_dmarc.shop.example", "TXT", "v=DMARC1; p=reject")

    seen = await look(dns)

    assert [each.holds for each in (seen.proof, seen.spf, seen.keys, seen.bounce)] == [True] * 4
    assert seen.selectors == ("d1",)
    assert seen.bounce_organization == SHOP
    assert seen.dmarc is not None
    assert seen.dmarc.policy is Policy.REJECT


async def test_what_the_operator_vouches_for_is_not_asked(dns) -> None:
    seen = await look(dns, proof=None)

    assert seen.proof.holds
    assert "_relay-challenge.shop.example" not in {question.name for question in dns.questions}


async def test_a_wrong_word_is_no_proof(dns) -> None:
    dns.zones.publish("_relay-challenge.shop.example", "TXT", "relay-verification=somebody-else")

    seen = await look(dns)

    assert seen.proof.holds is False
    assert "says something else" in seen.proof.reason


async def test_spf_has_to_pass_from_every_address(dns) -> None:
    dns.zones.publish(SHOP, "TXT", "v=spf1 ip4:192.0.2.1 -all")

    seen = await look(dns)

    assert seen.spf.holds is False
    assert "says fail for our address 192.0.2.2" in seen.spf.reason


@pytest.mark.parametrize(
    ("published", "selectors"),
    [
        ({"d1": RSA}, ("d1",)),
        ({"d2": OTHER}, ("d2",)),
        ({"d1": RSA, "d2": OTHER}, ("d1",)),
        ({"d1": RSA, "e1": ED}, ("d1", "e1")),
        ({"d1": OTHER, "d2": OTHER}, ("d2",)),
        ({"d1": "v=DKIM1; p="}, ()),
    ],
)
async def test_only_keys_that_can_be_seen_sign_and_one_of_a_kind_will_do(dns, published, selectors) -> None:
    for selector, record in published.items():
        dns.zones.publish(f"{selector}._domainkey.shop.example", "TXT", record)

    seen = await look(dns)

    assert seen.selectors == selectors
    assert seen.keys.holds is bool(selectors)


async def test_while_one_key_cannot_be_looked_up_the_other_still_signs(dns) -> None:
    dns.zones.break_name("d1._domainkey.shop.example", FaultKind.SERVFAIL)
    assert (await look(dns)).keys.holds is None
    dns.zones.publish("d2._domainkey.shop.example", "TXT", OTHER)
    assert (await look(dns)).selectors == ("d2",)


async def test_without_keys_nothing_is_asked_for(dns) -> None:
    assert (await look(dns, ours=Ours(OURS.domain, OURS.hostname, OURS.addresses))).keys.holds is False
    assert not [question for question in dns.questions if "_domainkey" in question.name]


@pytest.mark.parametrize(
    ("records", "holds", "reason"),
    [
        ({"MX": ("10 mx1.my.relay.example.",)}, False, "publishes no SPF record"),
        ({"MX": ("10 mx1.my.relay.example.",), "TXT": ("v=spf1 ip4:192.0.2.0/24 -all",)}, True, "come to us"),
        ({"MX": ("10 mx1.my.relay.example.", "20 mx.other.example.")}, False, "does not come to us"),
        ({"MX": ("0 .",)}, False, "does not come to us"),
        ({"A": ("192.0.2.1",)}, False, "is not set up"),
    ],
)
async def test_a_return_path_has_to_lead_to_us_and_to_allow_us(dns, records, holds, reason) -> None:
    for rdtype, values in records.items():
        dns.zones.publish("bounce.shop.example", rdtype, *values)

    seen = await look(dns)

    assert seen.bounce.holds is holds
    assert reason in seen.bounce.reason


@pytest.mark.parametrize(
    ("broken", "field"),
    [
        ("_relay-challenge.shop.example", "proof"),
        (SHOP, "spf"),
        ("d1._domainkey.shop.example", "keys"),
        ("bounce.shop.example", "bounce"),
    ],
)
async def test_what_cannot_be_looked_up_is_left_open(dns, broken, field) -> None:
    dns.zones.break_name(broken, FaultKind.SERVFAIL)

    finding = getattr(await look(dns), field)

    assert finding.holds is None
    assert "cannot be looked up now" in finding.reason


@pytest.mark.parametrize("broken", ["my.relay.example", "_dmarc.bounce.shop.example"])
async def test_a_return_path_is_left_open_while_what_it_leads_to_is_not_known(dns, broken) -> None:
    dns.zones.publish("bounce.shop.example", "MX", "10 mx2.my.relay.example.")
    dns.zones.publish("bounce.shop.example", "TXT", "v=spf1 ip4:192.0.2.0/24 -all")
    dns.zones.break_name(broken, FaultKind.SERVFAIL)

    assert (await look(dns)).bounce.holds is None


async def test_a_policy_that_cannot_be_looked_up_is_left_open(dns) -> None:
    dns.zones.break_name("_dmarc.shop.example", FaultKind.SERVFAIL)

    seen = await look(dns)

    assert seen.dmarc is None
    assert "_dmarc.shop.example" in seen.dmarc_reason


async def test_a_look_holds_as_long_as_the_first_of_its_answers(dns) -> None:
    resolver = Resolver([dns.address])
    look = await look_at(SHOP, is_proof, OURS, resolver)
    answers = [
        await resolver.lookup_txt(name) for name in ("_relay-challenge.shop.example", SHOP, "_dmarc.shop.example")
    ]

    assert look.expires <= min(answer.expires for answer in answers)
