"""Which documents a mail holds, and why everything else in it is left.

In charge of the whole decision about one mail. Every part comes out once: as a document, as the companion of one, or
left with a reason that a person understands. Skipped is what nobody would miss; parked is what may be an invoice but
cannot be taken, so a person should look.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from relay.policy.invoice import words
from relay.policy.invoice.facts import CONTAINERS, IMAGES, Flaw, Kind, MailFacts, Part
from relay.policy.invoice.identity import bare, identities
from relay.policy.invoice.score import Taste, score, spoken

_FLAWS = {
    Flaw.ENCRYPTED: "it is protected with a password or encrypted",
    Flaw.TOO_LARGE: "it is larger than what is looked into",
    Flaw.TOO_MANY: "there is more in it than what is looked into",
    Flaw.TOO_DEEP: "it is packed into too many others",
    Flaw.BURSTS: "unpacked it would be unreasonably large",
    Flaw.DOCTYPE: "its XML begins with a DOCTYPE, which no invoice needs and no safe program reads",
    Flaw.BROKEN: "it is damaged, or not what it begins as",
    Flaw.RETURNED: "a report about a mail that was sent from here, with that mail in it",
}
_NEVER = {
    Kind.PICTURE: "a picture of a kind that Fast input does not take",
    Kind.CALENDAR: "an appointment",
    Kind.CONTACT: "a business card",
    Kind.SIGNATURE: "a signature over the mail",
    Kind.TEXT: "text, which Fast input does not take",
    Kind.UNKNOWN: "nothing that Fast input takes",
}
_MAYBE = {
    Kind.OFFICE: "an office document, which Fast input does not take",
    Kind.ARCHIVE: "an archive of a kind that is not opened here",
}
_LEAST_NUMBER = 3


class Fate(StrEnum):
    """What becomes of a part that is no document."""

    SKIPPED = "skipped"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Document:
    """One invoice to hand on: the number of its part, and that of its companion (a PDF beside its XML).

    `keys` are the names under which the same invoice would be known again, `digest` names the octets of its part.
    """

    part: int
    companion: int | None
    points: int
    reasons: tuple[str, ...]
    keys: tuple[str, ...]
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Left:
    """A part that is not handed on, and why; `cause` names the reason where it is worth a word to people."""

    part: int
    fate: Fate
    reason: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Everything about one mail."""

    documents: tuple[Document, ...]
    left: tuple[Left, ...]

    @property
    def is_parked(self) -> bool:
        """Whether a person should look at the mail."""
        return any(each.fate is Fate.PARKED for each in self.left)

    @property
    def reason(self) -> str:
        """Why nothing came of the mail, in one line; "" when something did."""
        if self.documents:
            return ""
        weighty = [each.reason for each in self.left if each.fate is Fate.PARKED] or [each.reason for each in self.left]
        return weighty[0] if weighty else "there is nothing attached"


def judge(mail: MailFacts, taste: Taste) -> Judgement:
    """Decide about a mail."""
    documents: list[Document] = []
    left: list[Left] = []
    known: dict[str, int] = {}
    candidates: list[Part] = []
    for part in mail.parts:
        if (fate := _out_of_question(part, mail, taste)) is not None:
            left.append(fate)
        elif part.kind not in CONTAINERS:
            candidates.append(part)
    said = spoken(mail, taste)
    partners = dict(_partners(candidates))
    beside = set(partners.values())
    for part in candidates:
        if part.number in beside:
            continue
        found = score(part, said, taste)
        companion = next((each for each in candidates if each.number == partners.get(part.number)), None)
        keys = identities(part, *([companion] if companion is not None else []))
        twin = next((known[key] for key in keys if key in known), None)
        if twin is not None:
            same = [part] if companion is None else [part, companion]
            left += [Left(each.number, Fate.SKIPPED, f"the same invoice as part {twin}") for each in same]
        elif found.points >= taste.enough:
            number = None if companion is None else companion.number
            documents.append(Document(part.number, number, found.points, found.reasons, keys, part.digest))
            known.update(dict.fromkeys(keys, part.number))
        else:
            left.append(Left(part.number, Fate.SKIPPED, f"{found.against} ({found.points} of {taste.enough} points)"))
    return Judgement(tuple(documents), tuple(sorted(left, key=lambda each: each.part)))


