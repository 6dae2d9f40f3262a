"""What others are told of what was found: only names, read back by another reader."""

import authres
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.authentication_results import results_field
from relay.policy.authentication import ArcFinding, Authentication, DkimFinding, DmarcFinding, Result, SpfFinding
from relay.policy.stated import stated_results

FOUND = Authentication(
    spf=SpfFinding(Result.PASS, "a.example"),
    helo=SpfFinding(Result.FAIL, "mx.a.example"),
    dkim=(DkimFinding(Result.PASS, "a.example", "s1", "rsa-sha256", "ab+/cd=="), DkimFinding(Result.PERMERROR)),
    arc=ArcFinding(Result.PASS),
    dmarc=DmarcFinding(Result.PASS, "a.example"),
)


def test_all_results_are_stated():
    assert stated_results("mx.relay.example", FOUND) == (
        "mx.relay.example; spf=pass smtp.mailfrom=a.example; spf=fail smtp.helo=mx.a.example; "
        'dkim=pass header.d=a.example header.s=s1 header.b="ab+/cd=="; dkim=permerror; '
        "dmarc=pass header.from=a.example; arc=pass"
    )


def test_nothing_found_is_stated_as_none():
    assert stated_results("mx.relay.example", Authentication()) == (
        "mx.relay.example; spf=none; dkim=none; dmarc=none; arc=none"
    )


names = st.text(max_size=30) | st.sampled_from(["a.example; dkim=pass", "a\r\nX: y", "a(b", "a@b"])


@given(st.sampled_from(Result), names, names, names)
def test_no_name_adds_anything(result, one, two, three):
    found = Authentication(
        SpfFinding(result, one),
        SpfFinding(Result.PASS, two),
        (DkimFinding(result, two, three, mark=one),),
        dmarc=DmarcFinding(result, three),
    )
    field = results_field(stated_results("mx.relay.example", found)).replace(b"\r\n", b"").decode()
    read = authres.AuthenticationResultsHeader.parse(field)
    assert [each.method for each in read.results] == ["spf", "spf", "dkim", "dmarc", "arc"]
    assert read.results[0].result == result.value


@pytest.mark.parametrize("result", Result)
def test_every_result_is_a_plain_word(result):
    assert f"arc={result}" in stated_results("x.example", Authentication(arc=ArcFinding(result)))
