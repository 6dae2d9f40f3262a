"""`relay mailbox explain` says what of a mail would be taken, and why the rest would not."""

MAIL = b"""\
From: molens@supplier.example
Subject: Factuur 114
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: application/octet-stream; name="f.xml"

<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"/>
--b
Content-Type: text/calendar; name="a.ics"

BEGIN:VCALENDAR
--b--
"""


def test_everything_in_a_mail_is_explained(place):
    (place.path / "m.eml").write_bytes(MAIL)
    ended = place.run("mailbox", "explain", "m.eml")
    assert ended.code == 0
    assert "its XML says that it is an invoice (UBL): +100" in ended.out
    assert "an appointment" in ended.out
    assert "documents: 1" in ended.out


def test_machines_get_json(place):
    (place.path / "m.eml").write_bytes(MAIL)
    told = place.run("mailbox", "explain", "m.eml", "--json").json
    assert told["documents"][0]["part"] == 0
    assert told["left"] == [{"part": 1, "fate": "skipped", "reason": "an appointment", "cause": ""}]
    assert told["parts"][0]["business"]["paper"] == "invoice"


def test_a_mail_without_documents_says_why(place):
    (place.path / "m.eml").write_bytes(b"Subject: hello\n\nhello\n")
    ended = place.run("mailbox", "explain", "m.eml")
    assert ended.code == 1
    assert ended.out == "subject: hello\nnothing would be taken: there is nothing attached\n"


BOUNCE = b"""\
From: MAILER-DAEMON@smtp.bakery.example
Subject: Undelivered
Content-Type: multipart/report; report-type=delivery-status; boundary=x

--x

Sorry.
--x
Content-Type: message/delivery-status

Final-Recipient: rfc822; anna@customer.example
Action: failed
Status: 5.1.1

--x
Content-Type: text/rfc822-headers

Message-ID: <1@app.example>

--x--
"""


def test_a_bounce_says_of_which_mail_it_is(place):
    (place.path / "m.eml").write_bytes(BOUNCE)
    said = "bounce of mail <1@app.example> to anna@customer.example (address-gone)"
    ended = place.run("mailbox", "explain", "m.eml")
    assert ended.code == 1
    assert f"{said}: nothing is taken when that mail was sent from here" in ended.out
    assert place.run("mailbox", "explain", "m.eml", "--json").json["bounce"] == said


def test_a_file_that_is_not_there_is_said(place):
    assert place.run("mailbox", "explain", "m.eml").code == 2
