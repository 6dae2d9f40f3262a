"""The sending side of one worker as a whole: what happens to mail, who hears of it, and what survives trouble."""

import asyncio
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from relay.delivery import dispatcher as dispatcher_module
from relay.delivery import recording
from relay.events import EventType
from relay.facts.dead_addresses import DeadAddresses
from relay.mail.address import Address, parse_address
from relay.mail.dkim import Signer
from relay.mail.envelope import Notify, Recipient
from relay.policy.company import Otherwise
from relay.sandbox.scripted_peer import Drip, Drop, Hang, Say, Script, ScriptedPeer
from relay.sandbox.zones import FaultKind
from relay.store.spool import Acceptance, Order, Origin, Selection, SpoolError, SpoolFull, State
from relay.store.sqlite.segments import SegmentWriter

from .house import ANNA, BAKERY, DAY, DOMAIN, OWN, House

HOUR = 3600.0
NOBODY = Script(rcpt=Say("550 5.1.1 Nobody"))
BUSY = Script(rcpt=Say("450 4.2.1 Busy"))


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """A store in trouble is asked again at once."""
    monkeypatch.setattr(recording, "_AGAIN", (0.0,))


async def timeline(house: House, queue_id: str) -> list[str]:
    return [str(event.type) for event in await house.spool.timeline(queue_id)]


def asked(*notify: Notify) -> Recipient:
    return Recipient(Address("anna", "customer.example"), frozenset(notify))


# What becomes of mail


async def test_delivered(house):
    async with ScriptedPeer() as peer:
        house.configure(delivery={"port": peer.port})
        queue_id = await house.deliver()
        delivery = await house.delivery(queue_id)
        assert (delivery.state, delivery.attempts, delivery.worker) == (State.DELIVERED, 1, "")
        (event,) = await house.spool.timeline(queue_id)
        assert event.type is EventType.DELIVERED
        assert event.data["identity"] == "alias"
        assert event.data["author"] == f"bakery@{DOMAIN}"
        assert (event.data["host"], event.data["ip"]) == ("mx0.customer.example", "127.0.0.1")
        assert str(event.data["reverse_path"]).startswith(f"b+{queue_id}.0.")
        assert house.sink.types == ["delivered"]
        assert b"\r\n..dot\r\n" in peer.messages[0]
        assert b"Bcc" not in peer.messages[0]


async def test_each_recipient_of_signed_return_addresses_travels_alone(house):
    async with ScriptedPeer(Script(recipients={"bert@customer.example": Say("550 5.1.1 Nobody")})) as peer:
        house.configure(delivery={"port": peer.port})
        queue_id = await house.deliver(ANNA, "bert@customer.example", "carl@customer.example")
        states = [delivery.state for delivery in await house.deliveries(queue_id)]
        assert states == [State.DELIVERED, State.FAILED, State.DELIVERED]
        lines = [line for record in peer.records for line in record.lines]
        paths = {line.split()[1] for line in lines if line.startswith("MAIL")}
        assert len(paths) == 3


async def test_forwarded_recipients_of_one_company_share_a_transaction(house):
    async with ScriptedPeer() as peer:
        house.configure(delivery={"port": peer.port})
        house.host("bakery.example", "127.0.0.1")
        await house.deliver(f"bakery@{DOMAIN}", f"Bakery@{DOMAIN}", origin=Origin.MX, sender="anna@customer.example")
        assert len(peer.messages) == 1


async def test_a_notice_goes_where_it_was_written_for_and_nobody_answers_it(house):
    async with ScriptedPeer() as peer:
        house.configure(delivery={"port": peer.port})
        house.host("former.example", "127.0.0.1")
        await house.deliver("info@former.example", origin=Origin.NOTICE, sender="")
        lines = peer.records[0].lines
        assert lines[1].startswith("MAIL FROM:<>")
        assert lines[2].startswith("RCPT TO:<info@former.example>")