def _out_of_question(part: Part, mail: MailFacts, taste: Taste) -> Left | None:
    """Why a part is left without being scored, if it is."""
    if part.flaw is not None:
        ornament = part.flaw is Flaw.RETURNED or (part.kind in IMAGES and part.shown)
        return Left(part.number, Fate.SKIPPED if ornament else Fate.PARKED, _FLAWS[part.flaw], part.flaw)
    if part.kind in _NEVER:
        return Left(part.number, Fate.SKIPPED, _NEVER[part.kind])
    if part.kind in _MAYBE:
        speaks = words.find(taste.words, words.plain(f"{part.name} {mail.subject}"))
        return Left(part.number, Fate.PARKED if speaks else Fate.SKIPPED, _MAYBE[part.kind], part.kind)
    if part.kind is Kind.XML and (part.business is None or not part.business.is_invoice):
        return Left(part.number, Fate.SKIPPED, _other_xml(part))
    return None


def _other_xml(part: Part) -> str:
    if part.business is None or not part.business.standard:
        return "XML, but neither UBL nor CII"
    return f"{part.business.standard}, but no invoice: {part.business.name}"


def _partners(candidates: list[Part]) -> Iterator[tuple[int, int]]:
    """XML invoices with the PDF that shows the same: of the XML itself, or beside it in the same mail or archive."""
    taken: set[int] = set()
    invoices = [part for part in candidates if part.kind is Kind.XML]
    papers = [part for part in candidates if part.kind is Kind.PDF]
    for test in (_is_within, _says_the_same, _has_its_name, _has_its_number, _is_the_only_one):
        for invoice in invoices:
            paper = next(
                (
                    each
                    for each in papers
                    if invoice.number not in taken
                    and each.number not in taken
                    and test(each, invoice, invoices, papers)
                ),
                None,
            )
            if paper is not None:
                taken |= {invoice.number, paper.number}
                yield invoice.number, paper.number


def _is_within(paper: Part, invoice: Part, _invoices: list[Part], _papers: list[Part]) -> bool:
    return paper.parent == invoice.number


def _says_the_same(paper: Part, invoice: Part, _invoices: list[Part], _papers: list[Part]) -> bool:
    return paper.business is not None and identities(paper)[0] == identities(invoice)[0]


def _has_its_name(paper: Part, invoice: Part, _invoices: list[Part], _papers: list[Part]) -> bool:
    stem = _stem(invoice.name)
    return bool(stem) and _is_beside(paper, invoice) and _stem(paper.name) == stem


def _has_its_number(paper: Part, invoice: Part, _invoices: list[Part], _papers: list[Part]) -> bool:
    number = "" if invoice.business is None else bare(invoice.business.number)
    return len(number) >= _LEAST_NUMBER and _is_beside(paper, invoice) and number in bare(paper.name)


def _is_the_only_one(paper: Part, invoice: Part, invoices: list[Part], papers: list[Part]) -> bool:
    """One XML and one PDF together, and the PDF is not named after something else."""
    alone = [sum(each.parent == invoice.parent for each in parts) == 1 for parts in (invoices, papers)]
    named = any(words.find(known, words.plain(paper.name)) for known in words.OTHER_PAPER.values())
    return all(alone) and _is_beside(paper, invoice) and not named


def _is_beside(paper: Part, invoice: Part) -> bool:
    return paper.parent == invoice.parent and paper.business is None


def _stem(name: str) -> str:
    return bare(name.rpartition(".")[0])
