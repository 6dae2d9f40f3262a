import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy.sts import MOST_OCTETS, StsMode, StsPolicy, read_sts_id, read_sts_policy
from relay.policy.trust import Basis, Demand, Proof, Refusal, TlsFailure, demand_of, demand_of_sender

GOOD = b"version: STSv1\r\nmode: enforce\r\nmx: mx1.bank.example\r\nmx: *.mail.bank.example\r\nmax_age: 604800\r\n"
POLICY = StsPolicy(StsMode.ENFORCE, 604_800, ("mx1.bank.example", "*.mail.bank.example"))


def test_a_policy_is_read() -> None:
    assert read_sts_policy(GOOD) == POLICY
    assert read_sts_policy("\r\n".join(POLICY.lines).encode()) == POLICY


@pytest.mark.parametrize(
    ("document", "policy"),
    [
        (GOOD.replace(b"\r\n", b"\n"), POLICY),
        (GOOD.rstrip(), POLICY),
        (GOOD.replace(b": ", b":"), POLICY),
        (GOOD.replace(b"enforce", b"enforce  \t"), POLICY),
        (GOOD.replace(b"mx1.bank.example", b"MX1.bank.example."), POLICY),
        (GOOD + b"\r\nmode: none\r\nmore.of-it: \xc3\xa9\r\n", POLICY),
        (b"max_age: 9999999999\nmode: none\nversion: STSv1", StsPolicy(StsMode.NONE, 31_557_600, ())),
    ],
)
def test_ways_to_write_a_policy(document: bytes, policy: StsPolicy) -> None:
    assert read_sts_policy(document) == policy


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "version"),
        (GOOD.replace(b"STSv1", b"STSv2"), "version"),
        (GOOD.replace(b"604800", b"-1"), "max_age"),
        (GOOD.replace(b"604800", b"12345678901"), "max_age"),
        (GOOD.replace(b"enforce", b"Enforce"), "mode"),
        (GOOD.replace(b"mode", b"Mode"), "mode"),
        (b"version: STSv1\nmode: testing\nmax_age: 1\n", "no mail host"),
        (GOOD.replace(b"*.mail", b"*.*.mail"), "no mail host"),
        (GOOD.replace(b"*.mail", b"m*.mail"), "no mail host"),
        (GOOD.replace(b"mx1.bank.example", b"mx1.bank.example,mx2.bank.example"), "no mail host"),
        (GOOD + b"<html>\n", "a colon"),
        (GOOD + b"caf\xe9: 1\n", "UTF-8"),
        (GOOD + b"x" * MOST_OCTETS, "octets"),
        (GOOD + b"".join(b"mx: mx%d.bank.example\n" % number for number in range(300)), "more than 256"),
    ],
)
def test_what_is_no_policy_is_said_to_be_none(document: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_sts_policy(document)


@given(st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(GOOD.split(b"\r\n")), max_size=9).map(b"\n".join)))
def test_reading_any_octets_gives_a_policy_or_a_reason(document: bytes) -> None:
    try:
        policy = read_sts_policy(document)
    except ValueError:
        return
    assert read_sts_policy("\n".join(policy.lines).encode()) == policy


@pytest.mark.parametrize(
    ("records", "found"),
    [
        ([b"v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        ([b"v=STSv1;id=a"], "a"),
        ([b"v=STSv1 ; more=1 ; id=a ;"], "a"),
        ([b"v=STSv1; id=a", b"v=spf1 -all"], "a"),
        ([b"v=STSv1; id=a; id=b"], "a"),
        ([b"v=STSv1; id=a", b"v=STSv1; id=a"], None),
        ([b"v=STSv1; id="], None),
        ([b"v=STSv1; id=" + b"x" * 33], None),
        ([b"v=STSv1; id=a-b"], None),
        ([b"v=STSv1; "], None),
        ([b"v=STSv11; id=a"], None),
        ([b"V=STSv1; id=a"], None),
        ([b"v=STSv1; id=\xe9"], None),
        ([], None),
    ],
)
def test_the_record_announces_one_policy_or_none(records: list[bytes], found: str | None) -> None:
    assert read_sts_id(records) == found


@given(st.lists(st.one_of(st.binary(max_size=80), st.just(b"v=STSv1; id=a;")), max_size=3))
def test_any_records_announce_something_that_can_be_a_key(records: list[bytes]) -> None:
    found = read_sts_id(records)
    assert found is None or (found.isascii() and found.isalnum() and len(found) <= 32)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("mx1.bank.example", True),
        ("MX1.Bank.Example.", True),
        ("a.mail.bank.example", True),
        ("a.b.mail.bank.example", False),
        ("mail.bank.example", False),
        ("mx2.bank.example", False),
        ("example", False),
        ("", False),
    ],
)
def test_a_wildcard_stands_for_one_label(host: str, *, allowed: bool) -> None:
    assert POLICY.allows(host) is allowed


def policy(mode: StsMode) -> StsPolicy:
    return StsPolicy(mode, 1, ("mx1.bank.example",))


def test_nothing_is_demanded_where_nobody_asks_for_it() -> None:
    for sts in (None, policy(StsMode.NONE)):
        assert demand_of("bank.example", "evil.example", sts) == Demand()


def test_a_policy_that_is_enforced_demands_a_certificate_of_the_hosts_it_names_and_bars_the_others() -> None:
    enforced = policy(StsMode.ENFORCE)
    assert demand_of("bank.example", "mx1.bank.example", enforced) == Demand(Basis.STS, Proof.CERTIFICATE)
    refusal = demand_of("bank.example", "evil.example", enforced)
    assert isinstance(refusal, Refusal)
    assert refusal.failure is TlsFailure.OTHER
    assert "evil.example" in refusal.reason


def test_a_policy_in_testing_bars_nobody() -> None:
    testing = policy(StsMode.TESTING)
    assert demand_of("bank.example", "mx1.bank.example", testing) == Demand(
        Basis.STS, Proof.CERTIFICATE, tentative=True
    )
    assert demand_of("bank.example", "evil.example", testing) == Demand(tentative=True, failure=TlsFailure.OTHER)


def test_a_sender_who_requires_tls_gets_it_where_somebody_vouches_for_the_host() -> None:
    host, sender = "mx1.bank.example", Demand(Basis.SENDER, Proof.CERTIFICATE)
    named = Demand(Basis.STS, Proof.CERTIFICATE)
    barred = Refusal("", TlsFailure.OTHER)
    for demand, vouched, expected in (
        (Demand(), True, sender),
        (Demand(proof=Proof.ENCRYPTION), True, sender),
        (named, False, named),
        (Demand(Basis.STS, Proof.CERTIFICATE, tentative=True), False, sender),
        (barred, True, barred),
    ):
        assert demand_of_sender("bank.example", host, demand, vouched=vouched) == expected
    for unnamed in (Demand(), Demand(tentative=True, failure=TlsFailure.OTHER)):
        refusal = demand_of_sender("bank.example", host, unnamed, vouched=False)
        assert isinstance(refusal, Refusal)
        assert host in refusal.reason
