"""The mark of a mail that we lay into a company's mailbox: it tells whether it lies there already.

The next try asks the server for it. It is sealed, so that nobody can write it into a mail of his own beforehand.
"""

import re
from collections.abc import Sequence

from relay.mail.seal import is_sealed, seal

FIELD = "Relay-Laid"
_SEAL_LETTERS = 16
_MARK = re.compile(r"([0-9a-z]{1,40})\.([0-9]{1,6})\.([a-z2-7]{16})", re.ASCII)


def laid_mark(queue_id: str, number: int, *, secret: bytes) -> str:
    """The value of the field, for one delivery."""
    name = laid_name(queue_id, number)
    return f"{name}.{seal(secret, 'laid', queue_id, str(number), letters=_SEAL_LETTERS).lower()}"


def laid_name(queue_id: str, number: int) -> str:
    """What a laid mail is called, whichever secret has sealed its mark."""
    return f"{queue_id}.{number}"


def read_mark(value: str, secrets: Sequence[bytes]) -> str | None:
    """The name in the value of such a field; None for one that we have not sealed."""
    found = _MARK.fullmatch(value)
    if found is None or not is_sealed(found[3], secrets, "laid", found[1], found[2]):
        return None
    return f"{found[1]}.{found[2]}"
