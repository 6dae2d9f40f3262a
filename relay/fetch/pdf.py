"""PDF files: whether they open, and the XML invoice that some carry (Factur-X, ZUGFeRD).

The only owner of pikepdf. Pages are not looked at. Only to be called in a limited process: a few octets of PDF can
unpack to any size.
"""

from io import BytesIO

from pikepdf import PasswordError, Pdf, PdfError

from relay.fetch.einvoice import read_xml
from relay.policy.invoice.facts import Business, Flaw

_MOST_FILES = 20


def read_pdf(data: bytes) -> tuple[Business | None, Flaw | None]:
    """The invoice that a PDF carries as XML, and why it cannot be opened. Raises nothing that a PDF causes."""
    try:
        with Pdf.open(BytesIO(data), suppress_warnings=True) as pdf:
            return _embedded(pdf), None
    except PasswordError:
        return None, Flaw.ENCRYPTED
    except (PdfError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, NotImplementedError):
        return None, Flaw.BROKEN


def _embedded(pdf: Pdf) -> Business | None:
    for name in list(pdf.attachments)[:_MOST_FILES]:
        if name.lower().endswith(".xml"):
            found = read_xml(pdf.attachments[name].get_file().read_bytes())
            if found.flaw is None and found.business is not None and found.business.is_invoice:
                return found.business
    return None
