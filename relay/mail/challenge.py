"""How a company proves that it controls a domain: a word of ours, made for the two of them, that it publishes there.

Nothing is stored: the word is a seal over company and domain, so whoever has the secret knows it again. The record
that many companies publish alike (SPF) cannot say whose the domain is; this one can.
"""

from collections.abc import Iterable, Sequence

from relay.mail.seal import is_sealed, seal

_LETTERS = 32  # 160 bits
_MARK = "relay-verification="


def challenge_name(domain: str) -> str:
    """The name of the TXT record."""
    return f"_relay-challenge.{domain}"


def challenge_text(company: str, domain: str, *, secrets: Sequence[bytes]) -> str:
    """What company `company` (its slug) has to publish for `domain`; the first secret makes it."""
    return _MARK + seal(secrets[0], "domain", company, domain, letters=_LETTERS).lower()


def is_answered(texts: Iterable[str], company: str, domain: str, *, secrets: Sequence[bytes]) -> bool:
    """Whether one of these TXT records is what any of the secrets makes for the company and the domain."""
    given = (text.strip() for text in texts)
    words = (text.removeprefix(_MARK) for text in given if text.startswith(_MARK))
    return any(len(word) == _LETTERS and is_sealed(word, secrets, "domain", company, domain) for word in words)
