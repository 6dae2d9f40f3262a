"""DKIM signatures: the body hashed once while it streams by, the header signed for each identity.

In charge of relaxed canonicalisation, of signing with RSA or Ed25519 (RFC 6376, 8301, 8463) and of the DNS record that
belongs to a key. Never makes keys (that needs randomness) and never verifies signatures of others.
"""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from relay.mail.message import Field, Header

PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

# Signed once more often than present, so that nobody can add another one (RFC 6376 8.15).
SIGNED_FIELDS = (
    "From",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Reply-To",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "In-Reply-To",
    "References",
)

# Each field is listed in h=. With more of one name, a signature would be longer than verifiers read (ours: 16 KiB); and
# to list fewer would let somebody add others.
MOST_REPEATED = 100
_MOST_BESIDES = 20

_RANKS = {name.lower(): rank for rank, name in enumerate(SIGNED_FIELDS)}

# RFC 8301 3.2: weaker keys do not count, and verifiers need not support longer ones.
_RSA_SIZES = range(2048, 4097)

_BLANKS = b" \t\r\n"
_ENDS_WATCHED = 256
_LINE_ENDS = b"\r\n" * 4096
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?")
_LINE = 72


class Sink(Protocol):
    """What a canonical form flows into: a hash of hashlib, or something like it."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take more octets."""
        ...

    def copy(self) -> Self:
        """The same, to go on from here."""
        ...

    def digest(self) -> bytes:
        """The hash."""
        ...


