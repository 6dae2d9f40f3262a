"""Addresses and paths as SMTP writes them: strict in what is taken, one canonical form given out.

In charge of the grammar of mailboxes (RFC 5321 4.1.2, RFC 6531 3.3) and of the paths of MAIL and RCPT.
Never reads header fields (that is author.py) and never asks the DNS whether a domain exists.
"""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

import idna

# RFC 5321 4.5.3.1: octets of a local part, a domain, a path with its brackets.
MAX_LOCAL = 64
MAX_DOMAIN = 255
MAX_PATH = 256

# Repeated groups are atomic, not possessive: CPython before 3.11.5 gets the latter wrong.
_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~-"
# DEL, C1 controls, line separators and surrogates are in no address. Sets with all other characters are written by what
# they leave out, because every character of a set that is written out costs each program time when it starts.
_NEVER = "\x7f-\x9f\u2028\u2029\ud800-\udfff"
_TEXT = rf"[^\x00-\x1f{_NEVER}]"
_QTEXT = rf'[^\x00-\x1f"\\{_NEVER}]'
_WIDE_ATEXT = rf'[^\x00-\x20"(),.:;<>@\[\\\]{_NEVER}]'
_DOTTED = rf"[{_ATEXT}]++(?>(?:\.[{_ATEXT}]++)*)"
_LABEL = r"(?!-)[A-Za-z0-9-]{1,63}+(?<!-)"
_DOMAIN = rf"{_LABEL}(?>(?:\.{_LABEL})*)"

_ORDINARY_PATH = re.compile(rf"<({_DOTTED})@({_DOMAIN})>(?:[ ]++({_TEXT}*+))?")
_ANY_PATH = re.compile(r'<((?>(?:"(?>(?:[^"\\]|\\.)*)"|[^"<>])*))>(?:[ ]++(.*+))?', re.DOTALL)
_ORDINARY = re.compile(rf"({_DOTTED})@({_DOMAIN})")
_DOT_STRING = re.compile(rf"{_WIDE_ATEXT}++(?>(?:\.{_WIDE_ATEXT}++)*)")
_QUOTED = re.compile(rf'"((?>(?:{_QTEXT}|\\[ -~])*))"')
_ASCII_DOMAIN = re.compile(_DOMAIN)
_LITERAL = re.compile(r"\[(?:(ipv6:)([0-9a-f:.]+)|([0-9.]+))\]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ESCAPE = re.compile(r'(["\\])')
_UNESCAPE = re.compile(r"\\(.)")


class AddressError(ValueError):
    """Text that is no address, or none that SMTP can carry; the message says why in plain words."""


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox: the local part without quotes, the domain in lower case.

    The domain is empty only for the path `<postmaster>` (RFC 5321 4.5.1).
    """

    local: str
    domain: str

    def __str__(self) -> str:
        """The form for the wire: `local@domain`, the local part quoted only when it must be."""
        local = _written(self.local)
        return f"{local}@{self.domain}" if self.domain else local

    @property
    def is_ascii(self) -> bool:
        """Whether a peer without SMTPUTF8 can be given this address as it stands."""
        return self.local.isascii() and self.domain.isascii()

    @property
    def ascii_domain(self) -> str:
        """The domain in A-labels, for DNS and for peers without SMTPUTF8. Raises AddressError when it has none."""
        return self.domain if self.domain.isascii() else _to_ascii(self.domain)


def parse_address(text: str) -> Address:
    """Read a bare `local@domain`. Raises AddressError with the reason."""
    ordinary = _ORDINARY.fullmatch(text)
    if ordinary:
        return _sized(ordinary[1], ordinary[1], ordinary[2].lower())
    if not text:
        raise AddressError("empty address")
    if _CONTROL.search(text):
        raise AddressError("control character in address")
    local, at, domain = text.rpartition("@")
    if not at:
        raise AddressError("no @ in address")
    return _sized(_parse_local(local), local, _parse_domain(domain))


def parse_path(text: str, *, null_allowed: bool) -> tuple[Address | None, str]:
    """Read `<address> parameters` as it stands behind `MAIL FROM:` or `RCPT TO:`.

    Returns the address (None for the null path `<>`) and the text of the parameters without the blanks around it.
    `<postmaster>` gives `Address("postmaster", "")`. Raises AddressError with the reason.
    """
    ordinary = _ORDINARY_PATH.fullmatch(text)
    if ordinary:
        local, domain, rest = ordinary.groups()
        if len(local) <= MAX_LOCAL and len(local) + len(domain) + 3 <= MAX_PATH:
            return Address(local, domain.lower()), rest.rstrip(" ") if rest else ""
    if _CONTROL.search(text):
        raise AddressError("control character in path")
    path = _ANY_PATH.fullmatch(text)
    if not path:
        raise AddressError("path is not in angle brackets")
    inner = path[1]
    rest = (path[2] or "").rstrip(" ")
    if not inner:
        if null_allowed:
            return None, rest
        raise AddressError("null path")
    if inner.lower() == "postmaster":
        return Address("postmaster", ""), rest
    if inner.startswith("@"):
        raise AddressError("source route")
    if len(inner.encode()) + 2 > MAX_PATH:
        raise AddressError("path too long")
    return parse_address(inner), rest


@lru_cache(maxsize=1024)
def _written(local: str) -> str:
    """The local part for the wire. One message writes its few addresses many times."""
    if _DOT_STRING.fullmatch(local):
        return local
    return '"' + _ESCAPE.sub(r"\\\1", local) + '"'


def _sized(local: str, written: str, domain: str) -> Address:
    if len(written.encode()) > MAX_LOCAL:
        raise AddressError("local part too long")
    if len(domain.encode()) > MAX_DOMAIN:
        raise AddressError("domain too long")
    return Address(local, domain)


def _parse_local(text: str) -> str:
    if _DOT_STRING.fullmatch(text):
        return text
    quoted = _QUOTED.fullmatch(text)
    if quoted:
        return _UNESCAPE.sub(r"\1", quoted[1])
    if not text:
        raise AddressError("empty local part")
    if text.startswith('"'):
        raise AddressError("bad quoted local part")
    if text.startswith(".") or text.endswith(".") or ".." in text:
        raise AddressError("misplaced dot in local part")
    raise AddressError("character not allowed in local part")


def _parse_domain(text: str) -> str:
    if not text:
        raise AddressError("empty domain")
    if text.startswith("["):
        return _parse_literal(text.lower())
    if len(text) > MAX_DOMAIN:
        raise AddressError("domain too long")
    if not text.isascii():
        # One spelling for one domain: letters that IDNA maps together become equal.
        text = _unified(text)
        if text.endswith("."):
            raise AddressError("bad domain")
        return text
    if not _ASCII_DOMAIN.fullmatch(text):
        raise AddressError("bad domain")
    return text.lower()


def _parse_literal(text: str) -> str:
    literal = _LITERAL.fullmatch(text)
    try:
        if literal and literal[1]:
            return f"[ipv6:{ipaddress.IPv6Address(literal[2])}]"
        if literal:
            return f"[{ipaddress.IPv4Address(literal[3])}]"
    except ValueError as error:
        raise AddressError("bad address literal") from error
    raise AddressError("bad address literal")


def _unified(domain: str) -> str:
    try:
        return idna.decode(idna.encode(domain, uts46=True))
    except UnicodeError as error:
        raise AddressError("bad internationalised domain") from error


def _to_ascii(domain: str) -> str:
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except UnicodeError as error:
        raise AddressError("bad internationalised domain") from error