async def test_a_failure_is_reported_to_the_alias_and_reaches_the_company(house):
    async with ScriptedPeer(NOBODY) as peer, ScriptedPeer(host="127.0.0.2", port=peer.port) as company:
        house.configure(delivery={"port": peer.port})
        house.host("bakery.example", "127.0.0.2")
        queue_id = await house.deliver()
        assert (await house.delivery(queue_id)).state is State.FAILED
        assert await timeline(house, queue_id) == ["failed", "reported"]
        (report,) = await house.reports()
        assert report.message.envelope.reverse_path is None
        assert str(report.deliveries[0].recipient.address) == f"bakery@{DOMAIN}"
        assert report.deliveries[0].company == "bakery"
        assert await house.lease() == 1
        lines = company.records[0].lines
        assert lines[1].startswith("MAIL FROM:<>")
        assert lines[2].startswith("RCPT TO:<info@bakery.example>")
        (octets,) = company.messages
        assert b"550 5.1.1 Nobody" in octets.replace(b"\r\n ", b" ")
        assert b"Action: failed" in octets
        assert b"secret@" not in octets
        assert await house.reports() == []


async def test_one_report_speaks_of_all_that_failed_together(house):
    server = replace(OWN, otherwise=Otherwise.ALIAS)
    async with ScriptedPeer(NOBODY) as peer:
        house.configure(server, delivery={"port": peer.port})
        house.zones.publish("own.example", "TXT", "v=spf1 ip4:192.0.2.1 -all")
        queue_id = await house.deliver(ANNA, "bert@customer.example", company="own", sender=f"own@{DOMAIN}")
        assert await timeline(house, queue_id) == ["failed", "failed", "reported"]
        assert len(await house.reports()) == 1


@pytest.mark.parametrize("origin", [Origin.MX, Origin.REPORT, Origin.NOTICE])
async def test_strangers_are_told_nothing(house, origin):
    async with ScriptedPeer(NOBODY) as peer:
        house.configure(delivery={"port": peer.port})
        house.host("bakery.example", "127.0.0.1")
        sender = "anna@customer.example" if origin is Origin.MX else ""
        queue_id = await house.deliver(f"bakery@{DOMAIN}", origin=origin, sender=sender)
        waits_for = "" if origin is Origin.NOTICE else "home:bakery:info@bakery.example"
        assert await house.delivery(queue_id) == replace(
            await house.delivery(queue_id), state=State.HELD, hold_key=waits_for, attempts=1
        )
        assert await timeline(house, queue_id) == ["failed", "held"]
        assert await house.reports() == [] or origin is Origin.REPORT
        selection = Selection(states=(State.QUEUED,))
        assert await house.spool.select(selection) == []


async def test_a_null_path_is_never_reported_to(house):
    async with ScriptedPeer(NOBODY) as peer:
        house.configure(delivery={"port": peer.port})
        queue_id = await house.deliver(sender="")
        assert (await house.delivery(queue_id)).state is State.FAILED
        assert await house.reports() == []


@pytest.mark.parametrize(
    ("script", "notify", "reports"),
    [
        (NOBODY, (Notify.NEVER,), 0),
        (NOBODY, (Notify.SUCCESS,), 0),
        (NOBODY, (Notify.FAILURE,), 1),
        (Script(), (), 0),
        (Script(), (Notify.SUCCESS,), 0),  # the next host promises to do it
        (Script(ehlo=Say("250 peer.example")), (Notify.SUCCESS,), 1),
        (Script(ehlo=Say("250 peer.example")), (Notify.FAILURE,), 0),
    ],
)
async def test_reports_are_those_that_were_asked_for(house, script, notify, reports):
    async with ScriptedPeer(script) as peer:
        house.configure(delivery={"port": peer.port})
        await house.deliver(asked(*notify))
        assert len(await house.reports()) == reports


async def test_lateness_is_told_once_and_the_end_comes(house):
    async with ScriptedPeer(BUSY) as peer:
        house.configure(delivery={"port": peer.port})
        queue_id = await house.deliver()
        accepted = house.clock.now()
        for hours in (1, 4, 5, 119, 120):
            house.clock.at = accepted + hours * HOUR
            await house.spool.order(Order.RETRY, Selection((queue_id,)), now=house.clock.at, reason="test")
            await lease_only(house, queue_id)
        delivery = await house.delivery(queue_id)
        assert delivery.state is State.EXPIRED
        assert delivery.delay_noticed
        kinds = [kind for kind in await timeline(house, queue_id) if kind != "retried"]
        first, late, last = ["deferred"] * 2, ["deferred", "delayed", "reported"], ["expired", "reported"]
        assert kinds == [*first, *late, "deferred", "deferred", *last]


