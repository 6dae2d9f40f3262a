"""A company's own mailbox is emptied into Fast input: invoices in every wrapping, and one mail that is none."""

import asyncio
import base64
import io
import json
import zipfile
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from relay.sandbox.default_world import MAILBOX_USER
from relay.sandbox.demo.invoices import page
from relay.sandbox.demo.stage import PATIENCE, Show

_SLUG = "bakkerij-peeters"
_UBL = """<?xml version="1.0" encoding="UTF-8"?>
<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
 xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
 xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
<cbc:ID>{number}</cbc:ID><cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>
<cac:AccountingSupplierParty><cac:Party>
<cac:PartyTaxScheme><cbc:CompanyID>BE0123456749</cbc:CompanyID></cac:PartyTaxScheme>
</cac:Party></cac:AccountingSupplierParty>
<cac:LegalMonetaryTotal>
<cbc:TaxInclusiveAmount currencyID="EUR">121.00</cbc:TaxInclusiveAmount></cac:LegalMonetaryTotal>
</Invoice>"""


async def empty_mailbox(show: Show, number: int) -> None:
    """Four mails come in; three are invoices, one of them twice."""
    show.say(f"\n{number}. Suppliers write to the bakery's own mailbox, {MAILBOX_USER}; the relay reads it over IMAP")
    mailbox, fast_input = show.world.mailboxes[MAILBOX_USER], show.world.fast_input
    if fast_input is None:
        raise RuntimeError("the world has no Fast input")
    run = f"{datetime.now(UTC):%H%M%S}"
    scan, xml = page(f"Factuur {run}-1"), _UBL.format(number=f"M-{run}").encode()
    both = io.BytesIO()
    with zipfile.ZipFile(both, "w") as archive:
        archive.writestr(f"M-{run}.xml", xml)
        archive.writestr(f"M-{run}.pdf", page(f"Factuur M-{run}"))
    for mail in (
        _mail("Uw factuur", run, "1", ("scan.dat", scan)),
        _mail("Elektronische factuur", run, "2", (f"M-{run}.zip", both.getvalue())),
        _mail("Nieuwe prijzen", run, "3", ("Algemene voorwaarden.pdf", page(f"Voorwaarden {run}"))),
        _mail("Herinnering", run, "4", ("scan-kopie.pdf", scan)),
    ):
        mailbox.put(mail)
        show.say(f"    a mail arrives: {len(mail)} octets")
    documents = await fast_input.wait_for(2, PATIENCE)
    async with asyncio.timeout(PATIENCE):
        told = await _history(show, run)
    for document in documents:
        file, beside = document["File"], document.get("FileSource")
        show.say(f"  Fast input has {file['FileName']} ({file['MimeType']}){_with(beside)}")
    kinds = [document["File"]["MimeType"] for document in documents]
    show.check(holds=kinds == ["application/pdf", "application/xml"], claim="each invoice reached Fast input once")
    pdf = base64.b64decode(documents[0]["File"]["FileContent"])
    show.check(holds=pdf == scan, claim="a PDF that came as scan.dat is known by what it is, octet for octet")
    show.check(holds="FileSource" in documents[1], claim="XML and PDF out of the ZIP stay one document")
    reason = told["3"]["reason"]
    show.say(f"  The mail with the terms and conditions was left: {reason}")
    show.check(holds="terms and conditions" in str(reason), claim="a mail that is no invoice is explained")
    show.check(holds=told["4"]["known"] == 1, claim="the same invoice in a second mail is known again")


async def _history(show: Show, run: str) -> dict[str, dict[str, object]]:
    """What the relay says of these mails, once it is done with all."""
    while True:
        found = json.loads(await show.relay.ask("mailbox", "history", _SLUG, "--json"))
        told = {each["message_id"].split(".")[1]: each for each in found if f".{run}@" in each["message_id"]}
        if len(told) == 4 and all(each["stage"] == "done" for each in told.values()):
            for line in (await show.relay.ask("mailbox", "history", _SLUG, "--limit", "4")).strip().splitlines():
                show.say(f"  | {line}")
            return told


def _mail(subject: str, run: str, number: str, *files: tuple[str, bytes]) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"] = "Molens Janssens <facturatie@molens.example>"
    message["To"] = MAILBOX_USER
    message["Subject"] = subject
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = f"<mail.{number}.{run}@molens.example>"
    message.set_content("Beste klant,\n\nzie bijlage.\n\nMolens Janssens\n")
    for name, data in files:
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


def _with(beside: dict[str, str] | None) -> str:
    return "" if beside is None else f", with {beside['FileName']} beside it"
