"""The envelope: who a message is from and for, and what MAIL and RCPT said about it.

In charge of the value types and of the parameters of MAIL and RCPT (RFC 1870, 3461, 4954 5, 6152, 6531, 8689).
Never decides whether the peer may use them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar

from relay.mail.address import Address
from relay.mail.reply import Reply


class Notify(StrEnum):
    """When the recipient's sender wants to hear (RFC 3461 4.1)."""

    NEVER = "NEVER"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    DELAY = "DELAY"


class Body(StrEnum):
    """What the body may hold (RFC 6152)."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT = "8BITMIME"


class Ret(StrEnum):
    """How much of the message a failure report returns (RFC 3461 4.3)."""

    FULL = "FULL"
    HDRS = "HDRS"


class TlsWish(StrEnum):
    """What the sender wants of TLS on the way (RFC 8689)."""

    REQUIRED = "required"  # proven at every hop, or no delivery
    IGNORED = "ignored"  # arriving counts for more than what domains demand


@dataclass(frozen=True, slots=True)
class Recipient:
    """One RCPT. Empty `notify`: not asked. `orcpt` is decoded: `type;address`."""

    address: Address
    notify: frozenset[Notify] = frozenset()
    orcpt: str | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """One transaction. `reverse_path` None is the null path; `envid` is decoded."""

    reverse_path: Address | None
    recipients: tuple[Recipient, ...]
    body: Body | None = None
    smtputf8: bool = False
    ret: Ret | None = None
    envid: str | None = None
    tls: TlsWish | None = None


@dataclass(frozen=True, slots=True)
class MailParameters:
    """What stood behind the reverse path. `auth` is decoded, `<>` when the peer vouches for nobody."""

    size: int | None = None
    body: Body | None = None
    smtputf8: bool = False
    ret: Ret | None = None
    envid: str | None = None
    auth: str | None = None
    require_tls: bool = False


@dataclass(frozen=True, slots=True)
class RcptParameters:
    """What stood behind a recipient."""

    notify: frozenset[Notify] = frozenset()
    orcpt: str | None = None


class ParameterError(ValueError):
    """Parameters we cannot take; `reply` is what to tell the peer."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


_Choice = TypeVar("_Choice", bound=StrEnum)