async def lease_only(house: House, queue_id: str) -> None:
    """Deal with what is due of one message; reports wait."""
    for entry in await house.spool.lease(now=house.clock.at, limit=100):
        if entry.message.queue_id == queue_id:
            house.dispatcher.take(entry)
        else:
            keys = [(entry.message.queue_id, delivery.number) for delivery in entry.deliveries]
            await house.spool.give_back(keys, next_attempt=4e9)
    await house.settled()


async def test_silence_after_the_dot_is_recorded_as_unknown(house):
    async with ScriptedPeer(Script(end=Drop())) as peer:
        house.configure(delivery={"port": peer.port})
        queue_id = await house.deliver()
        (event,) = await house.spool.timeline(queue_id)
        assert event.type is EventType.DEFERRED
        assert event.data["unknown"] is True
        delivery = await house.delivery(queue_id)
        assert delivery.state is State.QUEUED
        assert house.clock.now() + 40 < delivery.next_attempt < house.clock.now() + 80


async def test_a_from_field_that_nobody_can_read_fails_the_mail(house):
    queue_id = await house.deliver(octets=b"From: nobody at all\r\n\r\n")
    assert (await house.delivery(queue_id)).state is State.FAILED


# Whose name


async def test_facts_decide_and_are_told(house):
    async with ScriptedPeer() as peer:
        house.configure(delivery={"port": peer.port})
        house.zones.publish("own.example", "TXT", "v=spf1 ip4:192.0.2.1 -all")
        queue_id = await house.deliver(company="own", sender=f"own@{DOMAIN}")
        (event,) = await house.spool.timeline(queue_id)
        assert (event.data["identity"], event.data["reverse_path"]) == ("own-domain", "info@own.example")
        assert (event.data["wanted"], event.data["fallback"]) == ("own-domain", False)
        house.zones.publish("own.example", "TXT", "v=spf1 -all")
        house.clock.at += 2 * 86400
        queue_id = await house.deliver(company="own", sender=f"own@{DOMAIN}")
        (waiting,) = await house.spool.timeline(queue_id)
        assert (waiting.type, waiting.data["status"]) == (EventType.DEFERRED, "4.4.3")
        assert "waits to see whether it lasts" in str(waiting.data["text"])
        house.clock.at += 3600
        await house.lease()
        event = (await house.spool.timeline(queue_id))[-1]
        assert (event.data["identity"], event.data["wanted"], event.data["fallback"]) == ("alias", "own-domain", True)
        assert "SPF of own.example says fail" in str(event.data["reasons"])
        assert [str(kind) for kind in house.sink.types if kind.startswith("domain")] == [
            "domain-passes",
            "domain-at-risk",
            "domain-lost",
        ]


async def test_a_delegated_key_signs_and_bounces_come_home_by_the_companys_own_domain(house):
    key = Signer(DOMAIN, "d1", ed25519.Ed25519PrivateKey.generate())
    house.delegated = (key,)
    house.configure(OWN)
    house.zones.publish("d1._domainkey.own.example", "TXT", key.record)
    house.zones.publish("_dmarc.own.example", "TXT", "v=DMARC1; p=reject")
    async with ScriptedPeer() as peer:
        house.configure(delivery={"port": peer.port})
        queue_id = await house.deliver(company="own", sender=f"own@{DOMAIN}")
        house.zones.publish("bounce.own.example", "CNAME", f"{DOMAIN}.")
        house.zones.publish(DOMAIN, "MX", "10 mx1.my.relay.example.")
        house.zones.publish(DOMAIN, "TXT", "v=spf1 ip4:192.0.2.1 -all")
        house.clock.at += 60
        again = await house.deliver(company="own", sender=f"own@{DOMAIN}")
    paths = [(await house.spool.timeline(each))[-1].data["reverse_path"] for each in (queue_id, again)]
    assert str(paths[0]).startswith(f"b+{queue_id}.0.")
    assert str(paths[0]).endswith(f"@{DOMAIN}")
    assert str(paths[1]).startswith(f"b+{again}.0.")
    assert str(paths[1]).endswith("@bounce.own.example")
    for octets in peer.messages:
        assert b"d=own.example;" in octets
        assert b"s=d1;" in octets


