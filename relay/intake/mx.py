"""The desk for other mail servers: mail for our addresses only, and nobody is relayed for."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from relay.authn.claimed import Claimed, read_claimed
from relay.clock import Clock
from relay.config.keyring import Active
from relay.facts.homes import Homes
from relay.facts.peers import NOTHING, PeerFacts, Peers
from relay.incoming.arrival import Arrival, Examined
from relay.incoming.examine import Examiner
from relay.intake.checks import check_loop, check_repeats
from relay.intake.desk import Admitted
from relay.intake.gate import Peer
from relay.mail.address import Address
from relay.mail.author import AuthorError, parse_authors
from relay.mail.body_forms import BodyHashes
from relay.mail.envelope import MailParameters, Recipient
from relay.mail.message import Header
from relay.mail.reply import Reply
from relay.mail.report_address import reported_alias
from relay.mail.srs import srs_reverse
from relay.mail.thread import split_tag
from relay.mail.verp import TokenError, is_bounce_local, is_srs_local, parse_bounce
from relay.policy.company import Company
from relay.policy.evidence import bounce_domain
from relay.store.spool import Origin, SpoolError

NO_LOGIN = Reply(503, "5.5.1", "No login here")
NO_RELAY = Reply(550, "5.7.1", "We do not relay to that domain")
UNKNOWN = Reply(550, "5.1.1", "No such address here")
FORGED = Reply(550, "5.1.1", "This return address is not one of ours")
NOT_YOURS = Reply(550, "5.7.1", "This sender's mail does not come from outside")
NOT_A_BOUNCE = Reply(550, "5.7.1", "This address takes bounces only")
TOO_MANY_AUTHORS = Reply(550, "5.6.0", "The message has far too many From fields")
_DAY = 86400
# RFC 5322 3.6 asks for one. Every step reads them, and each may be long.
_MOST_FROM = 8
# RFC 5321 4.5.1, RFC 2142: addresses that every domain has, and the authors of our reports and notices.
_OFFICES = {"postmaster", "abuse", "mailer-daemon", "notices"}


@dataclass(frozen=True, slots=True)
class Counter:
    """What all desks for other servers share."""

    active: Callable[[], Active]
    examiner: Examiner
    homes: Homes
    peers: Peers
    clock: Clock


class MxDesk:
    """Keeps `desk.Desk` for one connection of another server."""

    origin = Origin.MX
    app = ""

    def __init__(self, counter: Counter, peer: Peer) -> None:
        self._active = counter.active
        self._examiner = counter.examiner
        self._homes = counter.homes
        self._peers = counter.peers
        self._clock = counter.clock
        self._peer = peer
        self._inquiry: asyncio.Task[PeerFacts] | None = None
        self._facts = NOTHING
        self._null = False
        self._claimed = Claimed(None, (), ())

    @property
    def peer_name(self) -> str:
        """See Desk.peer_name."""
        return self._facts.name

    def meet(self) -> None:
        """See Desk.meet. The peer waits for our greeting meanwhile."""
        self._inquiry = asyncio.get_running_loop().create_task(self._peers.look_up(self._peer.address))

    def part(self) -> None:
        """See Desk.part."""
        if self._inquiry is not None:
            self._inquiry.cancel()

    def offers_login(self) -> bool:
        """See Desk.offers_login."""
        return False

    async def login(self, username: str, password: str) -> Reply:  # noqa: ARG002 -- Desk's shape
        """See Gate.login."""
        return NO_LOGIN

    def mail(self, reverse_path: Address | None, parameters: MailParameters) -> Reply:  # noqa: ARG002 -- Desk's shape
        """See Desk.mail. Mail in the name of our own domain comes from us alone."""
        if reverse_path is not None and self._claims_to_be_us(reverse_path):
            return NOT_YOURS
        self._null = reverse_path is None
        return Reply(250, "2.1.0", "Sender OK")

    async def rcpt(self, recipient: Recipient) -> Admitted | Reply:
        """See Desk.rcpt."""
        if self._inquiry is not None:
            self._facts, self._inquiry = await self._inquiry, None
        snapshot = self._active().snapshot
        address = recipient.address
        # RFC 5321 4.5.1: <postmaster> without a domain is ours.
        if address.local.lower() in _OFFICES and address.domain in ("", snapshot.settings.domain):
            return Admitted("")
        # Behind the offices: who is on a list by mistake has somebody to write to.
        if self._facts.blocklist:
            return Reply(550, "5.7.1", f"{self._peer.address} is listed by {self._facts.blocklist}")
        if address.domain != snapshot.settings.domain:
            return self._return_below_company(address)
        company = snapshot.by_alias(address.local)
        if company is not None:
            return await self._for_company(company)
        if is_bounce_local(address.local) or is_srs_local(address.local):
            return self._return_address(address.local)
        return self._with_plus(address.local)

    def most_recipients(self) -> int:
        """See Desk.most_recipients."""
        return self._active().snapshot.settings.limits.recipients

    def check(self, header: Header) -> Reply | None:
        """See Desk.check.

        What we forward leaves from our address with our reverse path, and would pass for a company's own mail.
        """
        authors = header.all("from")
        if len(authors) > _MOST_FROM:
            return TOO_MANY_AUTHORS
        if any(self._is_in_our_name(field.value) for field in authors):
            return NOT_YOURS
        return check_repeats(header) or check_loop(header)

    def bodies(self, header: Header) -> BodyHashes:
        """See Desk.bodies."""
        self._claimed = read_claimed(header)
        return BodyHashes(self._claimed.forms)

    async def before_commit(self, arrival: Arrival) -> Examined | Reply:
        """See Desk.before_commit."""
        return await self._examiner.examine(arrival, self._claimed)

    def _is_in_our_name(self, author: bytes) -> bool:
        """Whether any reader could take this From field for one of ours; one that we cannot read may mislead others."""
        try:
            return any(self._claims_to_be_us(each.address) for each in parse_authors(author))
        except AuthorError:
            domain = self._active().snapshot.settings.domain
            return domain.encode() in author.lower() and self._is_outside()

    def _claims_to_be_us(self, address: Address) -> bool:
        return address.domain == self._active().snapshot.settings.domain and self._is_outside()

    def _is_outside(self) -> bool:
        return self._peer.address not in self._active().snapshot.settings.sending_addresses

    async def _for_company(self, company: Company) -> Admitted | Reply:
        try:
            refusal = await self._homes.refusal(company)
        except SpoolError:
            # Whether the mail can be taken shows when it is to be stored.
            refusal = None
        return refusal or Admitted(company.slug)

    def _with_plus(self, local: str) -> Admitted | Reply:
        by_alias = self._active().snapshot.by_alias
        alias = reported_alias(local)
        if alias is not None and (not alias or by_alias(alias) is not None):
            return Admitted("")
        # What stands behind a plus is ours (a tag that ties an answer to its mail), or the writer's own business.
        company = by_alias(split_tag(local)[0])
        return UNKNOWN if company is None else Admitted(company.slug)

    def _return_below_company(self, address: Address) -> Admitted | Reply:
        """Bounces of a company's own domain, which it lets come to us: the seal says that the address is ours."""
        below, _, domain = address.ascii_domain.partition(".")
        if is_bounce_local(address.local) and bounce_domain(domain) == f"{below}.{domain}":
            return self._return_address(address.local)
        return NO_RELAY

    def _return_address(self, local: str) -> Admitted | Reply:
        """Our own signed addresses: only those we made, and only for what a bounce may be."""
        secrets = self._active().keyring.signing
        try:
            if is_bounce_local(local):
                parse_bounce(local, secrets=secrets)
            else:
                srs_reverse(local, secrets=secrets, day=int(self._clock.now()) // _DAY)
        except TokenError:
            return FORGED
        return Admitted("") if self._null else NOT_A_BOUNCE
