"""What in a mailbox is a bounce or a complaint, and what it says. Only to be called in a limited process."""

from relay.incoming.reading import read_bounce
from relay.mail.bounce import Bounce
from relay.mail.message import parse_header
from relay.mail.parts import kind_of, read_header
from relay.policy.kind import may_be_bounce

_MOST_HEADER = 32 * 1024


def read_return(mail: bytes) -> Bounce | None:
    """What the mail tells about mail sent before; None when it is something else. Never raises.

    Only in what a mail system has written is anything looked for that is not in a report for machines: people quote.
    """
    fields = read_header(mail[:_MOST_HEADER])
    by_machine = may_be_bounce(parse_header("".join(f"{key}: {value}\r\n" for key, value in fields).encode()))
    if not by_machine and kind_of(fields)[0] != "multipart/report":
        return None
    return read_bounce(mail, guess=by_machine)
