"""Whose word counts for a mail's author, and what is asked for when nobody's does."""

import pytest

from relay.policy.authentication import Result
from relay.policy.dmarc import Dmarc, Policy
from relay.policy.dmarc_result import NO_AUTHOR, Vouchers, evaluate, may_align, worst

REJECT = Dmarc("a.example", Policy.REJECT, found_at="a.example")
STRICT = Dmarc("a.example", Policy.REJECT, strict_dkim=True, strict_spf=True, found_at="a.example")
ORGANIZATIONS = {"a.example": "a.example", "mail.a.example": "a.example", "b.example": "b.example"}


# Author, signing domains, domain of the reverse path, what the author's domain publishes: what counts.
@pytest.mark.parametrize(
    ("dkim", "spf", "dmarc", "result", "aligned_by"),
    [
        (["a.example"], [], REJECT, "pass", "dkim:a.example"),
        ([], ["a.example"], REJECT, "pass", "spf:a.example"),
        (["a.example"], ["a.example"], REJECT, "pass", "dkim:a.example"),
        (["mail.a.example"], [], REJECT, "pass", "dkim:mail.a.example"),
        ([], ["mail.a.example"], REJECT, "pass", "spf:mail.a.example"),
        (["mail.a.example"], [], STRICT, "fail", ""),
        ([], ["mail.a.example"], STRICT, "fail", ""),
        (["a.example"], ["b.example"], STRICT, "pass", "dkim:a.example"),
        (["b.example"], ["b.example"], REJECT, "fail", ""),
        (["b.example", "a.example"], [], REJECT, "pass", "dkim:a.example"),
        ([], [], REJECT, "fail", ""),
        ([], [], Dmarc("a.example"), "none", ""),
        (["a.example"], [], None, "temperror", ""),
    ],
)
def test_whose_word_counts(dkim, spf, dmarc, result, aligned_by):
    vouchers = Vouchers(tuple(dkim), tuple(spf), organizations=ORGANIZATIONS)
    found = evaluate("a.example", dmarc, vouchers, reason="slow")
    assert (found.result.value, found.aligned_by, found.author) == (result, aligned_by, "a.example")
    assert found.reason or result == "pass"


@pytest.mark.parametrize(
    ("domain", "result"),
    [("a.example", Result.TEMPERROR), ("mail.a.example", Result.TEMPERROR), ("b.example", Result.FAIL)],
)
def test_only_who_could_have_vouched_makes_it_uncertain(domain, result):
    assert evaluate("a.example", REJECT, Vouchers(open=(domain,))).result is result


def test_a_name_of_the_organization_may_be_aligned_and_others_need_not_be_asked_about():
    assert may_align("a.example", "a.example")
    assert may_align("x.a.example", "a.example")
    assert not may_align("xa.example", "a.example")
    assert not may_align("a.example", "")


def test_of_several_authors_the_worst_counts():
    passing = evaluate("a.example", REJECT, Vouchers(("a.example",)))
    failing = evaluate("b.example", Dmarc("b.example", Policy.QUARANTINE, found_at="b.example"), Vouchers())
    harsh = evaluate("c.example", Dmarc("c.example", Policy.REJECT, found_at="c.example"), Vouchers())
    unknown = evaluate("d.example", None, Vouchers())
    assert worst([passing, failing, harsh, unknown]) is harsh
    assert worst([passing, unknown]) is unknown
    assert worst([passing]) is passing
    assert worst([]) is NO_AUTHOR
