"""The records that a company's domain needs, and how each of them stands."""

import pytest

from relay.policy.dns_advice import KeyWish, Need, advise_records
from relay.policy.evidence import Finding
from relay.policy.spf_advice import advise_spf

from .domains import STUDIO, evidence

OURS = "my.relay.example"
YES, NO, OPEN = Finding(holds=True), Finding(holds=False, reason="no key"), Finding(holds=None, reason="silent")
RIGHT = f"v=spf1 include:{OURS} -all"


def advise(spf_text=RIGHT, challenge="word", finding=NO, record="", **published):
    target = "" if record else f"d1._domainkey.{OURS}"
    return advise_records(
        evidence(**published),
        challenge=challenge,
        spf=advise_spf([spf_text], OURS),
        keys=[KeyWish("d1", target, record, finding)],
        domain=OURS,
    )


def test_every_record_is_named_with_what_to_write() -> None:
    found = [(each.name, each.type, "".join(each.publish)) for each in advise()]

    assert found == [
        ("_relay-challenge.studio.example", "TXT", "word"),
        ("d1._domainkey.studio.example", "CNAME", "d1._domainkey.my.relay.example."),
        (STUDIO, "TXT", RIGHT),
        ("bounce.studio.example", "CNAME", "my.relay.example."),
    ]


def test_a_company_that_is_vouched_for_needs_no_proof() -> None:
    assert advise(challenge="")[0].name == "d1._domainkey.studio.example"


def test_a_key_made_for_the_domain_is_published_there_in_strings() -> None:
    advice = advise(record="x" * 300)[1]

    assert (advice.type, [len(string) for string in advice.publish]) == ("TXT", [255, 45])


@pytest.mark.parametrize(
    ("published", "needs"),
    [
        ({"finding": YES, "keys": True, "spf": True, "bounce": True}, ["ok", "ok", "ok", "ok"]),
        ({}, ["ok", "optional", "to do", "optional"]),
        ({"proof": False}, ["to do", "optional", "to do", "optional"]),
        ({"spf": True, "policy": "reject"}, ["ok", "to do", "ok", "optional"]),
        ({"finding": YES, "keys": True, "policy": "reject"}, ["ok", "ok", "optional", "optional"]),
        ({"keys": True, "policy": "reject"}, ["ok", "optional", "optional", "optional"]),
        ({"finding": OPEN, "spf": None, "policy": None}, ["ok", "not known", "not known", "optional"]),
        ({"spf": True, "spf_text": "v=spf1 ip4:192.0.2.1 -all"}, ["ok", "optional", "optional", "optional"]),
    ],
)
def test_how_each_of_them_stands(published, needs) -> None:
    assert [str(each.need) for each in advise(**published)] == needs


def test_what_is_not_in_order_says_why() -> None:
    proof, key, spf, bounce = advise(proof=False, spf_text="v=spf1 -all", finding=NO)

    assert proof.remarks == ("proof is missing",)
    assert key.remarks == ("no key",)
    assert spf.remarks == ("spf is missing", "include:my.relay.example is missing")
    assert bounce.remarks == ("bounce is missing",)
    assert advise()[0].need == Need.OK
    assert advise()[0].remarks == ()
