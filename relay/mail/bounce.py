"""What a bounce says: words for what other hosts tell about mail that left from here.

In charge of the values and of making their texts fit to be shown. Whoever reads one of them believes none of it yet:
only a seal of ours says which mail it is about.
"""

import re
from dataclasses import dataclass

from relay.mail.report import Action

MOST_TEXT = 500
_MOST_ADDRESS = 320
_UNPRINTED = re.compile("[\x00-\x20\x7f-\xa0\u2028-\u202f\u2066-\u2069\ud800-\udfff\ufeff]+")
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_CODE = re.compile(r"(?<![\d.])([45]\d\d)(?![\d.])")


@dataclass(frozen=True, slots=True)
class Bounced:
    """What became of one recipient.

    `final` and `original` are addresses as they were given, "" when not named; `status` an enhanced code or "";
    `text` what a host said, `kind` in which language ("smtp"); `host` who said it; `until` when it gives up, in its
    own words.
    """

    action: Action
    final: str = ""
    original: str = ""
    status: str = ""
    kind: str = ""
    text: str = ""
    host: str = ""
    until: str = ""

    @property
    def address(self) -> str:
        """The recipient as we knew it, as far as it is told."""
        return self.original or self.final


@dataclass(frozen=True, slots=True)
class Bounce:
    """A whole bounce, or a complaint when `feedback` names its type (RFC 5965 3.5: "abuse", "fraud").

    `message_id` (in angle brackets) and `reverse_paths` are of the mail that came back, and so is `sent`, our own mark
    for a mail if it had one (in angle brackets).
    """

    recipients: tuple[Bounced, ...]
    message_id: str = ""
    reverse_paths: tuple[str, ...] = ()
    feedback: str = ""
    sent: str = ""


def clean(text: str, most: int = MOST_TEXT) -> str:
    """One line without anything that could play tricks on who reads it, at most that long."""
    return _UNPRINTED.sub(" ", text).strip()[:most].strip()


def clean_address(text: str) -> str:
    """An address without its brackets and comments."""
    text = clean(text, 2 * _MOST_ADDRESS)
    inner = text.partition("<")[2].partition(">")[0] if "<" in text else text.partition(" (")[0]
    return inner.strip(" \"'")[:_MOST_ADDRESS]


def status_in(text: str) -> str:
    """The first enhanced code in a text; without one, what its first basic code says of permanence; else ""."""
    found = _STATUS.search(text)
    if found is not None:
        return found[1]
    code = _CODE.search(text)
    return "" if code is None else f"{code[1][0]}.0.0"


def refined(status: str, text: str) -> str:
    """The status, or the one in the text when that says more: many hosts write 5.0.0 and mean 5.1.1."""
    said = status_in(text)
    says_nothing = not status or status.endswith(".0.0")
    return said if says_nothing and said and (not status or said[0] == status[0]) else status
