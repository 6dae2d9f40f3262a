"""Reports about deliveries: anything is read without harm, and what we write is read as it was meant."""

from fuzz.pieces import Pieces
from relay.incoming.reading import read_bounce
from relay.mail.address import Address
from relay.mail.bounce import MOST_TEXT, Bounce
from relay.mail.reply import parse_reply
from relay.mail.report import Action, ReportedRecipient, ReportRequest, build_report
from relay.policy.bounce_class import classify_bounce

SEEDS = (
    (
        b"\x00Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n"
        b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; a@b"
        b".example\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no\r\n\r\n--b--\r\n"
    ),
    b"\x00Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nOriginal-Rcpt-To: <a@b.example>\r\n",
    b"\x00From: MAILER-DAEMON@x.example\r\nSubject: Undeliverable\r\n\r\n<a@b.example>:\r\n550 5.1.1 no such user\r\n",
    b"\x00Content-Type: text/html\r\n\r\n<p>&#" + b"9" * 5000 + b";550 5.1.1",
    b"\x01\x02\x05550 5\x10mailbox is full\x04mx.x\x03a;b",
)
_STATUS = ("5.1.1", "4.2.2", "2.0.0", "5.7.26")


def check(data: bytes) -> None:
    pieces = Pieces(data)
    if pieces.number(1):
        _written(pieces)
    else:
        _read(pieces.rest())


def _read(mail: bytes) -> None:
    for guess in (True, False):
        bounce = read_bounce(mail, guess=guess)
        if bounce is not None:
            _is_clean(bounce)


def _is_clean(bounce: Bounce) -> None:
    assert len(bounce.recipients) <= 100
    texts = [bounce.message_id, bounce.feedback, *bounce.reverse_paths]
    for each in bounce.recipients:
        texts += [each.final, each.original, each.status, each.kind, each.text, each.host, each.until]
        classify_bounce(each.status, each.text)
    for text in texts:
        text.encode()
        assert len(text) <= MOST_TEXT
        assert not set(text) & set("\r\n\0\x1b\u2028\u202e\ud800")


def _written(pieces: Pieces) -> None:
    action = pieces.choice(tuple(Action))
    status = pieces.choice(_STATUS)
    reply = parse_reply(550, pieces.text(250))
    recipient = ReportedRecipient(
        Address("anna", "customer.example"),
        action,
        status,
        reply,
        pieces.text(60) or None,
        f"rfc822;{pieces.text(60)}" if pieces.number(1) else None,
        0.0,
        86400.0,
    )
    request = ReportRequest(
        Address("app", "shop.example"), Address("mailer-daemon", "my.relay.example"), "mx.my.relay.example", "1@x", 0.0,
        0.0, (recipient, recipient), pieces.rest(),
    )  # fmt: skip
    report = build_report(request)
    assert report.endswith(b"--\r\n")
    assert b"\r" not in report.replace(request.original, b"").replace(b"\r\n", b"")
    read = read_bounce(report, guess=False)
    assert read is not None
    _is_clean(read)
    assert {each.action for each in read.recipients} == {action}
    assert {each.final for each in read.recipients} == {"anna@customer.example"}
