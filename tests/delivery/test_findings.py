"""What was found out about a mail from outside, as it leaves: said in its header; a false name waits for a person."""

from dataclasses import replace

from relay.delivery.plan import Planner
from relay.policy.authentication import Authentication, DmarcFinding, Result, SpfFinding
from relay.policy.decision import Decision, Hold, Name, ReversePath
from relay.policy.dmarc import Policy
from relay.policy.spoof import explain_spoofed
from relay.store.spool import Origin

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

    planner = Planner(lambda: house.active, None, None, was_released)
    hold = await planner.choose(entry.message, entry.deliveries[0])
    assert hold == Hold("", explain_spoofed(HARSH))
    tried = replace(entry.deliveries[0], last="450 4.2.0 try again")
    assert isinstance(await planner.choose(entry.message, tried), Hold)
    released.add((entry.message.queue_id, 0))
    assert (await planner.choose(entry.message, tried)).name is Name.FORWARD
    mild = replace(entry.message, findings={"evidence": MILD.to_json()})
    assert (await planner.choose(mild, entry.deliveries[0])).name is Name.FORWARD
