"""Mails as suppliers and attackers write them."""

import base64
import io
import struct
import zipfile
from email.message import EmailMessage

import pikepdf

UBL = """<?xml version="1.0" encoding="UTF-8"?>
<{root} xmlns="urn:oasis:names:specification:ubl:schema:xsd:{root}-2"
 xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
 xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
<cbc:ID>{number}</cbc:ID><cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>{inside}
<cac:AccountingSupplierParty><cac:Party>
<cac:PartyTaxScheme><cbc:CompanyID>BE0123456749</cbc:CompanyID></cac:PartyTaxScheme>
<cac:PartyLegalEntity><cbc:RegistrationName>Molens &amp; Zonen</cbc:RegistrationName></cac:PartyLegalEntity>
</cac:Party></cac:AccountingSupplierParty>
<cac:LegalMonetaryTotal>
<cbc:TaxInclusiveAmount currencyID="EUR">121.00</cbc:TaxInclusiveAmount></cac:LegalMonetaryTotal>
</{root}>"""
CII = """<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
 xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100">
<rsm:ExchangedDocument><ram:ID>R-7</ram:ID><ram:TypeCode>{code}</ram:TypeCode></rsm:ExchangedDocument>
<rsm:SupplyChainTradeTransaction><ram:ApplicableHeaderTradeAgreement><ram:SellerTradeParty><ram:Name>Bau GmbH</ram:Name>
<ram:SpecifiedTaxRegistration><ram:ID schemeID="VA">DE123</ram:ID></ram:SpecifiedTaxRegistration>
</ram:SellerTradeParty></ram:ApplicableHeaderTradeAgreement>
<ram:ApplicableHeaderTradeSettlement><ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode>
<ram:SpecifiedTradeSettlementHeaderMonetarySummation><ram:GrandTotalAmount>50</ram:GrandTotalAmount>
</ram:SpecifiedTradeSettlementHeaderMonetarySummation></ram:ApplicableHeaderTradeSettlement>
</rsm:SupplyChainTradeTransaction></rsm:CrossIndustryInvoice>"""


def ubl(number="2026-114", root="Invoice", inside=""):
    return UBL.format(number=number, root=root, inside=inside).encode()


def ubl_with(pdf: bytes, name="leesbaar.pdf"):
    packed = base64.b64encode(pdf).decode()
    return ubl(
        inside="<cac:AdditionalDocumentReference><cbc:ID>1</cbc:ID><cac:Attachment><cbc:EmbeddedDocumentBinaryObject"
        f' mimeCode="application/pdf" filename="{name}">{packed}</cbc:EmbeddedDocumentBinaryObject></cac:Attachment>'
        "</cac:AdditionalDocumentReference>"
    )


def cii(code="380"):
    return CII.format(code=code).encode()


def pdf(xml: bytes | None = None, password: str = "", mark: str = "a"):
    """A page; with an XML invoice in it, or locked."""
    made = pikepdf.new()
    made.add_blank_page()
    made.docinfo["/Title"] = mark
    if xml is not None:
        made.attachments["factur-x.xml"] = xml
    out = io.BytesIO()
    made.save(out, encryption=pikepdf.Encryption(owner=password, user=password) if password else False)
    return out.getvalue()


def png(width=2480, height=3508):
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08\x02" + b"\0" * 20_000


def zipped(**files: bytes):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "."), data)
    return out.getvalue()


def tnef(name: str, data: bytes):
    def attribute(identity, value):
        return struct.pack("<BII", 2, identity, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)

    long_name = name.encode("utf-16-le") + b"\0\0"
    padded = long_name + b"\0" * (-len(long_name) % 4)
    properties = struct.pack("<I", 2) + struct.pack("<HHI", 0x03, 0x0E21, 1)
    properties += struct.pack("<HHII", 0x1F, 0x3707, 1, len(long_name)) + padded
    return (
        b"\x78\x9f\x3e\x22\x01\x00"
        + attribute(0x00069002, b"\0" * 14)
        + attribute(0x00018010, b"SHORT~1.PDF\0")
        + attribute(0x0006800F, data)
        + attribute(0x00069005, properties)
    )


def mail(*attachments, subject="Factuur 2026-114", text="In bijlage.", html=""):
    """A mail with attachments: (name, data), or (name, data, header fields to set)."""
    message = EmailMessage()
    message["From"] = "molens@supplier.example"
    message["To"] = "info@bakkerij-peeters.example"
    message["Subject"] = subject
    message["Message-ID"] = "<114@supplier.example>"
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    for name, data, *more in attachments:
        if isinstance(data, EmailMessage):
            message.add_attachment(data)
            continue
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
        for key, value in more[0].items() if more else ():
            part = message.get_payload()[-1]
            del part[key]
            part[key] = value
    return message
