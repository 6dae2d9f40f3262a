"""From a notice's words to the octets of a mail.

In charge of the header that such mail has, and of lines that any program shows well. No robot's answer is asked for
(RFC 3834 5).
"""

import base64
import re
import textwrap
from dataclasses import dataclass
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from pathlib import Path

from relay.mail.address import Address
from relay.mail.date import format_date
from relay.policy.company import Language
from relay.wording import Wording

_WIDTH = 76
_LONGEST_LINE = 998
_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_TEXTS = Path(__file__).with_name("texts")


@dataclass(frozen=True, slots=True)
class Letter:
    """What a notice is made of. `kind` names its template, `values` fill it in; `at` in seconds since the epoch.

    `for_operator`: it goes to the operator in the company's place. `message_id` stands without brackets.
    """

    kind: str
    language: Language
    to: Address
    sender: Address
    relay: str
    message_id: str
    at: float
    values: dict[str, str | bool]
    for_operator: bool = False


class Composer:
    """Writes notices."""

    def __init__(self) -> None:
        self._wording = Wording(_TEXTS, pages=False)

    def compose(self, letter: Letter, original: bytes | None = None) -> bytes:
        """The complete message with CRLF line ends; ASCII unless the recipient's address is not (RFC 6531).

        `original` is attached as it is (RFC 2046 5.2.1), or as a file when SMTP could not carry it.
        """
        values = {name: _plain(value) for name, value in letter.values.items()}
        values["relay"] = _plain(letter.relay)
        subject, _, body = self._fill(letter, letter.kind, values).partition("\n")
        if letter.for_operator:
            body = self._fill(letter, "for-operator", values) + body
        message = EmailMessage(policy=SMTP if letter.to.local.isascii() else SMTPUTF8)
        message["From"] = HeaderAddress(letter.relay, letter.sender.local, letter.sender.ascii_domain)
        message["To"] = HeaderAddress("", letter.to.local, letter.to.ascii_domain)
        message["Subject"] = subject
        message["Date"] = format_date(letter.at)
        message["Message-ID"] = f"<{letter.message_id}>"
        message["Auto-Submitted"] = "auto-generated"
        message["X-Auto-Response-Suppress"] = "All"
        text = _wrapped(body) + "\n" + self._fill(letter, "signature", values)
        if original is not None:
            return _attach(message, text, original)
        message.set_content(text, cte="quoted-printable")
        return message.as_bytes()

    def _fill(self, letter: Letter, name: str, values: dict[str, str | bool]) -> str:
        return self._wording.fill(f"{letter.language}/{name}.txt.j2", values)


def _attach(message: EmailMessage, text: str, original: bytes) -> bytes:
    """By hand: whatever the original is, it must neither be changed nor stop us."""
    part = EmailMessage(policy=SMTP)
    part.set_content(text, cte="quoted-printable")
    del part["MIME-Version"]
    attached = _as_mail(original) if _can_travel(original) else _as_file(original)
    boundary = "=_relay"
    while boundary.encode() in attached:
        boundary += "_"
    message["MIME-Version"] = "1.0"
    header = message.as_bytes().rstrip(b"\r\n")
    return b"\r\n".join(
        (
            header,
            f'Content-Type: multipart/mixed; boundary="{boundary}"\r\n'.encode() + _coding(attached),
            f"--{boundary}".encode(),
            part.as_bytes(),
            f"--{boundary}".encode(),
            attached,
            f"--{boundary}--\r\n".encode(),
        )
    )


def _can_travel(original: bytes) -> bool:
    """Whether SMTP carries these octets as they are (RFC 5321 2.3.8, 4.5.3.1.6): a mailbox may hold others.

    A line end that is none for us may be the end of the mail for the next host, and what follows a mail of its own.
    """
    rest = original.replace(b"\r\n", b"")
    if b"\r" in rest or b"\n" in rest or b"\0" in rest:
        return False
    return all(len(line) <= _LONGEST_LINE for line in original.split(b"\r\n"))


def _as_mail(original: bytes) -> bytes:
    head = b"Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n"
    return head + _coding(original) + b"\r\n" + original


def _as_file(original: bytes) -> bytes:
    """RFC 2046 5.2.1 lets no mail be encoded within a mail; a file may be."""
    head = (
        b"Content-Type: application/octet-stream\r\n"
        b'Content-Disposition: attachment; filename="original.eml"\r\n'
        b"Content-Transfer-Encoding: base64\r\n"
    )
    return head + b"\r\n" + base64.encodebytes(original).replace(b"\n", b"\r\n")


def _coding(octets: bytes) -> bytes:
    return b"" if octets.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"


def _wrapped(body: str) -> str:
    """Paragraphs no wider than a mail should be; what cannot be broken, such as a link, stays whole."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", body) if paragraph.strip()]
    return "\n\n".join(
        textwrap.fill(paragraph, _WIDTH, break_long_words=False, break_on_hyphens=False) for paragraph in paragraphs
    )


def _plain(value: str | bool) -> str | bool:  # noqa: FBT001 -- a template's value
    """Text that cannot add fields or steer a terminal; each of its lines becomes a paragraph."""
    if isinstance(value, bool):
        return value
    return _CONTROLS.sub(" ", value.replace("\r\n", "\n")).replace("\n", "\n\n")