async def test_mail_is_held_until_the_record_is_repaired(house):
    async with ScriptedPeer() as peer:
        house.configure(replace(OWN, otherwise=Otherwise.HOLD), delivery={"port": peer.port})
        house.zones.publish("own.example", "TXT", "v=spf1 -all")
        queue_id = await house.deliver(company="own", sender=f"own@{DOMAIN}")
        delivery = await house.delivery(queue_id)
        assert (delivery.state, delivery.hold_key) == (State.HELD, "domain:own:own.example")
        await house.dispatcher.release_held()
        assert (await house.delivery(queue_id)).state is State.HELD
        house.clock.at += 2 * 86400
        house.zones.break_name("own.example", FaultKind.SERVFAIL)
        await house.dispatcher.release_held()  # not known now: may still be so
        assert (await house.delivery(queue_id)).state is State.HELD
        house.zones.heal("own.example")
        house.zones.publish("own.example", "TXT", "v=spf1 ip4:192.0.2.1 -all")
        house.clock.at += 60
        await house.dispatcher.release_held()
        assert await house.lease() == 1
        assert (await house.delivery(queue_id)).state is State.DELIVERED


async def test_mail_that_was_held_for_long_is_not_bounced_by_the_first_host_that_is_busy(house):
    async with ScriptedPeer(BUSY) as peer:
        house.configure(replace(OWN, otherwise=Otherwise.HOLD), delivery={"port": peer.port})
        house.zones.publish("own.example", "TXT", "v=spf1 -all")
        queue_id = await house.deliver(company="own", sender=f"own@{DOMAIN}")
        house.clock.at += 6 * 86400
        house.zones.publish("own.example", "TXT", "v=spf1 ip4:192.0.2.1 -all")
        await house.dispatcher.release_held()
        states = []
        for _ in range(4):
            await lease_only(house, queue_id)
            states.append((await house.delivery(queue_id)).state)
            house.clock.at += HOUR
        assert states == [State.QUEUED, State.QUEUED, State.QUEUED, State.EXPIRED]


async def test_what_cannot_be_looked_up_is_tried_again_and_never_bounced(house):
    house.zones.break_name("own.example", FaultKind.SERVFAIL)
    queue_id = await house.deliver(company="own", sender=f"own@{DOMAIN}")
    delivery = await house.delivery(queue_id)
    assert (delivery.state, delivery.attempts) == (State.QUEUED, 1)
    house.clock.at += 6 * 86400
    for _ in range(3):
        await lease_only(house, queue_id)
        house.clock.at += HOUR
    delivery = await house.delivery(queue_id)
    assert (delivery.state, delivery.hold_key) == (State.HELD, "domain:own:own.example")
    assert not {"failed", "expired"} & set(await timeline(house, queue_id))


@pytest.mark.parametrize("origin", [Origin.SUBMISSION, Origin.MX, Origin.REPORT])
async def test_mail_of_a_company_that_is_gone_waits_until_it_is_back(house, origin):
    async with ScriptedPeer() as peer:
        house.configure(OWN, delivery={"port": peer.port})
        house.host("bakery.example", "127.0.0.1")
        queue_id = await house.deliver(origin=origin, sender="anna@customer.example")
        delivery = await house.delivery(queue_id)
        assert (delivery.state, delivery.hold_key, delivery.attempts) == (State.HELD, "company:bakery", 0)
        await house.dispatcher.release_held()
        assert (await house.delivery(queue_id)).state is State.HELD
        house.configure(BAKERY)
        await house.dispatcher.release_held()
        assert await house.lease() == 1
        assert (await house.delivery(queue_id)).state is State.DELIVERED


