"""Domains that look like others: what somebody registers who wants to be taken for somebody else. Pure.

In charge of comparing names as eyes do. Knows nothing about who owns a domain: two domains of one company may look
alike too, so what is found here is a warning, never proof.
"""

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import idna

# Everybody writes from these; they look like nobody's own domain, and like each other by design.
FREE_MAIL = frozenset(
    (
        *("gmail.com", "googlemail.com", "hotmail.com", "hotmail.be", "hotmail.nl", "hotmail.fr", "hotmail.de"),
        *("hotmail.co.uk", "hotmail.it", "hotmail.es", "outlook.com", "outlook.be", "outlook.fr", "outlook.de"),
        *("live.com", "live.be", "live.nl", "live.fr", "live.de", "live.co.uk", "msn.com", "yahoo.com", "yahoo.fr"),
        *("yahoo.de", "yahoo.co.uk", "yahoo.es", "yahoo.it", "ymail.com", "icloud.com", "me.com", "mac.com", "aol.com"),
        *("gmx.de", "gmx.net", "gmx.at", "gmx.ch", "gmx.com", "web.de", "t-online.de", "freenet.de", "mail.com"),
        *("skynet.be", "telenet.be", "proximus.be", "scarlet.be", "pandora.be", "voo.be", "ziggo.nl", "kpnmail.nl"),
        *("xs4all.nl", "planet.nl", "home.nl", "hetnet.nl", "upcmail.nl", "casema.nl", "zonnet.nl", "chello.nl"),
        *("orange.fr", "wanadoo.fr", "free.fr", "sfr.fr", "laposte.net", "bbox.fr", "neuf.fr", "pt.lu", "proton.me"),
        *("protonmail.com", "pm.me", "fastmail.com", "zoho.com", "tutanota.com", "posteo.de", "mailbox.org"),
    )
)
# Second levels under which anybody registers, beside those of a country alone.
_SECOND_LEVELS = frozenset(("co", "com", "net", "org", "gov", "ac", "edu", "ltd", "plc"))
# What eyes take for each other, reduced to one of them; pairs before single letters.
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("nn", "m"))
_LETTERS = str.maketrans(
    {
        "0": "o",
        "1": "l",
        "i": "l",
        "j": "l",
        "|": "l",
        "5": "s",
        "8": "b",
        "2": "z",
        "-": None,
        "q": "g",
        # Cyrillic and Greek letters with Latin looks.
        "\u0430": "a",
        "\u0435": "e",
        "\u043e": "o",
        "\u0440": "p",
        "\u0441": "c",
        "\u0443": "y",
        "\u0445": "x",
        "\u0456": "l",
        "\u0458": "l",
        "\u0455": "s",
        "\u0501": "d",
        "\u043a": "k",
        "\u043c": "m",
        "\u0442": "t",
        "\u0432": "b",
        "\u043d": "h",
        "\u04bb": "h",
        "\u051b": "g",
        "\u051d": "w",
        "\u0475": "v",
        "\u043f": "n",
        "\u03bf": "o",
        "\u03b1": "a",
        "\u03c1": "p",
        "\u03bd": "v",
        "\u03b9": "l",
        "\u03ba": "k",
        "\u03c5": "u",
        "\u0131": "l",
        "\u0142": "l",
        "\u00f8": "o",
        "\u0111": "d",
        "\u00df": "b",
        "\u0251": "a",
        "\u0261": "g",
    }
)
_SHORTEST = 5
_LONG = 9


class _Name(NamedTuple):
    """A domain as eyes see it: the part that somebody has registered, the label chosen for it, and how that looks."""

    registered: str
    chosen: str
    skeleton: str


def looks_like(domain: str, known: Iterable[str]) -> str | None:
    """The first of the `known` domains that `domain` can be taken for without being (below) any of them."""
    others = tuple(dict.fromkeys(each.lower() for each in known))
    domain = domain.lower()
    if domain in FREE_MAIL or any(_is_within(domain, each) or _is_within(each, domain) for each in others):
        return None
    return next((each for each in others if each not in FREE_MAIL and _is_alike(domain, each)), None)


def registered(domain: str) -> str:
    """The part of a domain that somebody has registered, as far as that can be told from the name alone."""
    return _name(domain.lower()).registered


@lru_cache(maxsize=4096)
def _name(domain: str) -> _Name:
    labels = domain.split(".")
    labels = labels[-_suffix_labels(labels) - 1 :]
    chosen = _in_unicode(labels[0])
    return _Name(".".join(labels), chosen, _skeleton(chosen))


def _is_within(domain: str, other: str) -> bool:
    return domain == other or domain.endswith(f".{other}") or registered(domain) == registered(other)


def _is_alike(domain: str, other: str) -> bool:
    _, mine, my_look = _name(domain)
    _, theirs, their_look = _name(other)
    if len(theirs) < _SHORTEST:
        # Of short names there are too many that differ by one letter.
        return mine != theirs and my_look == their_look and len(theirs) > 1
    if my_look == their_look or mine.startswith(f"{theirs}-") or mine.endswith(f"-{theirs}"):
        return True
    return within_edits(mine, theirs, 2 if len(theirs) >= _LONG else 1)


def within_edits(mine: str, theirs: str, most: int) -> bool:
    """Whether at most so many letters were added, left out, changed or swapped with their neighbour."""
    # One edit brings in or takes out one letter, or both: names that share few letters need no more than this look.
    if abs(len(mine) - len(theirs)) > most or len(set(mine) ^ set(theirs)) > 2 * most:
        return False
    before: list[int] = []
    row = list(range(len(theirs) + 1))
    for number, letter in enumerate(mine, 1):
        earlier, before, row = before, row, [number]
        for at, other in enumerate(theirs, 1):
            cost = min(before[at] + 1, row[at - 1] + 1, before[at - 1] + (letter != other))
            if number > 1 and at > 1 and letter == theirs[at - 2] and mine[number - 2] == other:
                cost = min(cost, earlier[at - 2] + 1)
            row.append(cost)
    return row[-1] <= most


def _in_unicode(label: str) -> str:
    try:
        return idna.decode(label) if label.startswith("xn--") else label
    except (idna.IDNAError, UnicodeError):
        return label


def _suffix_labels(labels: list[str]) -> int:
    """How many labels at the end are not chosen: be, co.uk; no list of all suffixes is needed to warn."""
    return 2 if len(labels) > 2 and labels[-2] in _SECOND_LEVELS and len(labels[-1]) == 2 else 1


def _skeleton(label: str) -> str:
    plain = "".join(each for each in unicodedata.normalize("NFKD", label.lower()) if not unicodedata.combining(each))
    plain = plain.translate(_LETTERS)
    for pair, letter in _PAIRS:
        plain = plain.replace(pair, letter)
    return plain
