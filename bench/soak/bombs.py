"""Mails that are made to cost more than they weigh."""

import base64
import gzip
import importlib
import re
from collections.abc import Iterator

from fuzz.run import KEPT, NAMES

_LINE_END = re.compile(rb"\r\n|\r|\n")
# What names end in, as `names` answers for them: answers that never come, or that are as long as an answer can be.
SILENT, GIANT = "never.example", "giant.example"
_HEAD = (
    b"From: Jo <jo@%s>\r\nTo: <bakkerij-peeters@my.relay.example>\r\nSubject: %s\r\nMessage-ID: <%d@soak.example>\r\n"
)
_MIB = 1024 * 1024


def bombs() -> dict[str, bytes]:
    """All of them, by name; with CRLF line ends, ready for DATA but for their dots."""
    made = dict(_made())
    return {name: head_for(number, name) + octets for number, (name, octets) in enumerate(made.items())}


def head_for(number: int, subject: str, domain: str = SILENT) -> bytes:
    """The first fields of a mail, whose author's domain is in the hands of whoever writes it."""
    return _HEAD % (f"r{number}.{domain}".encode(), subject.encode("ascii", "replace"), number)


def from_corpus() -> Iterator[tuple[str, bytes]]:
    """What the fuzzer's targets begin with, and what once broke them."""
    for name in NAMES:
        seeds = importlib.import_module(f"fuzz.targets.{name}").SEEDS
        kept = (path.read_bytes() for path in sorted((KEPT / name).glob("*")))
        yield from ((name, octets[1:]) for octets in (*seeds, *kept))


def as_mail(octets: bytes) -> bytes:
    """Octets with the line ends that get through DATA."""
    return _LINE_END.sub(b"\r\n", octets.replace(b"\0", b"")) + b"\r\n"


def _made() -> Iterator[tuple[str, bytes]]:
    part = b"--b\r\nContent-Type: multipart/mixed; boundary=%s\r\n\r\n"
    mixed = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    yield "multiparts in a row", mixed + part % b"b" * 10_000
    yield (
        "multiparts within each other",
        b"Content-Type: multipart/mixed; boundary=b0\r\n\r\n"
        + b"".join(b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (n, n + 1) for n in range(20_000)),
    )
    yield "messages within each other", b"Content-Type: message/rfc822\r\n\r\n" * 20_000
    yield "parts of nothing", mixed + b"--b\r\n\r\n" * 40_000
    yield "a thousand fields", b"".join(b"X-%d: y\r\n" % n for n in range(6000)) + b"\r\nx\r\n"
    yield "addresses", b"Cc: " + b",\r\n ".join(b"<a%d@b.example>" % n for n in range(6000)) + b"\r\n\r\nx\r\n"
    yield "groups", b"Cc: " + b"a: <b@c.example>;,\r\n " * 5000 + b"\r\n\r\nx\r\n"
    yield "comments", b"Reply-To: " + b"(" * 900 + b"\r\n " + b"(a" * 450 + b"\r\n\r\nx\r\n"
    yield "references", b"References: " + b"<a@b.example>\r\n " * 9000 + b"x\r\n\r\nx\r\n"
    yield "a line without end", b"\r\n" + b"x" * 4 * _MIB + b"\r\n"
    yield "entities", b"Content-Type: text/html\r\n\r\n" + b"&amp;&#x41;&#" * 80_000 + b"\r\n"
    yield "tags", b"Content-Type: text/html\r\n\r\n" + b"<a <b " * 60_000 + b"\r\n"
    yield "account numbers", b"\r\n" + b"BE71 0961 2345 6769 BE72 " * 12_000 + b"\r\n"
    yield "encoded words", b"Subject: " + b"=?utf-8?q?a?=\r\n " * 9000 + b"x\r\n\r\nx\r\n"
    yield "parameters", b"Content-Type: multipart/mixed" + b";\r\n boundary=b" * 9000 + b"\r\n\r\nx\r\n"
    yield "quoted-printable", b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=41=\r\n" * 50_000
    for domain in (SILENT, GIANT):
        yield f"signatures of {domain}", b"".join(_signature(n, domain) for n in range(200)) + b"\r\nx\r\n"
        yield f"a chain of {domain}", b"".join(_arc(n, domain) for n in range(1, 51)) + b"\r\nx\r\n"
    yield "results", b"Authentication-Results: " + b"x; dmarc=pass (a(b))\r\n " * 6000 + b"x\r\n\r\nx\r\n"
    yield "a bounce of many", _bounce(3000)
    yield "a report that unpacks to a lot", _report(b"<feedback>" + b"<record>" * (32 * _MIB))
    yield "a report of many records", _report(b"<feedback>" + b"<record><row/></record>" * 200_000 + b"</feedback>")
    yield "a report with a DOCTYPE", _report(b'<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><feedback>&b;')


def _signature(number: int, domain: str) -> bytes:
    return (
        b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=r%d.%s; s=s; h=from:to:subject;\r\n"
        b" bh=YmI=; l=%d; b=%s\r\n" % (number, domain.encode(), number, b"YmI=" * 64)
    )


def _arc(number: int, domain: str) -> bytes:
    tags = b"i=%d; a=rsa-sha256; d=r%d.%s; s=s; " % (number, number, domain.encode())
    return (
        b"ARC-Seal: %scv=%s; b=YmI=\r\nARC-Message-Signature: %sc=relaxed/relaxed; h=from; bh=YmI=; b=YmI=\r\n"
        b"ARC-Authentication-Results: i=%d; x.example; dmarc=pass\r\n"
        % (tags, b"none" if number == 1 else b"pass", tags, number)
    )


def _bounce(recipients: int) -> bytes:
    told = b"".join(
        b"\r\nFinal-Recipient: rfc822; a%d@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n" % n
        for n in range(recipients)
    )
    head = b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n"
    return head + b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n" + told + b"\r\n--b--\r\n"


def _report(document: bytes) -> bytes:
    packed = base64.encodebytes(gzip.compress(document, 9)).replace(b"\n", b"\r\n")
    return b"Content-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n\r\n" + packed
