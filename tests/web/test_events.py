"""An app that asks reads its events from where it was, and nobody else's."""

import pytest

from relay.events import Event, EventType
from relay.mail.address import parse_address
from relay.mail.envelope import Envelope, Recipient
from relay.store.spool import Acceptance, Message, Origin
from relay.web import events as events_module
from relay.web.events import event_routes
from tests.stand_ins import NOW

from .house import PASSWORD, House


async def put(house: House, queue_id: str, app: str, kinds: int = 1) -> None:
    """A mail of that app, to which something happens a few times."""
    writer = house.spool.writer()
    writer.write(b"Subject: secret content\r\n\r\n")
    content = writer.finish(header_size=0, body_hash="")
    envelope = Envelope(parse_address("bakery@my.relay.example"), (Recipient(parse_address("a@x.example")),))
    message = Message(queue_id, Origin.SUBMISSION, NOW, app, "", f"<{queue_id}@app.example>", envelope, content)
    happened = tuple(Event(EventType.DEFERRED, NOW, queue_id, 0, {"attempt": n}) for n in range(1, kinds + 1))
    await house.spool.commit(Acceptance(message, ("bakery",), leased=False, events=happened))


async def ask(house: House, query: str = "", app: str = "web"):
    async with house.client(event_routes(house.api(), house.spool)) as client:
        return await client.get(f"/api/v1/events{query}", auth=(app, PASSWORD))


async def test_an_app_reads_on_from_where_it_was(house: House):
    await put(house, "id1", "web", 5)
    first = (await ask(house, "?limit=3")).json()
    assert [event["data"]["attempt"] for event in first["events"]] == [1, 2, 3]
    assert first["more"] is True
    second = (await ask(house, f"?limit=3&after={first['next']}")).json()
    assert [event["data"]["attempt"] for event in second["events"]] == [4, 5]
    assert second["more"] is False
    third = (await ask(house, f"?after={second['next']}")).json()
    assert third == {"events": [], "next": second["next"], "more": False}


async def test_an_app_reads_nothing_of_others(house: House):
    await put(house, "id1", "narrow")
    await put(house, "id2", "web")
    told = await ask(house)
    assert [event["queue_id"] for event in told.json()["events"]] == ["id2"]
    assert "secret content" not in told.text
    assert [event["queue_id"] for event in (await ask(house, app="narrow")).json()["events"]] == ["id1"]


async def test_without_a_login_nothing_is_told(house: House):
    async with house.client(event_routes(house.api(), house.spool)) as client:
        assert (await client.get("/api/v1/events")).status_code == 401


@pytest.mark.parametrize("query", ["after=-1", "after=x", "after=%D9%A3", "limit=0", "limit=1001", f"after={'9' * 30}"])
async def test_a_number_that_makes_no_sense_is_refused(house: House, query: str):
    answer = await ask(house, f"?{query}")
    assert answer.status_code == 400
    assert "is a whole number from" in answer.json()["detail"]


async def test_a_long_way_without_its_own_events_takes_several_calls(house: House, monkeypatch):
    monkeypatch.setattr("relay.store.sqlite.event_pages._SCANNED", 2)
    monkeypatch.setattr(events_module, "_PASSED_OVER", 2)
    await put(house, "id1", "narrow", 7)
    await put(house, "id2", "web")
    first = (await ask(house)).json()
    assert (first["events"], first["more"]) == ([], True)
    second = (await ask(house, f"?after={first['next']}")).json()
    assert [event["queue_id"] for event in second["events"]] == ["id2"]
