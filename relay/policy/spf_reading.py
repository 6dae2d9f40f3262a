"""Reads SPF records as people write them into control panels, not only as RFC 7208 allows. Pure.

A colon that is a point or a blank, quotes, names that are nearly right: such errors break a whole record. They are
mended as far as it can be guessed what was meant, and named.
"""

import difflib
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_NAMES = ("include", "ip4", "ip6", "mx", "a", "ptr", "exists", "all", "redirect", "exp")
_MECHANISMS = {"include", "ip4", "ip6", "mx", "a", "ptr", "exists", "all"}
_COSTLY = {"include", "a", "mx", "ptr", "exists", "redirect"}
_SPF_LIKE = re.compile(r"""[\s"'“”(]*(?:v\s*[=:]?\s*)?["']?spf\s*1""", re.IGNORECASE)
_VERSION = re.compile(r"""[\s"'“”(]*(?:v\s*[=:]?\s*)?["']?spf\s*1[;,:]?["']?""", re.IGNORECASE)
_TERM = re.compile(r"([+?~-]?)([a-z][a-z0-9._-]*?)(?:([:=./])(.*))?", re.IGNORECASE | re.DOTALL)
_CUT_OFF = re.compile(r"include|[+?~-]?[a-z][a-z0-9]*[:=]+", re.IGNORECASE)
_VALUE = re.compile(r"[!-~]+")
_NEARLY = 0.85
_MOST_TERMS = 400  # of one record; receivers give up far sooner
_QUOTES = str.maketrans("", "", "\"'“”`")


@dataclass(frozen=True, slots=True)
class Term:
    """One mechanism or modifier. `text` is how it is written right."""

    name: str
    value: str
    text: str

    @property
    def is_costly(self) -> bool:
        """Whether a receiver has to look something up for it."""
        return self.name in _COSTLY

    @property
    def is_modifier(self) -> bool:
        """Whether it counts wherever it stands, like `redirect` and what nobody knows (RFC 7208 6)."""
        return self.name not in _MECHANISMS


@dataclass(slots=True)
class Reading:
    """The terms of a record as they were meant, and what is wrong with it."""

    terms: list[Term] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def spf_like(texts: Iterable[str]) -> list[str]:
    """The TXT records that are SPF, or were meant to be."""
    return [text for text in texts if _SPF_LIKE.match(text)]


def read_record(record: str, include: str = "") -> Reading:
    """The terms of a record, with everything mended that can be guessed; `include` is the name to guess at."""
    reading = Reading()
    if any(quote in record for quote in "\"“”'"):
        reading.remarks.append("there are quotes in the record: write it without them")
    version = _VERSION.match(record)
    assert version is not None  # noqa: S101 -- only such records are read
    rest = record[version.end() :]
    if version[0].strip().lower() != "v=spf1" or (rest and not rest[0].isspace()):
        reading.remarks.append(f"it has to begin with 'v=spf1 ', not with '{record[:12]}'")
    words = _words(rest, reading)
    while words:
        word = words.pop(0)
        if word.lower() in ("v=spf1", "spf1"):
            reading.remarks.append(f"'{word}' stands in it once more")
            continue
        if words and _is_cut_off(word):
            whole = f"{word.rstrip(':=')}:{words.pop(0)}"
            reading.remarks.append(f"there is a blank behind '{word}': write {whole} in one")
            word = whole
        term = _mend(word)
        if term is None:
            reading.remarks.append(f"'{word}' is no term, and breaks the whole record")
            continue
        is_ours = term.name == "include" and term.value == include
        if term.name == "include" and not is_ours and _is_nearly(term.value, include):
            said = f"'{word}' is not what was asked for, and breaks the record or names others"
            reading.remarks.append(f"{said}: write include:{include}")
            is_ours = True
        elif is_ours and word[0] in "-~?":
            reading.remarks.append(f"'{word}' forbids what it should allow: write include:{include}")
        elif not _is_written_right(word, term):
            reading.remarks.append(f"'{word}' breaks the whole record: write {term.text}")
        reading.terms.append(Term("include", include, f"include:{include}") if is_ours else term)
    return reading


def _words(text: str, reading: Reading) -> list[str]:
    words = text.translate(_QUOTES).replace(",", " ").replace(";", " ").split()
    if len(words) > _MOST_TERMS:
        reading.remarks.append(
            f"it has {len(words)} terms, of which the first {_MOST_TERMS} are read: nobody reads more"
        )
    return words[:_MOST_TERMS]


def _is_cut_off(word: str) -> bool:
    """Whether a term ends where its value should begin; the networks `a::` and `ip6:::` only look so."""
    return bool(_CUT_OFF.fullmatch(word)) and not (_is_network(word) or _is_network(word.partition(":")[2]))


def _mend(word: str) -> Term | None:
    """The term that `word` stands for; None for what cannot be guessed."""
    if _is_network(word):
        text = f"{'ip6' if ':' in word else 'ip4'}:{word}"
        return Term(text[:3], word, text)
    found = _TERM.fullmatch(word)
    if found is None:
        return None
    qualifier, name, mark, value = found[1], found[2].lower(), found[3] or "", found[4] or ""
    if not _is_network(value):
        value = value.strip(":=")
    if value and not _VALUE.fullmatch(value):
        return None
    meant = _meant(name)
    if meant is None:
        # RFC 7208 6: modifiers that nobody knows are ignored.
        return Term(name, value, word) if mark == "=" and value and not qualifier else None
    if not _is_whole(meant, value):
        return None
    return _write(qualifier, meant, mark, value)


def _write(qualifier: str, name: str, mark: str, value: str) -> Term:
    """The term as it is written right."""
    if name == "all" or not value:
        return Term(name, "", f"{qualifier}{name}")
    if name in ("redirect", "exp"):
        return Term(name, value, f"{name}={value}")
    mark = mark if mark == "/" and name in ("a", "mx") else ":"
    return Term(name, value, f"{qualifier}{name}{mark}{value}")


def _is_whole(name: str, value: str) -> bool:
    """Whether a term has the value that it cannot be without."""
    if name in ("ip4", "ip6"):
        return _is_network(value)
    return bool(value) or name in ("a", "mx", "ptr", "all")


def _is_written_right(word: str, term: Term) -> bool:
    """Whether nothing was mended; case does not matter, nor whether + is said aloud."""
    return word.lower().removeprefix("+") == term.text.lower().removeprefix("+")


def _meant(name: str) -> str | None:
    if name in _NAMES:
        return name
    if name in ("ipv4", "ipv6"):
        return name.replace("v", "")
    near = difflib.get_close_matches(name, ("include", "redirect", "exists"), 1, 0.7)
    return near[0] if near else None


def _is_nearly(name: str, include: str) -> bool:
    """Whether a name was meant to be ours: it lies above or below it, or it was misspelt."""
    name = name.lower().strip(".")
    related = (include and name.endswith(f".{include}")) or (include.endswith(f".{name}") and "." in name)
    if related:
        return True
    matcher = difflib.SequenceMatcher(None, name, include)
    # The quick ones are bounds of the last, which is dear where a record has thousands of names.
    return all(ratio() > _NEARLY for ratio in (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio))


def _is_network(word: str) -> bool:
    try:
        ipaddress.ip_network(word, strict=False)
    except ValueError:
        return False
    return True
