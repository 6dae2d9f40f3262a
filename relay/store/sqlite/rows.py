"""Between the spool's values and rows of the database. Pure; the order of columns is that of `statements`."""

import json
import re
from collections.abc import Callable, Iterable

from relay.events import Event, EventType
from relay.mail.address import Address
from relay.mail.envelope import Body, Envelope, Notify, Recipient, Ret, TlsWish
from relay.store.spool import Acceptance, Change, Content, Delivery, Entry, Message, Origin, State
from relay.store.sqlite.batch import Row, Rows

_MESSAGE_WIDTH = 10
_ESCAPED = re.compile(r"\\(.)")


def acceptance_rows(acceptance: Acceptance, worker: str) -> Rows:
    """The rows that make a new message."""
    message = acceptance.message
    rows = Rows(segments={message.content.segment})
    rows.messages.append(
        (
            message.queue_id,
            message.origin,
            message.received_at,
            message.app,
            message.peer,
            message.message_id,
            _envelope_text(message.envelope),
            message.content.segment,
            content_text(message.content),
            json.dumps(dict(message.findings)) if message.findings else "",
        )
    )
    for number, recipient in enumerate(message.envelope.recipients):
        rows.deliveries.append(
            (
                message.queue_id,
                number,
                str(recipient.address),
                ",".join(recipient.notify),
                recipient.orcpt,
                acceptance.companies[number],
                message.received_at,
                worker if acceptance.leased else None,
            )
        )
    rows.events.extend(event_rows(acceptance.events))
    return rows


def event_rows(events: Iterable[Event]) -> list[Row]:
    """The rows of a timeline."""
    return [(event.queue_id, event.number, event.at, event.type, json.dumps(dict(event.data))) for event in events]


def change_row(change: Change) -> Row:
    """The row of one outcome."""
    return (
        change.queue_id,
        change.number,
        change.state,
        change.attempts,
        change.next_attempt,
        change.last,
        int(change.delay_noticed),
        change.hold_key,
    )


def read_entries(
    rows: Iterable[tuple[object, ...]], unreadable: Callable[[str, str], None] = lambda _queue_id, _reason: None
) -> list[Entry]:
    """Gather rows of `statements.ENTRIES`, however ordered, into entries in order of first sight.

    A message whose rows make no sense is left out, and `unreadable` hears its queue id and the reason.
    """
    messages: dict[str, tuple[object, ...]] = {}
    deliveries: dict[str, list[tuple[object, ...]]] = {}
    for row in rows:
        queue_id = str(row[0])
        messages.setdefault(queue_id, row[:_MESSAGE_WIDTH])
        deliveries.setdefault(queue_id, []).append(row[_MESSAGE_WIDTH:])
    entries = []
    for queue_id, found in deliveries.items():
        try:
            read = sorted(map(_read_delivery, found), key=lambda delivery: delivery.number)
            entries.append(_entry(messages[queue_id], read))
        except (ValueError, TypeError, KeyError) as error:
            unreadable(queue_id, f"{type(error).__name__}: {error}")
    return entries


def read_content(segment: str, text: str) -> Content:
    """The content that is described by two columns of a message."""
    extents, size, header_size, body_hash = json.loads(text)
    return Content(segment, tuple((offset, length) for offset, length in extents), size, header_size, body_hash)


def content_text(content: Content) -> str:
    """A content without its segment, as a column of a message."""
    return json.dumps((content.extents, content.size, content.header_size, content.body_hash))


def read_event(row: tuple[object, ...]) -> Event:
    """Read (queue_id, number, at, type, data)."""
    queue_id, number, at, kind, data = row
    return Event(
        EventType(str(kind)),
        float(at),  # type: ignore[arg-type]
        str(queue_id),
        None if number is None else int(number),  # type: ignore[call-overload]
        json.loads(str(data)),
    )


def _entry(row: tuple[object, ...], deliveries: list[Delivery]) -> Entry:
    queue_id, origin, received_at, app, peer, message_id, envelope, segment, content, findings = row
    recipients = {delivery.number: delivery.recipient for delivery in deliveries}
    return Entry(
        Message(
            queue_id=str(queue_id),
            origin=Origin(str(origin)),
            received_at=float(received_at),  # type: ignore[arg-type]
            app=str(app),
            peer=str(peer),
            message_id=str(message_id),
            envelope=_read_envelope(str(envelope), tuple(recipients.values())),
            content=read_content(str(segment), str(content)),
            findings=json.loads(str(findings)) if findings else {},
        ),
        tuple(deliveries),
    )


def _read_delivery(row: tuple[object, ...]) -> Delivery:
    number, recipient, notify, orcpt, company, state, attempts, next_attempt, noticed, last, hold_key, worker = row
    asked = frozenset(Notify(word) for word in str(notify).split(",") if word)
    return Delivery(
        number=int(number),  # type: ignore[call-overload]
        recipient=Recipient(_read_address(str(recipient)), asked, None if orcpt is None else str(orcpt)),
        company=str(company),
        state=State(str(state)),
        attempts=int(attempts),  # type: ignore[call-overload]
        next_attempt=float(next_attempt),  # type: ignore[arg-type]
        delay_noticed=bool(noticed),
        last=str(last),
        hold_key=str(hold_key),
        worker="" if worker is None else str(worker),
    )


def _read_address(text: str) -> Address:
    """Undo `str(address)`. No grammar is asked: what was accepted once must always be readable."""
    local, at, domain = text.rpartition("@")
    if not at:
        return Address(text, "")
    if local.startswith('"'):
        local = _ESCAPED.sub(r"\1", local[1:-1])
    return Address(local, domain)


def _envelope_text(envelope: Envelope) -> str:
    return json.dumps(
        (
            None if envelope.reverse_path is None else (envelope.reverse_path.local, envelope.reverse_path.domain),
            envelope.body,
            envelope.smtputf8,
            envelope.ret,
            envelope.envid,
            envelope.tls,
        )
    )


def _read_envelope(text: str, recipients: tuple[Recipient, ...]) -> Envelope:
    reverse_path, body, smtputf8, ret, envid, *more = json.loads(text)
    # Mail that was stored before this was asked says nothing of TLS.
    tls = more[0] if more else None
    return Envelope(
        reverse_path=None if reverse_path is None else Address(*reverse_path),
        recipients=recipients,
        body=None if body is None else Body(body),
        smtputf8=smtputf8,
        ret=None if ret is None else Ret(ret),
        envid=envid,
        tls=None if tls is None else TlsWish(tls),
    )
