"""DMARC records, the walk up the tree, and alignment (RFC 9989)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy.dmarc import (
    MOST_QUERIES,
    Dmarc,
    DmarcRecord,
    Policy,
    Psd,
    apply_dmarc,
    ends_walk,
    is_aligned,
    organization,
    parse_dmarc,
    pick_record,
    walk,
)

NONE, QUARANTINE, REJECT = Policy.NONE, Policy.QUARANTINE, Policy.REJECT


def record(text: str) -> DmarcRecord:
    found = parse_dmarc(f"v=DMARC1; {text}")
    assert found is not None
    return found


def test_a_whole_record_is_read() -> None:
    found = record(
        "p=reject; sp=quarantine; np=none; psd=n; t=y; adkim=s; aspf=S; fo=1:d; "
        "rua=mailto:a@example.com!10m, mailto:b@example.com; ruf=mailto:c@example.com"
    )

    assert found == DmarcRecord(
        policy=REJECT,
        subdomains=QUARANTINE,
        missing=NONE,
        psd=Psd.NO,
        testing=True,
        strict_dkim=True,
        strict_spf=True,
        aggregate=("a@example.com", "b@example.com"),
        failures=("c@example.com",),
        failure_options=frozenset("1d"),
    )


@pytest.mark.parametrize(
    ("text", "policies"),
    [
        ("p=reject", (REJECT, REJECT, REJECT)),
        ("p=reject; sp=none", (REJECT, NONE, NONE)),
        ("p=none; np=reject", (NONE, NONE, REJECT)),
        ("", (NONE, NONE, NONE)),
        ("sp=reject", (NONE, REJECT, REJECT)),
        ("rua=mailto:a@example.com", (NONE, NONE, NONE)),
        ("p=rejct", (NONE, NONE, NONE)),
        ("p=reject; sp=quarantin", (NONE, NONE, NONE)),
        ("P = Reject ;", (REJECT, REJECT, REJECT)),
    ],
)
def test_policies_for_the_domain_those_below_and_those_that_do_not_exist(text, policies) -> None:
    found = record(text)

    assert (found.policy, found.subdomains, found.missing) == policies


def test_unknown_and_former_tags_are_ignored() -> None:
    assert record("p=reject; pct=20; ri=3600; rf=afrf; x=y; nonsense") == record("p=reject")


@pytest.mark.parametrize("text", ["fo=", "fo=x", "adkim=q", "aspf=", "psd=maybe", "t=yes", "rua=https://example.com/"])
def test_wrong_values_count_as_not_there(text) -> None:
    assert record(f"p=reject; {text}") == record("p=reject")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=spf1 -all",
        "v=dmarc1; p=reject",
        "p=reject; v=DMARC1",
        "v=DMARC2",
        "v=DMARC1; p=none; p=reject",
        "v DMARC1",
    ],
)
def test_other_text_is_no_record(text) -> None:
    assert parse_dmarc(text) is None


def test_several_records_are_as_good_as_none() -> None:
    assert pick_record(["v=DMARC1; p=reject", "v=spf1 -all"]) == record("p=reject")
    assert pick_record(["v=DMARC1; p=reject", "v=DMARC1; p=none"]) is None
    assert pick_record([]) is None


@given(st.text() | st.text(alphabet="v=DMARC1;psnxruaotdki: mailto@.!,").map("v=DMARC1;".__add__))
def test_nothing_in_a_record_is_too_odd(text) -> None:
    found = parse_dmarc(text)

    if found is not None:
        assert found.failure_options
        assert parse_dmarc(f"{text};") == found


@pytest.mark.parametrize(
    ("domain", "names"),
    [
        ("example.com", ("example.com", "com")),
        ("com", ("com",)),
        ("A.example.com", ("a.example.com", "example.com", "com")),
        ("a.b.c.d.e.f.g", ("a.b.c.d.e.f.g", "b.c.d.e.f.g", "c.d.e.f.g", "d.e.f.g", "e.f.g", "f.g", "g")),
        (
            "a.b.c.d.e.f.g.h",
            ("a.b.c.d.e.f.g.h", "b.c.d.e.f.g.h", "c.d.e.f.g.h", "d.e.f.g.h", "e.f.g.h", "f.g.h", "g.h", "h"),
        ),
        (
            "a.b.c.d.e.f.g.h.i.j.mail.example.com",
            (
                "a.b.c.d.e.f.g.h.i.j.mail.example.com",
                "g.h.i.j.mail.example.com",
                "h.i.j.mail.example.com",
                "i.j.mail.example.com",
                "j.mail.example.com",
                "mail.example.com",
                "example.com",
                "com",
            ),
        ),
    ],
)
def test_the_walk_asks_at_most_eight_names(domain, names) -> None:
    assert walk(domain) == names
    assert len(names) <= MOST_QUERIES


@pytest.mark.parametrize(
    ("domain", "found", "expected"),
    [
        ("a.example.com", {}, "a.example.com"),
        ("a.example.com", {"a.example.com": "p=none"}, "a.example.com"),
        ("a.example.com", {"a.example.com": "p=none", "example.com": "p=none"}, "example.com"),
        ("a.b.example.com", {"b.example.com": "psd=n", "example.com": "p=none"}, "b.example.com"),
        ("a.b.example.com", {"com": "psd=y"}, "example.com"),
        ("a.b.example.com", {"example.com": "psd=y"}, "b.example.com"),
        ("example.com", {"example.com": "psd=y"}, "example.com"),
    ],
)
def test_the_organizational_domain(domain, found, expected) -> None:
    assert organization(domain, {name: record(text) for name, text in found.items()}) == expected


@pytest.mark.parametrize(
    ("found", "exists", "expected"),
    [
        ({}, True, Dmarc("a.example.com")),
        (
            {"a.example.com": "p=reject; aspf=s"},
            True,
            Dmarc("a.example.com", REJECT, strict_spf=True, found_at="a.example.com"),
        ),
        ({"example.com": "p=reject; sp=none"}, True, Dmarc("example.com", NONE, found_at="example.com")),
        ({"example.com": "p=reject; np=none"}, True, Dmarc("example.com", REJECT, found_at="example.com")),
        ({"example.com": "p=none; np=reject"}, False, Dmarc("example.com", REJECT, found_at="example.com")),
        ({"example.com": "p=reject; t=y"}, True, Dmarc("example.com", QUARANTINE, found_at="example.com")),
        ({"example.com": "p=quarantine; t=y"}, True, Dmarc("example.com", NONE, found_at="example.com")),
        ({"com": "psd=y; p=none; sp=reject"}, True, Dmarc("example.com", REJECT, found_at="com")),
        (
            {"a.example.com": "p=none; adkim=s", "example.com": "p=reject"},
            True,
            Dmarc("example.com", NONE, strict_dkim=True, found_at="a.example.com"),
        ),
    ],
)
def test_what_applies_to_an_author(found, exists, expected) -> None:
    records = {name: record(text) for name, text in found.items()}

    assert apply_dmarc("a.example.com", records, exists=exists) == expected


@pytest.mark.parametrize(("psd", "ends"), [("y", True), ("n", True), ("u", False)])
def test_a_public_suffix_that_says_so_ends_the_walk(psd, ends) -> None:
    assert ends_walk(record(f"psd={psd}")) is ends


@pytest.mark.parametrize(
    ("domain", "strict", "aligned"),
    [
        ("example.com", True, True),
        ("example.com", False, True),
        ("bounce.example.com", False, True),
        ("bounce.example.com", True, False),
        ("relay.example", False, False),
        ("unknown.example", False, False),
    ],
)
def test_alignment(domain, strict, aligned) -> None:
    organizations = {
        "example.com": "example.com",
        "bounce.example.com": "example.com",
        "relay.example": "relay.example",
    }

    assert is_aligned(domain, "example.com", strict=strict, organizations=organizations) is aligned


def test_what_nothing_is_known_about_is_aligned_with_itself_only() -> None:
    assert is_aligned("example.com", "example.com", strict=False, organizations={})
    assert not is_aligned("bounce.example.com", "example.com", strict=False, organizations={})
