"""What a notice looks like, in every language."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import relay.notices.compose
from relay.mail.address import Address
from relay.mail.message import header_size, parse_header
from relay.notices.compose import Composer, Letter
from relay.policy.company import Language

from .house import NOW, read_mail, text_of

TEXTS = Path(relay.notices.compose.__file__).with_name("texts")
KINDS = sorted(
    path.name.removesuffix(".txt.j2")
    for path in (TEXTS / "en").iterdir()
    if path.name not in ("signature.txt.j2", "for-operator.txt.j2")
)
VALUES: dict[str, str | bool] = {
    "company": "Bäckerei & Söhne, Inc.",
    "address": "info@bakery.example",
    "about": "bakery.example",
    "cause": "SPF says <fail>",
    "advice": 'Publish:\nbakery.example TXT "v=spf1 include:my.relay.example -all"',
    "reminder": False,
    "waits": True,
    "alias": "bakery@my.relay.example",
    "link": "https://mail.relay.example/confirm/bakery/" + "1A" * 60,
    "page": "https://mail.relay.example/confirm/bakery",
    "code": "ABCD-EFGH",
    "days": "7",
    "subject": "Factuur één",
    "file": "geheim.pdf",
    "reason": "it is too large",
    "attached": True,
}
LETTER = Letter(
    kind="domain-lost",
    language=Language.EN,
    to=Address("info", "bakery.example"),
    sender=Address("notices", "my.relay.example"),
    relay="Réläy, the friendly",
    message_id="id1@my.relay.example",
    at=NOW,
    values=VALUES,
)
COMPOSER = Composer()


def test_every_language_has_the_same_texts():
    assert {path.name for path in TEXTS.iterdir()} == set(Language)
    assert len({frozenset(path.name for path in folder.iterdir()) for folder in TEXTS.iterdir()}) == 1


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flags", [(False, False), (True, True)], ids=["first", "reminder"])
def test_a_notice_says_who_writes_and_asks_no_robot_for_an_answer(kind: str, language: Language, flags):
    reminder, waits = flags
    values = VALUES | {"reminder": reminder, "waits": waits}
    octets = COMPOSER.compose(replace(LETTER, kind=kind, language=language, values=values))
    mail = read_mail(octets)

    assert octets.isascii()
    assert str(mail["From"]) == '"Réläy, the friendly" <notices@my.relay.example>'
    assert str(mail["To"]) == "info@bakery.example"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert mail["Message-ID"] == "<id1@my.relay.example>"
    # What only the operator can repair concerns no company.
    assert ("Bäckerei & Söhne, Inc." in str(mail["Subject"])) is not kind.startswith(("fast-input", "certificate"))
    assert mail.get_content_type() == "text/plain"
    assert not mail.defects
    text = text_of(mail)
    assert "{" not in text
    assert "\n\n\n" not in text
    assert "\n-- \nRéläy, the friendly " in text
    assert max(len(line) for line in text.splitlines() if "http" not in line) <= 76
    parse_header(octets[: header_size(octets)])


@pytest.mark.parametrize("language", Language)
def test_a_reminder_is_called_one(language: Language):
    first, again = (
        read_mail(COMPOSER.compose(replace(LETTER, language=language, values=VALUES | {"reminder": reminder})))
        for reminder in (False, True)
    )
    assert str(again["Subject"]).endswith(str(first["Subject"]))
    assert str(again["Subject"]) != str(first["Subject"])


def test_a_record_to_publish_stands_on_lines_of_its_own():
    text = text_of(read_mail(COMPOSER.compose(LETTER)))
    assert '\n\nbakery.example TXT "v=spf1 include:my.relay.example -all"\n\n' in text


def test_an_address_that_is_not_ascii_makes_a_mail_for_smtputf8():
    mail = COMPOSER.compose(replace(LETTER, to=Address("josé", "bakery.example")))
    assert "To: josé@bakery.example\r\n".encode() in mail


@given(st.text(), st.text(), st.text())
def test_whatever_strangers_wrote_adds_no_field_and_breaks_no_line(company: str, about: str, cause: str):
    values = VALUES | {"company": company, "about": about, "cause": cause}
    octets = COMPOSER.compose(replace(LETTER, values=values))
    header = parse_header(octets[: header_size(octets)])
    names = [field.name.lower() for field in header.fields]
    assert len(names) == len(set(names)) == 10
    assert b"\r" not in octets.replace(b"\r\n", b"")
    assert b"\n" not in octets.replace(b"\r\n", b"")


LINE = st.binary(max_size=60).map(lambda line: bytes(octet for octet in line if octet not in b"\0\r\n"))
MAILS = st.lists(LINE, max_size=9).map(b"\r\n".join) | st.sampled_from(
    [b"Subject: x\r\n\r\n--=_relay\r\n", b"\xff\r\n.\r\n", b"", b"x" * 998 + b"\r\n"]
)


@given(original=MAILS)
def test_a_mail_is_attached_as_it_came(original: bytes):
    octets = COMPOSER.compose(replace(LETTER, kind="unable"), original)
    told = read_mail(octets)
    text, attached = told.iter_parts()
    assert attached.get_content_type() == "message/rfc822"
    assert original in octets
    assert "Factuur één" in text.get_content()
    assert octets.isascii() is original.isascii()
    assert (told["Content-Transfer-Encoding"] == "8bit") is not original.isascii()


ENDS = [
    b"\n.\n",
    b"\r.\r",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
    b"\r\r\n.\r\r\n",
]


@given(before=st.binary(max_size=80), end=st.sampled_from([*ENDS, b"x" * 999]), after=st.binary(max_size=80))
def test_a_mail_that_smtp_cannot_carry_is_attached_as_a_file(before: bytes, end: bytes, after: bytes):
    """A mailbox may hold line ends that would be the end of our mail for the next host, and the rest a mail of ours."""
    original = before + end + after
    octets = COMPOSER.compose(replace(LETTER, kind="unable"), original)
    _, attached = read_mail(octets).iter_parts()
    assert attached.get_content_type() == "application/octet-stream"
    assert attached.get_content() == original
    assert octets.isascii()
    assert b"\r" not in octets.replace(b"\r\n", b"")
    assert b"\n" not in octets.replace(b"\r\n", b"")
    assert max(map(len, octets.split(b"\r\n"))) <= 998
