import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy.dane import Tlsa, Usage, read_tlsa
from relay.policy.sts import StsMode, StsPolicy
from relay.policy.trust import Basis, Demand, HostRecords, Proof, Refusal, demand_of

CERTIFICATE, KEY = b"a certificate", b"a key"
SHA256, SHA512 = hashlib.sha256(KEY).hexdigest(), hashlib.sha512(CERTIFICATE).hexdigest()


@pytest.mark.parametrize(
    "record",
    [
        f"3 1 1 {SHA256}",
        f"3 1 1 {SHA256[:30].upper()} {SHA256[30:]}",
        f"2 0 2 {SHA512}",
        f"3 0 0 {CERTIFICATE.hex()}",
        f"2 1 0 {KEY.hex()}",
    ],
)
def test_a_record_allows_what_it_names_and_nothing_else(record: str) -> None:
    (tlsa,) = read_tlsa([record])
    assert tlsa.allows(CERTIFICATE, KEY)
    assert not tlsa.allows(b"another", b"another")
    assert read_tlsa([str(tlsa)]) == (tlsa,)
    assert (tlsa.certificate is not None) is record.startswith("3 0 0")


@pytest.mark.parametrize(
    "record",
    [
        *("", "3", "3 1 1", "a b c d", "3 1 1 xyz", "3 1 0", "3 1 1 00", "\\# 4 00000000"),
        *(f"0 1 1 {SHA256}", f"1 1 1 {SHA256}", f"4 1 1 {SHA256}", f"3 2 1 {SHA256}", f"3 1 3 {SHA256}"),
        *(f"3 1 2 {SHA256}", f"3 1 1 {SHA512}", f"-3 1 1 {SHA256}"),
    ],
)
def test_records_that_cannot_be_used_are_left_out(record: str) -> None:
    assert read_tlsa([record, f"3 1 1 {SHA256}"]) == (Tlsa(Usage.HOST, 1, 1, hashlib.sha256(KEY).digest()),)


@given(st.lists(st.one_of(st.text(max_size=80), st.from_regex(r"[0-9] [0-9] [0-9] ([0-9a-f]{2})*")), max_size=5))
def test_any_text_gives_records_or_none(records: list[str]) -> None:
    found = read_tlsa(records)
    assert read_tlsa(str(each) for each in found) == found


HOST, DOMAIN = "mx1.bank.example", "bank.example"
RECORDS = HostRecords("real.bank.example", read_tlsa([f"3 1 1 {SHA256}"]))
UNUSABLE = HostRecords(HOST, ())


@pytest.mark.parametrize("mode", [None, *StsMode])
def test_dane_goes_before_mta_sts(mode: StsMode | None) -> None:
    sts = None if mode is None else StsPolicy(mode, 1, ("other.bank.example",))
    names = ("real.bank.example", HOST, DOMAIN)
    assert demand_of(DOMAIN, HOST, sts, RECORDS) == Demand(
        Basis.DANE, Proof.RECORDS, records=RECORDS.usable, names=names
    )


@pytest.mark.parametrize("mode", [None, StsMode.NONE, StsMode.TESTING])
def test_records_that_cannot_be_used_still_demand_tls(mode: StsMode | None) -> None:
    sts = None if mode is None else StsPolicy(mode, 1, (HOST,))
    assert demand_of(DOMAIN, HOST, sts, UNUSABLE) == Demand(Basis.NONE, Proof.ENCRYPTION)


def test_beside_records_that_cannot_be_used_an_enforced_policy_counts() -> None:
    sts = StsPolicy(StsMode.ENFORCE, 1, (HOST,))
    assert demand_of(DOMAIN, HOST, sts, UNUSABLE) == Demand(Basis.STS, Proof.CERTIFICATE)
    assert isinstance(demand_of(DOMAIN, "evil.example", sts, UNUSABLE), Refusal)
