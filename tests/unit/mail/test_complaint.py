"""Complaints are read in the standard's form and in Microsoft's older one."""

from relay.mail.complaint import read_complaint
from relay.mail.parts import read_parts
from relay.mail.report import Action


def arf(fields: str, returned: str = "Message-ID: <inv-1@app.example>\n"):
    return read_complaint(
        read_parts(
            (
                "Content-Type: multipart/report; report-type=feedback-report; boundary=x\n\n--x\n\nA complaint.\n"
                f"--x\nContent-Type: message/feedback-report\n\n{fields}\n"
                f"--x\nContent-Type: message/rfc822\n\n{returned}\nbody\n--x--\n"
            ).encode()
        )
    )


def test_a_complaint_says_who_complains_about_what():
    complaint = arf(
        "Feedback-Type: Abuse\nOriginal-Mail-From: <b+q.0.seal@relay.example>\nOriginal-Rcpt-To: <jan@b.example>\n"
        "Original-Rcpt-To: <piet@b.example>\nOriginal-Envelope-Id: E1\n",
        "Return-Path: <b+q.0.seal@relay.example>\nMessage-ID: <inv-1@app.example>\n"
        "Relay-Sent: <q.seal@relay.example>\n",
    )
    assert complaint is not None
    assert complaint.sent == "<q.seal@relay.example>"
    assert complaint.feedback == "abuse"
    assert [(each.final, each.action) for each in complaint.recipients] == [
        ("jan@b.example", Action.DELIVERED),
        ("piet@b.example", Action.DELIVERED),
    ]
    assert complaint.message_id == "<inv-1@app.example>"
    assert complaint.reverse_paths == ("b+q.0.seal@relay.example",) * 2


def test_a_complaint_without_a_type_or_a_recipient_is_one_all_the_same():
    complaint = arf("Original-Rcpt-To: <>\n")
    assert complaint is not None
    assert (complaint.feedback, complaint.recipients, complaint.reverse_paths) == ("other", (), ())


def test_a_report_about_a_signature_is_no_complaint():
    assert arf("Feedback-Type: auth-failure\n") is None


def test_microsoft_names_the_recipient_in_the_mail_that_comes_back():
    parts = read_parts(
        b"Subject: complaint about message from 192.0.2.1\nContent-Type: multipart/mixed; boundary=x\n\n"
        b"--x\nContent-Type: message/rfc822\n\nSubject: other\n\n--x\nContent-Type: message/rfc822\n\n"
        b"X-HmXmrOriginalRecipient: <jan@hotmail.example>\nMessage-ID: <inv-1@app.example>\n\nbody\n--x--\n"
    )
    complaint = read_complaint(parts)
    assert complaint is not None
    assert complaint.feedback == "abuse"
    assert complaint.message_id == "<inv-1@app.example>"
    assert complaint.recipients[0].address == "jan@hotmail.example"


def test_other_mail_is_no_complaint():
    assert read_complaint(read_parts(b"Subject: hello\n\nhello")) is None
