"""Signatures of others as they are read: DKIM-Signature, and the two kinds of fields that seal ARC sets.

In charge of what a signature says of itself, of what it asks to be hashed of the body, and of the exact text of the
header that it signs (RFC 6376 3.4, 3.5, 3.7). Keys are `relay.mail.dkim_key`. Linear on any input.
"""

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from relay.mail.body_forms import BodyForm, Form
from relay.mail.message import Field, Header
from relay.mail.tag_list import TagError, decode_base64, names_in, parse_tags, without_value

MOST_FIELD = 16 * 1024  # octets of one field that are read
MOST_SIGNATURES = 8  # that are verified on one mail
MOST_READ = 50  # signatures of one mail that are looked at to choose those

Algorithm = Literal["rsa-sha256", "ed25519-sha256"]

_DOMAIN = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_](?>[A-Za-z0-9_-]{0,62})(?>(?:\.[A-Za-z0-9_](?>[A-Za-z0-9_-]{0,62}))*)")
_NUMBER = re.compile(r"[0-9]{1,12}")
_LENGTH = re.compile(r"[0-9]{1,76}")
_MARK = 8


class SignatureError(ValueError):
    """A field that cannot be a signature that counts; the message says why, `domain` whose it claims to be."""

    def __init__(self, reason: str, domain: str = "", selector: str = "") -> None:
        super().__init__(reason)
        self.domain = domain
        self.selector = selector


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature over fields and, through `body_hash`, over a body in `body_form`.

    `signed` are keys of fields in the order of h=, `identity` is i= or what it stands for when left out. `expires` is
    in seconds since the epoch.
    """

    field: Field
    algorithm: Algorithm
    domain: str
    selector: str
    octets: bytes
    header_form: Form
    body_form: BodyForm
    body_hash: bytes
    signed: tuple[str, ...]
    identity: str
    expires: int | None

    @property
    def key_name(self) -> str:
        """Where the DNS has its key."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def mark(self) -> str:
        """The first octets of b=, which tell it from others (RFC 6008 4)."""
        return base64.b64encode(self.octets)[:_MARK].decode("ascii")


class SignedText:
    """The text that signatures over one header sign; each field's relaxed form is made once, however many need it."""

    def __init__(self, header: Header) -> None:
        self._places: dict[str, list[Field]] = {}
        for each in header.fields:
            self._places.setdefault(each.key, []).append(each)
        self._relaxed: dict[int, bytes] = {}

    def covers_author(self, signature: Signature) -> bool:
        """Whether every From field is signed: of several, readers may show one that is not (RFC 6376 8.15)."""
        return signature.signed.count("from") >= len(self._places.get("from", ()))

    def of(self, signature: Signature) -> bytes:
        """What is signed: the fields of h=, several of one name from the bottom up, then the signature itself."""
        left: dict[str, int] = {}
        parts: list[bytes] = []
        for key in signature.signed:
            fields = self._places.get(key, ())
            taken = left.get(key, 0)
            if taken < len(fields):
                left[key] = taken + 1
                parts.append(self._form(fields[-1 - taken], signature.header_form))
        own = without_value(signature.field.raw, b"b")
        parts.append(relaxed_field(own)[:-2] if signature.header_form == "relaxed" else own)
        return b"".join(parts)

    def _form(self, field: Field, form: Form) -> bytes:
        if form == "simple":
            return field.raw
        known = self._relaxed.get(id(field))
        if known is None:
            known = self._relaxed[id(field)] = relaxed_field(field.raw)
        return known


def relaxed_field(raw: bytes) -> bytes:
    """One field in relaxed form (RFC 6376 3.4.2), with its line end."""
    name, _, value = raw.partition(b":")
    value = value.replace(b"\r\n", b"").replace(b"\t", b" ")
    # Each pass halves the runs of blanks.
    while b"  " in value:
        value = value.replace(b"  ", b" ")
    return name.rstrip(b" \t").lower() + b":" + value.strip(b" ") + b"\r\n"


def choose(header: Header, authors: Iterable[str]) -> list[Signature | SignatureError]:
    """The signatures to look at: those of a domain at, above or below an author's first, then from the top down."""
    read = [read_signature(field) for field in header.all("dkim-signature")[:MOST_READ]]
    near = tuple(authors)
    read.sort(key=lambda each: not any(_are_related(each.domain, author) for author in near))
    return read[:MOST_SIGNATURES]


