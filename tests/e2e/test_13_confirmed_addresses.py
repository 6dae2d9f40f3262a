"""A company's address is confirmed before its first mail goes out: app, relay, mailbox and page as they are."""

import asyncio
import base64
import email
import email.policy
import re
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import aiosmtplib
import pytest

from relay.sandbox.arrivals import Received
from relay.sandbox.world import World

from .conftest import StartRelay
from .mail import WRITER, message
from .relay_process import APP, BAKKERIJ, PASSWORD, Relay, has_header
from .until import PATIENCE, until

OWN = "info@bakkerij-peeters.example"
CUSTOMER = "an@klant.example"
API = "/api/v1/companies/bakkerij-peeters/address"


@pytest.fixture
async def relay(start_relay: StartRelay) -> Relay:
    return await start_relay(verification={"required": True}, workers=2)


async def asked(world: World, count: int = 1) -> list[str]:
    """The lines of the newest mail that asks the company, once so many have come."""
    await until(lambda: len(mails_to_confirm(world)) >= count, f"{count} mails that ask")
    return text_of(mails_to_confirm(world)[count - 1]).splitlines()


def mails_to_confirm(world: World) -> list[Received]:
    return [received for received in world.received(OWN) if "bevestig" in decoded(received, "Subject")]


def decoded(received: Received, name: str) -> str:
    return str(email.message_from_bytes(received.offer.content, policy=email.policy.default)[name])


def text_of(received: Received) -> str:
    mail: Any = email.message_from_bytes(received.offer.content, policy=email.policy.default)
    return str(mail.get_content())


def link_in(lines: list[str]) -> str:
    return next(line for line in lines if re.search("/confirm/[^/]+/.", line))


async def visit(url: str, *, login: bool = False, **form: str) -> tuple[int, str]:
    """Follow a link, or send a form there; status and page."""
    data = urllib.parse.urlencode(form).encode() if form else None

    def ask() -> tuple[int, str]:
        request = urllib.request.Request(url, data)
        if login:
            word = base64.b64encode(f"{APP}:{PASSWORD}".encode()).decode()
            request.add_header("Authorization", f"Basic {word}")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return await asyncio.to_thread(ask)


async def held(relay: Relay, count: int) -> None:
    async def is_held() -> bool:
        return [row["state"] for row in await relay.queue() if row["company"] == "bakkerij-peeters"] == ["held"] * count

    await until(is_held, f"{count} held")


async def test_the_first_mail_waits_until_a_person_presses_the_button(relay: Relay, world: World):
    queue_id = await relay.submit(message(), CUSTOMER)
    lines = await asked(world)
    link = link_in(lines)
    await held(relay, 1)
    (row,) = [row for row in await relay.queue() if row["queue_id"] == queue_id]
    assert row["hold_key"] == f"address:bakkerij-peeters:{OWN}"
    (mail,) = mails_to_confirm(world)
    assert mail.offer.reverse_path == ""
    assert mail.verdicts.aligned
    assert mail.header("Auto-Submitted") == "auto-generated"

    # A program that follows links, several times.
    for _ in range(3):
        status, page = await visit(link)
        assert (status, "Is dit uw adres?" in page) == (200, True)
    await held(relay, 1)
    assert not world.received(CUSTOMER)

    status, page = await visit(link, do="confirm")
    assert (status, "uw adres is bevestigd" in page) == (200, True)
    await world.wait_for(CUSTOMER, PATIENCE)
    await relay.event("delivered", queue_id=queue_id)
    types = [event["type"] for event in (await relay.trace(queue_id))[0]["events"]]
    assert types == ["received", "held", "released", "delivered"]
    assert relay.events("address-confirmed", company="bakkerij-peeters", how="link")

    # The same link once more; and what comes next does not wait, whichever worker has it.
    status, page = await visit(link, do="confirm")
    assert (status, "al bevestigd" in page) == (200, True)
    later = [await relay.submit(message(), CUSTOMER) for _ in range(6)]
    for each in later:
        await relay.event("delivered", queue_id=each)
    assert len(mails_to_confirm(world)) == 1


async def test_the_code_does_as_well(relay: Relay, world: World):
    queue_id = await relay.submit(message(), CUSTOMER)
    lines = await asked(world)
    code = next(line for line in lines if re.fullmatch("[A-Z2-7]{4}-[A-Z2-7]{4}", line))
    page = link_in(lines).rpartition("/")[0]
    assert (await visit(page, given="AAAA-AAAA"))[0] == 422
    await held(relay, 1)
    assert (await visit(page, given=code.lower().replace("-", " ")))[0] == 200
    await relay.event("delivered", queue_id=queue_id)