async def test_mail_for_the_relay_itself_goes_to_the_postmaster(house):
    async with ScriptedPeer() as peer:
        house.configure(delivery={"port": peer.port})
        house.host("operator.example", "127.0.0.1")
        await house.deliver(f"postmaster@{DOMAIN}", company="", origin=Origin.MX, sender="anna@customer.example")
        assert any(line.startswith("RCPT TO:<postmaster@operator.example>") for line in peer.records[0].lines)


async def test_one_company_that_cannot_be_judged_does_not_stop_the_others(house, monkeypatch):
    async with ScriptedPeer() as peer:
        house.configure(OWN, delivery={"port": peer.port})
        ids = [await house.deliver(company=company) for company in ("aaa", "bakery", "zzz")]
        real = house.dispatcher.planner.choose_for

        async def choose_for(company, slug):
            if slug == "aaa":
                raise RuntimeError("test")
            return await real(company, slug)

        monkeypatch.setattr(house.dispatcher.planner, "choose_for", choose_for)
        house.configure(BAKERY)
        await house.dispatcher.release_held()
        states = [(await house.delivery(queue_id)).state for queue_id in ids]
        assert states == [State.HELD, State.QUEUED, State.HELD]


async def test_a_company_whose_domain_keeps_us_waiting_does_not_keep_the_others(house, monkeypatch):
    async with ScriptedPeer() as peer:
        house.configure(OWN, delivery={"port": peer.port})
        ids = [await house.deliver(company=company) for company in ("aaa", "bakery")]
        real, others = house.dispatcher.planner.choose_for, asyncio.Event()

        async def choose_for(company, slug):
            if slug == "aaa":
                await others.wait()
            else:
                others.set()
            return await real(company, slug)

        monkeypatch.setattr(house.dispatcher.planner, "choose_for", choose_for)
        house.configure(BAKERY)
        await asyncio.wait_for(house.dispatcher.release_held(), 10)
        states = [(await house.delivery(queue_id)).state for queue_id in ids]
        assert states == [State.HELD, State.QUEUED]


# Trouble inside


async def test_an_internal_fault_is_tried_again_and_then_waits_for_a_person(house, monkeypatch):
    def broken(*args, **named):
        raise KeyError("test")

    monkeypatch.setattr("relay.delivery.attempt.make_outgoing", broken)
    queue_id = await house.deliver()
    for _ in range(2):
        assert (await house.delivery(queue_id)).state is State.QUEUED
        house.clock.at += HOUR
        await house.lease()
    delivery = await house.delivery(queue_id)
    assert (delivery.state, delivery.attempts, delivery.hold_key) == (State.HELD, 3, "")
    assert house.dispatcher.in_hand == 0


async def test_a_fault_in_planning_is_a_deferral(house, monkeypatch):
    async def broken(entry):
        raise KeyError("test")

    monkeypatch.setattr(house.dispatcher.planner, "plan", broken)
    queue_id = await house.deliver()
    delivery = await house.delivery(queue_id)
    assert (delivery.state, delivery.last) == (State.QUEUED, "internal fault: KeyError")


async def test_a_store_that_cannot_be_asked_puts_no_mail_before_a_person(house, monkeypatch):
    async def broken(entry):
        raise SpoolError("test")

    monkeypatch.setattr(house.dispatcher.planner, "plan", broken)
    queue_id = await house.deliver()
    for _ in range(4):
        house.clock.at += HOUR
        await house.lease()
    delivery = await house.delivery(queue_id)
    assert (delivery.state, delivery.attempts) == (State.QUEUED, 5)


async def test_an_outcome_that_cannot_be_settled_waits_for_a_person(house, monkeypatch):
    """Trying again might deliver it twice."""

    def broken(*args, **named):
        raise KeyError("test")

    async with ScriptedPeer() as peer:
        house.configure(delivery={"port": peer.port})
        monkeypatch.setattr(dispatcher_module, "settle", broken)
        queue_id = await house.deliver()
        delivery = await house.delivery(queue_id)
        assert (delivery.state, delivery.last) == (State.HELD, "internal fault: KeyError, see the log")
        monkeypatch.undo()
        assert (await house.delivery(await house.deliver())).state is State.DELIVERED  # the carrier lives