def read_signature(field: Field) -> Signature | SignatureError:
    """Read a DKIM-Signature field; what is wrong with it is a value too, as it has to be reported."""
    try:
        tags = field_tags(field)
        signature = read_common(field, tags)
    except SignatureError as error:
        return error
    if tags.get("v") != "1":
        return SignatureError("the version is not 1", signature.domain, signature.selector)
    if "from" not in signature.signed:
        return SignatureError("From is not signed", signature.domain, signature.selector)
    return signature


def field_tags(field: Field) -> dict[str, str]:
    """The tags of a signature of any kind. Raises SignatureError."""
    if len(field.raw) > MOST_FIELD:
        raise SignatureError(f"the signature is longer than {MOST_FIELD} octets")
    try:
        return parse_tags(field.value)
    except TagError as error:
        raise SignatureError(str(error)) from error


def read_common(field: Field, tags: dict[str, str], *, identity_tag: bool = True) -> Signature:
    """What signatures over a header and a body have in common. Raises SignatureError.

    `identity_tag`: i= is an identity; with ARC it is something else.
    """
    domain, selector = read_names(tags)
    try:
        header_form, body_form = _forms(tags.get("c", "simple/simple"))
        return Signature(
            field=field,
            algorithm=read_algorithm(tags),
            domain=domain,
            selector=selector,
            octets=_octets(tags, "b"),
            header_form=header_form,
            body_form=BodyForm(body_form, _limit(tags)),
            body_hash=_octets(tags, "bh"),
            signed=_signed(tags),
            identity=_identity(tags, domain) if identity_tag else f"@{domain}",
            expires=_expiry(tags),
        )
    except TagError as error:
        raise SignatureError(str(error), domain, selector) from error


def read_names(tags: dict[str, str]) -> tuple[str, str]:
    """Domain and selector. Raises SignatureError."""
    domain, selector = tags.get("d", "").lower(), tags.get("s", "").lower()
    if not _DOMAIN.fullmatch(domain) or "." not in domain:
        raise SignatureError("d= is no domain")
    if not _DOMAIN.fullmatch(selector):
        raise SignatureError("s= is no selector", domain)
    return domain, selector


def read_algorithm(tags: dict[str, str]) -> Algorithm:
    """Raises TagError for any but the two that count, and for keys that are not in the DNS."""
    if "dns/txt" not in names_in(tags.get("q", "dns/txt").lower()):
        raise TagError("keys are to be had elsewhere than in the DNS")
    name = tags.get("a", "").lower()
    if name == "rsa-sha1":
        raise TagError("rsa-sha1 does not count any more")  # RFC 8301 3.1
    if name in ("rsa-sha256", "ed25519-sha256"):
        return name  # type: ignore[return-value] # one of the literals
    raise TagError("the algorithm is not known")


def _identity(tags: dict[str, str], domain: str) -> str:
    identity = tags.get("i", f"@{domain}")
    _, at, host = identity.rpartition("@")
    if not at or not f".{host}".lower().endswith(f".{domain}"):
        raise TagError("the identity is not in the signing domain")
    return identity


def _expiry(tags: dict[str, str]) -> int | None:
    made, expires = _time(tags, "t"), _time(tags, "x")
    if made is not None and expires is not None and expires < made:
        raise TagError("it ends before it begins")
    return expires


def _octets(tags: dict[str, str], tag: str) -> bytes:
    octets = decode_base64(tags.get(tag, ""))
    if not octets:
        raise TagError(f"{tag}= is missing")
    return octets


def _forms(value: str) -> tuple[Form, Form]:
    header, _, body = value.lower().partition("/")
    body = body or "simple"
    if header not in get_args(Form) or body not in get_args(Form):
        raise TagError("the canonical form is not known")
    return header, body  # type: ignore[return-value] # checked above


def _time(tags: dict[str, str], tag: str) -> int | None:
    value = tags.get(tag)
    if value is None:
        return None
    if not _NUMBER.fullmatch(value):
        raise TagError(f"{tag}= is no time")
    return int(value)


def _limit(tags: dict[str, str]) -> int | None:
    value = tags.get("l")
    if value is None:
        return None
    if not _LENGTH.fullmatch(value):
        raise TagError("l= is no length")
    return int(value)


def _signed(tags: dict[str, str]) -> tuple[str, ...]:
    if not tags.get("h"):
        raise TagError("h= is missing")
    return tuple(name.lower() for name in names_in(tags["h"]))


def _are_related(domain: str, author: str) -> bool:
    return bool(domain) and (
        domain == author or author.endswith("." + domain) or domain.endswith("." + author) or _share(domain, author)
    )


def _share(domain: str, author: str) -> bool:
    """Whether both are below the same name of two labels; close enough to choose by."""
    return domain.split(".")[-2:] == author.split(".")[-2:]
