"""The mark of a mail that we lay into a company's mailbox: it tells whether it lies there already.

The next try asks the server for it. It is sealed, so that nobody can write it into a mail of his own beforehand.
"""

from relay.mail.seal import seal

FIELD = "Relay-Laid"
_SEAL_LETTERS = 16


def laid_mark(queue_id: str, number: int, *, secret: bytes) -> str:
    """The value of the field, for one delivery."""
    return f"{queue_id}.{number}.{seal(secret, 'laid', queue_id, str(number), letters=_SEAL_LETTERS).lower()}"
