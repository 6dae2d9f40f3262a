"""Bounces are recognised whoever wrote them, and nothing else is taken for one."""

from pathlib import Path

import flufl.bounce
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.incoming import guessing
from relay.incoming.reading import read_bounce
from relay.mail.report import Action
from relay.policy.bounce_class import BounceClass, classify_bounce

VECTORS = Path(__file__).parents[2] / "vectors/flufl_bounce"
EXPECTED = [line.split() for line in (VECTORS / "expected.txt").read_text().splitlines()]


def told(data: bytes) -> set[str]:
    bounce = read_bounce(data)
    word = {Action.DELAYED: "temporary", Action.FAILED: "permanent"}
    return {f"{word[each.action]}:{each.address}" for each in (bounce.recipients if bounce else ()) if each.address}


def test_there_are_all_vectors():
    assert len(EXPECTED) == 115


@pytest.mark.parametrize(("name", "expected"), [(name, set(rest)) for name, *rest in EXPECTED])
def test_bounces_of_many_programs_are_read(name, expected):
    assert told((VECTORS / name).read_bytes()) == expected


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("yahoo_02.txt", BounceClass.MAILBOX_FULL),
        ("qmail_03.txt", BounceClass.ADDRESS_GONE),
        ("exim_01.txt", BounceClass.ADDRESS_GONE),
        ("dsn_17.txt", BounceClass.MAILBOX_FULL),
        ("simple_42.txt", BounceClass.CONTENT),
        ("sendmail_01.txt", BounceClass.HOST),
        ("yahoo_01.txt", BounceClass.NETWORK),
    ],
)
def test_their_reasons_are_understood(name, meant):
    bounce = read_bounce((VECTORS / name).read_bytes())
    assert bounce is not None
    assert classify_bounce(bounce.recipients[0].status, bounce.recipients[0].text) is meant


@pytest.mark.parametrize(
    ("subject", "text", "action", "meant"),
    [
        ("Onbestelbaar: factuur", "Uw bericht kon niet worden bezorgd: het postvak is vol.", "failed", "mailbox-full"),
        ("Non remis", "L'adresse du destinataire est introuvable.", "failed", "address-gone"),
        ("Unzustellbar: Rechnung", "<p>Der <b>Empfänger</b> ist unbekannt.</p>", "failed", "address-gone"),
        ("Warning: delayed", "connection timed out, we keep trying", "delayed", "network"),
        ("Undelivered Mail", "452 4.2.2 over quota", "delayed", "mailbox-full"),
    ],
)
def test_a_bounce_that_names_nobody_is_known_by_its_words(subject, text, action, meant):
    bounce = read_bounce(f"From: x@y.example\nSubject: {subject}\nContent-Type: text/html\n\n{text}\n".encode())
    assert bounce is not None
    (only,) = bounce.recipients
    assert (only.address, only.action) == ("", action)
    assert classify_bounce(only.status, only.text) == meant
    assert "<" not in only.text


def test_the_mail_that_came_back_is_named_and_not_quoted():
    bounce = read_bounce(
        b"From: MAILER-DAEMON@x.example\nSubject: failure notice\n\n<jan@b.example>:\n550 5.1.1 no such user\n\n"
        b"--- Below this line is a copy of the message.\n\nMessage-ID: <inv-1@app.example>\nSubject: secret\n\nIBAN\n"
    )
    assert bounce is not None
    assert bounce.message_id == "<inv-1@app.example>"
    assert "secret" not in bounce.recipients[0].text
    assert "IBAN" not in bounce.recipients[0].text


def test_only_the_lines_that_say_what_is_wrong_are_kept():
    bounce = read_bounce(
        b"From: MAILER-DAEMON@x.example\nSubject: failure notice\n\nDear Jan, your invoice 77 of 950 EUR:\n"
        b"the address of the recipient is\nunknown to us.\nPay to BE71 0961 2345 6769, please.\n"
    )
    assert bounce is not None
    assert bounce.recipients[0].text == "the address of the recipient is unknown to us."


@pytest.mark.parametrize(
    "deeper", [b"Content-Type: message/rfc822\n\n", b"Content-Type: multipart/mixed; boundary=b\n\n--b\n"]
)
def test_the_library_sees_no_mail_within_mails_without_end(monkeypatch, deeper):
    """It goes through all the levels for each of them."""
    seen = []
    monkeypatch.setattr(guessing, "all_failures", lambda message: seen.append(message) or ((), ()))
    read_bounce(deeper * 400)
    assert seen == []
    read_bounce(deeper * 4)
    assert len(seen) == 1


def test_the_library_sees_a_short_beginning(monkeypatch):
    seen = []
    monkeypatch.setattr(guessing, "all_failures", lambda message: seen.append(message.as_bytes()) or ((), ()))
    read_bounce(b"Subject: x\n\n" + b"<\n" * 100_000)
    read_bounce(b"Subject: x\n\n" + b"<" * 100_000)
    assert max(map(len, seen)) <= 32 * 1024
    assert max(data.count(b"\n") for data in seen) <= 1000


@pytest.mark.parametrize(
    "data",
    [
        b"Subject: Out of office\nAuto-Submitted: auto-replied\n\nI am back on Monday. My address does not exist.\n",
        b"Subject: Re: invoice\n\nThank you, it is paid.\n",
        b"From: x@x.example\nContent-Type: text/html\n\n&#" + b"9" * 5000 + b";\n",
        b"From: postmaster@x.example\nSubject: hello\n\nhello\n",
        b"",
    ],
)
def test_other_mail_is_none(data):
    assert read_bounce(data) is None


def test_parts_without_end_are_not_given_to_the_library(monkeypatch):
    def fail(_message):
        raise AssertionError

    monkeypatch.setattr(guessing, "all_failures", fail)
    assert read_bounce(b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\nBoundary: \n" * 50) is None


def test_a_library_that_stumbles_finds_nothing(monkeypatch):
    def fail(_message):
        raise RecursionError

    monkeypatch.setattr(guessing, "all_failures", fail)
    assert read_bounce(b"Subject: Re: hello\n\n550 5.1.1\n") is None


def test_the_library_says_nothing_in_the_log(caplog):
    assert flufl.bounce.all_failures is guessing.all_failures
    with caplog.at_level("INFO"):
        read_bounce((VECTORS / "qmail_03.txt").read_bytes())
    assert caplog.records == []


@given(st.binary(max_size=3000), st.sampled_from(EXPECTED), st.integers(0, 3000))
def test_nothing_makes_it_fail(noise, vector, at):
    data = (VECTORS / vector[0]).read_bytes()
    for hostile in (noise, data[:at] + noise + data[at:], data[at:]):
        bounce = read_bounce(hostile)
        for each in bounce.recipients if bounce else ():
            assert len(each.text) <= 500
            assert each.text.isprintable() or "\ufffd" in each.text
