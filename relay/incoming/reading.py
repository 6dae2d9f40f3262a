"""Reads bounces and complaints, wherever they arrive: at our own addresses or in a company's mailbox."""

from relay.incoming.guessing import guess_bounce
from relay.mail.bounce import Bounce
from relay.mail.complaint import read_complaint
from relay.mail.delivery_status import read_delivery_status
from relay.mail.parts import read_parts


def read_bounce(data: bytes, *, guess: bool = True) -> Bounce | None:
    """What the mail tells about mail sent before, None when it is something else.

    `data` is the mail or its beginning; 256 KiB of it are looked at. The report for machines counts first, then what is
    known of programs that write none, then words; the last two only for those who want to `guess`. Never raises. Takes
    some milliseconds: call it off the loop.
    """
    parts = read_parts(data)
    told = read_complaint(parts) or read_delivery_status(parts)
    return guess_bounce(data, parts) if told is None and guess else told
