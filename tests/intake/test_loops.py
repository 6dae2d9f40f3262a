"""Loops end: what comes round is refused and told to its company, and robots that answer each other are slowed down."""

from relay.events import EventType
from relay.facts import troubles
from relay.facts.troubles import Trouble
from relay.mail.loop import forwarded_field
from relay.policy.brake import MOST, WINDOW

from .front import DOMAIN, MAIL, SECRET, Front, send

ANNA = "<anna@customer.example>"
BAKERY = "<bakery@my.relay.example>"
GARAGE = "<garage@my.relay.example>"
FROM_ANNA = b"From: anna@customer.example\r\n\r\nHello\r\n"
AUTOMATIC = b"Auto-Submitted: auto-replied\r\n" + FROM_ANNA


def forwarded(company: str, octets: bytes = MAIL, secret: bytes = SECRET) -> bytes:
    return forwarded_field(company, domain=DOMAIN, secrets=(secret,)) + octets


async def told(front: Front) -> list[str]:
    return [fact.key for fact in await front.spool.facts.list(troubles.KIND)]


async def test_what_we_forwarded_to_a_company_does_not_go_there_again(front):
    reply = await send(front.mx(), ANNA, BAKERY, forwarded("bakery"))

    assert str(reply).startswith("550 5.4.6")
    assert await told(front) == [troubles.fact_key("bakery", Trouble.FORWARDING_LOOP)]


async def test_the_company_is_told_what_to_look_for_once(front):
    for _ in range(3):
        await send(front.mx(), ANNA, BAKERY, forwarded("bakery"))

    (fact,) = await front.spool.facts.list(troubles.KIND)
    state = troubles.read_trouble(fact.value)
    assert (state.details.about, state.details.cause) == ("info@bakery.example", "Bakery@my.relay.example")


async def test_mail_that_one_company_hands_to_another_goes_on(front):
    assert (await send(front.mx(), ANNA, GARAGE, forwarded("bakery"))).code == 250
    assert (await send(front.mx(), ANNA, GARAGE, forwarded("garage", forwarded("bakery")))).code == 550
    assert (await send(front.mx(), ANNA, "<postmaster>", forwarded(""))).code == 550


async def test_those_whom_a_mail_comes_round_to_get_no_copy_and_the_others_do(front):
    reply = await send(front.mx(), ANNA, [BAKERY, GARAGE], forwarded("bakery"))

    assert reply.code == 250
    (entry,) = front.outbox.entries
    assert [(each.number, each.company) for each in entry.deliveries] == [(0, "garage")]
    (stored,) = await front.spool.find(entry.message.queue_id)
    assert [str(each.recipient.address) for each in stored.deliveries] == [GARAGE.strip("<>")]
    (refused,) = front.sink.of(EventType.REFUSED)
    assert (refused.queue_id, refused.data["recipient"]) == (entry.message.queue_id, "bakery@my.relay.example")
    assert str(refused.data["reply"]).startswith("550 5.4.6")
    kept = [event.type for event in await front.spool.timeline(entry.message.queue_id)]
    assert EventType.REFUSED in kept
    assert await told(front) == [troubles.fact_key("bakery", Trouble.FORWARDING_LOOP)]


async def test_a_mail_that_comes_round_to_all_its_recipients_is_refused(front):
    reply = await send(front.mx(), ANNA, [BAKERY, GARAGE], forwarded("garage", forwarded("bakery")))

    assert str(reply).startswith("550 5.4.6")
    assert len(await told(front)) == 2


async def test_a_mark_that_somebody_made_up_keeps_no_mail_away(front):
    assert (await send(front.mx(), ANNA, BAKERY, forwarded("bakery", secret=b"another"))).code == 250
    assert await told(front) == []


async def test_robots_that_answer_each_other_are_slowed_down_and_people_are_not(front):
    for _ in range(MOST):
        assert (await send(front.mx(), "<>", BAKERY, AUTOMATIC)).code == 250

    assert str(await send(front.mx(), "<>", BAKERY, AUTOMATIC)).startswith("450 4.7.1")
    assert (await send(front.mx(), "<>", GARAGE, AUTOMATIC)).code == 250
    assert (await send(front.mx(), "<>", BAKERY, AUTOMATIC.replace(b"anna@", b"jan@"))).code == 250
    assert (await send(front.mx(), ANNA, BAKERY, FROM_ANNA)).code == 250
    weak = b"Subject: Automatic reply: x\r\n" + FROM_ANNA
    assert (await send(front.mx(), ANNA, BAKERY, weak)).code == 250
    front.clock.at += WINDOW
    assert (await send(front.mx(), "<>", BAKERY, AUTOMATIC)).code == 250


async def test_each_of_our_mails_may_be_acknowledged(front):
    app = await front.app()
    for number in range(MOST + 2):
        mail = MAIL.replace(b"<1@app>", b"<%d@app>" % number)
        assert (await send(app, BAKERY, ANNA, mail)).code == 250
        answer = b"In-Reply-To: <%d@app>\r\n" % number + AUTOMATIC
        assert (await send(front.mx(), "<>", BAKERY, answer)).code == 250
