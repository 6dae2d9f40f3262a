"""The record to publish, given what is there: typing errors mended, limits counted, nothing lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy import spf_reading
from relay.policy.spf_advice import Cost, advise_spf
from relay.policy.spf_reading import spf_like

OURS = "my.billit.be"
RIGHT = f"v=spf1 include:{OURS} -all"


def advise(*texts, costs=None):
    return advise_spf(texts, OURS, costs)


def test_without_a_record_it_is_the_one_of_the_help_page() -> None:
    advice = advise("google-site-verification=x", "v=DMARC1; p=none")

    assert advice.publish == "v=spf1 include:my.billit.be"
    assert not advice.is_right
    assert "there is no SPF record" in advice.remarks[0]


@pytest.mark.parametrize(
    "text",
    [
        RIGHT,
        f"V=spf1 +include:{OURS} ~all",
        f"v=spf1 a mx include:{OURS} ?all",
        f"v=spf1 include:{OURS}",
        f"{RIGHT} x=y",
        f"v=spf1 include:{OURS} ip6::: ~all",
    ],
)
def test_a_record_that_is_right_stays_as_it_is(text) -> None:
    advice = advise("something else", text)

    assert (advice.is_right, advice.publish, advice.remarks) == (True, text, ())


@pytest.mark.parametrize(
    ("text", "publish"),
    [
        ("v=spf1 mx -all", "v=spf1 include:my.billit.be mx -all"),
        ("v=spf1 include:spf.host.example ~all", "v=spf1 include:my.billit.be include:spf.host.example ~all"),
        ("v=spf1 redirect=_spf.host.example", "v=spf1 include:my.billit.be redirect=_spf.host.example"),
        (
            "v=spf1 a/24 mx:x.example/28 exp=why.example",
            "v=spf1 include:my.billit.be a/24 mx:x.example/28 exp=why.example",
        ),
        ("v=spf1", "v=spf1 include:my.billit.be"),
    ],
)
def test_ours_stands_right_behind_the_version(text, publish) -> None:
    advice = advise(text)

    assert advice.publish == publish
    assert advice.remarks == ("include:my.billit.be is missing",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("v=spf1 include.billit.be -all", "'include.billit.be' is not what was asked for"),
        ("v=spf1 include.my.billit.be -all", "write include:my.billit.be"),
        ("v=spf1 include my.billit.be -all", "there is a blank behind 'include'"),
        ("v=spf1 include: my.billit.be -all", "there is a blank behind 'include:'"),
        ("v=spf1 include=my.billit.be -all", "'include=my.billit.be' breaks the whole record"),
        ("v=spf1 incude:my.billit.be -all", "'incude:my.billit.be' breaks the whole record"),
        ("v=spf1 inlcude:my.billit.be -all", "write include:my.billit.be"),
        ("v=spf1 includes:my.billit.be -all", "write include:my.billit.be"),
        ("v=spf1 include:billit.be -all", "is not what was asked for"),
        ("v=spf1 include:include.my.billit.be -all", "is not what was asked for"),
        ("v=spf1 include:my.bilit.be -all", "is not what was asked for"),
        ('"v=spf1 include:my.billit.be -all"', "there are quotes"),
        ("v=spf1 “include:my.billit.be” -all", "there are quotes"),
        ("v=spf1include:my.billit.be -all", "it has to begin with 'v=spf1 '"),
        ("v=spf1; include:my.billit.be -all", "it has to begin with 'v=spf1 '"),
        ("spf1 include:my.billit.be -all", "it has to begin with 'v=spf1 '"),
        ("v = spf1 include:my.billit.be -all", "it has to begin with 'v=spf1 '"),
        ("v=spf1 -include:my.billit.be -all", "forbids what it should allow"),
        ("v=spf1 v=spf1 include:my.billit.be -all", "stands in it once more"),
    ],
)
def test_typing_errors_are_named_and_mended(text, said) -> None:
    advice = advise(text)

    assert not advice.is_right
    assert any(said in remark for remark in advice.remarks)
    assert advice.publish == RIGHT


@pytest.mark.parametrize(
    ("text", "publish"),
    [
        ("v=spf1 192.0.2.1 2001:db8::/32 -all", "v=spf1 include:my.billit.be ip4:192.0.2.1 ip6:2001:db8::/32 -all"),
        ("v=spf1 ipv4:192.0.2.1 -all", "v=spf1 include:my.billit.be ip4:192.0.2.1 -all"),
        ("v=spf1 ip4: 192.0.2.1 -all", "v=spf1 include:my.billit.be ip4:192.0.2.1 -all"),
        ("v=spf1 mx, a -all", "v=spf1 include:my.billit.be mx a -all"),
        ("v=spf1 nonsense %% include:bär.example redirect= ip4:x -all", RIGHT),
    ],
)
def test_errors_elsewhere_break_the_record_too(text, publish) -> None:
    advice = advise(text)

    assert advice.publish == publish
    assert advise(publish).is_right


def test_two_records_become_one() -> None:
    advice = advise("v=spf1 mx ~all", f"v=spf1 include:{OURS} a -all")

    assert advice.publish == "v=spf1 include:my.billit.be mx a -all"
    assert any("2 SPF records" in remark for remark in advice.remarks)


def test_what_stands_behind_all_is_moved_before_it() -> None:
    advice = advise(f"v=spf1 mx -all a include:{OURS}")

    assert advice.publish == "v=spf1 include:my.billit.be mx a -all"
    assert "behind '-all' counts for nothing: a, include:my.billit.be" in advice.remarks[0]


@pytest.mark.parametrize(
    ("text", "end"),
    [("+all", "~all"), ("all", "~all"), ("?all", "?all"), ("+all -all", "-all"), ("-all redirect=x.y", "-all")],
)
def test_nobody_lets_everybody_in(text, end) -> None:
    advice = advise(f"v=spf1 mx {text}")

    assert advice.publish == f"v=spf1 include:my.billit.be mx {end}"
    assert any("lets everybody" in remark for remark in advice.remarks) is (text in ("+all", "all", "+all -all"))


def test_ptr_is_frowned_upon() -> None:
    advice = advise(f"v=spf1 include:{OURS} ptr -all")

    assert advice.is_right
    assert "ptr" in advice.remarks[0]


def test_eleven_lookups_name_the_term_to_take_out() -> None:
    text = f"v=spf1 include:{OURS} include:big.example include:small.example mx -all"
    costs = {f"include:{OURS}": Cost(1), "include:big.example": Cost(7), "include:small.example": Cost(2)}
    (remark,) = advise(text, costs=costs).remarks
    assert "11 look-ups of 10" in remark
    assert "include:big.example (7)" in remark
    assert "take out mx," in remark
    (remark,) = advise(text, costs=costs | {"mx": Cost(20), "include:big.example": Cost(30)}).remarks
    assert "take out include:big.example," in remark
    assert advise(text, costs=costs | {"include:big.example": Cost(6)}).remarks == ()


def test_names_that_do_not_exist_are_to_be_taken_out() -> None:
    text = f"v=spf1 include:{OURS} a:one.example a:two.example a:three.example -all"
    void = Cost(1, 1)
    (remark,) = advise(text, costs={"a:one.example": void}).remarks
    assert remark == "what a:one.example names does not exist: take it out"
    (remark,) = advise(text, costs={f"a:{name}.example": void for name in ("one", "two", "three")}).remarks
    assert "more than 2 look-ups find nothing" in remark


def test_a_long_record_is_cut_into_strings() -> None:
    text = "v=spf1 " + " ".join(f"ip4:192.0.2.{number}" for number in range(40)) + " -all"
    advice = advise(text)

    assert "".join(advice.strings) == advice.publish
    assert all(len(string) <= 255 for string in advice.strings)
    assert len(advice.strings) == 3


def test_only_spf_is_read() -> None:
    assert spf_like(["v=DMARC1", "spf2.0/pra", "x v=spf1", RIGHT]) == [RIGHT]


words = st.sampled_from(
    [
        "v=spf1",
        "include:",
        "include",
        ".",
        ":",
        "=",
        "my.billit.be",
        "-all",
        "+",
        "all",
        "ip4:1.2.3.4",
        "mx",
        "/24",
        '"',
    ]
)


@given(st.lists(st.text() | st.lists(words).map(" ".join).map("v=spf1 ".__add__), max_size=3))
def test_no_record_is_too_odd_and_what_is_advised_is_right(texts) -> None:
    advice = advise(*texts)

    assert f"include:{OURS}" in advice.publish
    assert advise(advice.publish).is_right


def test_a_record_without_end_is_not_read_to_its_end(monkeypatch) -> None:
    looked_at = []
    monkeypatch.setattr(spf_reading, "_mend", looked_at.append)

    advice = advise("v=spf1 " + "include:x.example " * 3000)

    assert len(looked_at) <= 400
    assert any("it has 3000 terms" in remark for remark in advice.remarks)
