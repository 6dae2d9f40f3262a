"""Every way that ever made a mail server pass mail on for strangers, tried without a login: none does here.

At the level of the session: the path as the edge reads it, then the desk. A few go over the wire in tests/e2e.
"""

import pytest

from relay.events import EventType
from relay.mail.address import Address, AddressError, parse_path
from relay.mail.envelope import Recipient
from relay.mail.srs import srs_forward
from relay.mail.verp import bounce_address

from .front import DAY, DOMAIN, NOW, SECRET, mail, rcpt

VICTIM = "victim@target.example"
OUTSIDE = [
    # Plainly elsewhere, in any spelling.
    "victim@target.example",
    "VICTIM@TARGET.EXAMPLE",
    "victim@xn--mnchen-3ya.example",
    "victim@m\u00fcnchen.example",
    '"victim"@target.example',
    '"vic\\"tim"@target.example',
    "victim@localhost",
    "victim@localhost.localdomain",
    "victim@127.0.0.1.example",
    "postmaster@target.example",
    "abuse@target.example",
    "info@bakery.example",
    "info@garage.example",
    # Addresses in place of domains, ours among them.
    "victim@[127.0.0.1]",
    "victim@[192.0.2.1]",
    "victim@[203.0.113.7]",
    "victim@[IPv6:::1]",
    "victim@[IPv6:2001:db8::1]",
    "victim@[IPv6:::ffff:192.0.2.1]",
    "bakery@[192.0.2.1]",
    "bakery@[127.0.0.1]",
    "bakery@[IPv6:::1]",
    "postmaster@[192.0.2.1]",
    "victim%target.example@[192.0.2.1]",
    "target.example!victim@[192.0.2.1]",
    '"victim@target.example"@[192.0.2.1]',
    # Domains that look like ours, above, below and beside it.
    "bakery@relay.example",
    "bakery@example",
    "bakery@mx1.my.relay.example",
    "bakery@bakery.my.relay.example",
    "bakery@sub.my.relay.example",
    "bakery@xmy.relay.example",
    "bakery@my-relay.example",
    "bakery@myrelay.example",
    "bakery@my.relay.example.target.example",
    "bakery@my.relay.exampl",
    "bakery@my.relay.examples",
    "bakery@my.relay.example-target.example",
    "bakery@target.my.relay.example",
    "bakery@my.relay.ex\u0430mple",
    "bakery@bounce.my.relay.example",
    "bakery@bounce.bakery.example",
    "bakery@bounce.garage.example",
    "victim@bounce.target.example",
    "b+nonsense@bounce.garage.example",
    "b+nonsense@target.example",
    "SRS0=aaaaaaaa=aa=target.example=victim@target.example",
    "SRS0=aaaaaaaa=aa=target.example=victim@bounce.garage.example",
    # Our own address as a local part elsewhere.
    '"bakery@my.relay.example"@target.example',
    '"victim@target.example"@relay.example',
    "bakery%my.relay.example@target.example",
    "my.relay.example!bakery@target.example",
    "reports+bakery@target.example",
    "bakery+tag@target.example",
]
LOCALS = [
    # Percent hack, bang paths and their mixtures, at our domain.
    "victim%target.example",
    "victim%target.example%my.relay.example",
    "victim%target.example%relay.example",
    "%target.example",
    "victim%",
    "victim%%target.example",
    "victim%[203.0.113.7]",
    "bakery%target.example",
    "bakery%my.relay.example",
    "postmaster%target.example",
    "target.example!victim",
    "target.example!!victim",
    "my.relay.example!target.example!victim",
    "relay.example!target.example!victim",
    "!target.example!victim",
    "target!victim",
    "bakery!victim%target.example",
    "target.example!bakery",
    "target.example!victim%my.relay.example",
    # DECnet, X.400 and other gateways.
    "target::victim",
    "target.example::victim",
    "target.example/victim",
    "/G=victim/S=x/O=target.example/",
    "/DD.RFC-822=victim(a)target.example/",
    "victim#target.example",
    "victim=target.example",
    "victim-at-target.example",
    "target.example|victim",
    "|/bin/sh",
    "/dev/null",
    "../victim",
    # Quoted forms.
    '"victim@target.example"',
    '"victim@target.example "',
    '" victim@target.example"',
    '"<victim@target.example>"',
    '"victim\\@target.example"',
    '"@target.example:victim"',
    '"@target.example:victim@target.example"',
    '"victim%target.example"',
    '"target.example!victim"',
    '"bakery@my.relay.example"',
    '"bakery "',
    '" bakery"',
    '"bakery,victim"',
    '"bakery;victim"',
    '"bakery\\"victim"',
    '"|/bin/sh"',
    '""',
    # Encoded words and other spellings of an at sign.
    "=?utf-8?q?victim=40target.example?=",
    "=?utf-8?q?bakery?=",
    "=?utf-8?b?dmljdGltQHRhcmdldC5leGFtcGxl?=",
    "victim=40target.example",
    "victim+40target.example",
    "victim\uff20target.example",
    "victim\ufe6btarget.example",
    "b\u0430kery",
    "bakery\u200b",
    # Plus addresses of nobody, and what looks like our own tokens.
    "victim+bakery",
    "victim+target.example",
    "+bakery",
    "+",
    "victim=target.example+bakery",
    "reports+victim=target.example",
    "dmarc-reports",
    "notices+bakery",
    "postmaster+bakery",
    "abuse+x",
    "b+",
    "b+q1.0",
    "b+q1.0.",
    "b+q1.0.aaaaaaaaaaaaaaaa",
    "B+Q1.0.AAAAAAAAAAAAAAAA",
    "b+victim=target.example",
    "bounce+victim=target.example",
    "bounces-victim=target.example",
    "prvs=1234abcdef=victim",
    "btv1==123==victim",
    "SRS0=",
    "SRS0=aaaaaaaa=aa=target.example=victim",
    "srs0+aaaaaaaa=aa=target.example=victim",
    "SRS0-aaaaaaaa=aa=target.example=victim",
    "SRS0=aaaa=bb=target.example=victim",
    "SRS1=aaaaaaaa=target.example==aaaa=bb=target.example=victim",
    "SRS1=aaaaaaaa=target.example=victim",
    "SRS2=aaaaaaaa=aa=target.example=victim",
    # Accounts that machines have.
    "root",
    "nobody",
    "mailer",
    "admin",
    "all",
    "*",
]
PATHS = [
    # No paths at all: source routes, trailing dots, lists, comments, missing and nested brackets.
    "<@my.relay.example:victim@target.example>",
    "<@target.example:bakery@my.relay.example>",
    "<@my.relay.example,@target.example:victim@target.example>",
    "<@[192.0.2.1]:victim@target.example>",
    "<@:victim@target.example>",
    "<@my.relay.example:>",
    "<:victim@target.example>",
    "<bakery@my.relay.example.>",
    "<bakery@my.relay.example..>",
    "<bakery@.my.relay.example>",
    "<bakery@my..relay.example>",
    "<victim@target.example@my.relay.example>",
    "<victim@target.example%my.relay.example@my.relay.example@>",
    "<bakery@my.relay.example@target.example>",
    "<bakery@my.relay.example,victim@target.example>",
    "<bakery@my.relay.example;victim@target.example>",
    "<bakery@my.relay.example victim@target.example>",
    "<bakery@my.relay.example><victim@target.example",
    "<<victim@target.example>>",
    "<victim@target.example",
    "victim@target.example>",
    "victim@target.example",
    "bakery@my.relay.example",
    "<(x)bakery@my.relay.example>",
    "<bakery(x)@my.relay.example>",
    "<bakery@my.relay.example(x)>",
    "<bakery @my.relay.example>",
    "<bakery@ my.relay.example>",
    "<\tbakery@my.relay.example>",
    "<bakery@my.relay.example\0.target.example>",
    "<bakery@my.relay.example\r\n.target.example>",
    "<bakery@my.relay.example\nRCPT TO:<victim@target.example>",
    "<vic\0tim@target.example>",
    "<@>",
    "<@target.example>",
    "<bakery@>",
    "<bakery>",
    "<victim>",
    "<>",
    "<my.relay.example>",
    "<bakery@[my.relay.example]>",
    "<bakery@[192.0.2.1>",
    "<bakery@192.0.2.1]>",
    "<bakery@[IPv6:192.0.2.1]>",
    "<bakery@[300.0.2.1]>",
    "<bakery@[0x7f.1]>",
    "<bakery@#2130706433>",
    "<mailto:victim@target.example>@my.relay.example",
    '<"bakery@my.relay.example>',
    "<bakery.@my.relay.example>",
    "<.bakery@my.relay.example>",
    "<bak..ery@my.relay.example>",
    "<victim@target.example>@my.relay.example",
    "<bakery@my.relay.example\u2028>",
    "<" + "x" * 65 + "@my.relay.example>",
    "<bakery@" + "x." * 130 + "example>",
]
FORMS = [f"<{form}>" for form in OUTSIDE] + [f"<{local}@{DOMAIN}>" for local in LOCALS] + PATHS
SENDERS = ["<>", "<victim@target.example>", "<stranger@elsewhere.example>", "<bakery@relay.example>"]


