"""The mail that the demonstration sends: invoices as an app writes them, and a customer's answer."""

from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

# The smallest page that a PDF reader opens.
_PDF = """%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>endobj
4 0 obj<</Length {length}>>stream
{stream}
endstream endobj
5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj
trailer<</Root 1 0 R>>
%%EOF
"""


def page(text: str) -> bytes:
    """A PDF with one line on it."""
    stream = f"BT /F 18 Tf 40 120 Td ({text}) Tj ET"
    return _PDF.format(length=len(stream) + 1, stream=stream).encode("ascii")


def invoice(number: str, *, company: str, author: str, to: str) -> bytes:
    """An invoice with its PDF, as the app hands it in: CRLF line ends, an author in the app's own words."""
    message = EmailMessage(policy=SMTP)
    message["From"] = f'"{company}" <{author}>'
    message["To"] = to
    message["Bcc"] = "boekhouding@klant.example"
    message["Subject"] = f"Factuur {number} van {company}"
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = f"<factuur-{number}.{datetime.now(UTC):%H%M%S}@app.example>"
    message["Reply-To"] = author
    message.set_content(f"Beste klant,\n\nIn bijlage vindt u factuur {number}.\n\nMet vriendelijke groet\n{company}\n")
    message.add_attachment(page("Factuur: 121,00 EUR"), maintype="application", subtype="pdf", filename=f"{number}.pdf")
    return message.as_bytes()


def answer(to: str, *, author: str, about: str, message_id: str) -> bytes:
    """A customer's answer to an invoice."""
    message = EmailMessage(policy=SMTP)
    message["From"] = f"An Klant <{author}>"
    message["To"] = to
    message["Subject"] = f"Re: {about}"
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = f"<antwoord.{datetime.now(UTC):%H%M%S}@klant.example>"
    message["In-Reply-To"] = message_id
    message["References"] = message_id
    message.set_content("Dag,\n\nKlopt het aantal op lijn 2 wel?\n\nGroeten\nAn\n")
    return message.as_bytes()
