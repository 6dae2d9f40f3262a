"""Reports: messages that tell a sender what became of a delivery.

In charge of complete multipart/report messages (RFC 3461 6, 3462, 3464; RFC 6533 when addresses need UTF-8).
Never decides whether a report is due or who gets it, never returns recipients that were in Bcc.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from relay.mail.address import Address
from relay.mail.date import format_date
from relay.mail.envelope import Ret
from relay.mail.message import HeaderError, fold, header_size, parse_header
from relay.mail.reply import Reply
from relay.mail.rewrite import drop_bcc

_MAX_DIAGNOSTIC = 900

# Larger originals come back as their header alone.
MAX_RETURNED = 50_000


class Action(StrEnum):
    """What happened (RFC 3464 2.3.3). A delivery that expired has failed."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True, slots=True)
class ReportedRecipient:
    """One recipient's part. Times are seconds since the epoch.

    `status` is an enhanced code ("5.1.1"); `diagnostic` what the host `remote_mta` said, when it said something;
    `orcpt` is decoded as in Recipient.
    """

    address: Address
    action: Action
    status: str
    diagnostic: Reply | None = None
    remote_mta: str | None = None
    orcpt: str | None = None
    last_attempt: float | None = None
    will_retry_until: float | None = None


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """All a report is made of. Times are seconds since the epoch, `message_id` stands without brackets.

    `original` is the message as we were given it, or only its header with the empty line; `ret` and `envid` come from
    its envelope.
    """

    to: Address
    sender: Address
    reporting_mta: str
    message_id: str
    at: float
    arrival: float
    recipients: Sequence[ReportedRecipient]
    original: bytes
    ret: Ret | None = None
    envid: str | None = None


_HEADLINES = {
    Action.FAILED: ("Your message could not be delivered", "could not be delivered to:"),
    Action.DELAYED: ("Your message is delayed", "has not been delivered yet to the following, we keep trying:"),
    Action.DELIVERED: ("Your message was delivered", "was delivered to:"),
    Action.RELAYED: (
        "Your message was passed on",
        "was passed on to a host that sends no further notice, for:",
    ),
    Action.EXPANDED: ("Your message was passed on", "was passed on to several addresses, for:"),
}
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def build_report(request: ReportRequest) -> bytes:
    """The complete report with CRLF line ends.

    The original comes back whole when something failed, it is not large and RET is not HDRS; else its header does.
    A header that cannot be read is left out. Raises ValueError when there is no recipient to report on.
    """
    if not request.recipients:
        raise ValueError("a report needs a recipient to report on")
    wide = any(_needs_utf8(recipient) for recipient in request.recipients)
    parts = [_part("text/plain; charset=utf-8", _explanation(request))]
    kind = "message/global-delivery-status" if wide else "message/delivery-status"
    parts.append(_part(kind, _status(request, wide=wide)))
    returned = _returned(request)
    if returned:
        parts.append(returned)
    boundary = "=_" + hashlib.sha256(b"".join(parts) + request.message_id.encode()).hexdigest()[:32]
    eight_bit = not all(part.isascii() for part in parts)
    fields = (
        f"From: Mail Delivery System <{request.sender}>",
        f"To: <{request.to}>",
        f"Subject: {_HEADLINES[_worst(request)][0]}",
        f"Date: {format_date(request.at)}",
        f"Message-ID: <{request.message_id}>",
        "Auto-Submitted: auto-replied",
        "X-Auto-Response-Suppress: All",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"',
        f"Content-Transfer-Encoding: {'8bit' if eight_bit else '7bit'}",
    )
    header = b"".join(fold(field.encode()) for field in fields)
    delimiter = f"--{boundary}".encode("ascii")
    body = b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in parts)
    return header + b"\r\n" + body + delimiter + b"--\r\n"


def _needs_utf8(recipient: ReportedRecipient) -> bool:
    return not recipient.address.is_ascii or not (recipient.orcpt or "").isascii()


def _worst(request: ReportRequest) -> Action:
    present = {recipient.action for recipient in request.recipients}
    return next(action for action in Action if action in present)


def _part(content_type: str, content: bytes) -> bytes:
    encoding = b"7bit" if content.isascii() else b"8bit"
    head = b"Content-Type: " + content_type.encode("ascii") + b"\r\nContent-Transfer-Encoding: " + encoding
    return head + b"\r\n\r\n" + content


