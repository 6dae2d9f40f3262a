"""Derives what leaves from what was given: header, envelope and signatures for one decision.

Pure but for reading the spool. Derived afresh at every attempt, so that what was repaired meanwhile counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from relay.config.keyring import Keyring
from relay.delivery.findings import state_findings
from relay.mail.address import Address
from relay.mail.arc_seal import Sealing, seal_header
from relay.mail.dkim import Signer
from relay.mail.envelope import Body, Recipient
from relay.mail.loop import forwarded_field
from relay.mail.message import Header, parse_header
from relay.mail.munge import speak_for_writer
from relay.mail.rewrite import ask_answers_at, drop_bcc, ensure_message_id, rewrite_author
from relay.mail.srs import srs_forward
from relay.mail.thread import answer_address, message_id_for, sent_field
from relay.mail.verp import TokenError, bounce_address
from relay.policy.authentication import Result
from relay.policy.decision import Decision, Name, ReversePath
from relay.policy.evidence import bounce_domain
from relay.policy.forward import read_evidence
from relay.policy.stated import stated_results
from relay.store.spool import Delivery, Message, Spool

_BLOCK = 256 * 1024
_DAY = 86400


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message ready for one transaction. `header` ends with the empty line."""

    reverse_path: Address | None
    recipients: tuple[Recipient, ...]
    header: bytes
    message: Message
    spool: Spool

    @property
    def size(self) -> int:
        """Octets of header and body."""
        content = self.message.content
        return len(self.header) + content.size - content.header_size

    def body(self) -> Iterator[bytes]:
        """The body's octets, block by block."""
        content = self.message.content
        for start in range(content.header_size, content.size, _BLOCK):
            yield self.spool.read(content, start, _BLOCK)

    def is_eight_bit(self) -> bool:
        """Whether a host has to know 8BITMIME to take this."""
        if self.message.envelope.body is Body.SEVEN_BIT:
            return False
        return not self.header.isascii() or any(not block.isascii() for block in self.body())

    def needs_smtputf8(self) -> bool:
        """Whether a host has to know SMTPUTF8 to take this (RFC 6531 3.5)."""
        addresses = [recipient.address for recipient in self.recipients]
        if self.reverse_path is not None:
            addresses.append(self.reverse_path)
        return any(not address.local.isascii() for address in addresses) or (
            self.message.envelope.smtputf8 and not self.header.isascii()
        )


def make_outgoing(
    message: Message, deliveries: tuple[Delivery, ...], decision: Decision, *, spool: Spool, context: "Context"
) -> Outgoing:
    """Derive the mail for `deliveries`, which share one decision; raises AuthorError for a From nobody can read."""
    content = message.content
    header = parse_header(spool.read(content, 0, content.header_size))
    header = _in_the_name_of(decision, header, message, context)
    if decision.name is Name.FORWARD:
        company = deliveries[0].company
        mark = forwarded_field(company, domain=context.domain, secrets=context.keyring.signing)
        header = state_findings(header.prepend(mark), message, context.hostname, company)
        if decision.into is None:
            # What is laid into a mailbox is there: no host comes after us.
            header = _sealed(header, message, context)
    return Outgoing(
        reverse_path=_reverse_path(message, deliveries[0], decision, context),
        recipients=tuple(_recipient(delivery, decision) for delivery in deliveries),
        header=bytes(header) + b"\r\n",
        message=message,
        spool=spool,
    )


@dataclass(frozen=True, slots=True)
class Context:
    """What deriving takes besides the mail: our domain and host, our keys, and the time in seconds since the epoch."""

    domain: str
    hostname: str
    keyring: Keyring
    now: float


def signers_for(decision: Decision, keyring: Keyring) -> list[Signer]:
    """Whose signatures mail of this decision gets, in this order."""
    signers: list[Signer] = []
    if decision.selectors and decision.author is not None:
        known = keyring.for_author(decision.author.ascii_domain)
        signers += [known[selector] for selector in decision.selectors if selector in known]
    for domain in decision.sign_for:
        signers += keyring.signers.get(domain, ())
    return signers


def _in_the_name_of(decision: Decision, header: Header, message: Message, context: Context) -> Header:
    if decision.name is Name.FORWARD:
        if decision.author is None:
            return header
        writer = message.envelope.reverse_path
        header = speak_for_writer(header, decision.author, via=decision.via, writer=writer)
    else:
        if decision.author is not None:
            header = rewrite_author(header, decision.author)
        if decision.name is Name.ALIAS and decision.author is not None:
            header = _with_tag(header, decision.author, message.queue_id, context)
        header = drop_bcc(header)
        if decision.reverse_path is ReversePath.AUTHOR:
            # Its bounces go to the company: there, this tells them from forged ones.
            mark = sent_field(message.queue_id, domain=context.domain, secrets=context.keyring.signing)
            header = header.prepend(mark)
    message_id = message_id_for(message.queue_id, domain=context.domain, secrets=context.keyring.signing)
    header = ensure_message_id(header, message_id)
    fields = [
        signer.sign(header, message.content.body_hash, int(context.now))
        for signer in signers_for(decision, context.keyring)
    ]
    return header.prepend(b"".join(fields)) if fields else header


def _with_tag(header: Header, alias: Address, queue_id: str, context: Context) -> Header:
    """Let answers name the mail that they answer, also when a program leaves out References."""
    try:
        return ask_answers_at(header, answer_address(alias, queue_id, secrets=context.keyring.signing))
    except TokenError:
        return header


def _sealed(header: Header, message: Message, context: Context) -> Header:
    """The header with what we found out about the mail, sealed for the next host (ARC).

    Not without evidence: then there is nothing to say; and not where it is not known whether the chain so far holds,
    because a seal has to say that it does or does not.
    """
    evidence = read_evidence(message.findings)
    signers = [signer for signer in context.keyring.signers.get(context.domain, ()) if signer.is_rsa]
    if evidence is None or evidence.arc.result is Result.TEMPERROR or not signers:
        return header
    results = stated_results(context.hostname, evidence).replace("; ", ";\r\n\t")
    sealing = Sealing(results.encode("ascii"), evidence.arc.result is Result.PASS)
    return seal_header(header, message.content.body_hash, signers[0], sealing, int(context.now))


def _reverse_path(message: Message, delivery: Delivery, decision: Decision, context: Context) -> Address | None:
    given, secrets = message.envelope.reverse_path, context.keyring.signing
    match decision.reverse_path:
        case ReversePath.BOUNCE:
            return bounce_address(message.queue_id, delivery.number, domain=context.domain, secrets=secrets)
        case ReversePath.COMPANY_BOUNCE if decision.author is not None:
            domain = bounce_domain(decision.author.ascii_domain)
            return bounce_address(message.queue_id, delivery.number, domain=domain, secrets=secrets)
        case ReversePath.AUTHOR:
            return decision.author
        case ReversePath.SRS if given is not None:
            try:
                return srs_forward(given, domain=context.domain, secrets=secrets, day=int(context.now) // _DAY)
            except TokenError:
                # Too long to be carried in an address: the store knows it by this one.
                return bounce_address(message.queue_id, delivery.number, domain=context.domain, secrets=secrets)
        case _:
            return None


def _recipient(delivery: Delivery, decision: Decision) -> Recipient:
    given = delivery.recipient
    if decision.recipient is None:
        return given
    # RFC 3461 5.2.3: a forwarder says who the original recipient was, unless somebody did before.
    kind = "rfc822" if given.address.is_ascii else "utf-8"
    return Recipient(decision.recipient, given.notify, given.orcpt or f"{kind};{given.address}")