class BodyHash:
    """The relaxed body hash (RFC 6376 3.4.4) of a body with CRLF line ends, fed in blocks of any size."""

    __slots__ = ("_has_text", "_hash", "_line_ends", "_rest")

    def __init__(self, sink: "Sink | None" = None) -> None:
        """`sink` takes the relaxed form instead of a hash."""
        self._hash: Sink = sink or hashlib.sha256()
        self._has_text = False
        # Blank ends count only when text follows: whole line ends, and behind them one of "", " ", "\r", " \r".
        self._line_ends = 0
        self._rest = b""

    def update(self, block: bytes | memoryview) -> None:
        """Take the next block of the body."""
        data = self._rest + bytes(block) if self._rest else bytes(block)
        end = _end_of_text(data)
        if end:
            self._emit_line_ends()
            self._has_text = True
            if b" " in data or b"\t" in data:
                self._hash.update(_squeezed(data[:end]))
            else:
                self._hash.update(memoryview(data)[:end])
        tail = _squeezed(data[end:])
        self._line_ends += tail.count(b"\r\n")
        self._rest = tail.rpartition(b"\n")[2]

    def digest(self) -> str:
        """The base64 text for `bh=` of all blocks so far."""
        return base64.b64encode(self.ended().digest()).decode("ascii")

    def ended(self) -> "Sink":
        """The hash, or the sink, of a body that ends here."""
        final = self._hash.copy()
        if self._has_text:
            final.update(b"\r\n")
        return final

    def _emit_line_ends(self) -> None:
        while self._line_ends:
            count = min(self._line_ends, len(_LINE_ENDS) // 2)
            self._hash.update(_LINE_ENDS[: 2 * count])
            self._line_ends -= count


class Signer:
    """Signs headers for one domain with one key."""

    __slots__ = ("_hash", "_key", "_padding", "algorithm", "domain", "selector")

    def __init__(self, domain: str, selector: str, private_key: PrivateKey) -> None:
        """Raises ValueError for a domain or selector that cannot stand in a signature (A-labels are wanted)."""
        if not _NAME.fullmatch(domain) or not _NAME.fullmatch(selector):
            raise ValueError("domain and selector must be ASCII domain names")
        self.domain = domain.lower()
        self.selector = selector
        self._key = private_key
        self.algorithm = "rsa-sha256" if isinstance(private_key, rsa.RSAPrivateKey) else "ed25519-sha256"
        self._padding = padding.PKCS1v15()
        self._hash = hashes.SHA256()

    @property
    def record(self) -> str:
        """The text of the TXT record that belongs to the key."""
        return dns_record(self._key)

    @property
    def is_rsa(self) -> bool:
        """Whether the key may seal (RFC 8617 knows no other kind)."""
        return isinstance(self._key, rsa.RSAPrivateKey)

    def for_domain(self, domain: str) -> "Signer":
        """The same key signing for another domain, which publishes it under the same selector."""
        return Signer(domain, self.selector, self._key)

    def sign(self, header: Header, body_hash: str, at: int) -> bytes:
        """The whole DKIM-Signature field for this header and body, to be put on top; `at` is seconds since the epoch.

        Several signatures on one mail are made from the same header, none of them in it.
        """
        return self.sign_as("DKIM-Signature: v=1", header, body_hash, at)

    def sign_as(self, begin: str, header: Header, body_hash: str, at: int, besides: str = "") -> bytes:
        """A field that signs as `sign` does, and begins with `begin`: a name, a colon, a blank and the first tag.

        The last 20 fields named `besides` are signed too; more of them may be added later.
        """
        selected = _selected(header)
        names = _folded_names(tuple([field.key for field in selected]))
        for field in header.all(besides.lower())[: -_MOST_BESIDES - 1 : -1]:
            selected.append(field)
            names += f":\r\n\t{besides}"
        signature_field = (
            f"{begin}; a={self.algorithm}; c=relaxed/relaxed; d={self.domain};\r\n"
            f"\ts={self.selector}; t={at}; bh={body_hash};\r\n"
            f"\th={names};\r\n"
            f"\tb="
        ).encode("ascii")
        return self.complete(signature_field, relaxed(selected))

    def complete(self, field: bytes, before: bytes) -> bytes:
        """`field`, which ends in "b=", with the signature over `before` and itself, and its line end."""
        name, _, value = field.partition(b": ")
        # The folds are the only runs of blanks, so this is the relaxed form of the field.
        own = name.lower() + b":" + value.replace(b"\r\n\t", b" ")
        signature = base64.b64encode(self._signature(before + own))
        pieces = [signature[start : start + _LINE] for start in range(0, len(signature), _LINE)]
        return field + b"\r\n\t".join(pieces) + b"\r\n"

    def _signature(self, text: bytes) -> bytes:
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(text, self._padding, self._hash)
        # RFC 8463 3: the key signs the digest, not the text.
        return self._key.sign(hashlib.sha256(text).digest())


def repeated_too_often(header: Header) -> str | None:
    """The name of a field that is signed, and that there is more often than a signature can list."""
    if len(header.fields) <= MOST_REPEATED:
        return None
    counts = Counter(field.key for field in header.fields)
    return next((name for name in SIGNED_FIELDS if counts[name.lower()] > MOST_REPEATED), None)


def load_private_key(pem: bytes) -> PrivateKey:
    """Read an unencrypted PEM key. Raises ValueError unless it is RSA with 2048 to 4096 bits, or Ed25519."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(f"unusable private key: {error}") from error
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size not in _RSA_SIZES:
            raise ValueError(f"an RSA key must have 2048 to 4096 bits, this one has {key.key_size}")
        return key
    raise ValueError("a DKIM key must be RSA or Ed25519")


def dns_record(key: PrivateKey) -> str:
    """The text of the TXT record at `<selector>._domainkey.<domain>` for this key."""
    if isinstance(key, rsa.RSAPrivateKey):
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode('ascii')}"
    return f"v=DKIM1; k=ed25519; p={base64.b64encode(key.public_key().public_bytes_raw()).decode('ascii')}"


def _end_of_text(data: bytes) -> int:
    """Where the blanks and line ends at the end of `data` begin."""
    # Nearly always within the last few octets; stripping the whole block would copy it.
    start = max(0, len(data) - _ENDS_WATCHED)
    stripped = data[start:].rstrip(_BLANKS)
    return start + len(stripped) if stripped else len(data[:start].rstrip(_BLANKS))


def _squeezed(text: bytes) -> bytes:
    """Runs of blanks become one, those before a line end go (RFC 6376 3.4.4)."""
    text = text.replace(b"\t", b" ")
    # Each pass halves the runs; for usual text this is many times faster than a regular expression.
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text.replace(b" \r\n", b"\r\n")


def _selected(header: Header) -> list[Field]:
    """The fields to sign in the order of `h=`; several of one name are taken from the bottom up (RFC 6376 5.4.2)."""
    return sorted([field for field in reversed(header.fields) if field.key in _RANKS], key=_rank)


def _rank(field: Field) -> int:
    return _RANKS[field.key]


def relaxed(selected: Sequence[Field]) -> bytes:
    """These fields in relaxed form (RFC 6376 3.4.2), each with its line end."""
    lines = [
        field.key.encode("ascii") + b":" + field.raw.partition(b":")[2].strip(_BLANKS) + b"\r\n" for field in selected
    ]
    # A line that begins with a blank is a fold: no field does.
    return _squeezed(b"".join(lines).replace(b"\r\n ", b" ").replace(b"\r\n\t", b" "))


@lru_cache(maxsize=256)
def _folded_names(keys: tuple[str, ...]) -> str:
    """The list for `h=`: each name once for each of its fields in `keys`, and once more."""
    lines = [""]
    for key, name in zip(_RANKS, SIGNED_FIELDS, strict=True):
        for _ in range(keys.count(key) + 1):
            if len(lines[-1]) + len(name) > _LINE:
                lines.append("")
            lines[-1] += name + ":"
    return "\r\n\t".join(lines)[:-1]