def test_there_are_many_forms():
    assert len(set(FORMS)) == len(FORMS) >= 200


async def said(front, path: str, sender: str) -> str:
    """What a server hears that asks for this recipient; what is no path is refused by the edge."""
    session = front.mx()
    assert mail(session, sender).code == 250
    try:
        return str(await rcpt(session, path))
    except AddressError as error:
        return f"553 5.1.3 {error}"


@pytest.mark.parametrize("sender", SENDERS)
async def test_no_form_is_relayed(front, sender):
    taken = {form: reply for form in FORMS if not (reply := await said(front, form, sender)).startswith("55")}
    assert taken == {}
    session = front.mx()
    assert mail(session, sender).code == 250
    # Nothing is left of it: without a recipient there is no message.
    assert "503" in str(session.content())


async def test_no_form_is_relayed_for_who_claims_to_be_us(front):
    for claim in ("<bakery@my.relay.example>", "<notices@my.relay.example>", "<x@MY.RELAY.EXAMPLE>"):
        assert str(mail(front.mx(), claim)).startswith("550 5.7.1")


async def test_what_others_sealed_is_not_ours(front):
    """Return addresses made with another secret, for another domain, or changed in one letter."""
    ours = bounce_address("q1", 0, domain=DOMAIN, secrets=(SECRET,))
    forwarded = srs_forward(Address("victim", "target.example"), domain=DOMAIN, secrets=(SECRET,), day=int(NOW) // DAY)
    for address in (ours, forwarded):
        assert (await said(front, f"<{address}>", "<>")).startswith("250")
        # Only bounces come back there, so no letter does.
        assert (await said(front, f"<{address}>", SENDERS[1])).startswith("550 5.7.1")
        for position in range(2, len(address.local)):
            if address.local[position] in "+=.":
                continue
            letter = "z" if address.local[position].lower() != "z" else "y"
            changed = address.local[:position] + letter + address.local[position + 1 :]
            assert (await said(front, f"<{changed}@{DOMAIN}>", "<>")).startswith("55"), changed


async def test_every_refusal_is_noted(front):
    await said(front, f"<{VICTIM}>", "<>")
    assert [event.data["recipient"] for event in front.sink.of(EventType.REFUSED)] == [VICTIM]


async def test_the_only_ways_in(front):
    """What is left: aliases, with or without a tag, and the addresses every domain has."""
    taken = ["bakery", "Bakery", "garage", "bakery+x", "bakery+victim=target.example", "postmaster", "abuse", "notices"]
    for local in taken:
        assert (await said(front, f"<{local}@{DOMAIN}>", SENDERS[1])).startswith("250"), local
    session = front.mx()
    mail(session, SENDERS[1])
    assert (await session.rcpt(Recipient(parse_path("<postmaster>", null_allowed=False)[0]))).code == 250
