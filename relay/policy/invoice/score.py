"""How much speaks for one part being an invoice: points, each with its reason.

In charge of parts that Fast input could take. A part begins with what its kind is worth, and words, sizes and places
add to it or take away. `Taste.enough` points make a document.
"""

from dataclasses import dataclass

from relay.policy.invoice import words
from relay.policy.invoice.facts import IMAGES, Kind, MailFacts, Paper, Part

_BEGIN = {Kind.PDF: 50, Kind.TIFF: 30, Kind.HEIC: 25, Kind.JPEG: 20, Kind.PNG: 20}
_CALLED = {
    Kind.PDF: "a PDF",
    Kind.TIFF: "a TIFF image",
    Kind.HEIC: "a HEIC photo",
    Kind.JPEG: "a JPEG image",
    Kind.PNG: "a PNG image",
}
_SMALL_OCTETS = 12 * 1024
_SMALL_SIDE = 250
_PAGE_SIDE = 600


@dataclass(frozen=True, slots=True)
class Taste:
    """What an admin may set: the words that speak for an invoice, and the points that are enough."""

    words: tuple[str, ...] = words.INVOICE
    enough: int = 50


@dataclass(frozen=True, slots=True)
class Score:
    """Points from 0 to 100, and every reason with what it counted; `against` is the one that spoke most against it."""

    points: int
    reasons: tuple[str, ...]
    against: str


Spoken = tuple[int, str] | None


def spoken(mail: MailFacts, taste: Taste) -> Spoken:
    """What the mail itself says for all its parts: points and the reason, if it says anything."""
    for place, text in (("subject", mail.subject), ("text", mail.text)):
        if (word := words.find(taste.words, words.plain(text))) is not None:
            return 25, f"the {place} of the mail says '{word}'"
    return None


def score(part: Part, said: Spoken, taste: Taste) -> Score:
    """How much speaks for a PDF, an image or an XML that is one; `said` is what its mail says for it."""
    if part.business is not None and part.business.is_invoice:
        what = "a credit note" if part.business.paper is Paper.CREDIT_NOTE else "an invoice"
        carries = "its XML says" if part.kind is Kind.XML else "the XML in the PDF says"
        return Score(100, (f"{carries} that it is {what} ({part.business.standard}): +100",), "")
    counted = [(_BEGIN[part.kind], _CALLED[part.kind]), *_name(part, taste)]
    if said is not None:
        counted.append(said)
    if part.kind in IMAGES:
        counted += _looks(part)
    points = max(0, min(100, sum(each for each, _ in counted)))
    worst = min(counted, key=lambda each: each[0])
    against = worst[1] if worst[0] < 0 else "neither name nor text of the mail speaks of an invoice"
    return Score(points, tuple(f"{why}: {value:+d}" for value, why in counted), against)


def _name(part: Part, taste: Taste) -> list[tuple[int, str]]:
    name = words.plain(part.name)
    if (word := words.find(taste.words, name)) is not None:
        return [(35, f"its name says '{word}'")]
    for paper, known in words.OTHER_PAPER.items():
        if (word := words.find(known, name)) is not None:
            return [(-60, f"its name says '{word}': {paper}")]
    return []


def _looks(part: Part) -> list[tuple[int, str]]:
    counted = []
    if (word := words.find(words.ORNAMENT, words.plain(part.name))) is not None:
        counted.append((-60, f"its name says '{word}': an ornament of the mail"))
    if part.pixels is not None and min(part.pixels) >= _PAGE_SIDE:
        counted.append((15, "it is as large as a page"))
    elif part.size < _SMALL_OCTETS or (part.pixels is not None and min(part.pixels) < _SMALL_SIDE):
        counted.append((-60, "it is too small for a page"))
    if part.shown:
        counted.append((-40, "it is shown within the text of the mail"))
    elif part.attached:
        counted.append((10, "it is attached"))
    return counted
