"""Words that speak for an invoice, and words that speak against one, in the languages of the companies.

Words are compared without regard to case, accents and what stands between them, from the beginning of a word:
"factuur" is found in "Factuur_2026-114.pdf" and in "facturen" only if that is a word of its own here.
"""

import re
import unicodedata
from functools import lru_cache

INVOICE = (
    *("factuur", "facturen", "creditnota", "credit nota", "creditfactuur", "ereloonnota", "afrekening"),
    *("facture", "factures", "note de credit", "avoir", "note d honoraires", "decompte"),
    *("invoice", "invoices", "credit note", "credit memo", "e invoice", "einvoice", "tax invoice", "bill"),
    *("rechnung", "rechnungen", "gutschrift", "gutschriften", "rechnungsnummer", "rechnungskorrektur"),
)

# Papers that go along with invoices, or look like them.
OTHER_PAPER = {
    "terms and conditions": (
        *("algemene voorwaarden", "verkoopsvoorwaarden", "leveringsvoorwaarden", "voorwaarden"),
        *("conditions generales", "cgv", "agb", "geschaftsbedingungen", "widerruf", "widerrufsbelehrung"),
        *("terms and conditions", "terms conditions", "terms of service", "general terms", "general conditions"),
        *("privacy", "datenschutz", "privacybeleid", "politique de confidentialite", "gdpr"),
    ),
    "an order or its confirmation": (
        *("order", "purchase order", "order confirmation", "bestelling", "bestelbon", "orderbevestiging"),
        *("bon de commande", "commande", "bestellung", "auftrag", "auftragsbestatigung", "bestellbestatigung"),
    ),
    "an offer": ("offerte", "offre", "devis", "quote", "quotation", "angebot", "kostenvoranschlag", "prijsofferte"),
    "a delivery note": ("delivery note", "packing slip", "leveringsbon", "pakbon", "bon de livraison", "lieferschein"),
    "a brochure or a catalogue": (
        *("brochure", "catalogue", "catalog", "catalogus", "katalog", "folder", "flyer", "newsletter"),
        *("nieuwsbrief", "prospekt", "prijslijst", "price list", "preisliste"),
    ),
}
ORNAMENT = (
    *("logo", "signature", "handtekening", "banner", "icon", "facebook", "linkedin", "twitter", "instagram"),
    *("youtube", "footer", "header", "unterschrift", "outlook", "spacer", "pixel"),
)

_BETWEEN = re.compile(r"[\W_]+")
_DIGITS = re.compile(r"(?<=\d)(?=[^\W\d])|(?<=[^\W\d])(?=\d)")
_MOST = 20_000


def plain(text: str) -> str:
    """`text` as words are looked for in it: small letters without accents, one blank between words."""
    folded = unicodedata.normalize("NFKD", text[:_MOST]).casefold()
    bare = "".join(each for each in folded if not unicodedata.combining(each))
    return f" {_BETWEEN.sub(' ', _DIGITS.sub(' ', bare)).strip()} "


def find(words: tuple[str, ...], text: str) -> str | None:
    """The first of `words` that stands in `text`, which `plain` has made."""
    return next((word for word in words if _known(word) in text), None)


@lru_cache(maxsize=4096)
def _known(word: str) -> str:
    return plain(word)
