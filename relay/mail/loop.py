"""The mark of what we have forwarded: a field by which we know a mail again when it comes round.

In charge of making the field and of knowing our own. It is sealed for one relay and one company: nobody can keep a mail
from us by writing it, and a mail may pass through several companies' addresses, but through none twice.
"""

import re
from collections.abc import Sequence

from relay.mail.message import Header, fold
from relay.mail.seal import is_sealed, seal

FIELD = "relay-forwarded"
_SEAL_LETTERS = 16
_VALUE = re.compile(rb"by ([!-~]{1,255}); seal=([A-Za-z2-7]{16})")
_MOST_READ = 50


def forwarded_field(company: str, *, domain: str, secrets: Sequence[bytes]) -> bytes:
    """The whole field, with its CRLF, for mail that goes to `company` ("": the operator); the first secret seals it."""
    mark = seal(secrets[0], "forwarded", domain, company, letters=_SEAL_LETTERS).lower()
    return fold(f"Relay-Forwarded: by {domain}; seal={mark}".encode("ascii"))


def was_forwarded(header: Header, company: str, *, domain: str, secrets: Sequence[bytes]) -> bool:
    """Whether we have forwarded this mail to that company before."""
    for field in header.all(FIELD)[:_MOST_READ]:
        found = _VALUE.fullmatch(field.value)
        if found and is_sealed(found[2].decode("ascii"), secrets, "forwarded", domain, company):
            return True
    return False
