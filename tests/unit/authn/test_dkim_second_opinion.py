"""Signatures as we judge them, next to what Mail::DKIM says: mail that was changed on the way, and the published sets.

Debian's Mail::DKIM knows RSA alone.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from relay.dns import Status
from relay.mail.message import header_size
from tests.peers import mail_dkim
from tests.unit.authn.test_dkim import (
    CASES,
    DINNER,
    FOOTBALL,
    FORMS,
    RECORDS,
    SUITE,
    records_of,
    results,
    signed,
    text_of,
)

CHANGES = (b"", b" ", b"\t", b"x", b"\r\n", b"\r\n ", b";", b"A")


def changed(mail: bytes) -> Iterator[bytes]:
    """The mail with something put in, or in the place of an octet, at places spread over all of it."""
    for number, at in enumerate(range(0, len(mail), 3)):
        text = CHANGES[number % len(CHANGES)]
        for length in (0, 1):
            made = mail[:at] + text + mail[at + length :]
            if may_arrive(made):
                yield made


def may_arrive(mail: bytes) -> bool:
    """Lines are whole and there is a header. Mail::DKIM sees no field where blanks stand before the colon."""
    header = mail[: header_size(mail) or 0]
    names = re.findall(rb"(?m)^([^\r\n \t][^\r\n:]*)(:?)", header)
    return (
        bool(header)
        and mail.endswith(b"\r\n")
        and not re.search(rb"\r(?!\n)|(?<!\r)\n", mail)
        and all(colon and re.fullmatch(rb"[!-9;-~]+", name) for name, colon in names)
    )


def ours(mail: bytes, records: Mapping = RECORDS) -> list[bool]:
    return [each == "pass" for each in results(mail, dict(records), authors=())]


def theirs(mails: list[bytes], records: Mapping, folder: Path) -> list[list[bool | None]]:
    """None for a signature that is not of RSA."""
    keys = {name: found[0].decode() for name, found in records.items() if not isinstance(found, Status)}
    return [
        [each == "rsa-sha256=pass" if each.startswith("rsa") else None for each in said]
        for said in mail_dkim.judge(mails, keys, folder)
    ]


def test_on_mail_that_was_changed_on_the_way(tmp_path):
    mails = [each for form in FORMS for each in (signed(form), *changed(signed(form)))]
    verdicts = [ours(mail) for mail in mails]
    assert sum(map(any, verdicts)) > 100
    assert len(verdicts) - sum(map(any, verdicts)) > 800
    differ = [
        (mail, mine, said)
        for mail, mine, said in zip(mails, verdicts, theirs(mails, RECORDS, tmp_path), strict=True)
        if any(mine) != any(said)
    ]
    assert differ == []


def test_on_the_published_sets(tmp_path):
    """The signatures of RSA in them; each case of chasquid has a few."""
    sets = [("RFC 8463", DINNER, FOOTBALL), ("RFC 8463, changed", DINNER.replace(b"lost", b"won"), FOOTBALL)]
    for case in CASES:
        if (SUITE / f"{case}.result").exists():
            mail = text_of(f"{case}.msg").encode().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            sets.append((case, mail, records_of(case)))
    for name, mail, records in sets:
        (said,) = theirs([mail], records, tmp_path)
        mine = [each if other is not None else None for each, other in zip(ours(mail, records), said, strict=True)]
        assert (name, mine) == (name, said)
