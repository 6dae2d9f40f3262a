"""What mails hold is found however it is wrapped, and nothing that is wrapped in them does harm."""

import base64
import binascii
import email
import hashlib
import os
import re
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import Message
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.fetch.einvoice import read_xml
from relay.fetch.frames import read_contents, write_contents
from relay.fetch.mime import mended, parse_mail
from relay.fetch.parts import Limits, read_mail
from relay.policy.invoice.facts import Flaw, Kind, Paper
from relay.policy.invoice.judge import judge
from relay.policy.invoice.score import Taste

from .mails import cii, mail, pdf, png, tnef, ubl, ubl_with, zipped

PAPER = pdf()
SUITES = Path(os.environ.get("RELAY_SUITES") or os.devnull)


def read(message, limits=None):
    return read_mail(message if isinstance(message, bytes) else message.as_bytes(), limits or Limits())


def kinds(contents):
    return [part.kind for part in contents.facts.parts]


def taken(contents):
    judged = judge(contents.facts, Taste())
    return [(contents.facts.parts[each.part].name, each.companion is not None) for each in judged.documents]


def flaws(contents):
    return {part.flaw for part in contents.facts.parts} - {None}


def smime(content: bytes) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "supplier")])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    signed = pkcs7.PKCS7SignatureBuilder().set_data(content)
    signed = signed.add_signer(built.sign(key, hashes.SHA256()), key, hashes.SHA256())
    return signed.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("f.pdf", pdf()),
        ("winmail.dat", tnef("Factuur 114.pdf", pdf())),
        ("f.zip", zipped(f__pdf=pdf())),
        ("outer.zip", zipped(inner__zip=zipped(f__pdf=pdf()))),
        ("f.eml", mail(("f.pdf", pdf())).as_bytes()),
        ("forwarded", mail(("f.pdf", pdf()))),
        ("smime.p7m", smime(mail(("f.pdf", pdf())).as_bytes())),
        ("f.uue", b"begin 644 f.pdf\n" + b"".join(
            binascii.b2a_uu(pdf()[at : at + 45]) for at in range(0, len(pdf()), 45)) + b"`\nend\n"),
    ],
    ids=["plain", "tnef", "zip", "zip-in-zip", "eml", "forwarded", "signed", "uuencoded"],
)  # fmt: skip
def test_a_pdf_is_found_however_it_is_wrapped(name, data):
    contents = read(mail((name, data)))
    assert kinds(contents)[-1] is Kind.PDF
    assert len(taken(contents)) == 1
    number = contents.facts.parts[-1].number
    assert hashlib.sha256(contents.data[number]).hexdigest() == contents.facts.parts[-1].digest


@pytest.mark.parametrize(
    "fields",
    [
        {"Content-Type": "text/plain; name=f.pdf"},
        {"Content-Disposition": "inline; filename*=UTF-8''f%C3%A9.pdf"},
        {"Content-Disposition": 'attachment; filename="=?utf-8?Q?f=C3=A9.pdf?="'},
        {"Content-Type": "image/gif", "Content-Disposition": "inline"},
    ],
)
def test_types_names_and_dispositions_do_not_hide_a_pdf(fields):
    contents = read(mail(("x", pdf(), fields)))
    assert kinds(contents) == [Kind.PDF]
    assert contents.facts.parts[0].name in ("f.pdf", "fé.pdf", "x", "")


def test_a_name_in_pieces_is_put_together():
    head = b"Content-Type: x/y\r\nContent-Disposition: attachment; filename*0*=utf-8''f%C3%A9; filename*1=1.pdf\r\n\r\n"
    assert read(head + pdf()).facts.parts[0].name == "fé1.pdf"


def test_half_characters_hide_nothing():
    """Names, subjects and texts in UTF-7 may hold halves of characters, which nothing can write."""
    head = b"Subject: =?utf-7?q?+2AA-?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    text = b"--b\r\nContent-Type: text/html; charset=utf-7\r\n\r\n+2AA-&#" + b"9" * 5000 + b";\r\n"
    name = b"--b\r\nContent-Type: application/pdf; name*=utf-7''%2B2AA-.pdf\r\n\r\n%PDF-1.4\r\n--b--\r\n"

    facts = read_mail(head + text + name, Limits()).facts

    assert [part.kind for part in facts.parts] == [Kind.PDF]
    assert repr(facts).encode()


