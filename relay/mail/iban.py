"""Account numbers in text: IBANs as people write them, found and checked (ISO 13616).

In charge of finding whole and valid ones only: a number counts when its country, its length and its check digits agree.
The only owner of RE2.
"""

import re
from collections.abc import Iterator
from itertools import islice

import re2

# The registry of IBANs: how long those of a country are.
_LENGTHS = {
    "AD": 24,
    "AE": 23,
    "AL": 28,
    "AT": 20,
    "AZ": 28,
    "BA": 20,
    "BE": 16,
    "BG": 22,
    "BH": 22,
    "BI": 27,
    "BR": 29,
    "BY": 28,
    "CH": 21,
    "CR": 22,
    "CY": 28,
    "CZ": 24,
    "DE": 22,
    "DJ": 27,
    "DK": 18,
    "DO": 28,
    "EE": 20,
    "EG": 29,
    "ES": 24,
    "FI": 18,
    "FK": 18,
    "FO": 18,
    "FR": 27,
    "GB": 22,
    "GE": 22,
    "GI": 23,
    "GL": 18,
    "GR": 27,
    "GT": 28,
    "HN": 28,
    "HR": 21,
    "HU": 28,
    "IE": 22,
    "IL": 23,
    "IQ": 23,
    "IS": 26,
    "IT": 27,
    "JO": 30,
    "KW": 30,
    "KZ": 20,
    "LB": 28,
    "LC": 32,
    "LI": 21,
    "LT": 20,
    "LU": 20,
    "LV": 21,
    "LY": 25,
    "MC": 27,
    "MD": 24,
    "ME": 22,
    "MK": 19,
    "MN": 20,
    "MR": 27,
    "MT": 31,
    "MU": 30,
    "NI": 28,
    "NL": 18,
    "NO": 15,
    "OM": 23,
    "PK": 24,
    "PL": 28,
    "PS": 29,
    "PT": 25,
    "QA": 29,
    "RO": 24,
    "RS": 22,
    "RU": 33,
    "SA": 24,
    "SC": 31,
    "SD": 18,
    "SE": 24,
    "SI": 19,
    "SK": 24,
    "SM": 27,
    "SO": 23,
    "ST": 25,
    "SV": 28,
    "TL": 23,
    "TN": 24,
    "TR": 26,
    "UA": 29,
    "VA": 22,
    "VG": 24,
    "XK": 20,
    "YE": 30,
}
# Not more than one of these stands between two letters or digits of a number.
_SEPARATORS = " \u00a0\u2009\u202f.\t-"
_WITHOUT_SEPARATORS = str.maketrans("", "", _SEPARATORS)
_PIECE = b"(?:(?:%b)?[A-Za-z0-9])" % b"|".join(re.escape(each.encode()) for each in _SEPARATORS)
# Every mail from outside is searched for what begins like the shortest of them. RE2 goes through a text once, whatever
# is in it, and finds nothing in most.
_SHORTEST = min(_LENGTHS.values())
_AS_OCTETS = re2.Options()
_AS_OCTETS.encoding = re2.Options.Encoding.LATIN1
_BEGUN = re2.compile(
    b"[^A-Za-z0-9](?i:%b)(?: |\xc2\xa0)?[0-9]{2}%b{%d}" % ("|".join(_LENGTHS).encode(), _PIECE, _SHORTEST - 4),
    _AS_OCTETS,
)
_HEAD = re.compile(rb"([A-Za-z]{2})(?: |\xc2\xa0)?([0-9]{2})")
# What follows the check digits, for each length of a whole number; a number of another length is none.
_RESTS = {length: re.compile(b"%b{%d}(?![A-Za-z0-9])" % (_PIECE, length - 4)) for length in _LENGTHS.values()}
_MOST = 20
# Nobody names more in a mail that is meant to be read.
_MOST_BEGUN = 2000
_MOST_LOOKED_AT = 200


def find_ibans(text: str) -> tuple[str, ...]:
    """The first valid IBANs of a text, at most 20, each once, without blanks and in capitals."""
    candidates = dict.fromkeys(islice(_candidates(text), _MOST_LOOKED_AT))
    return tuple(islice(filter(is_iban, candidates), _MOST))


def is_iban(text: str) -> bool:
    """Whether this is a valid IBAN, in capitals and without blanks."""
    if len(text) != _LENGTHS.get(text[:2]) or not (text.isascii() and text.isalnum() and text[2:4].isdigit()):
        return False
    return int("".join(str(int(each, 36)) for each in text[4:] + text[:4])) % 97 == 1


def _candidates(text: str) -> Iterator[str]:
    for octets, at in islice(_begun(text), _MOST_BEGUN):
        head = _HEAD.match(octets, at)
        assert head is not None  # noqa: S101 -- it is part of what was found
        country = head[1].decode().upper()
        rest = _RESTS[_LENGTHS[country]].match(octets, head.end())
        if rest is not None:
            yield country + head[2].decode() + rest[0].decode().translate(_WITHOUT_SEPARATORS).upper()


def _begun(text: str) -> Iterator[tuple[bytes, int]]:
    """Where a number may begin, in the octets of the text; also within what may be another one."""
    octets = b" " + text.encode("utf-8", "replace")
    at = 0
    while (found := _BEGUN.search(octets, at)) is not None:
        at = found.start() + 1
        yield octets, at
