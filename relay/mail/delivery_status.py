"""Reads reports about deliveries (RFC 3464, RFC 6533) as they are written out there. Never raises, linear, bounded."""

import re
from dataclasses import dataclass

from relay.mail.bounce import Bounce, Bounced, clean, clean_address, refined, status_in
from relay.mail.parts import Fields, Part, read_fields, read_header, value_of
from relay.mail.report import Action
from relay.mail.thread import SENT

_KINDS = {"message/delivery-status", "message/global-delivery-status"}
_RETURNED = {
    *("message/rfc822", "message/global", "message/rfc822-headers", "message/global-headers"),
    *("text/rfc822-headers", "text/rfc822-header"),
}
_MOST_RECIPIENTS = 100
_MOST_NAME = 255
_BLOCKS = re.compile(rb"\n[ \t]*\n")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,250}>")
# RFC 6533 3: characters by their number.
_NUMBERED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_ACTIONS = (
    ("fail", Action.FAILED),
    ("error", Action.FAILED),
    ("delay", Action.DELAYED),
    ("deliver", Action.DELIVERED),
    ("relay", Action.RELAYED),
    ("expand", Action.EXPANDED),
)
_BY_STATUS = {"5": Action.FAILED, "4": Action.DELAYED, "2": Action.DELIVERED}


def read_delivery_status(parts: tuple[Part, ...]) -> Bounce | None:
    """What the parts of a mail tell about deliveries, None when no part of them is such a report."""
    blocks = [
        read_fields(block)
        for part in parts
        if part.kind in _KINDS
        for block in _BLOCKS.split(part.body)[: 2 * _MOST_RECIPIENTS]
    ]
    told = {(each.action, each.address): each for each in map(_recipient, reversed(blocks)) if each is not None}
    recipients = tuple(reversed(told.values()))[:_MOST_RECIPIENTS]
    if not recipients:
        return None
    returned = read_returned(parts)
    return Bounce(recipients, returned.message_id, returned.reverse_paths, sent=returned.sent)


@dataclass(frozen=True, slots=True)
class Returned:
    """What the header of a mail that came back says: its Message-ID, its reverse path, and our own mark for it."""

    message_id: str = ""
    reverse_paths: tuple[str, ...] = ()
    sent: str = ""


def read_returned(parts: tuple[Part, ...]) -> Returned:
    """The mail that came back, as far as its header is there."""
    for part in parts:
        if part.kind in _RETURNED:
            header = read_header(part.body)
            path = clean_address(value_of(header, "return-path"))
            message_id, sent = (message_id_in(value_of(header, key)) for key in ("message-id", SENT))
            return Returned(message_id, (path,) if path else (), sent)
    return Returned()


def message_id_in(text: str) -> str:
    """The first Message-ID in a text, with its brackets."""
    found = _MESSAGE_ID.search(text)
    return found[0] if found else ""


def _recipient(block: Fields) -> Bounced | None:
    final = _address(value_of(block, "final-recipient"))
    original = _address(value_of(block, "original-recipient"))
    kind, text = _typed(value_of(block, "diagnostic-code"))
    text = clean(text)
    status = refined(status_in(value_of(block, "status")), text)
    action = _action(value_of(block, "action"), status)
    if action is None or not (final or original):
        return None
    return Bounced(
        action,
        final,
        original,
        status,
        clean(kind, 40).lower(),
        text,
        clean(_typed(value_of(block, "remote-mta"))[1], _MOST_NAME),
        clean(value_of(block, "will-retry-until"), 100),
    )


def _action(said: str, status: str) -> Action | None:
    # Some hosts put a comment behind the word, some write a word of their own.
    said = said.lower().lstrip()
    known = next((action for word, action in _ACTIONS if said.startswith(word)), None)
    return known or _BY_STATUS.get(status[:1])


def _typed(value: str) -> tuple[str, str]:
    kind, separator, rest = value.partition(";")
    return (kind.strip(), rest.strip()) if separator else ("", value)


def _address(value: str) -> str:
    kind, address = _typed(value)
    if kind.lower() == "utf-8":
        address = _NUMBERED.sub(lambda found: _character(int(found[1], 16)), address)
    return clean_address(address)


def _character(number: int) -> str:
    return chr(number) if number <= 0x10FFFF else "?"
