"""Sends domains the reports that they want about TLS to their mail hosts, once the day is over (RFC 8460 5).

In charge of which report goes where, and of sending it once: by mail through our own queue, or by HTTPS. What cannot be
sent within a day is given up. A domain that does not say where to gets nothing.
"""

import gzip
from dataclasses import replace
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.policy import SMTP
from urllib.parse import unquote

import structlog

from relay.config.settings import Settings
from relay.dns import Resolver, Status
from relay.events import Event, EventType, Json
from relay.facts.tls_results import DAY, KIND, read_key, read_results
from relay.http import Caps, HttpClient, HttpError, HttpRequest, Reach
from relay.intake.queue_id import new_queue_id
from relay.mail.address import Address, AddressError, parse_address
from relay.mail.date import format_date
from relay.mail.envelope import Envelope, Recipient, TlsWish
from relay.mail.tls_report import TlsReport, read_rua, write_tls_report
from relay.notices.courier import SENDER, Posting
from relay.notices.storing import store
from relay.store.facts import Fact
from relay.store.spool import Acceptance, Message, Origin

_AT_ONCE = 20
_CLAIM = 600.0
_AGAIN = 3600.0
_TYPE = "tlsrpt+gzip"

log = structlog.get_logger("relay.notices")


class TlsReports:
    """Sends reports for one worker."""

    def __init__(self, posting: Posting, resolver: Resolver, http: HttpClient) -> None:
        self._posting = posting
        self._resolver = resolver
        self._http = http

    async def send_due(self) -> None:
        """Send what is due now; raises SpoolError."""
        facts, now = self._posting.spool.facts, self._posting.clock.now()
        for fact in await facts.take_due(KIND, now=now, until=now + _CLAIM, limit=_AT_ONCE):
            await self._serve(fact)

    async def _serve(self, fact: Fact) -> None:
        facts, now = self._posting.spool.facts, self._posting.clock.now()
        settings = self._posting.active().snapshot.settings
        day, domain = read_key(fact.key)
        if not settings.tls_reports.send or now >= (day + 2) * DAY:
            await facts.drop(fact)
            return
        answer = await self._resolver.lookup_txt(f"_smtp._tls.{domain}")
        if answer.status is Status.TEMPORARY:
            await facts.put(replace(fact, due=now + _AGAIN))
            return
        wanted = read_rua(answer.records)
        sent = _sent(fact)
        report = _report(fact, settings)
        for uri in wanted:
            if uri in sent or not await self._send(uri, report, settings):
                continue
            sent.append(uri)
            kept = await facts.put(replace(fact, value={**fact.value, "sent": list(sent)}, due=now + _AGAIN))
            if kept is None:
                return
            fact = kept
        if set(wanted) <= set(sent):
            await facts.drop(fact)
        else:
            await facts.put(replace(fact, due=now + _AGAIN))

    async def _send(self, uri: str, report: TlsReport, settings: Settings) -> bool:
        packed = gzip.compress(write_tls_report(report), mtime=0)
        scheme, _, rest = uri.partition(":")
        if scheme == "https":
            return await self._post(uri, packed, settings)
        try:
            to = parse_address(unquote(rest.partition("?")[0]))
        except AddressError:
            log.warning("a domain wants its TLS report at no address", domain=report.domain)
            return True
        await self._mail(to, report, packed, settings)
        return True

    async def _post(self, uri: str, packed: bytes, settings: Settings) -> bool:
        request = HttpRequest("POST", uri, {"Content-Type": f"application/{_TYPE}"}, packed)
        delivery = settings.delivery
        try:
            reach = Reach(internal=delivery.is_sandbox, ca=delivery.ca)
            response = await self._http.send(request, reach, Caps(seconds=30.0, octets=64 * 1024))
        except HttpError as error:
            log.warning("a TLS report cannot be sent", error=str(error))
            return False
        return response.is_success

    async def _mail(self, to: Address, report: TlsReport, packed: bytes, settings: Settings) -> None:
        posting, now = self._posting, self._posting.clock.now()
        queue_id = new_queue_id(now)
        message_id = f"{queue_id}@{settings.domain}"
        octets = _compose(report, packed, to=to, message_id=message_id, at=now)
        envelope = Envelope(None, (Recipient(to),), smtputf8=not to.is_ascii, tls=TlsWish.IGNORED)
        content = store(posting.spool, octets)
        message = Message(queue_id, Origin.NOTICE, now, "", "", f"<{message_id}>", envelope, content)
        told: dict[str, Json] = {
            "origin": Origin.NOTICE.value,
            "notice": "tls-report",
            "domain": report.domain,
            "to": str(to),
        }
        event = Event(EventType.RECEIVED, now, queue_id, None, told)
        await posting.spool.commit(Acceptance(message, ("",), leased=False, events=(event,)))
        posting.events.emit(event)
        posting.look()


def _sent(fact: Fact) -> list[str]:
    sent = fact.value.get("sent", [])
    return [str(uri) for uri in sent] if isinstance(sent, list) else []


def _report(fact: Fact, settings: Settings) -> TlsReport:
    day, domain = read_key(fact.key)
    contact = settings.tls_reports.contact or Address("postmaster", settings.domain)
    return TlsReport(
        organization=settings.notices.name or settings.domain,
        contact=str(contact),
        # The same at every try: whoever gets it twice can tell.
        report_id=f"{day}-{domain}@{settings.domain}",
        domain=domain,
        start=day * DAY,
        end=(day + 1) * DAY - 1,
        policies=read_results(fact.value),
    )


def _compose(report: TlsReport, packed: bytes, *, to: Address, message_id: str, at: float) -> bytes:
    """The mail that carries a report (RFC 8460 5.3)."""
    submitter = message_id.partition("@")[2]
    message = EmailMessage(policy=SMTP)
    message["From"] = HeaderAddress("", SENDER, submitter)
    message["To"] = HeaderAddress("", to.local, to.ascii_domain)
    message["Subject"] = f"Report Domain: {report.domain} Submitter: {submitter} Report-ID: <{report.report_id}>"
    message["Date"] = format_date(at)
    message["Message-ID"] = f"<{message_id}>"
    message["TLS-Report-Domain"] = report.domain
    message["TLS-Report-Submitter"] = submitter
    # RFC 8460 3: what is wrong with TLS must not keep the report about it.
    message["TLS-Required"] = "No"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(f"How TLS to the mail hosts of {report.domain} went (RFC 8460).\n")
    name = f"{submitter}!{report.domain}!{int(report.start)}!{int(report.end)}!1.json.gz"
    message.add_attachment(packed, maintype="application", subtype=_TYPE, filename=name)
    message.set_type("multipart/report")
    message.set_param("report-type", "tlsrpt")
    return message.as_bytes()
