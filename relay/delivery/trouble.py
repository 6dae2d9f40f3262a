"""How an attempt ends early."""

from relay.mail.reply import Reply
from relay.policy.outcome import Phase, Trouble


class AttemptError(Exception):
    """The attempt cannot go on: what happened, and how far it had come."""

    def __init__(self, trouble: Trouble | Reply, phase: Phase) -> None:
        super().__init__(str(trouble))
        self.trouble = trouble
        self.phase = phase
