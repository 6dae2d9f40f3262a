"""Bounces that no standard describes, by what is known of the programs that wrote them. Only importer of flufl.bounce.

flufl.bounce knows addresses and nothing else, logs every step, may raise, and its patterns were made for mail that
means well: it sees a beginning with short lines only, and what it cannot digest has no bounce in it.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes

from flufl.bounce import all_failures

from relay.mail.bounce import Bounce, Bounced, clean, clean_address, status_in
from relay.mail.delivery_status import message_id_in, read_returned
from relay.mail.parts import Part, read_header, value_of
from relay.mail.report import Action
from relay.mail.text import unescaped
from relay.mail.thread import SENT
from relay.policy.bounce_class import BounceClass, classify_bounce

# A bounce begins with what it has to say; the mail that came back stands behind.
_MOST_OCTETS = 32 * 1024
_MOST_LINES = 1000
_MOST_LINE = 500
_MOST_LEVELS = 20
_MOST_RECIPIENTS = 100
_AROUND = 600
# In so much of a text the lines are looked for that say what is wrong; longer lines are taken in pieces.
_MOST_SAID = 4000
_PIECE = 200

_DEEPER = re.compile(rb"boundary|message/", re.IGNORECASE)
_TAG = re.compile(r"<(?:/?[a-z!][^<>]{0,2000})>", re.IGNORECASE)
_RETURNED_ID = re.compile(r"^[ \t>]*message-id:(.{0,300})", re.IGNORECASE | re.MULTILINE)
_RETURNED_MARK = re.compile(rf"^[ \t>]*{SENT}:(.{{0,300}})", re.IGNORECASE | re.MULTILINE)
_WRITTEN_BY = re.compile(r"mailer-?daemon|postmaster|mail delivery|mail system", re.IGNORECASE)
_ABOUT = re.compile(
    r"undeliver|returned (e-?)?mail|return(ed)? to sender|failure notice|delivery (status|failure|problem|incomplete)"
    r"|deliver\w* .{0,20}fail|mail .{0,10}fail|warning: |delayed"
    r"|onbestelbaar|niet (bezorgd|afgeleverd)|bezorging|non (remis|distribu|d[ée]livr)|[ée]chec|retard"
    r"|unzustellbar|nicht (zugestellt|zustellbar)|zustellung|fehlgeschlagen",
    re.IGNORECASE,
)
# Behind this stands the mail that came back: nobody's business but its writer's.
_RETURNED = re.compile(
    r"original message|(copy|part|header|lines) of (the|your) (original )?(message|mail)|message( headers?)? follow"
    r"|returned mail -|your message reads|^[ \t]*(return-path|received|message-id|subject)[ \t]?:",
    re.IGNORECASE | re.MULTILINE,
)
_LATE = re.compile(
    r"warning|delayed|will (be retried|keep trying|continue)|still trying|vertraagd|retard|verz[öo]ger", re.IGNORECASE
)


def guess_bounce(data: bytes, parts: tuple[Part, ...]) -> Bounce | None:
    """What a mail without a report seems to tell about deliveries; None when it does not look like a bounce."""
    text = _text_of(parts)
    late, failed = _addresses(data)
    told = [(Action.DELAYED, each) for each in late] + [(Action.FAILED, each) for each in failed]
    whole = _said(text)
    recipients = tuple(_about(action, address, text, whole) for action, address in told[:_MOST_RECIPIENTS])
    if not recipients:
        unnamed = _unnamed(data, text)
        if unnamed is None:
            return None
        recipients = (unnamed,)
    returned = read_returned(parts)
    message_id = returned.message_id or _named(_RETURNED_ID, text)
    return Bounce(recipients, message_id, returned.reverse_paths, sent=returned.sent or _named(_RETURNED_MARK, text))


def _named(field: re.Pattern[str], text: str) -> str:
    found = field.search(text)
    return message_id_in(found[1]) if found else ""


def _addresses(data: bytes) -> tuple[list[str], list[str]]:
    """The recipients that flufl.bounce finds: delayed, failed."""
    lines = data[:_MOST_OCTETS].splitlines(keepends=True)[:_MOST_LINES]
    start = b"".join(line if len(line) <= _MOST_LINE else line[:_MOST_LINE] + b"\n" for line in lines)
    if len(_DEEPER.findall(start)) > _MOST_LEVELS:
        # Parts and mails within each other without end would cost the parser more than any bounce is worth.
        return [], []
    # It gives an account of every step, with tracebacks.
    logging.getLogger("flufl.bounce").disabled = True
    try:
        late, failed = all_failures(message_from_bytes(start))
    except Exception:  # noqa: BLE001 -- whatever it stumbles over, it is no bounce that we know
        return [], []
    return _cleaned(late), _cleaned(failed)


def _cleaned(addresses: frozenset[bytes]) -> list[str]:
    texts = (clean_address(address.decode("ascii", "replace")) for address in sorted(addresses))
    return [text for text in texts if text]


@dataclass(frozen=True, slots=True)
class _Said:
    """What a text says is wrong: the first code in it, and its lines that say so; nothing else of a mail is kept."""

    status: str
    text: str


def _said(text: str) -> _Said:
    text = _without_original(text)
    return _Said(status_in(text), clean("\n".join(_telling(text[:_MOST_SAID]))))


def _telling(text: str) -> Iterator[str]:
    """The lines with a code or with known words; words may be broken over two lines."""
    lines = [line[at : at + _PIECE] for line in text.splitlines() for at in range(0, len(line), _PIECE)]
    kept = -1
    for number, line in enumerate(lines):
        both = " ".join(lines[number : number + 2])
        if _is_telling(line):
            kept = max(kept, number)
        elif _is_telling(both) and not _is_telling(both[len(line) :]):
            kept = max(kept, number + 1)
        if kept >= number:
            yield line


def _is_telling(text: str) -> bool:
    return bool(status_in(text)) or classify_bounce("", text) is not BounceClass.UNKNOWN


def _about(action: Action, address: str, text: str, whole: _Said) -> Bounced:
    """What is said behind the address; with nothing there that is known, what is said at all."""
    start = text.lower().find(address.lower())
    near = _said(text[start : start + _AROUND]) if start >= 0 else whole
    said = near if near.text else whole
    # A success here, or a failure in a warning, is a version number or speaks of something else.
    fits = said.status[:1] in ("45" if action is Action.FAILED else "4")
    return Bounced(action, final=address, status=said.status if fits else "", text=said.text)


def _unnamed(data: bytes, text: str) -> Bounced | None:
    """A bounce that names nobody we can find: known by who wrote it or what it is about, and by its reason."""
    header = read_header(data)
    subject, author = value_of(header, "subject"), value_of(header, "from")
    said = _said(text)
    status = said.status
    meant = classify_bounce(status, said.text)
    if not (_ABOUT.search(subject) or _WRITTEN_BY.search(author)) or (meant is BounceClass.UNKNOWN and not status):
        return None
    late = status.startswith("4") or _LATE.search(subject) is not None
    return Bounced(Action.DELAYED if late else Action.FAILED, status=status, text=said.text)


def _without_original(text: str) -> str:
    found = _RETURNED.search(text)
    return text if found is None else text[: found.start()]


def _text_of(parts: tuple[Part, ...]) -> str:
    """What is there to be read, the mail that came back left out where it is a part of its own."""
    texts = []
    for part in parts:
        if part.kind in ("text/plain", "text/html"):
            text = part.body[:_MOST_OCTETS].decode("utf-8", "replace")
            texts.append(unescaped(_TAG.sub(" ", text)) if part.kind == "text/html" else text)
    return "\n".join(texts)[:_MOST_OCTETS]
