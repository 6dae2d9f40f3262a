"""What mail consists of: addresses, aliases, names as people see them, events; and the names that sign."""

import re
from typing import Annotated, TypeAlias

from relay.config.values.network import LABELS
from relay.config.values.writing import shown, written, wrong
from relay.events import MAIL_EVENTS, EventType
from relay.mail.address import Address as MailAddress
from relay.mail.address import AddressError, parse_address

_ALIAS = re.compile(r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){0,62}(?<!\.)|[a-z0-9]", re.IGNORECASE | re.ASCII)
_RESERVED = (
    *("postmaster", "abuse", "mailer-daemon", "hostmaster", "notices", "reports"),
    *("noreply", "no-reply", "fast-input"),
)
_RESERVED_STARTS = ("srs0", "srs1", "b+")


def parse_mailbox(text: str) -> MailAddress:
    """A bare address such as info@bakkerij-peeters.example, with a domain name (no address literal)."""
    try:
        address = parse_address(text)
    except AddressError as error:
        raise wrong(f"{shown(text)} is not an e-mail address: {error}", "For example info@company.example.") from None
    if address.domain.startswith("["):
        raise wrong(f"{shown(text)} has an IP address for a domain", "Write the domain's name.")
    return address


def parse_alias(text: str) -> str:
    """A local part on the alias domain that is easy to say, and that the relay does not need for itself."""
    folded = text.lower()
    if folded in _RESERVED or folded.startswith(_RESERVED_STARTS):
        raise wrong(f"{shown(text)} is reserved for the relay itself", "Choose another alias.")
    if not _ALIAS.fullmatch(text):
        raise wrong(
            f"{shown(text)} cannot be an alias",
            "Use up to 63 letters, digits, '-', '_' and single dots, beginning with a letter or digit.",
        )
    return text


def parse_line(text: str) -> str:
    """Text on one line that can stand in a header field and on a page."""
    if not text.strip() or text != text.strip():
        raise wrong("this must not be empty, nor begin or end with a space")
    if not text.isprintable():
        raise wrong("this has a line break or another control character in it", "Write it on one line.")
    if len(text) > 500:
        raise wrong(f"this has {len(text)} characters; 500 are allowed")
    return text


def parse_mail_event(text: str) -> EventType:
    """An event that apps are told about."""
    for kind in MAIL_EVENTS:
        if text == kind.value:
            return kind
    words = [kind.value for kind in MAIL_EVENTS]
    raise wrong(f"{shown(text)} is not one of {', '.join(words)}")


def parse_selector(text: str) -> str:
    """A DKIM selector: one or more labels (RFC 6376 3.1)."""
    if len(text) > 63 or not LABELS.fullmatch(text):
        raise wrong(f"{shown(text)} is not a selector", "Use small letters, digits and '-', for example s1.")
    return text


MailboxAddress: TypeAlias = Annotated[MailAddress, *written(parse_mailbox, "info@company.example", {"format": "email"})]
Alias: TypeAlias = Annotated[str, *written(parse_alias, "bakkerij-peeters", {"maxLength": 63})]
Line: TypeAlias = Annotated[str, *written(parse_line, "Bakkerij Peeters BV", {"minLength": 1, "maxLength": 500})]

MailEvent: TypeAlias = Annotated[
    EventType, *written(parse_mail_event, "delivered", {"enum": [kind.value for kind in MAIL_EVENTS]})
]

Selector: TypeAlias = Annotated[str, *written(parse_selector, "s1", {"maxLength": 63})]
