"""What of a mail is an invoice, and why the rest is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy.invoice.facts import CONTAINERS, Business, Flaw, Kind, MailFacts, Paper, Part
from relay.policy.invoice.identity import Acquaintance, identities, recognise
from relay.policy.invoice.judge import Fate, judge
from relay.policy.invoice.score import Taste
from relay.policy.invoice.words import find, plain

UBL = Business("UBL", "Invoice", Paper.INVOICE, "2026-114", "BE0123456749", "Bakkerij Peeters", "EUR", "121.00")


def part(number, kind, name="", **more):
    more.setdefault("size", 50_000)
    return Part(number, kind, name, digest=f"digest-{number}", **more)


def decide(*parts, subject="", text="", taste=None):
    return judge(MailFacts(subject, text, parts), taste or Taste())


def taken(judgement):
    return [(document.part, document.companion) for document in judgement.documents]


def reason(judgement, number=0):
    return next(each for each in judgement.left if each.part == number)


def test_a_pdf_is_taken_unless_something_speaks_against_it():
    judged = decide(part(0, Kind.PDF, "document.pdf"))
    assert taken(judged) == [(0, None)]
    assert judged.reason == ""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Algemene_Voorwaarden.pdf", "terms and conditions"),
        ("Conditions générales.pdf", "terms and conditions"),
        ("AGB.pdf", "terms and conditions"),
        ("Bestelling 4711.pdf", "an order"),
        ("Auftragsbestätigung.pdf", "an order"),
        ("devis2026.pdf", "an offer"),
        ("packing slip.pdf", "a delivery note"),
        ("Brochure.pdf", "a brochure"),
    ],
)
def test_papers_that_are_no_invoices_are_skipped_with_their_name(name, why):
    judged = decide(part(0, Kind.PDF, name), subject="Factuur 12")
    assert taken(judged) == []
    assert why in reason(judged).reason
    assert reason(judged).fate is Fate.SKIPPED
    assert why in judged.reason


def test_what_is_named_an_invoice_is_one_whatever_else_its_name_says():
    assert taken(decide(part(0, Kind.PDF, "Invoice for order 12.pdf"))) == [(0, None)]


@pytest.mark.parametrize("name", ["Factuur_2026.pdf", "FACTURE12.pdf", "Rechnung-1.pdf", "credit-note.pdf"])
def test_the_words_of_all_four_languages_count(name):
    (document,) = decide(part(0, Kind.PDF, name)).documents
    assert document.points == 85
    assert "its name says" in document.reasons[1]


def test_the_subject_counts_and_else_the_text():
    assert "the subject of" in decide(part(0, Kind.PDF), subject="Your Invoice").documents[0].reasons[1]
    assert "the text of" in decide(part(0, Kind.PDF), text="votre facture ci-jointe").documents[0].reasons[1]


def test_an_admin_can_ask_for_a_word():
    strict = Taste(words=("nota",), enough=60)
    judged = decide(part(0, Kind.PDF, "x.pdf"), subject="Factuur", taste=strict)
    assert reason(judged).reason == "neither name nor text of the mail speaks of an invoice (50 of 60 points)"
    assert taken(decide(part(0, Kind.PDF, "x.pdf"), subject="Nota 12", taste=strict)) == [(0, None)]


def test_a_scan_is_taken_and_a_logo_is_not():
    scan = part(0, Kind.JPEG, "IMG_0001.jpg", pixels=(2480, 3508), attached=True)
    logo = part(1, Kind.PNG, "logo.png", pixels=(400, 120), shown=True)
    small = part(2, Kind.PNG, "image001.png", size=900, shown=True)
    judged = decide(scan, logo, small, subject="Factuur")
    assert taken(judged) == [(0, None)]
    assert "ornament" in reason(judged, 1).reason
    assert "too small" in reason(judged, 2).reason


def test_a_photo_in_a_mail_that_says_nothing_is_skipped():
    judged = decide(part(0, Kind.HEIC, "IMG.heic", attached=True), subject="Vakantie")
    assert "neither name nor text" in reason(judged).reason


def test_an_image_of_unknown_measures_is_judged_by_the_rest():
    shown = part(0, Kind.TIFF, "scan.tif", shown=True)
    assert "shown within" in reason(decide(shown, subject="Factuur")).reason
    assert taken(decide(part(0, Kind.TIFF, "scan.tif"), subject="Factuur")) == [(0, None)]


def test_an_electronic_invoice_is_taken_whatever_it_is_called():
    (document,) = decide(part(0, Kind.XML, "order.xml", business=UBL)).documents
    assert document.points == 100
    assert document.reasons == ("its XML says that it is an invoice (UBL): +100",)
    credit = Business("CII", "CrossIndustryInvoice", Paper.CREDIT_NOTE)
    assert "a credit note (CII)" in decide(part(0, Kind.PDF, business=credit)).documents[0].reasons[0]


@pytest.mark.parametrize(
    ("business", "why"),
    [
        (Business("UBL", "Order"), "UBL, but no invoice: Order"),
        (Business("", "rss"), "XML, but neither UBL nor CII"),
        (None, "XML, but neither UBL nor CII"),
    ],
)
def test_other_xml_is_skipped(business, why):
    assert reason(decide(part(0, Kind.XML, "invoice.xml", business=business))).reason == why


@pytest.mark.parametrize("flaw", [each for each in Flaw if each is not Flaw.RETURNED])
def test_what_cannot_be_looked_into_waits_for_a_person(flaw):
    judged = decide(part(0, Kind.PDF, "x.pdf", flaw=flaw))
    assert reason(judged).fate is Fate.PARKED
    assert judged.is_parked
    assert judged.reason


def test_a_damaged_picture_within_the_text_is_nothing_to_look_at():
    assert reason(decide(part(0, Kind.PNG, flaw=Flaw.BROKEN, shown=True))).fate is Fate.SKIPPED


@pytest.mark.parametrize(
    "kind", [Kind.PICTURE, Kind.CALENDAR, Kind.CONTACT, Kind.SIGNATURE, Kind.TEXT, Kind.UNKNOWN, Kind.OFFICE]
)
def test_what_fast_input_does_not_take_is_skipped(kind):
    judged = decide(part(0, kind, "x"))
    assert reason(judged).fate is Fate.SKIPPED
    assert not judged.is_parked


@pytest.mark.parametrize("kind", [Kind.OFFICE, Kind.ARCHIVE])
def test_an_invoice_that_cannot_be_taken_as_it_is_waits_for_a_person(kind):
    assert reason(decide(part(0, kind, "factuur.docx"))).fate is Fate.PARKED
    assert reason(decide(part(0, kind, "a.docx"), subject="Invoice")).fate is Fate.PARKED


def test_containers_are_what_is_in_them():
    judged = decide(*(part(number, kind) for number, kind in enumerate(sorted(CONTAINERS))))
    assert (judged.documents, judged.left) == ((), ())
    assert judged.reason == "there is nothing attached"


@pytest.mark.parametrize(
    "paper",
    [
        part(1, Kind.PDF, "leesbaar.pdf", parent=0),
        part(1, Kind.PDF, "elsewhere.pdf", parent=7, business=UBL),
        part(1, Kind.PDF, "e-Invoice_1.PDF"),
        part(1, Kind.PDF, "F2026114.pdf"),
        part(1, Kind.PDF, "anything.pdf"),
    ],
)
def test_xml_and_the_pdf_of_the_same_invoice_are_one_document(paper):
    judged = decide(part(0, Kind.XML, "e_invoice 1.xml", business=UBL), paper)
    assert taken(judged) == [(0, 1)]
    assert judged.left == ()
    assert judged.documents[0].keys == ("invoice:be0123456749:2026114:121", "sha256:digest-0", "sha256:digest-1")


def test_several_invoices_find_each_their_own_pdf():
    other = Business("UBL", "Invoice", Paper.INVOICE, "2026-115", "BE0123456749", "", "EUR", "50")
    judged = decide(
        part(0, Kind.XML, "a.xml", business=UBL),
        part(1, Kind.XML, "b.xml", business=other),
        part(2, Kind.PDF, "invoice 2026-115.pdf"),
        part(3, Kind.PDF, "a.pdf"),
        part(4, Kind.PDF, "c.pdf"),
    )
    assert taken(judged) == [(0, 3), (1, 2), (4, None)]


def test_terms_beside_an_invoice_are_not_its_pdf():
    judged = decide(part(0, Kind.XML, "a.xml", business=UBL), part(1, Kind.PDF, "Algemene voorwaarden.pdf"))
    assert taken(judged) == [(0, None)]
    assert "terms" in reason(judged, 1).reason


def test_an_invoice_without_a_number_still_finds_its_pdf():
    assert taken(decide(part(0, Kind.XML, business=Business("UBL", "Invoice", Paper.INVOICE)), part(1, Kind.PDF))) == [
        (0, 1)
    ]


def test_the_same_invoice_twice_is_one():
    judged = decide(part(0, Kind.PDF, business=UBL), part(1, Kind.PDF, "kopie.pdf", business=UBL))
    assert taken(judged) == [(0, None)]
    assert reason(judged, 1).reason == "the same invoice as part 0"


def test_an_invoice_is_known_by_supplier_number_and_total():
    same = Business("CII", "CrossIndustryInvoice", Paper.INVOICE, "2026 114", "be 0123.456.749", "", "EUR", "121.0")
    assert identities(part(0, Kind.XML, business=UBL))[0] == identities(part(1, Kind.XML, business=same))[0]
    credit = Business("UBL", "CreditNote", Paper.CREDIT_NOTE, "2026-114", "BE0123456749", "", "EUR", "121.00")
    assert identities(part(0, Kind.XML, business=credit))[0] == "invoice:credit:be0123456749:2026114:121"


@pytest.mark.parametrize("total", ["", "much", "NaN", "Infinity", "1E+999999"])
def test_without_an_amount_the_octets_are_the_invoice(total):
    business = Business("UBL", "Invoice", Paper.INVOICE, "1", "BE1", "", "EUR", total)
    assert identities(part(0, Kind.XML, business=business)) == ("sha256:digest-0",)


def test_a_mail_of_ours_that_came_back_is_skipped():
    judged = decide(part(0, Kind.MESSAGE, flaw=Flaw.RETURNED), subject="Undelivered: Factuur 12")
    assert (taken(judged), judged.is_parked) == ([], False)
    assert judged.reason == "a report about a mail that was sent from here, with that mail in it"


@pytest.mark.parametrize(
    ("earlier", "acquaintance"),
    [
        ({}, Acquaintance.NEW),
        ({"sha256:a": "a"}, Acquaintance.KNOWN),
        ({"sha256:a": "xml it came beside"}, Acquaintance.KNOWN),
        ({"invoice:be1:7:121": "a"}, Acquaintance.KNOWN),
        ({"invoice:be1:7:121": "b"}, Acquaintance.DISPUTED),
        ({"sha256:companion": "companion"}, Acquaintance.KNOWN),
        ({"sha256:companion": "another invoice"}, Acquaintance.NEW),
        ({"invoice:be1:7:121": "b", "sha256:companion": "b"}, Acquaintance.DISPUTED),
    ],
)
def test_only_the_same_octets_are_the_same_document(earlier, acquaintance):
    assert recognise("a", earlier) is acquaintance


def test_words_are_found_whole_and_without_accents():
    assert find(("note de credit",), plain("NOTE-DE-CRÉDIT_12")) == "note de credit"
    assert find(("factuur",), plain("factuuradres")) is None


def test_of_an_invoice_that_came_in_other_clothes_the_companion_is_told_of_too():
    papers = [Part(number, Kind.PDF, digest="a", name=name) for number, name in enumerate(("factuur.pdf", "114.pdf"))]
    xml = Part(2, Kind.XML, name="114.xml", digest="b", business=UBL)
    judged = judge(MailFacts("factuur", "", (*papers, xml)), Taste())
    assert [each.part for each in judged.documents] == [0]
    assert [(each.part, each.reason) for each in judged.left] == [
        (1, "the same invoice as part 0"),
        (2, "the same invoice as part 0"),
    ]


PARTS = st.builds(
    Part,
    number=st.just(0),
    kind=st.sampled_from(Kind),
    name=st.text(max_size=30),
    size=st.integers(0, 10**9),
    digest=st.sampled_from(["a", "b"]),
    parent=st.none() | st.integers(0, 6),
    attached=st.booleans(),
    shown=st.booleans(),
    pixels=st.none() | st.tuples(st.integers(0, 9999), st.integers(0, 9999)),
    business=st.none()
    | st.just(UBL)
    | st.builds(Business, st.text(), st.text(), st.sampled_from(Paper), total=st.text()),
    flaw=st.none() | st.sampled_from(Flaw),
)


@given(parts=st.lists(PARTS, max_size=7), subject=st.text(), text=st.text())
def test_every_part_has_exactly_one_fate(parts, subject, text):
    numbered = [
        Part(number, *(getattr(each, name) for name in Part.__slots__[1:])) for number, each in enumerate(parts)
    ]
    judged = judge(MailFacts(subject, text, tuple(numbered)), Taste())
    told = [each.part for each in judged.left]
    for document in judged.documents:
        told += [document.part, *([] if document.companion is None else [document.companion])]
    whole = {each.number for each in numbered if each.kind in CONTAINERS and each.flaw is None}
    assert sorted(told) == sorted({each.number for each in numbered} - whole)
    assert all(document.reasons for document in judged.documents)
    assert all(each.reason for each in judged.left)