def test_a_field_without_end_is_read_at_its_beginning(monkeypatch):
    """The library goes through all that is left for each parameter."""
    gone_through = []
    parse = Message._get_params_preserve
    monkeypatch.setattr(
        Message,
        "_get_params_preserve",
        lambda self, *args: gone_through.append(self["content-type"]) or parse(self, *args),
    )
    head = b'Content-Type: multipart/mixed; boundary=b; name="x"' + b"; bou" * 50_000 + b"\r\n\r\n"

    facts = read_mail(head + b"--b\r\nContent-Type: application/pdf\r\n\r\n%PDF-1.4\r\n--b--\r\n", Limits()).facts

    assert [part.kind for part in facts.parts] == [Kind.PDF]
    assert max(map(len, filter(None, gone_through))) <= 16 * 1024


@pytest.mark.parametrize("charset", [b"punycode", b"unicode_escape", b"idna", b"rot13"])
def test_encodings_that_are_none_of_mail_decode_nothing(charset):
    mail = b"Content-Type: text/plain; charset=" + charset + b"\r\n\r\nFactuur \\x \xc3\xa9-1\r\n"

    assert "Factuur \\x é-1" in read_mail(mail, Limits()).facts.text


def test_a_name_cannot_lead_anywhere():
    assert read(mail(("..\\..\\etc/pass\u202ewd.pdf", pdf()))).facts.parts[0].name == "passwd.pdf"


def test_a_uuencoded_file_in_the_text_is_found():
    lines = "".join(binascii.b2a_uu(pdf()[at : at + 45]).decode() for at in range(0, len(pdf()), 45))
    contents = read(mail(text=f"Hello,\n\nbegin 644 f.pdf\n{lines}`\nend\nBye\n"))
    assert taken(contents) == [("f.pdf", False)]


def test_a_picture_shown_in_the_text_is_known_as_such():
    fields = {"Content-ID": "<Logo@1>", "Content-Disposition": "inline"}
    contents = read(mail(("a.png", png(), fields), html='<p>Facture</p><img src="cid:logo@1">'))
    assert contents.facts.parts[0].shown
    assert contents.facts.parts[0].pixels == (2480, 3508)
    assert "Facture" in contents.facts.text
    assert "<p>" not in contents.facts.text


def test_the_pdf_within_an_electronic_invoice_goes_with_it():
    contents = read(mail(("e.xml", ubl_with(pdf()))))
    assert taken(contents) == [("e.xml", True)]


def test_the_electronic_invoice_within_a_pdf_names_it():
    contents = read(mail(("f.pdf", pdf(xml=cii()))))
    business = contents.facts.parts[0].business
    assert (business.standard, business.number, business.supplier, business.total) == ("CII", "R-7", "DE123", "50")
    assert judge(contents.facts, Taste()).documents[0].keys[0] == "invoice:de123:r7:50"


def test_an_invoice_in_an_envelope_is_read():
    wrapped = b'<StandardBusinessDocument xmlns="x"><StandardBusinessDocumentHeader/>' + ubl().partition(b"?>")[2]
    business = read_xml(wrapped + b"</StandardBusinessDocument>").business
    assert (business.paper, business.number, business.supplier_name) == (Paper.INVOICE, "2026-114", "Molens & Zonen")


def test_papers_are_told_apart_by_their_root():
    assert read_xml(ubl(root="CreditNote")).business.paper is Paper.CREDIT_NOTE
    assert read_xml(cii("381")).business.paper is Paper.CREDIT_NOTE
    assert read_xml(ubl(root="Order")).business.paper is Paper.OTHER
    assert read_xml(b"<rss/>").business.standard == ""
    assert read_xml(b"<a><Invoice/></a>").business.paper is Paper.OTHER


def test_a_doctype_is_refused_before_it_can_burst():
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>' + ubl().partition(b"?>")[2]
    assert flaws(read(mail(("e.xml", bomb)))) == {Flaw.DOCTYPE}


