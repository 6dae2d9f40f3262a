"""One SMTP session on our side: keeps `gate.Gate`, whatever the listener.

In charge of limits, of the transaction's state and of the way from the final dot to the durable commit. What may be
sent by whom and to whom is the business of a `Desk`: one for submission, one for mail from other servers.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from relay.clock import Clock
from relay.config.keyring import Active
from relay.config.settings import Settings
from relay.events import Event, EventSink, EventType, Json
from relay.incoming.arrival import Arrival
from relay.intake.checks import wish_of
from relay.intake.desk import Desk, Outbox
from relay.intake.gate import Content, Hello, Peer, SessionLimits
from relay.intake.limits import Connections, Errors, Misconduct, Rate, Receiving
from relay.intake.queue_id import new_queue_id
from relay.intake.reception import FAULT, FULL, Bounds, Reception
from relay.mail.address import Address
from relay.mail.envelope import Body, Envelope, MailParameters, Recipient, TlsWish
from relay.mail.received import Hop, protocol_name, received_field
from relay.mail.reply import Reply
from relay.store.spool import Acceptance, Delivery, Entry, Message, Origin, Spool, SpoolError, SpoolFull, State

NO_TRANSACTION = Reply(503, "5.5.1", "MAIL and RCPT come first")
RECIPIENT_OK = Reply(250, "2.1.5", "Recipient OK")
UNWELCOME = Reply(421, "4.7.0", "Too many errors from where you are, try again later")
TOO_FAST = Reply(451, "4.7.0", "Too many messages in a minute, try again later")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients")


@dataclass(frozen=True, slots=True)
class Office:
    """What all sessions of one worker share."""

    active: Callable[[], Active]
    spool: Spool
    clock: Clock
    events: EventSink
    outbox: Outbox
    connections: Connections
    receiving: Receiving
    errors: Errors
    rate: Rate


@dataclass(slots=True)
class _Transaction:
    queue_id: str
    reverse_path: Address | None
    parameters: MailParameters
    recipients: list[Recipient]
    companies: list[str]


class Session:
    """Keeps `gate.Gate` for one connection."""

    def __init__(self, office: Office, desk: Desk, peer: Peer) -> None:
        self._office = office
        self._desk = desk
        self._peer = peer
        self._hello = Hello("", None, esmtp=True)
        self._transaction: _Transaction | None = None
        self._reception: Reception | None = None
        self._counted = False

    @property
    def _settings(self) -> Settings:
        return self._office.active().snapshot.settings

    @property
    def hostname(self) -> str:
        """See Gate.hostname."""
        return self._settings.hostname

    @property
    def limits(self) -> SessionLimits:
        """See Gate.limits."""
        limits = self._settings.limits
        return SessionLimits(
            message_size=limits.message_size,
            recipients=self._desk.most_recipients(),
            errors=limits.errors_per_session,
            idle_timeout=limits.idle_timeout,
            data_timeout=limits.data_timeout,
        )

    @property
    def offers_login(self) -> bool:
        """See Gate.offers_login."""
        return self._desk.offers_login()

    @property
    def greeting_pause(self) -> float:
        """See Gate.greeting_pause. Who has brought mail of late is not kept waiting."""
        known = self._office.errors.has_brought_mail(self._peer.address, now=self._office.clock.now())
        return 0.0 if known or not self.is_strict else self._settings.limits.greeting_pause

    @property
    def is_strict(self) -> bool:
        """See Gate.is_strict. Apps are let alone: they are told what is wrong, and are not robots."""
        return self._desk.origin is Origin.MX and self._is_stranger

    def connect(self) -> Reply:
        """See Gate.connect."""
        limits = self._settings.limits
        if self._misconduct().unwelcome:
            return self._refuse("connect", UNWELCOME)
        self._counted = self._office.connections.enter(
            self._peer.address, most=limits.connections, most_per_peer=limits.connections_per_peer
        )
        if not self._counted:
            return self._refuse("connect", Reply(421, "4.7.0", "Too many connections, try again later"))
        if self._is_stranger:
            self._desk.meet()
        return Reply(220, "", f"{self.hostname} ESMTP")

    def hello(self, hello: Hello) -> None:
        """See Gate.hello."""
        self._hello = hello

    async def login(self, username: str, password: str) -> Reply:
        """See Gate.login."""
        reply = await self._desk.login(username, password)
        kind = EventType.LOGIN if reply.is_positive else EventType.LOGIN_FAILED
        if not reply.is_positive:
            self._count_error()
        self._emit(kind, {"user": username, "peer": str(self._peer.address), "reply": str(reply)})
        return reply

    def mail(self, reverse_path: Address | None, parameters: MailParameters) -> Reply:
        """See Gate.mail."""
        reply = self._desk.mail(reverse_path, parameters)
        if not reply.is_positive:
            return self._refuse("mail", reply, reverse_path=str(reverse_path or ""))
        now, most = self._office.clock.now(), self._settings.limits.messages_per_peer
        if self._is_stranger and not self._office.rate.allows_peer(self._peer.address, now=now, most=most):
            return self._refuse("mail", TOO_FAST)
        queue_id = new_queue_id(now)
        self._transaction = _Transaction(queue_id, reverse_path, parameters, [], [])
        return reply

    async def rcpt(self, recipient: Recipient) -> Reply:
        """See Gate.rcpt."""
        transaction = self._transaction
        if transaction is None:
            return NO_TRANSACTION
        if len(transaction.recipients) >= self._desk.most_recipients():
            return self._refuse("rcpt", TOO_MANY_RECIPIENTS)
        admitted = await self._desk.rcpt(recipient)
        if isinstance(admitted, Reply):
            return self._refuse("rcpt", admitted, recipient=str(recipient.address))
        if not recipient.address.domain:
            # <postmaster> alone is the only address without a domain (RFC 5321 4.5.1).
            recipient = replace(recipient, address=replace(recipient.address, domain=self._settings.domain))
        # Named twice is meant once: each recipient gets one copy.
        if all(recipient.address != known.address for known in transaction.recipients):
            transaction.recipients.append(recipient)
            transaction.companies.append(admitted.company)
        return RECIPIENT_OK

    def content(self) -> Content | Reply:
        """See Gate.content."""
        transaction, limits = self._transaction, self._settings.limits
        if transaction is None or not transaction.recipients:
            return NO_TRANSACTION
        if self._office.receiving.octets + (transaction.parameters.size or 0) > max(
            limits.receiving_bytes, limits.message_size
        ):
            return self._refuse("data", FULL)
        try:
            writer = self._office.spool.writer()
        except SpoolError as error:
            return self._refuse("data", FULL if isinstance(error, SpoolFull) else FAULT, error=str(error))
        self._reception = Reception(
            writer,
            self._office.receiving,
            Bounds(limits.message_size, limits.receiving_bytes),
            trace=received_field(self._hop(transaction)),
            judge=self._desk,
        )
        return self._reception

    async def accept(self, content: Content) -> Reply:
        """See Gate.accept."""
        transaction, reception = self._transaction, self._reception
        assert transaction is not None  # noqa: S101 -- the edge asks in order
        assert reception is content  # noqa: S101 -- as above
        self._transaction = self._reception = None
        try:
            stored = reception.finish()
            if isinstance(stored, Reply):
                return self._refuse("data", stored, queue_id=transaction.queue_id)
            field = reception.header.first("message-id")
            message = Message(
                queue_id=transaction.queue_id,
                origin=self._desk.origin,
                received_at=self._office.clock.now(),
                app=self._desk.app,
                peer=str(self._peer.address),
                message_id=field.value.decode("utf-8", "replace") if field else "",
                envelope=_envelope(transaction, reception),
                content=stored,
            )
            return await self._commit(message, transaction, reception)
        finally:
            reception.abort()

    @property
    def delay(self) -> float:
        """See Gate.delay."""
        return self._misconduct().delay

    def refused(self, verb: str, reply: Reply) -> None:
        """See Gate.refused."""
        self._refuse(verb, reply)

    def reset(self) -> None:
        """See Gate.reset."""
        if self._reception is not None:
            self._reception.abort()
        self._transaction = self._reception = None

    def close(self) -> None:
        """See Gate.close."""
        self.reset()
        self._desk.part()
        if self._counted:
            self._counted = False
            self._office.connections.leave(self._peer.address)

    async def _commit(self, message: Message, transaction: _Transaction, reception: Reception) -> Reply:
        office = self._office
        companies = transaction.companies
        received = Event(EventType.RECEIVED, message.received_at, message.queue_id, None, self._describe(message))
        try:
            arrival = Arrival(
                queue_id=message.queue_id,
                at=message.received_at,
                peer=self._peer.address,
                helo=self._hello.name,
                envelope=message.envelope,
                companies=companies,
                header=reception.header,
                content=message.content,
                read=reception.read,
                bodies=reception.bodies.seen(message.content.body_hash),
            )
            examined = await self._desk.before_commit(arrival)
            if isinstance(examined, Reply):
                return self._refuse("data", examined, queue_id=message.queue_id)
            if examined.findings:
                message = replace(message, findings=examined.findings)
            if examined.taken is not None:
                message, companies = replace(message, envelope=examined.taken.envelope), examined.taken.companies
            events = (received, *examined.events)
            leased = office.outbox.has_room(companies[0])
            await office.spool.commit(Acceptance(message, tuple(companies), leased, events))
        except SpoolError as error:
            reply = FULL if isinstance(error, SpoolFull) else FAULT
            return self._refuse("data", reply, queue_id=message.queue_id, error=str(error))
        for event in events:
            office.events.emit(event)
        if leased:
            deliveries = tuple(
                Delivery(number, recipient, companies[number], State.QUEUED, next_attempt=message.received_at)
                for number, recipient in enumerate(message.envelope.recipients)
            )
            refusal = await self._hand_over(Entry(message, deliveries))
            if refusal is not None:
                return self._refuse("data", refusal, queue_id=message.queue_id)
        if self._is_stranger:
            office.errors.excuse(self._peer.address, now=office.clock.now())
        return Reply(250, "2.0.0", message.queue_id)

    async def _hand_over(self, entry: Entry) -> Reply | None:
        if self._desk.origin is Origin.MX:
            return await self._office.outbox.take_for_verdict(entry)
        self._office.outbox.take(entry)
        return None

    def _describe(self, message: Message) -> dict[str, Json]:
        reverse_path = message.envelope.reverse_path
        return {
            "origin": message.origin,
            "app": message.app,
            "peer": message.peer,
            "tls": self._hello.tls,
            "reverse_path": str(reverse_path or ""),
            "recipients": [str(recipient.address) for recipient in message.envelope.recipients],
            "message_id": message.message_id,
            "size": message.content.size,
        }

    def _hop(self, transaction: _Transaction) -> Hop:
        submitted = self._desk.origin is Origin.SUBMISSION
        recipients = transaction.recipients
        return Hop(
            # Where an app runs is nobody's business outside; which app it was helps to find the mail.
            helo=self._desk.app if submitted else self._hello.name,
            peer="" if submitted else str(self._peer.address),
            by=self.hostname,
            protocol=protocol_name(
                extended=self._hello.esmtp,
                tls=self._hello.tls is not None,
                authenticated=submitted and bool(self._desk.app),
                utf8=transaction.parameters.smtputf8,
            ),
            queue_id=transaction.queue_id,
            at=self._office.clock.now(),
            recipient=recipients[0].address if len(recipients) == 1 else None,
            name=self._desk.peer_name,
        )

    def _refuse(self, verb: str, reply: Reply, **data: Json) -> Reply:
        said: dict[str, Json] = {"verb": verb, "reply": str(reply), "peer": str(self._peer.address)}
        if self._desk.app:
            said["app"] = self._desk.app
        if reply.is_permanent:
            self._count_error()
        self._emit(EventType.REFUSED, said | data)
        return reply

    # What is held against a peer. An app of ours has limits of its own, and has to hear at once what it does wrong.

    @property
    def _is_stranger(self) -> bool:
        address = self._peer.address
        return not (self._desk.app or address.is_loopback or address in self._settings.sending_addresses)

    def _count_error(self) -> None:
        if self._is_stranger:
            self._office.errors.count(self._peer.address, now=self._office.clock.now())

    def _misconduct(self) -> Misconduct:
        if not self._is_stranger:
            return Misconduct(0.0, unwelcome=False)
        most = self._settings.limits.errors_per_peer
        return self._office.errors.judge(self._peer.address, now=self._office.clock.now(), most=most)

    def _emit(self, kind: EventType, data: dict[str, Json]) -> None:
        self._office.events.emit(Event(kind, self._office.clock.now(), data=data))


def _envelope(transaction: _Transaction, reception: Reception) -> Envelope:
    """The envelope as it was given; what the octets are counts for more than what was said of them (RFC 6152)."""
    parameters = transaction.parameters
    return Envelope(
        reverse_path=transaction.reverse_path,
        recipients=tuple(transaction.recipients),
        body=Body.EIGHT_BIT if reception.is_eight_bit else parameters.body,
        smtputf8=parameters.smtputf8,
        ret=parameters.ret,
        envid=parameters.envid,
        # RFC 8689 3: what the envelope says goes before the header.
        tls=TlsWish.REQUIRED if parameters.require_tls else wish_of(reception.header),
    )