_SIZE = re.compile(r"[0-9]{1,20}")
_KEYWORDS = frozenset({"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "AUTH", "REQUIRETLS", "NOTIFY", "ORCPT"})
_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")
# Written by what it leaves out, as in address.py.
_UTF8_TEXT = re.compile("(?:[^\x00-\x20+=\\\\\x7f-\x9f\u2028\u2029\ud800-\udfff]|\\\\x\\{[0-9A-F]{2,6}\\})+")
_HEXCHAR = re.compile(r"\+([0-9A-F]{2})")
_CODE_POINT = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
_XTEXT_SPECIAL = re.compile(r"[^!-*,-<>-~]")
_UTF8_SPECIAL = re.compile(r"[^!-*,-<>-\[\]-~]")
_ADDR_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

# RFC 3461 4.2, 4.4: longest values as written.
_MAX_ORCPT = 500
_MAX_ENVID = 100


def parse_mail_parameters(text: str) -> MailParameters:
    """Read what follows the reverse path. Raises ParameterError with the reply to give."""
    size = body = ret = envid = auth = None
    smtputf8 = require_tls = False
    for keyword, value in _split(text):
        match keyword:
            case "SIZE":
                size = _parse_size(value)
            case "BODY":
                body = _member(Body, keyword, value)
            case "SMTPUTF8":
                smtputf8 = _parse_flag(keyword, value)
            case "RET":
                ret = _member(Ret, keyword, value)
            case "ENVID":
                envid = _parse_envid(value)
            case "AUTH":
                auth = _decoded(keyword, value)
            case "REQUIRETLS":
                require_tls = _parse_flag(keyword, value)
            case _:
                raise _unknown()
    return MailParameters(size, body, smtputf8, ret, envid, auth, require_tls)


def parse_rcpt_parameters(text: str) -> RcptParameters:
    """Read what follows a recipient. Raises ParameterError with the reply to give."""
    return _rcpt_parameters(text)


# Nearly all recipients come with the same few parameters, or with none.
@lru_cache(maxsize=256)
def _rcpt_parameters(text: str) -> RcptParameters:
    notify: frozenset[Notify] = frozenset()
    orcpt = None
    for keyword, value in _split(text):
        match keyword:
            case "NOTIFY":
                notify = _parse_notify(value)
            case "ORCPT":
                orcpt = _parse_orcpt(value)
            case _:
                raise _unknown()
    return RcptParameters(notify, orcpt)


def encode_xtext(text: str) -> str:
    """The xtext of printable ASCII (RFC 3461 4): what ENVID and AUTH carry on the wire."""
    return _XTEXT_SPECIAL.sub(lambda found: f"+{ord(found[0]):02X}", text)


def encode_orcpt(orcpt: str) -> str:
    """The ASCII form of a decoded ORCPT for the next host: xtext, or RFC 6533's escapes for type utf-8."""
    kind, _, address = orcpt.partition(";")
    if kind.lower() == "utf-8":
        return f"{kind};" + _UTF8_SPECIAL.sub(lambda found: f"\\x{{{ord(found[0]):02X}}}", address)
    return f"{kind};{encode_xtext(address)}"


def _split(text: str) -> Iterable[tuple[str, str]]:
    seen: set[str] = set()
    for word in filter(None, text.split(" ")):
        name, equals, value = word.partition("=")
        keyword = name.upper()
        if (name not in _KEYWORDS and not _KEYWORD.fullmatch(name)) or (equals and not value):
            raise ParameterError(Reply(501, "5.5.4", "Malformed parameter"))
        if keyword in seen:
            raise ParameterError(Reply(501, "5.5.4", "Parameter given twice"))
        seen.add(keyword)
        yield keyword, value


def _member(kind: type[_Choice], keyword: str, value: str) -> _Choice:
    try:
        return kind(value.upper())
    except ValueError as error:
        raise _bad_value(keyword) from error


def _parse_size(value: str) -> int:
    # RFC 1870 3: at most 20 digits.
    if not _SIZE.fullmatch(value):
        raise _bad_value("SIZE")
    return int(value)


def _parse_flag(keyword: str, value: str) -> bool:
    if value:
        raise _bad_value(keyword)
    return True


def _parse_envid(value: str) -> str:
    if len(value) > _MAX_ENVID:
        raise _bad_value("ENVID")
    return _decoded("ENVID", value)


def _parse_notify(value: str) -> frozenset[Notify]:
    words = [_member(Notify, "NOTIFY", word) for word in value.split(",")]
    if Notify.NEVER in words and len(words) > 1:
        raise _bad_value("NOTIFY")
    return frozenset(words)


def _parse_orcpt(value: str) -> str:
    kind, semicolon, encoded = value.partition(";")
    if not semicolon or len(value) > _MAX_ORCPT or not _ADDR_TYPE.fullmatch(kind):
        raise _bad_value("ORCPT")
    # RFC 6533 3: type utf-8 has its own escapes, and plain xtext stays allowed for it.
    if kind.lower() == "utf-8" and _UTF8_TEXT.fullmatch(encoded):
        try:
            address = _CODE_POINT.sub(lambda found: chr(int(found[1], 16)), encoded)
        except ValueError as error:
            raise _bad_value("ORCPT") from error
        if _UNPRINTABLE.search(address):
            raise _bad_value("ORCPT")
        return f"{kind};{address}"
    return f"{kind};{_decoded('ORCPT', encoded)}"


def _decoded(keyword: str, value: str) -> str:
    if not _XTEXT.fullmatch(value):
        raise _bad_value(keyword)
    if "+" not in value:
        return value
    text = _HEXCHAR.sub(lambda found: chr(int(found[1], 16)), value)
    # Nothing that could later break a line of a report or of the log.
    if _UNPRINTABLE.search(text) or not text.isascii():
        raise _bad_value(keyword)
    return text


def _bad_value(keyword: str) -> ParameterError:
    return ParameterError(Reply(501, "5.5.4", f"Bad value for {keyword}"))


def _unknown() -> ParameterError:
    return ParameterError(Reply(555, "5.5.4", "Unknown parameter"))
