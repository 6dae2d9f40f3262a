"""What a mail proves, in words for people and in short for apps."""

import pytest

from relay.policy.authentication import (
    ArcFinding,
    Authentication,
    DkimFinding,
    DmarcFinding,
    Result,
    SpfFinding,
    unknown,
)
from relay.policy.dmarc import Policy
from relay.policy.evidence_words import describe_evidence, evidence_in_short

KLANT = "klant.example"
SIGNED = DmarcFinding(Result.PASS, KLANT, Policy.REJECT, KLANT, f"dkim:{KLANT}")
FAILS = DmarcFinding(Result.FAIL, KLANT, Policy.REJECT, KLANT, reason="neither SPF nor DKIM is aligned")


@pytest.mark.parametrize(
    ("found", "headline"),
    [
        (Authentication(dmarc=SIGNED), "it is from klant.example, as the signature of klant.example proves"),
        (
            Authentication(dmarc=DmarcFinding(Result.PASS, KLANT, aligned_by="spf:mail.klant.example")),
            "it is from klant.example, as SPF of mail.klant.example proves",
        ),
        (Authentication(dmarc=FAILS), "nothing proves that it is from klant.example, which asks for p=reject"),
        (
            Authentication(dmarc=FAILS, arc=ArcFinding(Result.PASS, ("b.test",), vouched_by="b.test")),
            f"nothing proves that it is from {KLANT}, which asks for p=reject; b.test, which we trust, has seen proof",
        ),
        (
            Authentication(dmarc=DmarcFinding(Result.NONE, KLANT)),
            "whether it is from klant.example is not known: that domain does not say how to tell (DMARC)",
        ),
        (
            Authentication(dmarc=DmarcFinding(Result.TEMPERROR, KLANT)),
            "whether it is from klant.example could not be found out",
        ),
        (unknown("no name server answers"), "what it proves could not be found out"),
        (Authentication(), "its author cannot be told"),
    ],
)
def test_a_sentence_says_what_it_comes_to(found: Authentication, headline: str) -> None:
    assert next(describe_evidence(found)) == headline


def test_each_finding_has_a_line_with_its_reason_unless_it_passes() -> None:
    found = Authentication(
        SpfFinding(Result.PASS, "mail.klant.example", "the address is listed"),
        SpfFinding(Result.FAIL, "mx.klant.example", "-all"),
        (DkimFinding(Result.PASS, KLANT, "s1"), DkimFinding(Result.FAIL, "esp.example", reason="the body was changed")),
        ArcFinding(Result.PASS, ("a.example", "b.example")),
        FAILS,
    )
    assert list(describe_evidence(found))[1:] == [
        "SPF: pass for mail.klant.example",
        "SPF of its greeting: fail for mx.klant.example: -all",
        "DKIM: pass for klant.example (s1)",
        "DKIM: fail for esp.example: the body was changed",
        "ARC: pass for a.example, b.example",
        "DMARC: fail for klant.example: neither SPF nor DKIM is aligned",
    ]
    assert len(list(describe_evidence(Authentication()))) == 1
    assert list(describe_evidence(unknown("no answer")))[1:] == [
        "SPF: temperror: no answer",
        "ARC: temperror: no answer",
        "DMARC: temperror: no answer",
    ]


@pytest.mark.parametrize(
    ("found", "dkim"),
    [
        ((), "none"),
        ((DkimFinding(Result.FAIL), DkimFinding(Result.PASS)), "pass"),
        ((DkimFinding(Result.PERMERROR), DkimFinding(Result.FAIL)), "permerror"),
    ],
)
def test_in_short(found: tuple[DkimFinding, ...], dkim: str) -> None:
    short = evidence_in_short(Authentication(SpfFinding(Result.SOFTFAIL, KLANT), dkim=found, dmarc=SIGNED))
    assert short == {
        "dmarc": "pass",
        "spf": "softfail",
        "dkim": dkim,
        "arc": "none",
        "author": KLANT,
        "by": f"dkim:{KLANT}",
    }


def test_in_short_of_nothing() -> None:
    assert evidence_in_short(Authentication()) == {"dmarc": "none", "spf": "none", "dkim": "none", "arc": "none"}
