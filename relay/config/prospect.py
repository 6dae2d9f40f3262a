"""What a company's mail would come to under a configuration, in words that two configurations can be compared by.

In charge of the words. What is chosen is `relay.policy`'s business; nothing is looked up.
"""

from dataclasses import dataclass
from enum import StrEnum

from relay.config.settings import Delivery, Settings
from relay.policy.assumption import Assumed, assumptions, choose_assuming
from relay.policy.company import Company
from relay.policy.decision import Decision, Hold


class Way(StrEnum):
    """Which way mail leaves."""

    MAIL_HOSTS = "mail-hosts"
    SMARTHOST = "smarthost"
    OWN_SERVER = "own-server"


@dataclass(frozen=True, slots=True)
class Prospect:
    """What mail comes to. `identity`, `author` and `way` are empty when it does not go out: then it is held, or waits.

    `host` is the one host that takes it, if it is one; `reasons` are sentences for people.
    """

    assumed: Assumed | None
    identity: str = ""
    author: str = ""
    way: Way | None = None
    host: str = ""
    held: bool = False
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.identity:
            return "is held" if self.held else "waits"
        through = f" through {self.host}" if self.host else ""
        return f"goes out as {self.identity} ({self.author}){through}"

    @property
    def condition(self) -> str:
        """Under which circumstances, as the end of a sentence; empty when there are no others."""
        match self.assumed:
            case None:
                return ""
            case Assumed.PASSES:
                return "while its domain passes"
            case Assumed.FAILS:
                return "while its domain fails"
            case Assumed.UNKNOWN:
                return "while its domain cannot be looked up"


def prospects(company: Company, settings: Settings) -> list[Prospect]:
    """One for each state of the company's domain that makes a difference, or one for all."""
    return [prospect(company, settings, assumed) for assumed in assumptions(company) or (None,)]


def prospect(company: Company, settings: Settings, assumed: Assumed | None) -> Prospect:
    """What mail of `company` comes to under that assumption."""
    choice = choose_assuming(company, domain=settings.domain, assumed=assumed)
    if not isinstance(choice, Decision):
        return Prospect(assumed, held=isinstance(choice, Hold), reasons=(choice.reason,))
    way, host = _way(choice, settings.delivery)
    return Prospect(assumed, choice.name.value, str(choice.author or ""), way, host, reasons=choice.reasons)


def _way(decision: Decision, delivery: Delivery) -> tuple[Way, str]:
    if decision.server is not None:
        return Way.OWN_SERVER, f"{decision.server.host}:{decision.server.port}"
    if delivery.smarthost is not None:
        return Way.SMARTHOST, f"{delivery.smarthost.host}:{delivery.smarthost.port}"
    return Way.MAIL_HOSTS, ""