@pytest.mark.parametrize(
    ("data", "flaw"),
    [
        (pdf(password="secret"), Flaw.ENCRYPTED),
        (b"%PDF-1.7\nnothing of the kind", Flaw.BROKEN),
        (zipped(x=b"y")[:-30], Flaw.BROKEN),
        (zipped(bomb=b"\0" * 20_000_000), Flaw.BURSTS),
        (zipped(**{f"f{number}": b"x" for number in range(101)}), Flaw.TOO_MANY),
        (tnef("f.pdf", pdf())[:-100], Flaw.BROKEN),
        (b"-----BEGIN PGP MESSAGE-----\n\nx", Flaw.ENCRYPTED),
        (b"<a>" * 100, Flaw.BROKEN),
        (ubl().replace(b"<cbc:ID>", b"<x>" * 100), Flaw.TOO_DEEP),
        (b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x80\x00\x00\x00\x00", Flaw.ENCRYPTED),
        (b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02" + b"\xa0\x80" * 60, Flaw.TOO_DEEP),
    ],
    ids=[
        "locked-pdf",
        "no-pdf",
        "cut-zip",
        "zip-bomb",
        "many-files",
        "cut-tnef",
        "pgp",
        "unclosed",
        "deep-xml",
        "enveloped",
        "deep-ber",
    ],
)
def test_what_cannot_be_opened_says_why(data, flaw):
    contents = read(mail(("x", data)))
    if data.startswith(b"<a>"):
        assert judge(contents.facts, Taste()).documents == ()
    else:
        assert flaw in flaws(contents)


def test_a_locked_file_in_an_archive_is_told_and_the_others_are_read():
    archive = bytearray(zipped(locked__pdf=b"x", f__pdf=pdf()))
    entry = archive.find(b"PK\x01\x02")
    archive[entry + 8] |= 1
    contents = read(mail(("f.zip", bytes(archive))))
    assert flaws(contents) == {Flaw.ENCRYPTED}
    assert taken(contents) == [("f.pdf", False)]


def test_there_is_an_end_to_packing():
    packed = zipped(f__pdf=pdf())
    for _ in range(20):
        packed = zipped(x__zip=packed)
    assert flaws(read(mail(("x.zip", packed)))) == {Flaw.TOO_DEEP}
    forwarded = mail(("f.pdf", pdf()))
    for _ in range(12):
        forwarded = mail(("", forwarded))
    assert flaws(read(forwarded)) == {Flaw.TOO_DEEP}


def test_there_is_an_end_to_everything_else():
    assert flaws(read(mail(*((f"{number}.pdf", b"x") for number in range(30))), Limits(parts=10))) == {Flaw.TOO_MANY}
    assert flaws(read(mail(("f.pdf", pdf())), Limits(octets=100))) == {Flaw.TOO_LARGE}
    assert flaws(read(b"X: " + b"y" * 600_000)) == {Flaw.BROKEN}
    nested = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(3000))
    assert flaws(read(nested.encode()))


def test_a_forwarded_mail_in_base64_is_opened_all_the_same():
    inner = base64.encodebytes(mail(("f.pdf", pdf())).as_bytes())
    head = b"Subject: Fwd\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    assert kinds(read(head + inner)) == [Kind.MESSAGE, Kind.PDF]


def test_an_invoice_of_our_own_that_came_back_is_none_that_came_in():
    inner = mail(("f.pdf", pdf())).as_bytes()
    report = (
        b"Subject: Undelivered Mail Returned to Sender\r\nContent-Type: multipart/report; boundary=x\r\n\r\n"
        b"--x\r\n\r\nIt failed.\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n"
        b"--x\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--x--\r\n"
    )
    (part,) = read(report).facts.parts
    assert part.flaw is Flaw.RETURNED


def test_what_was_read_survives_the_way_to_the_parent():
    contents = read(mail(("f.pdf", pdf(xml=cii())), ("a.png", png()), ("x.pdf", b"%PDF-1")))
    assert read_contents(b"".join(write_contents(contents))) == contents


RETURNED = b"Relay-Sent: <id01.abcdefgh@my.relay.example>\r\nMessage-ID: <1@app.example>\r\n"
BOUNCE = (
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n--x\r\n\r\nSorry.\r\n"
    b"--x\r\nContent-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; a@b.example\r\nAction: failed\r\n"
    b"Status: 5.1.1\r\n\r\n--x\r\nContent-Type: text/rfc822-headers\r\n\r\n%b\r\n--x--\r\n" % RETURNED
)


def test_what_came_back_is_read_along():
    contents = read(BOUNCE)
    assert contents.bounce is not None
    assert (contents.bounce.message_id, contents.bounce.sent) == ("<1@app.example>", "<id01.abcdefgh@my.relay.example>")
    assert read_contents(b"".join(write_contents(contents))) == contents


def test_what_a_person_writes_about_a_bounce_is_none():
    text = "<anna@customer.example>: 550 5.1.1 User unknown\n" + RETURNED.decode()
    assert read(mail(subject="Undelivered mail", text=text)).bounce is None


@given(st.binary(max_size=400), st.integers(0, len(BOUNCE)))
@settings(max_examples=60, deadline=None)
def test_a_damaged_bounce_raises_nothing(data, at):
    for damaged in (BOUNCE[:at] + data, data + BOUNCE[at:], b"From: mailer-daemon@x.example\r\n" + data):
        contents = read(damaged)
        assert read_contents(b"".join(write_contents(contents))) == contents


HOSTILE = st.sampled_from(
    [pdf(), ubl(), cii(), png(), zipped(f__pdf=pdf()), tnef("f.pdf", b"x"), smime(b"A: b\r\nFrom: c\r\n\r\nd")]
)


@given(data=HOSTILE, at=st.integers(0, 5000), other=st.binary(max_size=8), cut=st.integers(0, 5000))
@settings(max_examples=60)
def test_damage_raises_nothing(data, at, other, cut):
    damaged = (data[:at] + other + data[at + len(other) :])[: len(data) - cut % max(len(data), 1)]
    contents = read(mail(("x", damaged)))
    assert read_contents(b"".join(write_contents(contents))) == contents


@given(st.binary(max_size=2000))
@settings(max_examples=60)
def test_no_octets_raise_anything(data):
    read(data)
    read(b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" + data)


def test_all_invoices_of_the_european_suite_are_recognised():
    # Only where it is at hand; our own examples stand for themselves.
    files = sorted(path for path in SUITES.glob("en16931/**/*") if path.suffix.lower() == ".xml")
    for path in files:
        found = read_xml(path.read_bytes())
        assert found.flaw is None
        assert found.business.is_invoice, path
        assert all((found.business.number, found.business.currency, found.business.total, found.business.supplier))


def leaves(parsed):
    """All leaves of a mail, those of mails within it, too."""
    within = [leaf.data if leaf.mail is None else leaves(leaf.mail) for leaf in parsed.leaves]
    flat = [each for leaf in within for each in (leaf if isinstance(leaf, list) else [leaf])]
    return [*parsed.raw_texts, *flat]


def test_exactly_the_leaves_of_a_mail_are_found_in_more_mails_than_by_a_plain_walk(record_property):
    # Only where it is at hand. Leaves that hold nothing are no leaves.
    ours = plain = 0
    paths = sorted(SUITES.glob("mime4j/*/*.msg"))
    for path in paths:
        data = path.read_bytes()
        told = path.with_name(f"{path.stem}_decoded.xml").read_text(errors="replace")
        names = re.findall(r'<(?:text|binary)-body name="([^"]+)"', told)
        wanted = sorted(filter(None, ((path.parent / name).read_bytes() for name in names)))
        walked = email.message_from_bytes(data, policy=policy.compat32).walk()
        plain += wanted == sorted(filter(None, (each.get_payload(decode=True) for each in walked)))
        ours += wanted == sorted(filter(None, leaves(parse_mail(data))))
    record_property("mails", len(paths))
    record_property("ours", ours)
    record_property("plain", plain)
    assert (ours > plain and ours >= 58) or not paths


def pdf_in(*fields, encoding="base64", body=None):
    """A mail with one attachment, written by hand."""
    given = base64.encodebytes(PAPER) if body is None else body
    head = b"Subject: Factuur\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nHello\r\n--x\r\n"
    written = "".join(f"{each}\r\n" for each in (*fields, f"Content-Transfer-Encoding: {encoding}"))
    return head + written.encode("latin-1") + b"\r\n" + given + b"\r\n--x--\r\n"


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (
            pdf_in('Content-Disposition: attachment; filename="f.pdf"', "Content-Type: application/octet-stream"),
            "f.pdf",
        ),
        (pdf_in("Content-Type: application/octet-stream"), ""),
        (pdf_in("Content-Type: application/pdf", "Content-Disposition: inline"), ""),
        (pdf_in("Content-Disposition: attachment; filename*=iso-8859-1''f%E9.pdf"), "fé.pdf"),
        (pdf_in('Content-Disposition: attachment; filename*0=fac; filename*1="tuur.pdf"'), "factuur.pdf"),
        (pdf_in("Content-Disposition: attachment; filename*=no-such-charset''f%E9.pdf"), "fé.pdf"),
        (pdf_in('Content-Disposition: attachment; filename="=?no-such?Q?f.pdf?="'), "f.pdf"),
        (pdf_in('Content-Disposition: attachment; filename="=?utf-8?Q?fac?=\r\n =?utf-8?Q?tuur.pdf?="'), "factuur.pdf"),
        (pdf_in("Content-Disposition: attachment; filename=fé.pdf"), "f�.pdf"),
        (pdf_in("Content-Type: x", body=base64.b64encode(PAPER)), ""),
        (pdf_in("Content-Type: application/pdf", encoding="7bit"), ""),
        (pdf_in("Content-Type: application/pdf", encoding="quoted-printable"), ""),
        (pdf_in("Content-Type: application/pdf", encoding="base64", body=PAPER), ""),
        (pdf_in("Content-Type: application/pdf", encoding="no-such-encoding", body=PAPER), ""),
        (pdf_in("Content-Type: application/pdf", encoding="8bit", body=PAPER), ""),
    ],
    ids=[
        "octet-stream",
        "no-disposition",
        "inline",
        "rfc2231",
        "split-name",
        "unknown-charset",
        "unknown-word",
        "words-in-two-lines",
        "bare-octets-in-name",
        "one-long-line",
        "base64-called-7bit",
        "base64-called-quoted-printable",
        "binary-called-base64",
        "unknown-encoding",
        "binary",
    ],
)
def test_a_pdf_is_found_octet_for_octet_however_badly_its_part_is_written(made, name):
    contents = read(made)
    (part,) = contents.facts.parts
    assert (part.kind, part.name) == (Kind.PDF, name)
    assert contents.data[0] == PAPER
    assert len(taken(contents)) == 1


