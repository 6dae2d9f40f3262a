"""Reports about deliveries are read as their writers meant them, ours and the oddest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.address import parse_address
from relay.mail.bounce import Bounced, clean, clean_address, refined, status_in
from relay.mail.delivery_status import message_id_in, read_delivery_status
from relay.mail.parts import read_parts
from relay.mail.reply import Reply
from relay.mail.report import Action, ReportedRecipient, ReportRequest, build_report


def read(status: str, returned: str = ""):
    return read_delivery_status(
        read_parts(
            (
                "Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n--x\n\nSorry.\n"
                f"--x\nContent-Type: message/delivery-status\n\n{status}\n"
                f"--x\nContent-Type: text/rfc822-headers\n\n{returned}\n--x--\n"
            ).encode()
        )
    )


def test_every_field_of_a_report_is_read():
    bounce = read(
        "Reporting-MTA: dns; mx.example\nOriginal-Envelope-Id: abc123\n\n"
        "Original-Recipient: rfc822;jan@old.example\nFinal-Recipient: RFC822; <jan@new.example> (forwarded)\n"
        "Action: failed (bad luck)\nStatus: 5.0.0 (permanent)\nRemote-MTA: dns; mail.new.example\n"
        "Diagnostic-Code: SMTP; 550 5.1.1\n  User\tunknown\u202e\nWill-Retry-Until: Mon, 1 Jan 2029 00:00:00 +0000\n\n"
        "Final-Recipient: rfc822; piet@new.example\nAction: delayed\nStatus: 4.2.2\n",
        "Return-Path: <b+q.0.seal@relay.example>\nMessage-ID: <inv-1@app.example>\n",
    )
    assert bounce is not None
    assert bounce.recipients == (
        Bounced(
            Action.FAILED,
            "jan@new.example",
            "jan@old.example",
            "5.1.1",
            "smtp",
            "550 5.1.1 User unknown",
            "mail.new.example",
            "Mon, 1 Jan 2029 00:00:00 +0000",
        ),
        Bounced(Action.DELAYED, "piet@new.example", status="4.2.2"),
    )
    assert [each.address for each in bounce.recipients] == ["jan@old.example", "piet@new.example"]
    assert bounce.message_id == "<inv-1@app.example>"
    assert bounce.reverse_paths == ("b+q.0.seal@relay.example",)
    assert bounce.feedback == ""


@pytest.mark.parametrize("action", Action)
def test_our_own_reports_are_understood(action):
    address = parse_address("jürgen@example.org")
    said = Reply(550, "5.2.2", "Mailbox full")
    request = ReportRequest(
        to=parse_address("a@relay.example"),
        sender=parse_address("mailer-daemon@relay.example"),
        reporting_mta="mx.relay.example",
        message_id="1@relay.example",
        at=1_800_000_000.0,
        arrival=1_799_990_000.0,
        recipients=[ReportedRecipient(address, action, "5.2.2", said, "mx.example.org", "rfc822;j@example.org")],
        original=b"Message-ID: <inv-1@app.example>\r\n\r\nbody",
        envid="E1",
    )
    bounce = read_delivery_status(read_parts(build_report(request)))
    assert bounce is not None
    assert bounce.recipients == (
        Bounced(action, str(address), "j@example.org", "5.2.2", "smtp", "550 5.2.2 Mailbox full", "mx.example.org"),
    )
    assert bounce.message_id == "<inv-1@app.example>"


@pytest.mark.parametrize(
    ("fields", "action"),
    [
        ("Action: error\nStatus: 5.1.1", Action.FAILED),
        ("Action: Delay", Action.DELAYED),
        ("Action: relayed", Action.RELAYED),
        ("Action: expanded", Action.EXPANDED),
        ("Status: 5.2.1", Action.FAILED),
        ("Action: zzz\nStatus: 4.2.1", Action.DELAYED),
        ("Status: 2.0.0", Action.DELIVERED),
    ],
)
def test_actions_are_known_by_their_beginning_or_else_by_the_status(fields, action):
    bounce = read(f"Final-Recipient: rfc822; a@b.example\n{fields}")
    assert bounce is not None
    assert [each.action for each in bounce.recipients] == [action]


def test_an_address_without_type_counts_and_numbered_letters_are_read():
    bounce = read(
        "Final-Recipient: <a@b.example>\nAction: failed\n\n"
        "Final-Recipient: utf-8; j\\x{FC}rgen\\x{110000}@b.example\nAction: failed\n"
    )
    assert bounce is not None
    assert [each.final for each in bounce.recipients] == ["a@b.example", "jürgen?@b.example"]


def test_what_is_told_twice_counts_once():
    block = "Final-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.1.1\n\n"
    bounce = read(block * 30)
    assert bounce is not None
    assert len(bounce.recipients) == 1


def test_a_report_that_reports_on_nobody_is_none():
    assert read("Reporting-MTA: dns; x") is None
    assert read("Action: failed\nStatus: 5.1.1") is None
    assert read("Final-Recipient: rfc822; a@b.example") is None
    assert read_delivery_status(read_parts(b"Subject: hello\n\nhello")) is None


def test_a_mail_that_did_not_come_back_has_no_id():
    bounce = read("Final-Recipient: rfc822; a@b.example\nAction: failed", "Subject: x")
    assert bounce is not None
    assert (bounce.message_id, bounce.reverse_paths) == ("", ())
    alone = read_delivery_status(
        read_parts(b"Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822; a@b\nAction: failed\n")
    )
    assert alone is not None
    assert alone.message_id == message_id_in("none") == ""


@given(st.text(max_size=400))
def test_nothing_makes_it_fail(text):
    bounce = read(f"Final-Recipient: rfc822; {text}\nAction: failed\nDiagnostic-Code: {text}", f"Message-ID: {text}")
    for each in bounce.recipients if bounce else ():
        assert each.address
        assert "\n" not in each.text


def test_texts_are_made_fit_to_be_shown():
    assert clean("a\r\n b\x00\u202ec  ") == "a b c"
    assert clean("x" * 1000) == "x" * 500
    assert clean_address('"<a@b>" (comment)') == "a@b"
    assert clean_address("a@b (comment)") == "a@b"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("550 5.1.1 gone", "5.1.1"),
        ("said: 550 gone", "5.0.0"),
        ("450 later", "4.0.0"),
        ("at 195.5.1.1 port 5500", ""),
    ],
)
def test_a_status_is_found_in_words(text, status):
    assert status_in(text) == status


def test_a_status_that_says_nothing_gives_way_to_one_that_does():
    assert refined("5.0.0", "550 5.1.1 gone") == "5.1.1"
    assert refined("", "450 4.2.2 full") == "4.2.2"
    assert refined("5.0.0", "450 4.2.2 full") == "5.0.0"
    assert refined("5.2.1", "550 5.1.1 gone") == "5.2.1"
    assert refined("5.0.0", "gone") == "5.0.0"
