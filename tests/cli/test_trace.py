"""`relay trace`: a mail's journey for people and for machines."""

import time

from relay.events import Event, EventType
from relay.policy.authentication import Authentication, DkimFinding, DmarcFinding, Result, SpfFinding
from relay.store.spool import State


async def _journey(store):
    now = time.time()
    await store.put("a1", "piet@klant.example", leased=True)
    name = {
        "recipient": "piet@klant.example",
        "company": "bakkerij-peeters",
        "identity": "alias",
        "author": "bakkerij-peeters@my.relay.example",
        "reasons": ["the company sends under its alias"],
        "reverse_path": "b+a1.0.seal@my.relay.example",
    }
    attempt = {**name, "host": "mx.klant.example", "ip": "127.0.10.1", "tls": "TLSv1.3", "phase": "final", "attempt": 1}
    lost = {**attempt, "tls": None, "text": "the connection was lost", "unknown": True, "next_attempt": now + 60}
    deferred = Event(EventType.DEFERRED, now + 1, "a1", 0, lost)
    answered = {**attempt, "reply": "250 2.0.0 Thanks", "status": "2.0.0"}
    delivered = Event(EventType.DELIVERED, now + 2, "a1", 0, answered)
    reported = Event(EventType.REPORTED, now + 3, "a1", None, {"report": "r9", "to": "x@my.relay.example"})
    await store.settle("a1", State.DELIVERED, deferred, delivered, reported)


async def test_a_journey_tells_what_came_in_and_how_it_went_out(place, store):
    await _journey(store)
    ended = await place.ask("trace", "a1")
    assert ended.code == 0
    for words in (
        "a1  <a1@app.example>",
        "piet@klant.example: delivered, 1 try",
        "from app billit-web at 127.0.0.1, TLSv1.3",
        "1 recipient, sender <bakkerij-peeters@my.relay.example>",
        "as alias bakkerij-peeters@my.relay.example, sender <b+a1.0.seal@my.relay.example>",
        "because the company sends under its alias",
        "to mx.klant.example [127.0.10.1], TLSv1.3",
        "to mx.klant.example [127.0.10.1], without TLS",
        "the connection was lost (final)",
        "it may have arrived all the same",
        "next try",
        "answer to the final dot: 250 2.0.0 Thanks",
        "report r9 to x@my.relay.example",
    ):
        assert words in ended.out


async def test_what_a_mail_from_outside_proves_is_told(place, store):
    evidence = Authentication(
        SpfFinding(Result.PASS, "klant.example"),
        dkim=(DkimFinding(Result.FAIL, "klant.example", "s1", reason="the body was changed"),),
        dmarc=DmarcFinding(Result.PASS, "klant.example", aligned_by="spf:klant.example"),
    )
    findings = {
        "kind": {"kind": "person", "reason": "nothing says that a program wrote it", "sure": True},
        "evidence": evidence.to_json(),
        "warnings": [{"code": "new-account", "text": "an account number that is new here", "company": "shop"}],
    }
    await store.put("a1", "piet@klant.example", findings=findings)
    said = (await place.ask("trace", "a1")).out
    for line in (
        "person: nothing says that a program wrote it",
        "it is from klant.example, as SPF of klant.example proves",
        "SPF: pass for klant.example",
        "DKIM: fail for klant.example (s1): the body was changed",
        "warning: an account number that is new here (new-account)",
    ):
        assert f"  {line}\n" in said
    (told,) = (await place.ask("trace", "a1", "--json")).json
    assert told["findings"] == findings


async def test_an_answer_is_told_with_what_it_is(place, store):
    await store.put("a1", "piet@klant.example", leased=True)
    data = {"by": "b2", "writer": "piet@klant.example", "kind": "auto-reply", "tie": "tag", "warnings": ["look-alike"]}
    data["evidence"] = {"dmarc": "fail", "author": "klant.example"}
    replied = Event(EventType.REPLIED, time.time(), "a1", 0, data)
    text = {"warnings": ["look-alike"], "text": "k1ant.example looks like klant.example and is not"}
    await store.settle("a1", State.DELIVERED, replied, Event(EventType.SUSPICIOUS, time.time(), "a1", None, text))
    said = (await place.ask("trace", "a1")).out
    assert "auto-reply from piet@klant.example, known by its tag, with warnings: look-alike" in said
    assert "by b2" in said
    assert "dmarc fail, author klant.example\n" in said
    assert "k1ant.example looks like klant.example and is not\n" in said


async def test_a_session_that_never_came_to_be_is_not_said_to_be_without_tls(place, store):
    await store.put("a1", "piet@klant.example", leased=True)
    refused = {"host": "smtp.klant.example", "ip": "127.0.10.1", "tls": None, "phase": "login", "reply": "535 5.7.8 No"}
    await store.settle("a1", State.HELD, Event(EventType.HELD, time.time(), "a1", 0, refused))
    said = (await place.ask("trace", "a1")).out
    assert "to smtp.klant.example [127.0.10.1]\n" in said
    assert "without TLS" not in said


async def test_a_mail_is_found_by_its_message_id_and_by_its_recipient(place, store):
    await _journey(store)
    for key in ("<a1@app.example>", "a1@app.example", "piet@klant.example"):
        (told,) = (await place.ask("trace", key, "--json")).json
        assert told["queue_id"] == "a1"


async def test_machines_get_everything(place, store):
    await _journey(store)
    (told,) = (await place.ask("trace", "a1", "--json")).json
    assert told["reverse_path"] == "bakkerij-peeters@my.relay.example"
    assert [event["type"] for event in told["events"]] == ["received", "deferred", "delivered", "reported"]
    assert told["events"][2]["data"]["reply"] == "250 2.0.0 Thanks"
    assert told["events"][2]["number"] == 0
    assert told["deliveries"][0]["state"] == "delivered"


async def test_several_mails_are_listed_newest_first(place, store):
    await store.put("a1", "piet@klant.example")
    await store.put("a2", "piet@klant.example")
    ended = await place.ask("trace", "piet@klant.example")
    assert ended.code == 0
    ids = [line.split()[0] for line in ended.out.splitlines() if line.startswith("a")]
    assert ids == ["a2", "a1"]


async def test_every_kind_of_event_can_be_told(place, store):
    await store.put("a1", "piet@klant.example")
    await store.spool.note([Event(kind, time.time(), "a1", 0, {}) for kind in EventType])
    ended = await place.ask("trace", "a1")
    assert ended.code == 0
    for kind in EventType:
        assert f"  {kind.value} " in ended.out


async def test_nothing_found(place, store):
    ended = await place.ask("trace", "nobody@klant.example")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "relay: no mail is known by nobody@klant.example\n"
    as_json = await place.ask("trace", "nobody@klant.example", "--json")
    assert (as_json.code, as_json.json) == (1, [])
