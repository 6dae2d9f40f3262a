"""How an attempt ends early."""

from relay.mail.reply import Reply
from relay.policy.outcome import Phase, Trouble
from relay.policy.trust import TlsFailure


class AttemptError(Exception):
    """The attempt cannot go on: what happened, how far it had come, and what was wrong with TLS if that was it."""

    def __init__(self, trouble: Trouble | Reply, phase: Phase, failure: TlsFailure | None = None) -> None:
        super().__init__(str(trouble))
        self.failure = failure
        self.trouble = trouble
        self.phase = phase
