"""What goes wrong at a server and on the way to it, as a MailboxError whose text is plain and holds no secret."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from relay.imap.dialogue import DeniedError
from relay.imap.faults import MailboxError, MailboxFault
from relay.imap.wire import TooMuchError
from relay.policy.busy import read_busy


@contextmanager
def passing(what: str) -> Iterator[None]:
    """The way to the server, as a MailboxError; what the server denies is for somebody else to read."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        text = f"the certificate of {what} is not valid: {error.verify_message}"
        raise MailboxError(MailboxFault.TLS, text) from None
    except ssl.SSLError as error:
        raise MailboxError(MailboxFault.TLS, f"TLS failed: {error.reason or 'no handshake'}") from None
    except TooMuchError as error:
        raise MailboxError(MailboxFault.CONNECT, f"the connection was given up: {error}") from None
    except OSError as error:
        kind = type(error).__name__
        raise MailboxError(MailboxFault.CONNECT, f"the connection broke, or was not made ({kind})") from None


@contextmanager
def plainly(what: str, fault: MailboxFault = MailboxFault.TROUBLE) -> Iterator[None]:
    """Everything that a server or the way to it can cause, as a MailboxError."""
    try:
        with passing(what):
            yield
    except DeniedError as error:
        busy = read_busy(str(error))
        if busy is not None:
            text = f"the server is too busy for {what}"
            raise MailboxError(MailboxFault.BUSY, text, pause=busy.pause, crowded=busy.crowded) from None
        raise MailboxError(fault, f"the server says no to {what}") from None
    except (TypeError, ValueError, IndexError) as error:
        text = f"the server's answer about {what} cannot be read ({type(error).__name__})"
        raise MailboxError(MailboxFault.TROUBLE, text) from None
