"""What was found out about a mail from outside, as it leaves: said in its header; a false name waits for a person."""

from dataclasses import replace

from relay.delivery.plan import Facts, Planner
from relay.facts import troubles
from relay.facts.troubles import Trouble
from relay.mail.verp import bounce_address
from relay.policy.authentication import Authentication, DmarcFinding, Result, SpfFinding
from relay.policy.decision import Decision, Hold, Name, ReversePath
from relay.policy.dmarc import Policy
from relay.policy.spoof import HOLD_KEY, explain_spoofed
from relay.store.spool import Origin, State

from .house import DOMAIN, SECRET

FOUND = Authentication(
    spf=SpfFinding(Result.PASS, "writer.example"),
    dmarc=DmarcFinding(Result.PASS, "writer.example", Policy.REJECT, "writer.example", "spf:writer.example"),
)
FORWARD = Decision(Name.FORWARD, author=None, reverse_path=ReversePath.SRS)
HARSH = Authentication(dmarc=DmarcFinding(Result.FAIL, "writer.example", Policy.REJECT, "writer.example"))
MILD = Authentication(dmarc=DmarcFinding(Result.FAIL, "writer.example", Policy.QUARANTINE, "writer.example"))


async def header_of(house, found: Authentication | None) -> bytes:
    findings = {} if found is None else {"evidence": found.to_json()}
    batch = await house.batch("info@bakery.example", origin=Origin.MX, findings=findings, decision=FORWARD)
    return house.outgoing(batch).header


async def test_our_results_stand_on_top(house):
    hostname = house.active.snapshot.settings.hostname.encode()
    header = (await header_of(house, FOUND)).replace(b"\r\n ", b" ")
    assert header.startswith(b"Authentication-Results: " + hostname + b"; spf=pass smtp.mailfrom=writer.example;")
    assert b"Relay-Warning" not in header


async def test_mail_in_a_false_name_carries_a_warning(house):
    header = (await header_of(house, MILD)).replace(b"\r\n ", b" ")
    assert b"\r\nRelay-Warning: spoofed; Nothing proves that this mail is from writer.example, which asks" in header


async def test_nothing_is_said_of_mail_that_nobody_looked_at(house):
    assert b"Authentication-Results" not in await header_of(house, None)


async def test_mail_in_a_false_name_waits_until_a_person_lets_it_go(house):
    entry = await house.put("bakery@my.relay.example", origin=Origin.MX, findings={"evidence": HARSH.to_json()})
    released = set()

    async def was_released(queue_id, number):
        return (queue_id, number) in released

    planner = Planner(lambda: house.active, Facts(None, None, was_released, None))
    hold = await planner.choose(entry.message, entry.deliveries[0])
    assert hold == Hold(HOLD_KEY, explain_spoofed(HARSH))
    tried = replace(entry.deliveries[0], last="450 4.2.0 try again")
    assert isinstance(await planner.choose(entry.message, tried), Hold)
    released.add((entry.message.queue_id, 0))
    assert (await planner.choose(entry.message, tried)).name is Name.FORWARD
    mild = replace(entry.message, findings={"evidence": MILD.to_json()})
    assert (await planner.choose(mild, entry.deliveries[0])).name is Name.FORWARD


async def test_the_company_is_told_of_mail_that_is_held_so_and_what_it_is_called(house):
    queue_ids = [
        await house.deliver("bakery@my.relay.example", origin=Origin.MX, findings={"evidence": HARSH.to_json()})
        for _ in range(2)
    ]
    held = [await house.delivery(queue_id) for queue_id in queue_ids]
    assert {each.state for each in held} == {State.HELD}
    assert {each.hold_key for each in held} == {HOLD_KEY}
    # One notice a day, however much is held.
    fact = await house.spool.facts.get(troubles.KIND, f"bakery {Trouble.MAIL_HELD}")
    details = troubles.read_trouble(fact.value).details
    assert (details.about, details.cause) == ("writer.example", queue_ids[0])


async def test_a_bounce_is_not_held_for_the_name_it_is_written_in(house):
    findings = {"evidence": HARSH.to_json()}
    ours = bounce_address("1m83n6z0e39ye9", 0, domain=DOMAIN, secrets=(SECRET,))
    entry = await house.put(str(ours), origin=Origin.MX, findings=findings)

    async def nothing_was_released(_queue_id, _number):
        return False

    planner = Planner(lambda: house.active, Facts(None, None, nothing_was_released, None))
    assert (await planner.choose(entry.message, entry.deliveries[0])).name is Name.FORWARD


async def test_mail_that_an_earlier_version_took_goes_out_in_our_name_without_a_seal(house):
    """Nobody looked at it, so nothing says that a host which minds DMARC would take it in its author's."""
    entry = await house.put("bakery@my.relay.example", origin=Origin.MX)
    planner = Planner(lambda: house.active, Facts(None, None, None, None))
    decision = await planner.choose(entry.message, entry.deliveries[0])
    assert (decision.name, str(decision.author)) == (Name.FORWARD, "bakery@my.relay.example")
    batch = await house.batch("bakery@my.relay.example", origin=Origin.MX, decision=decision)
    header = house.outgoing(batch).header
    assert b"<bakery@my.relay.example>" in header
    assert b"ARC-Seal" not in header