@pytest.mark.parametrize("line", ["a line that is no field", "Fäctuur: 1", "From nobody"])
def test_a_line_in_the_header_that_is_no_field_hides_nothing(line):
    assert taken(read(f"Subject: Factuur\r\n{line}\r\n".encode() + mail(("f.pdf", pdf())).as_bytes()))


def test_a_boundary_that_is_folded_or_written_behind_a_space_hides_nothing():
    made = pdf_in("Content-Type: application/pdf")
    assert taken(read(made.replace(b"Content-Type: multipart/mixed", b"Content-Type : multipart/mixed", 1)))
    folded = made.replace(b"boundary=x", b'boundary="x\r\n y"').replace(b"--x", b"--x y")
    assert taken(read(folded))


def test_a_missing_empty_line_before_the_first_part_hides_nothing():
    made = b"Subject: Factuur\r\nContent-Type: multipart/mixed; boundary=x\r\n" + b"--x\r\n"
    made += b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(pdf())
    assert taken(read(made))


@given(st.lists(st.sampled_from([b"A: b", b"no field", b" more", b"C : d", b"--x", b"begin 644 f", b"", b"\xff"])))
def test_mending_a_header_changes_nothing_behind_it_and_no_header_that_is_in_order(lines):
    data = b"\r\n".join(lines)
    head, empty, body = data.partition(b"\r\n\r\n")
    made = mended(data)
    assert made.endswith(empty + body)
    if all(line[1:2] == b":" for line in head.split(b"\r\n")):
        assert made == data


def test_documents_that_are_signed_by_themselves_are_found():
    contents = read(mail(("IT01234567890_1.xml.p7m", smime(ubl()))))
    assert kinds(contents) == [Kind.PKCS7, Kind.XML]
    assert taken(contents) == [("IT01234567890_1.xml", False)]
    assert kinds(read(mail(("f.pdf.p7m", smime(pdf()))))) == [Kind.PKCS7, Kind.PDF]
    bare = base64.encodebytes(smime(ubl()))
    for armoured in (bare, b"-----BEGIN PKCS7-----\n" + bare + b"-----END PKCS7-----\n", bare.replace(b"\n", b"")):
        assert taken(read(mail(("IT.xml.p7m", armoured)))) == [("IT.xml", False)]
    assert flaws(read(mail(("IT.xml.p7m", bare[: len(bare) // 2 + 1])))) == {Flaw.BROKEN}
    other = b'<p:FatturaElettronica xmlns:p="http://ivaservizi.agenziaentrate.gov.it/docs/xsd/fatture/v1.2"/>'
    (left,) = (each for each in judge(read(mail(("IT.xml.p7m", smime(other)))).facts, Taste()).left if each.part == 1)
    assert left.reason == "XML, but neither UBL nor CII"
