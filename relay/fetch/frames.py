"""What the child that reads mails and its parent say to each other: a mail there, facts and octets back.

Each begins with a head that says how long it is. What comes back is JSON, a line feed, and the octets of the parts one
after the other: data that cannot run.
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from relay.mail.bounce import Bounce, Bounced
from relay.mail.report import Action
from relay.policy.invoice.facts import Business, Flaw, Kind, MailFacts, Paper, Part

# What a process says first: that there is one.
READY = b"+"
# The heads: how many octets a mail has, and an answer, which says before that whether it is the child's last.
MAIL, READ = struct.Struct(">Q"), struct.Struct(">?Q")
MOST_ANSWER = 256 * 1024 * 1024
# How long one mail may take to read.
MOST_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Contents:
    """A mail that was read: its facts, the octets of those parts that could be documents, and what came back in it."""

    facts: MailFacts
    data: dict[int, bytes] = field(default_factory=dict)
    bounce: Bounce | None = None


def write_contents(contents: Contents) -> Sequence[bytes]:
    """Facts and octets as one content, in pieces."""
    head = {
        "facts": contents.facts,
        "sizes": {number: len(data) for number, data in contents.data.items()},
        "bounce": contents.bounce,
    }
    return [json.dumps(head, default=_fields).encode() + b"\n", *contents.data.values()]


def read_contents(content: bytes) -> Contents:
    """What `write_contents` wrote.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError: it did not.
    """
    line, _, octets = content.partition(b"\n")
    head = json.loads(line)
    facts = head["facts"]
    data, at = {}, 0
    for number, size in head["sizes"].items():
        data[int(number)] = octets[at : at + size]
        at += size
    if at != len(octets):
        raise ValueError("octets are missing, or left")
    mail = MailFacts(**{**facts, "parts": tuple(_part(each) for each in facts["parts"])})
    return Contents(mail, data, None if head["bounce"] is None else _bounce(head["bounce"]))


def _fields(of: Any) -> dict[str, Any]:
    return {name: getattr(of, name) for name in of.__dataclass_fields__}


def _bounce(fields: dict[str, Any]) -> Bounce:
    recipients = tuple(Bounced(**{**each, "action": Action(each["action"])}) for each in fields["recipients"])
    return Bounce(**{**fields, "recipients": recipients, "reverse_paths": tuple(fields["reverse_paths"])})


def _part(fields: dict[str, Any]) -> Part:
    pixels, business, flaw = fields["pixels"], fields["business"], fields["flaw"]
    return Part(
        **{
            **fields,
            "kind": Kind(fields["kind"]),
            "pixels": None if pixels is None else (int(pixels[0]), int(pixels[1])),
            "business": None if business is None else Business(**{**business, "paper": Paper(business["paper"])}),
            "flaw": None if flaw is None else Flaw(flaw),
        }
    )
