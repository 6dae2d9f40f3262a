"""What was found of a mail from outside, as it is stored with it and read again."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy.authentication import (
    ArcFinding,
    Authentication,
    DkimFinding,
    DmarcFinding,
    Result,
    SpfFinding,
    from_json,
    unknown,
)
from relay.policy.dmarc import Policy

results, texts = st.sampled_from(Result), st.text(max_size=20)
findings = st.builds(
    Authentication,
    spf=st.builds(SpfFinding, results, texts, texts),
    helo=st.builds(SpfFinding, results, texts, texts),
    dkim=st.lists(st.builds(DkimFinding, results, texts, texts, texts, texts, texts), max_size=3).map(tuple),
    arc=st.builds(ArcFinding, results, st.lists(texts, max_size=3).map(tuple), st.integers(0, 50), texts, texts),
    dmarc=st.builds(DmarcFinding, results, texts, st.sampled_from(Policy), texts, texts, texts),
)
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(findings)
def test_what_was_stored_is_read_again(found):
    assert from_json(json.loads(json.dumps(found.to_json()))) == found


def test_nothing_found_takes_no_room():
    assert Authentication().to_json() == {}
    assert from_json({}) == from_json(None) == from_json([]) == Authentication()


@given(junk, junk, junk)
def test_what_cannot_be_read_counts_as_not_there(one, two, three):
    read = from_json({"spf": one, "dkim": [two, three], "dmarc": two, "arc": {"result": "pass", "sealers": three}})
    assert read.spf.result in Result
    assert read.dmarc.policy in Policy


@pytest.mark.parametrize(
    "stored",
    [
        {"result": "maybe"},
        {"domain": "a.example"},
        {"result": "pass", "domain": 5},
        {"result": "pass", "more": ""},
        {"result": "pass", "policy": "harsh"},
        {"result": "pass", "oldest_pass": "1"},
        {"result": ["pass"]},
        {"result": "pass", "sealers": 1},
    ],
)
def test_a_finding_of_another_version_is_left_out(stored):
    assert from_json(dict.fromkeys(("spf", "helo", "arc", "dmarc"), stored) | {"dkim": [stored]}) == Authentication()


def test_only_a_signature_makes_a_mail_pass_wherever_it_is_handed_on():
    by_dkim = DmarcFinding(Result.PASS, "a.example", aligned_by="dkim:a.example")
    by_spf = DmarcFinding(Result.PASS, "a.example", aligned_by="spf:a.example")
    assert Authentication(dmarc=by_dkim).passes_by_dkim
    assert not Authentication(dmarc=by_spf).passes_by_dkim
    assert not Authentication().passes_by_dkim


def test_what_could_not_be_found_out_is_a_temporary_error():
    assert {unknown("slow").spf.result, unknown("slow").dmarc.result} == {Result.TEMPERROR}
    assert from_json(unknown("slow").to_json()).dmarc.reason == "slow"
