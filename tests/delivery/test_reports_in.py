"""Mail with reports ends here; what is none goes to the postmaster."""

import pytest

from relay.facts import received_reports
from relay.facts.received_reports import days_of
from relay.sandbox.scripted_peer import ScriptedPeer
from relay.store.spool import Origin, SpoolError, State

from .house import DAY, DOMAIN, NOW

REPORT = (
    "Received: from x by y; Thu, 1 Jan 2026 09:00:00 +0000\r\nFrom: <noreply@receiver.example>\r\n"
    "Content-Type: text/xml\r\n\r\n<feedback><report_metadata><org_name>R</org_name><report_id>1</report_id>"
    f"<date_range><begin>{int(NOW)}</begin><end>{int(NOW) + DAY}</end></date_range></report_metadata><policy_published>"
    "<domain>own.example</domain></policy_published><record><row><source_ip>192.0.2.1</source_ip><count>4</count>"
    "<policy_evaluated><disposition>none</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row></record>"
    "</feedback>\r\n"
).encode()
FROM_OUTSIDE = {"origin": Origin.MX, "app": "", "company": "", "sender": "noreply@receiver.example"}


@pytest.mark.parametrize("alias", ["own", "OWN"])
async def test_a_report_is_taken_in_and_done_with(house, alias):
    queue_id = await house.deliver(f"reports+{alias}@{DOMAIN}", octets=REPORT, **FROM_OUTSIDE)
    assert (await house.delivery(queue_id)).state is State.DELIVERED
    ((_, counts),) = await days_of(house.spool.facts, "own")
    assert counts.ours_failed == 4
    assert house.sink.types == ["dmarc-failed", "delivered"]


@pytest.mark.parametrize(
    ("address", "octets"),
    [("reports+own", REPORT.replace(b"<record>", b"<rec")), ("reports+bakery", REPORT), ("reports", REPORT)],
)
async def test_what_is_no_report_about_the_domain_goes_to_the_postmaster(house, address, octets):
    house.host("operator.example", "127.0.0.1")
    async with ScriptedPeer() as peer:
        house.configure(delivery={"port": peer.port})
        await house.deliver(f"{address}@{DOMAIN}", octets=octets, **FROM_OUTSIDE)
        assert len(peer.messages) == 1
        assert any("postmaster@operator.example" in line for line in peer.records[0].lines)


async def test_a_report_for_which_there_is_no_room_goes_to_the_postmaster(house, monkeypatch):
    monkeypatch.setattr(received_reports, "MOST_SEEN", 1)
    house.host("operator.example", "127.0.0.1")
    async with ScriptedPeer() as peer:
        house.configure(delivery={"port": peer.port})
        for name in (b"1", b"2"):
            octets = REPORT.replace(b"<report_id>1", b"<report_id>" + name)
            await house.deliver(f"reports+own@{DOMAIN}", octets=octets, **FROM_OUTSIDE)
        assert [b"<report_id>2" in message for message in peer.messages] == [True]
    ((_, counts),) = await days_of(house.spool.facts, "own")
    assert counts.reports == 1


async def test_a_report_that_cannot_be_counted_now_stays_in_the_queue(house, monkeypatch):
    async def lose(*_: object) -> None:
        raise SpoolError("others are always faster")

    monkeypatch.setattr(received_reports, "update", lose)
    queue_id = await house.deliver(f"reports+own@{DOMAIN}", octets=REPORT, **FROM_OUTSIDE)
    assert (await house.delivery(queue_id)).state is State.QUEUED
    assert "deferred" in house.sink.types
    assert await days_of(house.spool.facts, "own") == []