def _explanation(request: ReportRequest) -> bytes:
    lines = [f"This is the mail system at {request.reporting_mta}.", ""]
    for action in Action:
        those = [recipient for recipient in request.recipients if recipient.action is action]
        if not those:
            continue
        lines += [f"Your message of {format_date(request.arrival)}", _HEADLINES[action][1], ""]
        for recipient in those:
            lines += _explained(recipient)
    return "".join(f"{line}\r\n" for line in lines).encode()


def _explained(recipient: ReportedRecipient) -> list[str]:
    lines = [f"  <{recipient.address}>"]
    if recipient.diagnostic:
        who = _plain(recipient.remote_mta) if recipient.remote_mta else "This system"
        said = fold(f"    {who} said: {_shortened(str(recipient.diagnostic))}".encode())
        lines += said.decode().rstrip("\r\n").split("\r\n")
    if recipient.action is Action.DELAYED and recipient.will_retry_until is not None:
        lines.append(f"    We try until {format_date(recipient.will_retry_until)}.")
    return [*lines, ""]


def _status(request: ReportRequest, *, wide: bool) -> bytes:
    """The machine's part: one block about the message, one for each recipient."""
    about = [f"Reporting-MTA: dns; {_plain(request.reporting_mta)}"]
    if request.envid is not None:
        about.append(f"Original-Envelope-Id: {_plain(request.envid)}")
    about.append(f"Arrival-Date: {format_date(request.arrival)}")
    blocks = [about, *(_recipient_fields(recipient, wide=wide) for recipient in request.recipients)]
    return b"\r\n".join(b"".join(fold(field.encode()) for field in block) for block in blocks)


def _recipient_fields(recipient: ReportedRecipient, *, wide: bool) -> list[str]:
    fields = []
    if recipient.orcpt is not None:
        fields.append(f"Original-Recipient: {_CONTROLS.sub('?', recipient.orcpt)}")
    # RFC 6533 4: an address with UTF-8 has a type of its own.
    kind = "rfc822" if recipient.address.is_ascii else "utf-8"
    fields += [
        f"Final-Recipient: {kind}; {recipient.address}",
        f"Action: {recipient.action}",
        f"Status: {recipient.status}",
    ]
    if recipient.remote_mta is not None:
        fields.append(f"Remote-MTA: dns; {_plain(recipient.remote_mta)}")
    if recipient.diagnostic is not None:
        said = str(recipient.diagnostic)
        fields.append(f"Diagnostic-Code: smtp; {_shortened(said if wide else _plain(said))}")
    if recipient.last_attempt is not None:
        fields.append(f"Last-Attempt-Date: {format_date(recipient.last_attempt)}")
    # RFC 3464 2.3.9: only a delayed delivery is tried again.
    if recipient.action is Action.DELAYED and recipient.will_retry_until is not None:
        fields.append(f"Will-Retry-Until: {format_date(recipient.will_retry_until)}")
    return fields


def _returned(request: ReportRequest) -> bytes:
    """The part with the original or its header, empty when its header cannot be read."""
    size = header_size(request.original)
    try:
        header = drop_bcc(parse_header(request.original[:size]))
    except HeaderError:
        return b""
    is_wide = not bytes(header).isascii()
    if size is not None and _comes_back_whole(request):
        kind = "message/global" if is_wide else "message/rfc822"
        return _part(kind, bytes(header) + b"\r\n" + request.original[size:])
    return _part("message/global-headers" if is_wide else "text/rfc822-headers", bytes(header))


def _comes_back_whole(request: ReportRequest) -> bool:
    # RFC 3461 4.3: only a failure brings the message back.
    has_failed = any(recipient.action is Action.FAILED for recipient in request.recipients)
    return has_failed and request.ret is not Ret.HDRS and len(request.original) <= MAX_RETURNED


def _plain(text: str) -> str:
    """Printable ASCII on one line."""
    return _CONTROLS.sub("?", text).encode("ascii", "replace").decode("ascii")


def _shortened(text: str) -> str:
    """As much of the text as fits one line of a message even when it has no blanks."""
    return text.encode()[:_MAX_DIAGNOSTIC].decode(errors="ignore")
