"""Dates as header fields write them (RFC 5322 3.3, and 4.3 for what old programs write), and as RFC 3339 does."""

import re
import time
from datetime import date
from functools import lru_cache

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBERS = {name.lower(): number for number, name in enumerate(_MONTHS, 1)}
_EPOCH = date(1970, 1, 1).toordinal()
_DATE = re.compile(
    r"\s*(?:[a-z]{3,9}\s*,)?\s*(\d{1,2})\s+([a-z]{3})\s+(\d{2,4})\s+(\d{1,2})\s*:\s*(\d{2})(?:\s*:\s*(\d{2}))?"
    r"(?:\s+([+-]\d{4}|[a-z]{1,5}))?\s*",
    re.ASCII | re.IGNORECASE,
)
_MAX_LENGTH = 200
_COMMENT = re.compile(r"\([^()]*\)")
_NAMED_ZONES = {"EDT": -4, "EST": -5, "CDT": -5, "CST": -6, "MDT": -6, "MST": -7, "PDT": -7, "PST": -8}


def format_date(epoch: float) -> str:
    """The date for a header field, in UTC, to the second."""
    # Whole seconds below the time, also before 1970.
    return _format_second(int(epoch // 1))


@lru_cache(maxsize=16)
def _format_second(second: int) -> str:
    at = time.gmtime(second)
    return (
        f"{_DAYS[at.tm_wday]}, {at.tm_mday:02d} {_MONTHS[at.tm_mon - 1]} {at.tm_year:04d} "
        f"{at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d} +0000"
    )


def format_timestamp(epoch: float) -> str:
    """The time as RFC 3339 writes it, in UTC, to the second."""
    at = time.gmtime(int(epoch // 1))
    return f"{at.tm_year:04d}-{at.tm_mon:02d}-{at.tm_mday:02d}T{at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d}Z"


def parse_date(value: bytes) -> float:
    """Seconds since the epoch of a Date field's value. Raises ValueError when it is no date.

    A zone that is missing or unknown counts as UTC (RFC 5322 4.3); a leap second counts as the second before.
    """
    text = value.decode("ascii", "replace")
    if len(text) > _MAX_LENGTH:
        raise ValueError("too long for a date")
    while "(" in text and _COMMENT.search(text):
        text = _COMMENT.sub(" ", text)
    found = _DATE.fullmatch(text)
    if not found:
        raise ValueError("not a date")
    day, month_name, year_digits, hour, minute, second, zone = found.groups()
    month = _MONTH_NUMBERS.get(month_name.lower())
    if month is None:
        raise ValueError("no such month")
    days = date(_year(year_digits), month, int(day)).toordinal() - _EPOCH
    hours, minutes, seconds = int(hour), int(minute), int(second or 0)
    if hours > 23 or minutes > 59 or seconds > 60:
        raise ValueError("no such time")
    return float(((days * 24 + hours) * 60 + minutes) * 60 + min(seconds, 59) - _offset(zone or ""))


def _year(digits: str) -> int:
    # RFC 5322 4.3: two digits belong to 1950 to 2049, three count from 1900.
    year = int(digits)
    if len(digits) == 4:
        if year < 1900:
            raise ValueError("no such year")
        return year
    return year + (2000 if len(digits) == 2 and year < 50 else 1900)


def _offset(zone: str) -> int:
    """Seconds east of UTC."""
    if zone[:1] in ("+", "-"):
        hours, minutes = int(zone[1:3]), int(zone[3:5])
        seconds = hours * 3600 + minutes * 60
        return -seconds if zone[0] == "-" else seconds
    return _NAMED_ZONES.get(zone.upper(), 0) * 3600