async def test_a_link_that_is_too_old_confirms_nothing_and_offers_a_new_mail(start_relay: StartRelay, world: World):
    relay = await start_relay(verification={"required": True, "valid": "1ms"})
    await relay.submit(message(), CUSTOMER)
    link = link_in(await asked(world))
    status, page = await visit(link, do="confirm")
    assert (status, "te oud" in page) == (410, True)
    await held(relay, 1)


async def test_a_changed_address_is_asked_anew(relay: Relay, world: World):
    await relay.submit(message(), CUSTOMER)
    old = link_in(await asked(world))
    relay.change_company("bakkerij-peeters", address="nieuw@bakkerij-peeters.example")
    await relay.event("reloaded", count=2)
    await relay.submit(message(), CUSTOMER)
    new = await world.wait_for(
        lambda received: received.is_for("nieuw@bakkerij-peeters.example") and "/confirm/" in text_of(received),
        PATIENCE,
    )
    assert (await visit(old, do="confirm"))[0] == 404
    assert (await visit(link_in(text_of(new).splitlines()), do="confirm"))[0] == 200
    await until(lambda: len(world.received(CUSTOMER)) == 2, "both mails")


async def test_an_admin_marks_it_with_a_reason_that_is_kept(relay: Relay, world: World):
    queue_id = await relay.submit(message(), CUSTOMER)
    await held(relay, 1)
    assert (await relay.command("company", "status", "bakkerij-peeters")).code == 1
    marked = await relay.command("company", "verify", "bakkerij-peeters", "--mark", "--reason", "called them")
    assert (marked.code, "(called them)" in marked.out) == (0, True)
    await relay.event("delivered", queue_id=queue_id)
    (told,) = (await relay.command("company", "status", "bakkerij-peeters", "--json")).json
    assert (told["state"], told["how"], told["reason"], told["held"]) == ("confirmed", "admin", "called them", {})


async def test_an_app_sees_the_state_and_has_the_mail_sent(relay: Relay, world: World):
    base = f"http://{relay.host}:{relay.ports['web']}"
    status, state = await visit(base + API, login=True)
    assert (status, '"state":"unconfirmed"' in state) == (200, True)
    assert (await visit(f"{base}{API}/ask", login=True, x=""))[0] == 202
    link = link_in(await asked(world))
    assert (await visit(f"{base}{API}/ask", login=True, x=""))[0] == 429
    await visit(link, do="confirm")
    assert '"how":"link"' in (await visit(base + API, login=True))[1]
    assert (await visit(base + API))[0] == 401


async def test_an_operator_has_the_mail_sent_again_beside_the_running_relay(relay: Relay, world: World):
    assert (await relay.command("company", "verify", "bakkerij-peeters")).code == 0
    await asked(world)
    hasty = await relay.command("company", "verify", "bakkerij-peeters", "--resend")
    assert (hasty.code, "another mail may be sent in" in hasty.err) == (1, True)


async def test_an_app_that_wants_it_so_is_refused_and_the_company_is_asked(start_relay: StartRelay, world: World):
    relay = await start_relay(verification={"required": True}, apps={APP: {"unconfirmed": "refuse"}})
    with pytest.raises(aiosmtplib.SMTPDataError) as refusal:
        await relay.submit(message(), CUSTOMER)
    assert refusal.value.code == 550
    assert "5.7.1 The company has not confirmed its address" in refusal.value.message
    await visit(link_in(await asked(world)), do="confirm")
    await relay.submit(message(), CUSTOMER)
    await world.wait_for(CUSTOMER, PATIENCE)


async def test_an_answer_to_a_notice_reaches_the_postmaster(relay: Relay, world: World):
    await relay.bring(message(author=WRITER), "notices@my.relay.example")
    await world.wait_for("postmaster@operator.example", PATIENCE)


async def test_nobody_is_asked_where_confirming_is_left_to_others(start_relay: StartRelay, world: World):
    relay = await start_relay()
    await relay.submit(message(), CUSTOMER)
    await world.wait_for(CUSTOMER, PATIENCE)
    assert not mails_to_confirm(world)
    assert has_header("From", BAKKERIJ)(world.received(CUSTOMER)[0])
