"""What a mail proved, as others read it."""

from relay.policy.authentication import (
    ArcFinding,
    Authentication,
    DkimFinding,
    DmarcFinding,
    Result,
    SpfFinding,
    unknown,
)
from relay.policy.stated import stated_results


def said(evidence: Authentication) -> str:
    return stated_results("mx.relay.example", evidence)


def test_every_check_that_had_something_to_look_at_is_named():
    evidence = Authentication(
        SpfFinding(Result.PASS, "x.example"),
        SpfFinding(Result.FAIL, "mx.x.example"),
        (DkimFinding(Result.PASS, "x.example", "s1", "rsa-sha256", "abc123"), DkimFinding(Result.PERMERROR)),
        ArcFinding(Result.PASS),
        DmarcFinding(Result.PASS, "x.example"),
    )
    assert said(evidence) == (
        "mx.relay.example; spf=pass smtp.mailfrom=x.example; spf=fail smtp.helo=mx.x.example; "
        "dkim=pass header.d=x.example header.s=s1 header.b=abc123; dkim=permerror; "
        "dmarc=pass header.from=x.example; arc=pass"
    )


def test_what_is_not_known_is_said_to_be():
    assert said(unknown("no name server")) == "mx.relay.example; spf=temperror; dkim=none; dmarc=temperror; arc=none"
    assert said(Authentication()) == "mx.relay.example; spf=none; dkim=none; dmarc=none; arc=none"
