"""Chains of seals: whole and in order, or no chain; the text of a seal is set by set."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.arc_chain import MOST_SETS, ChainError, oldest_pass, read_chain, results_payload, seal_text
from relay.mail.message import Header, parse_header

AMS = "i={i}; a=rsa-sha256; c=relaxed/relaxed; d=x.example; s=s1; h=from:to; bh=YmI=; b=YmI="
AS = "i={i}; a=rsa-sha256; cv={cv}; d=x.example; s=s1; b=YmI="
AAR = "i={i}; x.example; dmarc=pass header.from=a.example"


def fields(i: object, *, cv: str | None = None, ams: str = AMS, seal: str = AS, aar: str = AAR) -> str:
    cv = cv or ("none" if i == 1 else "pass")
    return (
        f"ARC-Seal: {seal.format(i=i, cv=cv)}\r\nARC-Message-Signature: {ams.format(i=i)}\r\n"
        f"ARC-Authentication-Results: {aar.format(i=i)}\r\n"
    )


def header(*sets: str) -> Header:
    return parse_header(("".join(reversed(sets)) + "From: jan@a.example\r\n").encode())


def test_no_fields_are_no_chain():
    assert read_chain(header()) == ()


def test_sets_are_read_in_their_order():
    sets = read_chain(header(fields(1), fields(2), fields(3)))
    assert [each.seal.verdict for each in sets] == ["none", "pass", "pass"]
    assert sets[0].message.identity == "@x.example"
    assert sets[0].seal.key_name == "s1._domainkey.x.example"
    assert results_payload(sets[1].results) == b" x.example; dmarc=pass header.from=a.example"


def test_a_seal_signs_all_sets_up_to_its_own_and_itself_without_signature():
    one, two = read_chain(header(fields(1), fields(2)))
    text = seal_text((one, two)).decode()
    names = [line.partition(":")[0] for line in text.split("\r\n")]
    assert names == ["arc-authentication-results", "arc-message-signature", "arc-seal"] * 2
    assert text.endswith("cv=pass; d=x.example; s=s1; b=")
    assert "cv=none; d=x.example; s=s1; b=YmI=" in text


@pytest.mark.parametrize(
    ("sets", "complaint"),
    [
        ([fields(2)], "set 1 is not whole"),
        ([fields(1), fields(3)], "set 2 is not whole"),
        ([fields(1), fields(1)], "there twice"),
        ([fields(1).replace("ARC-Seal", "X")], "not whole"),
        ([fields(0)], "no usable place"),
        ([fields("x")], "no usable place"),
        ([fields(MOST_SETS + 1)], "no usable place"),
        ([fields(1, ams="a=rsa-sha256")], "no usable place"),
        ([fields(1, seal="junk")], "no usable place"),
        ([fields(1, aar="x.example; i=1")], "no usable place"),
        ([fields(1, aar="i=x; x.example")], "no usable place"),
        ([fields(1, cv="pass")], "did not hold"),
        ([fields(1), fields(2, cv="none")], "did not hold"),
        ([fields(1), fields(2, cv="fail")], "did not hold"),
        ([fields(1, seal=AS + "; h=from")], "choose fields"),
        ([fields(1, seal=AS.replace("YmI=", "*"))], "Base64"),
        ([fields(1, seal=AS.replace("rsa-sha256", "rsa-sha1"))], "does not count"),
        ([fields(1, ams=AMS.replace("from:to", "from:arc-seal"))], "signs seals"),
        ([fields(1, ams=AMS.replace("d=x.example", "d=x"))], "no domain"),
    ],
)
def test_what_is_no_chain_is_said(sets, complaint):
    with pytest.raises(ChainError, match=complaint):
        read_chain(header(*sets))


def test_a_thousand_sets_end_at_the_first_that_is_one_too_many():
    with pytest.raises(ChainError, match="no usable place"):
        read_chain(header(*(fields(number) for number in range(1, 1000))))


@pytest.mark.parametrize(
    ("holds", "oldest"), [([True], 0), ([True, True], 0), ([False, True], 2), ([False, True, False, True, True], 4)]
)
def test_how_far_back_nothing_was_changed(holds, oldest):
    assert oldest_pass(holds) == oldest


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"]),
            st.sampled_from(["i=1", "i=2", " i = 01 ", "i=", ""]) | st.text("i=;1 a\t", max_size=9),
            st.sampled_from([AS.format(i=1, cv="none")[4:], AMS[7:], "; x"]),
        ),
        max_size=5,
    )
)
def test_any_fields_are_a_chain_or_an_error(parts):
    block = "".join(f"{name}: {start}{rest}\r\n" for name, start, rest in parts).encode()
    try:
        sets = read_chain(parse_header(block))
    except ChainError:
        return
    assert all(seal_text(sets[: count + 1]) for count in range(len(sets)))
