"""What makes two documents the same invoice: supplier, number and total where XML says them, else the octets."""

import re
from decimal import Decimal, InvalidOperation

from relay.policy.invoice.facts import Business, Paper, Part

_BETWEEN = re.compile(r"[\W_]+")
_MOST = 200


def identities(*parts: Part) -> tuple[str, ...]:
    """Every name under which these parts, kept together as one document, would be known again; the best one first."""
    named = [name for part in parts if part.business is not None and (name := _named(part.business))]
    return tuple(dict.fromkeys([*named, *(f"sha256:{part.digest}" for part in parts)]))


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
