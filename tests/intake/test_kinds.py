"""What a mail from outside is, is judged before it is taken, and stays with it."""

from relay.incoming.kind import kind_in
from relay.mail.verp import bounce_address
from relay.policy.kind import Kind

from .front import DOMAIN, MAIL, SECRET, send

ANNA = "<anna@customer.example>"
BAKERY = "<bakery@my.relay.example>"


async def judged(front, sender: str, recipient: str, octets: bytes = MAIL):
    reply = await send(front.mx(), sender, recipient, octets)
    assert reply.code == 250
    return kind_in((await front.message(reply.text)).findings)


async def test_a_persons_mail(front):
    judgement = await judged(front, ANNA, BAKERY)

    assert judgement.kind is Kind.PERSON
    assert judgement.sure


async def test_a_robots_mail_is_taken_all_the_same(front):
    judgement = await judged(front, "<>", BAKERY, b"Auto-Submitted: auto-replied\r\n" + MAIL)

    assert judgement.kind is Kind.AUTO_REPLY
    assert judgement.reason == "Auto-Submitted says auto-replied"


async def test_what_comes_to_a_return_address_is_a_bounce(front):
    address = bounce_address("q1", 0, domain=DOMAIN, secrets=(SECRET,))

    assert (await judged(front, "<>", f"<{address}>")).kind is Kind.BOUNCE


def test_nobody_looked_at_mail_of_apps():
    assert kind_in({}) is None
