"""Names for messages: short, unique, in order of time, the same in either case."""

import secrets

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_DIGITS = 9
_CHANCE_DIGITS = 5


def new_queue_id(now: float) -> str:
    """A new queue id: 9 digits of time (milliseconds, good until the year 3084), 5 of chance."""
    number = (int(now * 1000) << (5 * _CHANCE_DIGITS)) | secrets.randbits(5 * _CHANCE_DIGITS)
    return "".join(_DIGITS[number >> shift & 31] for shift in range(5 * (_TIME_DIGITS + _CHANCE_DIGITS - 1), -1, -5))
