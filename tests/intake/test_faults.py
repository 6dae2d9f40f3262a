"""Our own faults while we look at a mail: it is taken without what that step would have found, and that is noted."""

import pytest

from relay.events import EventType
from relay.incoming import examine
from relay.store.spool import SpoolError

from .front import MAIL, Front, send

ANNA, BAKERY = "<anna@customer.example>", "<bakery@my.relay.example>"
# What each step is called in the event, and the section of the findings that is its own, if it has one.
STEPS = {
    "find_evidence": ("evidence", None),
    "note_kind": ("kind", "kind"),
    "break_loop": ("loop", None),
    "take_bounces": ("bounce", "bounce"),
    "note_dead": ("dead-addresses", None),
    "find_answers": ("answers", "answers"),
    "slow_down": ("brake", None),
    "warn": ("warnings", "warnings"),
    "tell_answers": ("replied", None),
}
_AWAITED = set(STEPS) - {"note_kind", "tell_answers"}


def break_step(monkeypatch: pytest.MonkeyPatch, name: str, error: Exception) -> None:
    """Let a step write something, and then fail."""

    def fails(arrival, examined, *args, **kwargs):
        if hasattr(examined, "findings"):
            examined.findings["half"] = True
            examined.events.append(None)
        raise error

    async def fails_later(*args, **kwargs):
        fails(*args, **kwargs)

    monkeypatch.setattr(examine, name, fails_later if name in _AWAITED else fails)


async def looked_at(front: Front, reverse_path: str = ANNA):
    reply = await send(front.mx(), reverse_path, BAKERY, MAIL)
    assert reply.code == 250, reply
    return await front.message(reply.text), await front.spool.timeline(reply.text)


@pytest.mark.parametrize("name", STEPS)
async def test_a_step_that_fails_costs_its_own_findings_alone(front, monkeypatch, name):
    whole, _ = await looked_at(front)
    break_step(monkeypatch, name, ZeroDivisionError("a bug of ours"))

    message, timeline = await looked_at(front)

    step, section = STEPS[name]
    (fault,) = [event for event in timeline if event.type is EventType.FAULT]
    assert fault.data == {"error": "ZeroDivisionError", "step": step}
    assert set(message.findings) == set(whole.findings) - {section}
    assert front.octets(message).endswith(MAIL)


async def test_evidence_that_could_not_be_had_is_a_temporary_error(front, monkeypatch):
    break_step(monkeypatch, "find_evidence", ValueError())

    message, _ = await looked_at(front)

    assert message.findings["evidence"]["dmarc"]["result"] == "temperror"


@pytest.mark.parametrize("name", STEPS)
async def test_a_store_that_fails_meanwhile_puts_the_writer_off(front, monkeypatch, name):
    break_step(monkeypatch, name, SpoolError("the disk is gone"))

    assert str(await send(front.mx(), ANNA, BAKERY)).startswith("451 4.3.0")


async def test_everything_may_fail_at_once(front, monkeypatch):
    for name in STEPS:
        break_step(monkeypatch, name, RuntimeError())

    for reverse_path in (ANNA, "<>"):
        message, timeline = await looked_at(front, reverse_path)

        assert list(message.findings) == ["evidence"]
        assert len([event for event in timeline if event.type is EventType.FAULT]) == len(STEPS)
