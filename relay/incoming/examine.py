"""The look at a mail from another server, step by step."""

from collections.abc import Callable

from relay.config.keyring import Active
from relay.incoming.answers import Threads, find_answers, tell_answers
from relay.incoming.arrival import Arrival, Examined
from relay.incoming.bounced import take_bounces
from relay.incoming.kind import note_kind
from relay.mail.reply import Reply
from relay.store.spool import Spool


class Examiner:
    """Looks at mail from other servers, for one worker."""

    def __init__(self, active: Callable[[], Active], spool: Spool) -> None:
        self._active = active
        self._spool = spool

    async def examine(self, arrival: Arrival) -> Examined | Reply:
        """What is to be kept with the mail, or why it is refused; raises SpoolError."""
        examined = Examined()
        active = self._active()
        secrets = active.keyring.signing
        judged = note_kind(arrival, examined)
        await take_bounces(arrival, examined, judged, spool=self._spool, secrets=secrets)
        threads = Threads(self._spool, active.snapshot.settings.domain, secrets)
        answers = await find_answers(arrival, examined, judged, threads)
        tell_answers(arrival, examined, judged, answers)
        return examined
