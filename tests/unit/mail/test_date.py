"""Dates: the form we write, the forms we read."""

import contextlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.date import format_date, parse_date

NOON = datetime(2026, 11, 23, 12, 0, 5, tzinfo=UTC).timestamp()


def test_the_form_we_write():
    assert format_date(NOON + 0.9) == "Mon, 23 Nov 2026 12:00:05 +0000"
    assert format_date(0) == "Thu, 01 Jan 1970 00:00:00 +0000"


@given(st.integers(0, 4_000_000_000))
def test_what_we_write_reads_back(epoch):
    text = format_date(epoch)
    assert parse_date(text.encode()) == epoch
    assert parsedate_to_datetime(text).timestamp() == epoch


@pytest.mark.parametrize(
    "text",
    [
        "Mon, 23 Nov 2026 13:00:05 +0100",
        "mon, 23 nov 2026 13:00:05 +0100 (CET)",
        "Monday, 23 Nov 2026 06:30:05 -0530",
        "23 Nov 2026 12:00:05 GMT",
        "23 Nov 2026 12:00:05 UT",
        "23 Nov 2026 07:00:05 EST",
        "23 Nov 2026 08:00:05 EDT",
        "23 Nov 2026 12:00:05 XYZ",
        "23 Nov 2026 12:00:05",
        "(nested (comment)) 23 Nov 26 12:00:05 -0000",
        "23 Nov 126 12:00:05 Z",
        "  Mon ,  23  Nov  2026  12 : 00 : 05  +0000  ",
    ],
)
def test_forms_we_read(text):
    assert parse_date(text.encode()) == NOON


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("23 Nov 2026 12:00 +0000", NOON - 5),
        ("1 Jan 99 00:00:00 +0000", 915148800.0),
        ("31 Dec 2016 23:59:60 +0000", 1483228799.0),
        ("29 Feb 2024 00:00:00 +0000", 1709164800.0),
    ],
)
def test_odd_dates(text, at):
    assert parse_date(text.encode()) == at


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"yesterday",
        b"32 Nov 2026 12:00:00 +0000",
        b"0 Nov 2026 12:00:00 +0000",
        b"29 Feb 2023 12:00:00 +0000",
        b"23 Nox 2026 12:00:00 +0000",
        b"23 Nov 0026 12:00:00 +0000",
        b"23 Nov 2026 24:00:00 +0000",
        b"23 Nov 2026 12:60:00 +0000",
        b"23 Nov 2026 12:00:61 +0000",
        b"2026-11-23T12:00:00Z",
        b"23 Nov 2026 12:00:00 +01",
        b"23 Nov 2026 12:00:00 +0000 \xff",
        b"(" * 201,
        b"(((((" * 20,
    ],
)
def test_what_is_no_date(value):
    with pytest.raises(ValueError):
        parse_date(value)


@given(st.binary(max_size=40))
def test_no_bytes_break_the_parser(value):
    with contextlib.suppress(ValueError):
        assert isinstance(parse_date(value), float)
