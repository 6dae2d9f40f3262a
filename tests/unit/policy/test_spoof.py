"""What becomes of mail in a false name: as asked, or as somebody wishes, and never because of trouble with the DNS."""

import pytest

from relay.mail.message import parse_header
from relay.policy.authentication import ArcFinding, Authentication, DkimFinding, DmarcFinding, Result, SpfFinding
from relay.policy.dmarc import Policy
from relay.policy.spoof import (
    Spoofed,
    explain_spoofed,
    is_spoofed,
    refuse_spoofed,
    treatment,
    warning_field,
)


def found(result: Result, policy: Policy = Policy.NONE, *, vouched_by: str = "") -> Authentication:
    return Authentication(
        spf=SpfFinding(Result.SOFTFAIL, "b.example"),
        dkim=(DkimFinding(Result.FAIL, "b.example"), DkimFinding(Result.PASS, "c.example")),
        arc=ArcFinding(Result.PASS if vouched_by else Result.NONE, vouched_by=vouched_by),
        dmarc=DmarcFinding(result, "" if result is Result.PERMERROR else "a.example", policy),
    )


HARSH, MILD = found(Result.FAIL, Policy.REJECT), found(Result.FAIL, Policy.QUARANTINE)
UNCLEAR = found(Result.PERMERROR)


@pytest.mark.parametrize(
    ("mail", "wish", "wanted"),
    [
        (HARSH, Spoofed.AS_ASKED, Spoofed.QUARANTINE),
        (MILD, Spoofed.AS_ASKED, Spoofed.MARK),
        (UNCLEAR, Spoofed.AS_ASKED, Spoofed.MARK),
        (HARSH, Spoofed.MARK, Spoofed.MARK),
        (MILD, Spoofed.QUARANTINE, Spoofed.QUARANTINE),
        (MILD, Spoofed.REFUSE, Spoofed.REFUSE),
        (found(Result.FAIL), Spoofed.REFUSE, None),
        (found(Result.PASS, Policy.REJECT), Spoofed.REFUSE, None),
        (found(Result.NONE), Spoofed.REFUSE, None),
        (found(Result.TEMPERROR, Policy.REJECT), Spoofed.REFUSE, None),
        (found(Result.FAIL, Policy.REJECT, vouched_by="list.example"), Spoofed.REFUSE, None),
        (Authentication(), Spoofed.REFUSE, None),
    ],
)
def test_what_becomes_of_it(mail, wish, wanted):
    assert treatment(mail, wish) is wanted
    assert is_spoofed(mail) == (wanted is not None)


def test_it_is_refused_only_when_everybody_it_is_for_wants_that():
    reply = refuse_spoofed(HARSH, [Spoofed.REFUSE, Spoofed.REFUSE])
    assert reply is not None
    assert str(reply).startswith("550 5.7.1 Nothing proves that this mail is from a.example")
    assert "SPF softfail; DKIM fail, pass" in str(reply)
    assert refuse_spoofed(HARSH, [Spoofed.REFUSE, Spoofed.MARK]) is None
    assert "clearly" in str(refuse_spoofed(UNCLEAR, [Spoofed.REFUSE]))


def test_a_mail_without_signatures_is_explained_too():
    assert "DKIM none" in explain_spoofed(Authentication(dmarc=HARSH.dmarc))


def test_the_mark_is_one_field():
    (field,) = parse_header(warning_field(HARSH)).fields
    assert (field.key, field.value) == ("relay-warning", b"spoofed; " + explain_spoofed(HARSH).encode())
    (field,) = parse_header(warning_field(UNCLEAR)).fields
    assert field.value == b"spoofed; The From field does not name its author clearly"
