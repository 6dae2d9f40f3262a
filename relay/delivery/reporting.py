"""Writes reports about deliveries and gives them the same way in as all mail: content, envelope, acceptance."""

from collections.abc import Sequence

from relay.delivery.settle import Notice
from relay.events import Event, EventType
from relay.intake.queue_id import new_queue_id
from relay.mail.address import Address
from relay.mail.dkim import BodyHash
from relay.mail.envelope import Body, Envelope, Recipient, Ret, TlsWish
from relay.mail.message import header_size
from relay.mail.report import MAX_RETURNED, Action, ReportedRecipient, ReportRequest, build_report
from relay.policy.retry import Patience
from relay.store.spool import Acceptance, Message, Origin, Spool


class Reporter:
    """Makes reports in the name of one relay."""

    def __init__(self, spool: Spool, *, hostname: str, domain: str) -> None:
        self._spool = spool
        self._hostname = hostname
        self._domain = domain

    def report(
        self, message: Message, notices: Sequence[Notice], *, now: float, patience: Patience
    ) -> Acceptance | None:
        """The report on `notices`, all about `message`, ready to be recorded; raises SpoolError.

        None when there is nobody to tell: a null reverse path (RFC 5321 4.5.5).
        """
        to = message.envelope.reverse_path
        if to is None or not notices:
            return None
        queue_id = new_queue_id(now)
        request = ReportRequest(
            to=to,
            sender=Address("mailer-daemon", self._domain),
            reporting_mta=self._hostname,
            message_id=f"{queue_id}@{self._domain}",
            at=now,
            arrival=message.received_at,
            recipients=[_recipient(notice, message, now=now, patience=patience) for notice in notices],
            original=self._original(message),
            # RFC 8689 6: a report goes by ways of its own, so it shows little of what was to be protected.
            ret=Ret.HDRS if message.envelope.tls is TlsWish.REQUIRED else message.envelope.ret,
            envid=message.envelope.envid,
        )
        return self._acceptance(queue_id, build_report(request), request, notices[0].delivery.company, message)

    def _original(self, message: Message) -> bytes:
        content = message.content
        return self._spool.read(content, 0, content.size if content.size <= MAX_RETURNED else content.header_size)

    def _acceptance(
        self, queue_id: str, data: bytes, request: ReportRequest, company: str, about: Message
    ) -> Acceptance:
        size = header_size(data) or len(data)
        body = BodyHash()
        body.update(data[size:])
        writer = self._spool.writer()
        try:
            writer.write(data)
            content = writer.finish(header_size=size, body_hash=body.digest())
        except BaseException:
            writer.abort()
            raise
        message = Message(
            queue_id=queue_id,
            origin=Origin.REPORT,
            received_at=request.at,
            app="",
            peer="",
            message_id=f"<{request.message_id}>",
            envelope=Envelope(
                None,
                (Recipient(request.to),),
                body=None if data.isascii() else Body.EIGHT_BIT,
                smtputf8=not request.to.is_ascii,
            ),
            content=content,
        )
        events = (
            Event(EventType.REPORTED, request.at, about.queue_id, None, {"report": queue_id, "to": str(request.to)}),
            Event(EventType.RECEIVED, request.at, queue_id, None, {"origin": Origin.REPORT, "about": about.queue_id}),
        )
        return Acceptance(message, (company,), leased=False, events=events)


def _recipient(notice: Notice, message: Message, *, now: float, patience: Patience) -> ReportedRecipient:
    delivery, outcome = notice.delivery, notice.outcome
    status = outcome.status
    match notice.action:
        case Action.FAILED:
            # What expired had a temporary status; a report of failure needs a permanent one (RFC 3464 2.3.4).
            status = "5" + status[1:]
        case Action.DELAYED:
            status = "4" + status[1:]
        case _:
            pass
    return ReportedRecipient(
        address=delivery.recipient.address,
        action=notice.action,
        status=status,
        diagnostic=outcome.reply,
        remote_mta=notice.remote_host or None,
        orcpt=delivery.recipient.orcpt,
        last_attempt=now,
        will_retry_until=message.received_at + patience.expire if notice.action is Action.DELAYED else None,
    )
