"""Names for messages: short, unique, in order of time, the same in either case."""

import secrets

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple([high + low for high in _DIGITS for low in _DIGITS])
_TIME_DIGITS = 9
_CHANCE_DIGITS = 5
_SHIFTS = tuple(range(5 * (_TIME_DIGITS + _CHANCE_DIGITS) - 10, -1, -10))


def new_queue_id(now: float) -> str:
    """A new queue id: 9 digits of time (milliseconds, good until the year 3084), 5 of chance."""
    number = (int(now * 1000) << (5 * _CHANCE_DIGITS)) | secrets.randbits(5 * _CHANCE_DIGITS)
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])
