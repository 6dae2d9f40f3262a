"""Reports: what a standard reader finds in them, and what must never be there."""

from email import message_from_bytes
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.address import Address
from relay.mail.envelope import Ret
from relay.mail.reply import Reply, parse_reply
from relay.mail.report import MAX_RETURNED, Action, ReportedRecipient, ReportRequest, build_report

ORIGINAL = (
    b"From: App <app@x.example>\r\nTo: b@y.example\r\nBcc: secret@z.example\r\nSubject: Invoice\r\n"
    b"Message-ID: <1@x.example>\r\n\r\nHello\r\n"
)
FAILED = ReportedRecipient(
    Address("b", "y.example"),
    Action.FAILED,
    "5.1.1",
    diagnostic=Reply(550, "5.1.1", "No such user"),
    remote_mta="mx.y.example",
    orcpt="rfc822;B+tag@y.example",
    last_attempt=1_790_000_100.0,
    will_retry_until=1_790_432_000.0,
)
DELAYED = ReportedRecipient(
    Address("c", "y.example"), Action.DELAYED, "4.4.1", last_attempt=1_790_000_100.0, will_retry_until=1_790_432_000.0
)
DELIVERED = ReportedRecipient(Address("d", "y.example"), Action.DELIVERED, "2.0.0", remote_mta="mx.y.example")
RELAYED = ReportedRecipient(Address("e", "y.example"), Action.RELAYED, "2.0.0")


def request(*recipients: ReportedRecipient, **changes: object) -> ReportRequest:
    facts: dict[str, object] = {
        "to": Address("app", "x.example"),
        "sender": Address("mailer-daemon", "relay.example"),
        "reporting_mta": "mx1.relay.example",
        "message_id": "r1@relay.example",
        "at": 1_790_000_200.0,
        "arrival": 1_790_000_000.0,
        "recipients": recipients,
        "original": ORIGINAL,
    }
    return ReportRequest(**{**facts, **changes})


def read(report: bytes) -> tuple[Message, list[Message]]:
    assert all(len(line) <= 998 for line in report.split(b"\r\n"))
    assert b"\n" not in report.replace(b"\r\n", b"")
    message = message_from_bytes(report)
    parts = message.get_payload()
    for part in message.walk():
        assert part.defects == []
    return message, parts


def blocks(part: Message) -> list[dict[str, str]]:
    return [dict(block.items()) for block in part.get_payload()]


def test_a_failure_report_is_complete():
    message, parts = read(build_report(request(FAILED, envid="QQ314159")))
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert message["From"] == "Mail Delivery System <mailer-daemon@relay.example>"
    assert message["To"] == "<app@x.example>"
    assert message["Subject"] == "Your message could not be delivered"
    assert message["Date"] == "Mon, 21 Sep 2026 14:16:40 +0000"
    assert message["Message-ID"] == "<r1@relay.example>"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["MIME-Version"] == "1.0"
    assert message["Content-Transfer-Encoding"] == "7bit"
    assert [part.get_content_type() for part in parts] == ["text/plain", "message/delivery-status", "message/rfc822"]
    text = parts[0].get_payload()
    assert "<b@y.example>" in text
    assert "mx.y.example said: 550 5.1.1 No such user" in text
    assert blocks(parts[1]) == [
        {
            "Reporting-MTA": "dns; mx1.relay.example",
            "Original-Envelope-Id": "QQ314159",
            "Arrival-Date": "Mon, 21 Sep 2026 14:13:20 +0000",
        },
        {
            "Original-Recipient": "rfc822;B+tag@y.example",
            "Final-Recipient": "rfc822; b@y.example",
            "Action": "failed",
            "Status": "5.1.1",
            "Remote-MTA": "dns; mx.y.example",
            "Diagnostic-Code": "smtp; 550 5.1.1 No such user",
            "Last-Attempt-Date": "Mon, 21 Sep 2026 14:15:00 +0000",
        },
    ]
    returned = parts[2].get_payload(0)
    assert returned["Subject"] == "Invoice"
    assert returned.get_payload().strip() == "Hello"


@pytest.mark.parametrize(
    ("recipients", "subject", "actions"),
    [
        ([DELAYED], "Your message is delayed", ["delayed"]),
        ([DELIVERED], "Your message was delivered", ["delivered"]),
        ([RELAYED, DELIVERED], "Your message was delivered", ["relayed", "delivered"]),
        ([RELAYED], "Your message was passed on", ["relayed"]),
        ([DELIVERED, DELAYED, FAILED], "Your message could not be delivered", ["delivered", "delayed", "failed"]),
    ],
)
def test_every_action_has_its_words(recipients, subject, actions):
    message, parts = read(build_report(request(*recipients)))
    assert message["Subject"] == subject
    status = blocks(parts[1])
    assert [block["Action"] for block in status[1:]] == actions
    assert [block["Final-Recipient"] for block in status[1:]] == [f"rfc822; {each.address}" for each in recipients]
    for recipient in recipients:
        assert str(recipient.address) in parts[0].get_payload()


def test_only_a_delay_says_until_when():
    _, parts = read(build_report(request(DELAYED, FAILED)))
    assert [block.get("Will-Retry-Until") for block in blocks(parts[1])[1:]] == [
        "Sat, 26 Sep 2026 14:13:20 +0000",
        None,
    ]
    assert parts[0].get_payload().count("We try until Sat, 26 Sep 2026 14:13:20 +0000.") == 1