@pytest.mark.parametrize(
    ("script", "state"), [(NOBODY, State.HELD), (Script(ehlo=Say("250 peer.example")), State.DELIVERED)]
)
async def test_a_report_that_cannot_be_written_is_not_lost_silently(house, monkeypatch, script, state):
    def broken(*args, **named):
        raise KeyError("test")

    async with ScriptedPeer(script) as peer:
        house.configure(delivery={"port": peer.port})
        monkeypatch.setattr("relay.delivery.reporting.build_report", broken)
        queue_id = await house.deliver(asked(Notify.SUCCESS, Notify.FAILURE))
        assert (await house.delivery(queue_id)).state is state
        assert await house.reports() == []


@pytest.mark.parametrize("error", [SpoolFull, SpoolError])
async def test_outcomes_are_recorded_when_the_store_can_again(house, monkeypatch, error):
    real, failures = house.spool.record, iter([True, True, False])

    async def record(changes, events=(), reports=()):
        if next(failures):
            raise error("test")
        await real(changes, events, reports)

    async with ScriptedPeer(NOBODY) as peer:
        house.configure(delivery={"port": peer.port})
        monkeypatch.setattr(house.spool, "record", record)
        queue_id = await house.deliver()
        assert (await house.delivery(queue_id)).state is State.FAILED
        assert len(await house.reports()) == 1
        assert len(house.sink.of(EventType.FAILED)) == 1


async def test_a_report_waits_for_room_too(house, monkeypatch):
    real, failures = house.spool.writer, iter([True, True, False])

    def writer():
        if next(failures):
            raise SpoolFull("test")
        return real()

    async with ScriptedPeer(NOBODY) as peer:
        house.configure(delivery={"port": peer.port})
        entry = await house.put()
        monkeypatch.setattr(house.spool, "writer", writer)
        house.dispatcher.take(entry)
        await house.settled()
        assert (await house.delivery(entry.message.queue_id)).state is State.FAILED
        assert len(await house.reports()) == 1


async def test_a_report_without_room_leaves_nothing_behind(house, monkeypatch):
    real, failures = SegmentWriter.finish, iter([True])

    def finish(writer, **named):
        if next(failures, False):
            raise SpoolFull("test")
        return real(writer, **named)

    async with ScriptedPeer(NOBODY) as peer:
        house.configure(delivery={"port": peer.port})
        entry = await house.put()
        monkeypatch.setattr(SegmentWriter, "finish", finish)
        house.dispatcher.take(entry)
        await house.settled()
        assert len(await house.reports()) == 1
        assert all(segment.messages == 0 for segment in house.spool._segments._open.values())


async def test_work_that_ends_in_an_error_is_heard_of(house, monkeypatch):
    async def record(changes, events=(), reports=()):
        raise RuntimeError("test")

    heard = asyncio.Event()
    house.sink.heard = lambda event: heard.set()
    monkeypatch.setattr(house.spool, "record", record)
    house.dispatcher.take(await house.put(company="gone"))
    await asyncio.wait_for(heard.wait(), 10)
    assert house.sink.types == ["fault"]


# Room


async def test_a_lane_that_is_too_long_gives_back(house, monkeypatch):
    monkeypatch.setattr(dispatcher_module, "_MOST_IN_LANE", 1)
    monkeypatch.setattr(dispatcher_module, "_LANE_FULL", 15.0)
    failures = iter([True, False, False, False])
    real = house.spool.give_back

    async def give_back(keys, *, next_attempt):
        if next(failures):
            raise SpoolError("test")
        await real(keys, next_attempt=next_attempt)

    monkeypatch.setattr(house.spool, "give_back", give_back)
    async with ScriptedPeer(Script(banner=Hang())) as peer:
        house.configure(delivery={"port": peer.port, "per_destination": 1}, timeouts={"greeting": "300ms"})
        entries = [await house.put() for _ in range(4)]
        for entry in entries:
            house.dispatcher.take(entry)
        await house.settled()
        found = [await house.delivery(entry.message.queue_id) for entry in entries]
        assert {delivery.worker for delivery in found} == {""}
        given_back = [delivery for delivery in found if delivery.attempts == 0]
        assert 1 <= len(given_back) <= 3
        assert all(delivery.next_attempt == house.clock.now() + 15.0 for delivery in given_back)


