"""What can be wrong with a mailbox, and where one is."""

from dataclasses import dataclass
from enum import StrEnum


class MailboxFault(StrEnum):
    """Why a mailbox cannot be read."""

    CONNECT = "connect"
    TLS = "tls"
    REFUSED = "refused"  # the account
    UNPLACED = "unplaced"  # nobody has written which server it is, and none was found that may be used
    FOLDER = "folder"
    BUSY = "busy"  # the server wants to be left alone for a while
    TROUBLE = "trouble"  # everything else: it may go by


class MailboxError(Exception):
    """The mailbox cannot be read now. The text is plain and holds no secret; `pause` is in seconds, 0: not said.

    `crowded` says that there are too many connections; `advice` is what people can do.
    """

    def __init__(
        self, fault: MailboxFault, text: str, *, pause: float = 0.0, crowded: bool = False, advice: str = ""
    ) -> None:
        super().__init__(text)
        self.advice = advice
        self.fault = fault
        self.pause = pause
        self.crowded = crowded


@dataclass(frozen=True, slots=True)
class Place:
    """Where to connect: `host` is the name its certificate has to be for, `address` that of the host."""

    host: str
    address: str
    port: int
    implicit_tls: bool
    ca: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Login:
    """Who logs in, with a password or, `is_token`, with an access token of OAuth2."""

    username: str
    secret: str
    is_token: bool = False
