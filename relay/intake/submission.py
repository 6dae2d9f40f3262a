"""The desk for our apps: who may send for which company.

The reverse path names the company: `<alias>@<our domain>`. An app is known by its login, or by the network it
connects from when the configuration says so.
"""

from collections.abc import Callable
from dataclasses import dataclass

from relay.clock import Clock
from relay.config.keyring import Active
from relay.config.settings import App
from relay.config.snapshot import Snapshot
from relay.facts.addresses import Addresses
from relay.facts.dead_addresses import DeadAddress, DeadAddresses
from relay.incoming.arrival import Arrival, Examined
from relay.intake.checks import check_submission
from relay.intake.desk import Admitted
from relay.intake.gate import Peer
from relay.intake.guard import LoginGuard, Verdict
from relay.intake.limits import Rate
from relay.intake.session import TOO_FAST
from relay.mail.address import Address
from relay.mail.body_forms import BodyHashes
from relay.mail.envelope import MailParameters, Recipient
from relay.mail.message import Header
from relay.mail.reply import Reply
from relay.policy.bounce_words import COMPLAINT
from relay.policy.company import Company
from relay.store.spool import Origin, SpoolError

WELCOME = Reply(235, "2.7.0", "Welcome")
NOT_KNOWN = Reply(530, "5.7.0", "Log in first")
WRONG_LOGIN = Reply(535, "5.7.8", "User name or password is wrong")
# RFC 4954 6: 454 lets the app try again later; a lock goes away by itself.
LOCKED = Reply(454, "4.7.0", "Too many refused logins, try again later")
NULL_PATH = Reply(550, "5.7.1", "Mail from apps needs a company's alias as its sender")


@dataclass(frozen=True, slots=True)
class Common:
    """What all desks for apps of one worker share."""

    active: Callable[[], Active]
    logins: LoginGuard
    rate: Rate
    clock: Clock
    addresses: Addresses
    dead: DeadAddresses


class SubmissionDesk:
    """Keeps `desk.Desk` for one connection of an app."""

    origin = Origin.SUBMISSION

    def __init__(self, common: Common, peer: Peer) -> None:
        self._active = common.active
        self._logins = common.logins
        self._rate = common.rate
        self._clock = common.clock
        self._addresses = common.addresses
        self._dead = common.dead
        self._peer = peer
        self._company: Company | None = None
        self.app = self._known_by_network(peer)

    @property
    def peer_name(self) -> str:
        """See Desk.peer_name. Where an app runs is nobody's business outside."""
        return ""

    def meet(self) -> None:
        """See Desk.meet. Who an app is, it says by logging in."""

    def part(self) -> None:
        """See Desk.part."""

    def offers_login(self) -> bool:
        """See Desk.offers_login."""
        return True

    async def login(self, username: str, password: str) -> Reply:
        """See Gate.login."""
        app = self._active().snapshot.settings.apps.get(username)
        known = app.password.hash if app is not None and app.password is not None else None
        verdict = await self._logins.check(username, password, known, self._peer.address)
        if verdict is not Verdict.RIGHT:
            return LOCKED if verdict is Verdict.LOCKED else WRONG_LOGIN
        self.app = username
        return WELCOME

    def mail(self, reverse_path: Address | None, parameters: MailParameters) -> Reply:  # noqa: ARG002 -- Desk's shape
        """See Desk.mail."""
        snapshot = self._active().snapshot
        app = self._app(snapshot)
        if app is None:
            return NOT_KNOWN
        if reverse_path is None:
            return NULL_PATH
        company = snapshot.by_alias(reverse_path.local) if reverse_path.domain == snapshot.settings.domain else None
        if company is None:
            return Reply(550, "5.1.0", f"No company has the alias {_shown(reverse_path)}")
        if not app.may_send_for(company.slug):
            return Reply(550, "5.7.1", f"This app may not send for {_shown(reverse_path)}")
        if not self._rate.allows(self.app, now=self._clock.now(), most=app.limits.messages_per_minute):
            return TOO_FAST
        self._company = company
        return Reply(250, "2.1.0", "Sender OK")

    async def rcpt(self, recipient: Recipient) -> Admitted | Reply:
        """See Desk.rcpt."""
        if not recipient.address.domain:
            # <postmaster> alone: ours (RFC 5321 4.5.1), and given a domain by the session.
            return Admitted(self._company.slug if self._company else "")
        if "." not in recipient.address.domain and not recipient.address.domain.startswith("["):
            return Reply(550, "5.1.2", "The recipient's domain is not complete")
        assert self._company is not None  # noqa: S101 -- a positive MAIL came before
        return await self._refuse_dead(self._company, recipient.address) or Admitted(self._company.slug)

    def most_recipients(self) -> int:
        """See Desk.most_recipients."""
        snapshot = self._active().snapshot
        most = snapshot.settings.limits.recipients
        app = self._app(snapshot)
        return most if app is None else min(most, app.limits.recipients_per_message)

    def check(self, header: Header) -> Reply | None:
        """See Desk.check."""
        return check_submission(header)

    def bodies(self, header: Header) -> BodyHashes:  # noqa: ARG002 -- Desk's shape
        """See Desk.bodies. What apps hand in is signed by us."""
        return BodyHashes(())

    async def before_commit(self, arrival: Arrival) -> Examined | Reply:  # noqa: ARG002 -- Desk's shape
        """See Desk.before_commit."""
        app, company = self._app(self._active().snapshot), self._company
        if app is None or app.unconfirmed == "hold" or company is None or await self._addresses.is_confirmed(company):
            return Examined()
        await self._addresses.ask(company, by_itself=True)
        return refuse_unconfirmed(company)

    async def _refuse_dead(self, company: Company, address: Address) -> Reply | None:
        app = self._app(self._active().snapshot)
        if app is None or app.dead_addresses != "refuse":
            return None
        try:
            dead = await self._dead.of(company.slug, address)
        except SpoolError:
            # Nothing is lost by trying; whether the mail can be taken shows when it is to be stored.
            return None
        return None if dead is None else refuse_dead(dead)

    def _app(self, snapshot: Snapshot) -> App | None:
        return snapshot.settings.apps.get(self.app) if self.app else None

    def _known_by_network(self, peer: Peer) -> str:
        for name, app in self._active().snapshot.settings.apps.items():
            if any(peer.address in network for network in app.networks):
                return name
        return ""


def refuse_unconfirmed(company: Company) -> Reply:
    """The refusal of mail of a company that has not confirmed its address.

    It is final: the app wants to know at once and to tell its user; with 4xx, its queue would try for days.
    """
    address = _shown(company.address)
    return Reply(550, "5.7.1", f"The company has not confirmed its address {address} yet: a mail there asks for it")


def refuse_dead(dead: DeadAddress) -> Reply:
    """The refusal of a recipient where mail does not arrive any more."""
    return Reply(550, "5.7.1" if dead.reason == COMPLAINT else "5.1.1", dead.why[0].upper() + dead.why[1:])


def _shown(address: Address) -> str:
    return str(address) if address.is_ascii else "given"
