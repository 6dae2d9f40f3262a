"""What makes two documents the same invoice: supplier, number and total where XML says them, else the octets.

What anybody can write into XML names an invoice, and proves nothing: whoever sends another one under the same name
must not make the true one disappear. Only the same octets are the same document.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from relay.policy.invoice.facts import Business, Paper, Part

_BETWEEN = re.compile(r"[\W_]+")
_MOST = 200


class Acquaintance(StrEnum):
    """How a document stands to those that were handed on before."""

    NEW = "new"
    KNOWN = "known"  # the same octets
    DISPUTED = "disputed"  # the same supplier, number and total, and other octets


def identities(*parts: Part) -> tuple[str, ...]:
    """Every name under which these parts, kept together as one document, would be known again; the best one first."""
    named = [name for part in parts if part.business is not None and (name := _named(part.business))]
    return tuple(dict.fromkeys([*named, *(f"sha256:{part.digest}" for part in parts)]))


def recognise(digest: str, earlier: Mapping[str, str]) -> Acquaintance:
    """How a document whose main part has that digest stands to earlier ones.

    `earlier` are those of its `identities` that are known, each with the digest of the main part it was noted for. A
    PDF that came beside another invoice says nothing: some suppliers send the same one with each.
    """
    if digest in earlier.values() or f"sha256:{digest}" in earlier:
        return Acquaintance.KNOWN
    if any(key == f"sha256:{main}" for key, main in earlier.items()):
        return Acquaintance.KNOWN
    named = any(not key.startswith("sha256:") for key in earlier)
    return Acquaintance.DISPUTED if named else Acquaintance.NEW


def bare(text: str) -> str:
    """Letters and digits alone: BE 0123.456.789 and be0123456789 are one number."""
    return _BETWEEN.sub("", text[:_MOST]).casefold()


def _named(business: Business) -> str | None:
    """Only with all three: numbers alone repeat among suppliers, and every year."""
    supplier, number, total = bare(business.supplier), bare(business.number), _amount(business.total)
    if not (business.is_invoice and supplier and number and total):
        return None
    return f"invoice:{'credit:' if business.paper is Paper.CREDIT_NOTE else ''}{supplier}:{number}:{total}"


def _amount(text: str) -> str | None:
    """An amount the same however many zeros it was written with."""
    try:
        value = Decimal(text.strip()[:_MOST])
    except InvalidOperation:
        return None
    # Beyond this it is no amount, and as text it would be endless.
    return f"{value.normalize():f}" if value.is_finite() and abs(value.adjusted()) < 20 else None