async def test_there_is_room_for_so_many_and_for_so_many_of_one_company(house, monkeypatch):
    monkeypatch.setattr(dispatcher_module, "_MOST_IN_HAND", 4)
    monkeypatch.setattr(dispatcher_module, "_MOST_OF_ONE_COMPANY", 2)
    dispatcher = house.dispatcher
    async with ScriptedPeer(Script(banner=Hang())) as peer:
        house.configure(delivery={"port": peer.port}, timeouts={"greeting": "300ms"})
        assert dispatcher.has_room("bakery")
        dispatcher.take(await house.put(ANNA, "bert@customer.example"))
        assert dispatcher.in_hand == 2
        assert not dispatcher.has_room("bakery")
        assert dispatcher.has_room("own")
        dispatcher.take(await house.put(ANNA, "bert@customer.example", company=""))
        assert not dispatcher.has_room("own")
        await house.settled()
        assert dispatcher.in_hand == 0
        assert dispatcher.has_room("bakery")
        assert not dispatcher._in_hand


async def test_what_is_due_is_leased_and_looked_for(house):
    async with ScriptedPeer() as peer:
        house.configure(delivery={"port": peer.port})
        running = asyncio.create_task(house.dispatcher.run())
        for _ in range(3):
            message = house.message()
            await house.spool.commit(Acceptance(message, ("bakery",), leased=False))
            house.dispatcher.look()
            await peer.wait_for(lambda peer, wanted=house.count: len(peer.messages) == wanted)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_store_that_cannot_lease_is_asked_again(house, monkeypatch):
    real, failures = house.spool.lease, iter([True])

    async def lease(**named):
        if next(failures, False):
            house.dispatcher.look()
            raise SpoolError("test")
        return await real(**named)

    monkeypatch.setattr(house.spool, "lease", lease)
    async with ScriptedPeer() as peer:
        house.configure(delivery={"port": peer.port})
        await house.spool.commit(Acceptance(house.message(), ("bakery",), leased=False))
        running = asyncio.create_task(house.dispatcher.run())
        await peer.wait_for(lambda peer: len(peer.messages) == 1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


# The end


async def test_draining_waits_for_what_has_begun_and_for_its_outcome(house, monkeypatch):
    recording, go_on, real = asyncio.Event(), asyncio.Event(), house.spool.record

    async def record(changes, events=(), reports=()):
        recording.set()
        await go_on.wait()
        await real(changes, events, reports)

    monkeypatch.setattr(house.spool, "record", record)
    # The answer dribbles in, so that draining begins before it is there.
    async with ScriptedPeer(Script(end=Drip("250 2.0.0 Taken", 0.01))) as peer:
        house.configure(delivery={"port": peer.port, "per_destination": 1})
        entries = [await house.put(), await house.put()]
        for entry in entries:
            house.dispatcher.take(entry)
        await peer.wait_for(lambda peer: bool(peer.messages))
        draining = asyncio.create_task(house.dispatcher.drain(10))
        await asyncio.sleep(0)
        assert not house.dispatcher.has_room("bakery")
        await recording.wait()
        assert not draining.done()
        go_on.set()
        await draining
        first, second = [await house.delivery(entry.message.queue_id) for entry in entries]
        assert first.state is State.DELIVERED
        assert (second.state, second.attempts) == (State.QUEUED, 0)


async def test_draining_has_an_end(house):
    async with ScriptedPeer(Script(ehlo=Hang())) as peer:
        house.configure(delivery={"port": peer.port})
        entry = await house.put()
        house.dispatcher.take(entry)
        await peer.wait_for(lambda peer: bool(peer.records and peer.records[0].lines))
        await house.dispatcher.drain(0.05)
        await peer.wait_for(lambda peer: peer.records[0].closed)
        assert (await house.delivery(entry.message.queue_id)).state is State.QUEUED
        assert not house.dispatcher._tasks


async def test_a_stop_after_the_final_dot_is_written_down_as_unknown(house):
    async with ScriptedPeer(Script(end=Hang())) as peer:
        house.configure(delivery={"port": peer.port})
        entry = await house.put()
        house.dispatcher.take(entry)
        await peer.wait_for(lambda peer: bool(peer.messages))
        await house.dispatcher.drain(0.05)
        delivery = await house.delivery(entry.message.queue_id)
        assert (delivery.state, delivery.attempts) == (State.QUEUED, 1)
        (deferred,) = house.sink.of(EventType.DEFERRED)
        assert deferred.data["unknown"] is True
        assert "stopped while it waited" in str(deferred.data["text"])
        assert not house.dispatcher._tasks


async def test_who_does_not_exist_is_remembered_until_mail_arrives_there(house):
    gone = Script(rcpt=Say("550 5.1.1 No such user"))
    async with ScriptedPeer(gone, gone, Script()) as peer:
        house.configure(
            delivery={"port": peer.port, "connections_idle": "1ms"},
            apps={"web": {"networks": ["10.0.0.0/8"], "companies": "all", "dead_addresses": "refuse"}},
        )
        dead = DeadAddresses(lambda: house.spool.facts, house.clock)
        for count in (1, 2):
            await house.deliver()
            known = await dead.of("bakery", parse_address(ANNA))
            assert (known.reason, known.status, known.count) == ("address-gone", "5.1.1", count)
        await house.deliver()
        assert await dead.of("bakery", parse_address(ANNA)) is None


HOLDING = {"web": {"networks": ["10.0.0.0/8"], "companies": "all", "dead_addresses": "hold"}}


async def held_for_a_dead_address(house, peer) -> str:
    house.configure(delivery={"port": peer.port, "connections_idle": "1ms"}, apps=HOLDING)
    await house.deliver()
    queue_id = await house.deliver()
    delivery = await house.delivery(queue_id)
    assert (delivery.state, delivery.hold_key) == (State.HELD, f"dead:bakery {ANNA}")
    (held,) = house.sink.of(EventType.HELD)
    assert "said on 2024-10-04 that there is no such address" in str(held.data["reason"])
    await house.dispatcher.release_held()
    assert (await house.delivery(queue_id)).state is State.HELD
    return queue_id


GONE_ONCE = (Script(rcpt=Say("550 5.1.1 No such user")), Script())


async def test_mail_to_an_address_that_took_none_is_held_for_an_app_that_wants_that(house):
    async with ScriptedPeer(*GONE_ONCE) as peer:
        queue_id = await held_for_a_dead_address(house, peer)
        await DeadAddresses(lambda: house.spool.facts, house.clock).forget("bakery", ANNA)
        await house.dispatcher.release_held()
        assert (await house.delivery(queue_id)).state is State.QUEUED


async def test_it_goes_after_a_month_and_when_no_app_wants_that_any_more(house):
    async with ScriptedPeer(*GONE_ONCE) as peer:
        queue_id = await held_for_a_dead_address(house, peer)
        before, house.clock.at = house.clock.at, house.clock.at + 31 * DAY
        assert await house.dispatcher._releaser._how_many(f"dead:bakery {ANNA}", "bakery") is None
        house.clock.at = before
        house.configure(apps={"web": HOLDING["web"] | {"dead_addresses": "deliver"}})
        await house.dispatcher.release_held()
        assert (await house.delivery(queue_id)).state is State.QUEUED


async def test_a_person_lets_it_go_at_once(house):
    async with ScriptedPeer(*GONE_ONCE) as peer:
        queue_id = await held_for_a_dead_address(house, peer)
        await house.spool.order(Order.RELEASE, Selection(queue_ids=(queue_id,)), now=house.clock.at, reason="")
        await house.lease()
        assert (await house.delivery(queue_id)).state is State.DELIVERED
