"""ARC: what we found out about a mail, sealed, for the next host (RFC 8617).

In charge of finding the sets that a header carries, and of adding ours on top of them. Never verifies: whether the
chain holds is passed in.
"""

import re
from dataclasses import dataclass

from relay.mail.dkim import Signer, relaxed
from relay.mail.message import Field, Header, parse_header

MOST_SETS = 50  # RFC 8617 5.2

_RESULTS, _SIGNATURE, _SEAL = "arc-authentication-results", "arc-message-signature", "arc-seal"
_NAMES = (_RESULTS, _SIGNATURE, _SEAL)
_INSTANCE = re.compile(rb"(?:^|;)[ \t]*+i[ \t]*+=[ \t]*+([0-9]{1,3})[ \t]*+(?:;|$)")
_FAILED = re.compile(rb"(?:^|;)[ \t]*+cv[ \t]*+=[ \t]*+fail[ \t]*+(?:;|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sealing:
    """What a seal says. `results` is the value of our Authentication-Results field: who we are, and what we found.

    `passes` says whether the chain that the mail came with held; it does not matter where there is none.
    """

    results: bytes
    passes: bool


def seal_header(header: Header, body_hash: str, signer: Signer, sealing: Sealing, at: int) -> Header:
    """The header with our set on top, after all other changes; unchanged where RFC 8617 5.1 says to add none.

    That is on top of a chain that was sealed as failed before, or one that has all the sets it may have. `signer` has
    an RSA key; `at` is in seconds since the epoch.
    """
    found = [(_instance(field), field) for field in header.fields if field.key in _NAMES]
    highest = max((instance for instance, _ in found), default=0)
    newest = [field for instance, field in found if instance == highest and field.key == _SEAL]
    if highest >= MOST_SETS or any(_FAILED.search(field.value) for field in newest):
        return header
    instance = highest + 1
    verdict = "none" if not found else "pass" if sealing.passes else "fail"
    results = b"ARC-Authentication-Results: i=%d; " % instance + sealing.results + b"\r\n"
    signature = signer.sign_as(f"ARC-Message-Signature: i={instance}", header, body_hash, at, "DKIM-Signature")
    begin = (
        f"ARC-Seal: i={instance}; a={signer.algorithm}; cv={verdict}; d={signer.domain};\r\n"
        f"\ts={signer.selector}; t={at};\r\n"
        f"\tb="
    ).encode("ascii")
    # RFC 8617 5.1.2: a chain that does not hold has no order, so the seal covers the newest set alone.
    before = _in_order(found, highest) if verdict == "pass" else []
    seal = signer.complete(begin, relaxed([*before, *parse_header(results + signature).fields]))
    return header.prepend(seal + signature + results)


def _instance(field: Field) -> int:
    """The set that a field belongs to, 0 when it does not say."""
    found = _INSTANCE.search(field.value)
    return int(found[1]) if found else 0


def _in_order(found: list[tuple[int, Field]], highest: int) -> list[Field]:
    """The fields of a chain that holds, as they are sealed (RFC 8617 5.1.1): set by set, and in a set as in _NAMES."""
    known = {(instance, field.key): field for instance, field in found}
    return [known[instance, name] for instance in range(1, highest + 1) for name in _NAMES if (instance, name) in known]
