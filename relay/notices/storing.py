"""Puts the octets of a mail that the relay wrote into the spool."""

from relay.mail.dkim import BodyHash
from relay.mail.message import header_size
from relay.store.spool import Content, Spool


def store(spool: Spool, data: bytes) -> Content:
    """The content of a complete message, ready to be committed; raises SpoolError."""
    size = header_size(data) or len(data)
    body = BodyHash()
    body.update(data[size:])
    writer = spool.writer()
    try:
        writer.write(data)
        return writer.finish(header_size=size, body_hash=body.digest())
    except BaseException:
        writer.abort()
        raise
