"""Chains of ARC sets (RFC 8617) as they are read: whole and in order, or not at all.

In charge of the rules of structure (5.2, steps 1 to 3) and of the text that a seal signs. Whether the signatures hold
is found out by `relay.authn.arc`.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from relay.mail.dkim_signature import (
    Algorithm,
    Signature,
    SignatureError,
    field_tags,
    read_algorithm,
    read_common,
    read_names,
    relaxed_field,
)
from relay.mail.message import Field, Header
from relay.mail.tag_list import TagError, decode_base64, without_value

MOST_SETS = 10  # RFC 8617 5.2 allows 50; honest chains are shorter than this

_KEYS = ("arc-authentication-results", "arc-message-signature", "arc-seal")
_INSTANCE = re.compile(rb"[ \t\r\n]*+i[ \t\r\n]*+=[ \t\r\n]*+([0-9]{1,3})[ \t\r\n]*+;")
_NUMBER = re.compile(r"0*+([1-9][0-9]{0,2})")


class ChainError(ValueError):
    """Fields that make no chain; the message says why."""


class Seal(NamedTuple):
    """One ARC-Seal. `verdict` is cv=: what its maker says of the chain so far."""

    field: Field
    algorithm: Algorithm
    domain: str
    selector: str
    octets: bytes
    verdict: str

    @property
    def key_name(self) -> str:
        """Where the DNS has its key."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True)
class ArcSet:
    """What one handler added: what it found (`results`), the mail as it saw it, and the seal over all sets so far."""

    results: Field
    message: Signature
    seal: Seal


def read_chain(header: Header) -> tuple[ArcSet, ...]:
    """The sets in their order, none where there are none. Raises ChainError for what is no chain that could pass."""
    found: dict[tuple[int, str], Field] = {}
    for field in header.fields:
        if field.key in _KEYS:
            instance = _instance(field)
            if not 1 <= instance <= MOST_SETS:
                raise ChainError("a field of the chain has no usable place in it")
            if (instance, field.key) in found:
                raise ChainError(f"set {instance} is there twice")
            found[instance, field.key] = field
    count = max((instance for instance, _ in found), default=0)
    sets = []
    for instance in range(1, count + 1):
        if any((instance, key) not in found for key in _KEYS):
            raise ChainError(f"set {instance} is not whole")
        results, message, seal = (found[instance, key] for key in _KEYS)
        sets.append(_read_set(instance, results, message, seal))
    return tuple(sets)


def seal_text(sets: tuple[ArcSet, ...]) -> bytes:
    """What the seal of the last of these sets signs (RFC 8617 5.1.1)."""
    parts: list[bytes] = []
    for each in sets:
        parts += [relaxed_field(field.raw) for field in (each.results, each.message.field, each.seal.field)]
    parts[-1] = relaxed_field(without_value(sets[-1].seal.field.raw, b"b"))[:-2]
    return b"".join(parts)


def results_payload(field: Field) -> bytes:
    """An ARC-Authentication-Results field without the name and the instance: like any Authentication-Results."""
    return field.value.partition(b";")[2]


def _instance(field: Field) -> int:
    found = _INSTANCE.match(field.value) if field.key == _KEYS[0] else None
    if found:
        return int(found[1])
    if field.key == _KEYS[0]:
        return 0
    try:
        number = _NUMBER.fullmatch(field_tags(field).get("i", ""))
    except SignatureError:
        return 0
    return int(number[1]) if number else 0


def _read_set(instance: int, results: Field, message: Field, seal: Field) -> ArcSet:
    try:
        read = _read_seal(seal)
        signature = read_common(message, field_tags(message), identity_tag=False)
    except (SignatureError, TagError) as error:
        raise ChainError(f"set {instance}: {error}") from error
    if read.verdict != ("none" if instance == 1 else "pass"):
        raise ChainError(f"set {instance} says that the chain did not hold")
    if "arc-seal" in signature.signed:
        raise ChainError(f"set {instance} signs seals")
    return ArcSet(results, signature, read)


def _read_seal(field: Field) -> Seal:
    tags = field_tags(field)
    if "h" in tags:
        raise TagError("a seal does not choose fields")
    domain, selector = read_names(tags)
    return Seal(
        field, read_algorithm(tags), domain, selector, decode_base64(tags.get("b", "")), tags.get("cv", "").lower()
    )


def oldest_pass(holds: list[bool]) -> int:
    """The first instance from which on every message signature holds; 0 when all do (RFC 8617 5.2, step 5)."""
    breaks = [place for place, (held, _) in enumerate(pairwise([*holds, True]), start=1) if not held]
    return breaks[-1] + 1 if breaks else 0
