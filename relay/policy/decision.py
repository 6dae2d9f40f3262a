"""In whose name a mail goes out, and which way: the values that a decision consists of."""

from dataclasses import dataclass
from enum import StrEnum

from relay.mail.address import Address
from relay.policy.company import Mailbox, Server


class Name(StrEnum):
    """In whose name mail goes: the three identities, and the two cases in which nobody's name changes."""

    ALIAS = "alias"
    OWN_DOMAIN = "own-domain"
    OWN_SERVER = "own-server"
    FORWARD = "forward"
    RELAY = "relay"


class ReversePath(StrEnum):
    """What stands in MAIL FROM."""

    BOUNCE = "bounce"  # a signed address of ours, one a delivery
    COMPANY_BOUNCE = "company-bounce"  # the same, below the author's domain, where the company leads it to us
    AUTHOR = "author"  # the author's own address
    SRS = "srs"  # the writer's address, signed into one of ours
    NULL = "null"


@dataclass(frozen=True, slots=True)
class Decision:
    """How one delivery goes out.

    `author` is the address to put into From, None to leave the field as it is; `recipient` replaces the one that was
    given, None keeps it; `server` is the company's own, None means the hosts of the recipient's domain; `sign_for`
    are the domains in whose name to sign, with every key there is; `selectors` name the keys that sign for the
    author's domain besides. `via` is whom forwarded mail comes through, when its writer is shown with our address.
    `wanted` is what the company wishes first, None when nobody had a wish. `reasons` are sentences for people.
    `secret` says that `recipient` is shown to nobody. `into` is the mailbox to lay the mail into instead of sending it.
    """

    name: Name
    author: Address | None
    reverse_path: ReversePath
    recipient: Address | None = None
    server: Server | None = None
    sign_for: tuple[str, ...] = ()
    selectors: tuple[str, ...] = ()
    via: str = ""
    wanted: Name | None = None
    reasons: tuple[str, ...] = ()
    secret: bool = False
    into: Mailbox | None = None

    @property
    def is_fallback(self) -> bool:
        """Whether the company wished for another name."""
        return self.wanted is not None and self.wanted is not self.name


@dataclass(frozen=True, slots=True)
class Hold:
    """Mail waits until something changes; `key` names what, the same for all mail that waits for it.

    `wanted` is the name that the company wishes first, None when it is not a matter of names. `status` is the enhanced
    code that says so to machines (RFC 3463), where there is one.
    """

    key: str
    reason: str
    wanted: Name | None = None
    status: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Something could not be found out now; mail is tried again on its schedule, and then held for `key`."""

    key: str
    reason: str


Choice = Decision | Hold | Wait