@pytest.mark.parametrize(
    ("recipient", "changes", "kind"),
    [
        (FAILED, {}, "message/rfc822"),
        (FAILED, {"ret": Ret.FULL}, "message/rfc822"),
        (FAILED, {"ret": Ret.HDRS}, "text/rfc822-headers"),
        (FAILED, {"ret": Ret.FULL, "original": ORIGINAL + b"x" * MAX_RETURNED}, "text/rfc822-headers"),
        (FAILED, {"original": ORIGINAL.split(b"\r\n\r\n")[0] + b"\r\n"}, "text/rfc822-headers"),
        (FAILED, {"original": ORIGINAL.replace(b"Hello", b"caf\xe9")}, "message/rfc822"),
        (FAILED, {"original": ORIGINAL.replace(b"Invoice", "café".encode())}, "message/global"),
        (FAILED, {"original": ORIGINAL.replace(b"Invoice", b"caf\xe9"), "ret": Ret.HDRS}, "message/global-headers"),
        (DELAYED, {"ret": Ret.FULL}, "text/rfc822-headers"),
        (DELIVERED, {"ret": Ret.FULL}, "text/rfc822-headers"),
    ],
)
def test_how_much_of_the_original_comes_back(recipient, changes, kind):
    report = build_report(request(recipient, **changes))
    message, parts = read(report)
    assert parts[2].get_content_type() == kind
    assert b"Subject: " in report.split(b"\r\n\r\n", 1)[1]
    assert b"secret@z.example" not in report
    assert message["Content-Transfer-Encoding"] == ("7bit" if report.isascii() else "8bit")
    assert (b"Hello" in report or b"\r\ncaf\xe9" in report) == (kind in ("message/rfc822", "message/global"))


def test_an_original_that_cannot_be_read_stays_away():
    _, parts = read(build_report(request(FAILED, original=b"junk\r\nBcc: secret@z.example\r\n\r\n")))
    assert len(parts) == 2


def test_addresses_with_utf8_get_the_report_made_for_them():
    recipient = ReportedRecipient(
        Address("jos\u00e9", "caf\u00e9.example"),
        Action.FAILED,
        "5.1.1",
        diagnostic=Reply(550, "5.1.1", "\u00e9 unknown"),
        orcpt="utf-8;jos\u00e9@caf\u00e9.example",
    )
    report = build_report(request(recipient, FAILED))
    message, parts = read(report)
    assert message["Content-Transfer-Encoding"] == "8bit"
    assert parts[1].get_content_type() == "message/global-delivery-status"
    assert parts[1]["Content-Transfer-Encoding"] == "8bit"
    for field in (
        "Original-Recipient: utf-8;jos\u00e9@caf\u00e9.example\r\n",
        "Final-Recipient: utf-8; jos\u00e9@caf\u00e9.example\r\n",
        "Diagnostic-Code: smtp; 550 5.1.1 \u00e9 unknown\r\n",
        "Final-Recipient: rfc822; b@y.example\r\n",
    ):
        assert field.encode() in report


@pytest.mark.parametrize("orcpt", ["utf-8;\u00e9@x.example", None])
def test_an_original_recipient_alone_can_need_it(orcpt):
    recipient = ReportedRecipient(Address("b", "y.example"), Action.FAILED, "5.0.0", orcpt=orcpt)
    _, parts = read(build_report(request(recipient)))
    assert parts[1].get_content_type() == ("message/global-delivery-status" if orcpt else "message/delivery-status")


def test_what_hosts_say_in_utf8_is_spelled_in_ascii_for_others():
    recipient = ReportedRecipient(Address("b", "y.example"), Action.FAILED, "5.0.0", Reply(550, "", "caf\u00e9"))
    _, parts = read(build_report(request(recipient)))
    assert blocks(parts[1])[1]["Diagnostic-Code"] == "smtp; 550 caf?"
    assert "This system said: 550 caf\u00e9" in parts[0].get_payload(decode=True).decode()


def test_a_report_about_nobody_cannot_be():
    with pytest.raises(ValueError):
        build_report(request())


@given(st.text(max_size=1500), st.text(max_size=200), st.text(max_size=80), st.binary(max_size=300))
def test_nothing_that_others_say_breaks_a_report(said, host, envid, content):
    body = content.replace(b"\r", b"").replace(b"\n", b"\r\n") + b"\r\n"
    recipient = ReportedRecipient(
        Address("b", "y.example"),
        Action.FAILED,
        "5.0.0",
        parse_reply(550, said),
        remote_mta=host,
        orcpt=f"rfc822;{envid.encode('ascii', 'replace').decode()}",
    )
    report = build_report(request(recipient, envid=envid, original=ORIGINAL.replace(b"Hello\r\n", body)))
    _, parts = read(report)
    assert len(parts) == 3
    status = blocks(parts[1])
    assert len(status) == 2
    assert status[1].keys() <= {
        "Original-Recipient",
        "Final-Recipient",
        "Action",
        "Status",
        "Remote-MTA",
        "Diagnostic-Code",
    }
    assert body in report
