"""Bounces that came into a company's own mailbox: tied to the mail they are about, and noted in its timeline once.

A company that sends by a server of its own gets its bounces there, and so does anybody who knows its address: nothing
in the mailbox is believed because it says so. What carries a mark that only we could have made is about the mail that
it names. A Message-ID and a recipient that the company's mail really had are told to the app, which can judge it; no
address is taken for dead on their word, because they may be guessed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from relay.clock import Clock
from relay.config.keyring import Active
from relay.events import EventSink
from relay.facts.dead_addresses import DeadAddresses
from relay.incoming.bounced import Tied, event_about, first_failed, note_dead, said_of
from relay.mail.bounce import Bounce, Bounced
from relay.mail.report import Action
from relay.mail.thread import TokenError, queue_id_in
from relay.mail.verp import parse_bounce
from relay.policy.bounce_class import classify_bounce
from relay.store.spool import Entry, Message, Origin, Spool, State

# What lay in the mailbox for longer says nothing of whom one can write to now.
_FRESH = 7 * 86400.0


@dataclass(frozen=True, slots=True)
class Found:
    """Where a bounce was found: by `key` it is known again, `message_id` is its own; when it came in there."""

    key: str
    message_id: str
    received: float


@dataclass(frozen=True, slots=True)
class SentMail:
    """The mail that left from here, as bounces name it. Every call raises SpoolError."""

    active: Callable[[], Active]
    spool: Spool

    async def find(self, slug: str, bounce: Bounce) -> Sequence[Tied]:
        """The deliveries of company `slug` that a bounce is about; none when nothing shows that it is about any."""
        for key, number, is_sealed in self._names(bounce):
            entries = [each for each in await self.spool.find(key) if _is_named(each, key)]
            tied = [found for entry in entries for found in _ties(entry, slug, number, bounce, is_sealed=is_sealed)]
            if tied:
                return tied
        return ()

    async def carried(self, message_id: str) -> Sequence[Message]:
        """Mails with that Message-ID that we wrote ourselves, or that came in at an address of ours."""
        entries = await self.spool.find(message_id) if message_id else ()
        messages = (each.message for each in entries)
        return [each for each in messages if each.message_id == message_id and each.origin is not Origin.SUBMISSION]

    def _names(self, bounce: Bounce) -> Iterator[tuple[str, int | None, bool]]:
        """Names of the mail that came back, and of one of its recipients; whether we made them. The surest first."""
        active = self.active()
        secrets, domain = active.keyring.signing, active.snapshot.settings.domain
        for path in bounce.reverse_paths:
            try:
                queue_id, number = parse_bounce(path.partition("@")[0], secrets=secrets)
            except TokenError:
                continue
            yield queue_id.lower(), number, True
        for name in filter(None, (bounce.sent, bounce.message_id)):
            ours = queue_id_in(name, domain=domain, secrets=secrets)
            if ours is not None:
                yield ours, None, True
        if bounce.message_id:
            yield bounce.message_id, None, False


@dataclass(frozen=True, slots=True)
class Returns:
    """Notes what bounces in mailboxes say."""

    sent: SentMail
    clock: Clock
    events: EventSink

    async def note(self, found: Found, bounce: Bounce, tied: Sequence[Tied]) -> None:
        """Note it once: a bounce may be given again after a crash, or have come by way of us. Raises SpoolError."""
        carried = await self.sent.carried(found.message_id)
        if any(each.origin is not Origin.MX for each in carried):
            # Our own report tells the company what we knew before.
            return
        now, spool, by = self.clock.now(), self.sent.spool, found.message_id or found.key
        known = {by, *(each.queue_id for each in carried)}
        events = [event_about(each, bounce, by=by, at=now) for each in tied]
        if now - found.received < _FRESH:
            await note_dead(tied, events, DeadAddresses(lambda: spool.facts, self.clock))
        for event in events:
            timeline = await spool.timeline(event.queue_id)
            told = [each for each in timeline if each.type is event.type and each.data.get("by") in known]
            if event.number not in [each.number for each in told]:
                await spool.note([event])
                self.events.emit(event)


def describe(bounce: Bounce, tied: Sequence[Tied] = ()) -> str:
    """Which mail came back and why, in one line for people; of a bounce that is not tied, what it says itself."""
    if tied:
        return _said(bounce, tied[0].said, tied[0].queue_id, str(tied[0].delivery.recipient.address))
    first = first_failed(bounce)
    return _said(bounce, first, bounce.message_id or "that is not named", first.address or "somebody")


def _said(bounce: Bounce, said: Bounced, mail: str, recipient: str) -> str:
    if bounce.feedback:
        return f"complaint about mail {mail} to {recipient}"
    failed = said.action is Action.FAILED
    why = classify_bounce(said.status, said.text) if failed else said.action
    return f"{'bounce' if failed else 'report'} of mail {mail} to {recipient} ({why.value})"


def _is_named(entry: Entry, key: str) -> bool:
    """Recipients are names for the store, too: not here."""
    message = entry.message
    return message.origin is Origin.SUBMISSION and key in (message.queue_id, message.message_id)


def _ties(entry: Entry, slug: str, number: int | None, bounce: Bounce, *, is_sealed: bool) -> list[Tied]:
    """The deliveries of one mail that the bounce names."""
    theirs = [each for each in entry.deliveries if each.company == slug and number in (None, each.number)]
    if not is_sealed:
        # What has not left yet cannot have come back.
        theirs = [each for each in theirs if each.state is State.DELIVERED]
    said = [(each, said_of(each.recipient.address, bounce)) for each in theirs]
    tied = [Tied(entry.message.queue_id, each, what, is_sealed) for each, what in said if what is not None]
    if not tied and is_sealed and len(theirs) == 1:
        # A host may know the recipient by another name.
        tied = [Tied(entry.message.queue_id, theirs[0], first_failed(bounce), is_sealed)]
    return tied
