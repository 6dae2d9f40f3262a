"""Limits that the workers of a machine keep together: counts in shared memory, and what follows from them."""

import asyncio
import os
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.events import EventType
from relay.intake.guard import KIND, MOST_OF_PEER, MOST_OF_USER
from relay.intake.limits import Connections, Errors, Rate, delay_after, names_of
from relay.intake.tally import TALLIES, Share, Tallies, make_memory
from relay.store.facts import Fact
from relay.store.spool import SpoolError

from .front import PASSWORD, Front, mail, send

APP, ELSEWHERE = "203.0.113.5", "198.51.100.77"


@pytest.fixture
def machine(tmp_path: Path) -> list[Tallies]:
    """Three workers' views of one memory."""
    make_memory(tmp_path / "tallies", 3)
    return [Tallies(Share(tmp_path / "tallies", slot, 3)) for slot in range(3)]


def test_workers_add_up(machine) -> None:
    rates = [Rate(tallies) for tallies in machine]
    assert [rates[turn % 3].allows("app", now=1.0, most=5) for turn in range(7)] == [True] * 5 + [False] * 2
    assert rates[0].allows("other", now=1.0, most=5)
    # A minute later half of it has faded, two minutes later all.
    assert [rates[0].allows("app", now=90.0, most=5) for _ in range(4)] == [True, True, False, False]
    assert [rates[1].allows("app", now=200.0, most=5) for _ in range(6)] == [True] * 5 + [False]


def test_a_worker_that_dies_takes_its_connections_along_and_leaves_its_counts(machine, tmp_path) -> None:
    open_there, open_here = (Connections(tallies) for tallies in machine[:2])
    errors_there, errors_here = (Errors(tallies) for tallies in machine[:2])
    peer = ip_address("192.0.2.1")
    for _ in range(2):
        assert open_there.enter(peer, most=10, most_per_peer=2)
        errors_there.count(peer, now=0)
    assert not open_here.enter(peer, most=10, most_per_peer=2)
    again = Tallies(Share(tmp_path / "tallies", 0, 3))
    Connections(again)
    Errors(again)
    assert open_here.enter(peer, most=10, most_per_peer=2)
    assert errors_here.judge(peer, now=0, most=2).unwelcome


async def test_processes_share_what_the_environment_names(tmp_path, monkeypatch) -> None:
    """Two programs count for the same names; one is killed while it counts, and nobody waits for it."""
    make_memory(tmp_path / "tallies", 2)
    monkeypatch.setenv(TALLIES, f"2:{tmp_path / 'tallies'}")
    program = (
        "from relay.intake.tally import Share, Tallies\n"
        "tally = Tallies(Share.of_worker('x.1.7')).tally(60.0)\n"
        "for _ in range(100): tally.add('a', now=1.0)\n"
        "print(flush=True)\n"
        "while True: tally.add('b', now=1.0)\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, env=os.environ
    )
    assert process.stdout is not None
    await process.stdout.readline()
    tally = Tallies(Share.of_worker("x.0.1")).tally(60.0)
    process.kill()
    await process.wait()
    tally.add("a", now=1.0)
    assert tally.total("a", now=1.0) == 101


def test_alone_a_worker_shares_with_nobody(monkeypatch) -> None:
    monkeypatch.delenv(TALLIES, raising=False)
    assert Share.of_worker("x.3.1") == Share()


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 300), st.integers(0, 2)), max_size=40))
def test_an_answer_is_between_what_came_in_the_last_window_and_in_the_last_two(counted) -> None:
    tally = Tallies().tally(60.0)
    counted.sort(key=lambda each: each[1])
    for name, at, count in counted:
        tally.add(str(name), now=at, count=count)
    now = max((at for _, at, _ in counted), default=0)
    for name in range(6):
        total = tally.total(str(name), now=now)
        this = sum(count for known, at, count in counted if known == name and at // 60 == now // 60)
        two = sum(count for known, at, count in counted if known == name and at > now - 120)
        assert this <= total <= two


def test_where_places_run_out_the_smallest_counts_are_forgotten(monkeypatch) -> None:
    monkeypatch.setattr("relay.intake.tally._ROWS", 1)
    tally = Tallies().tally(60.0)
    for number in range(8):
        tally.add(f"great {number}", now=0, count=100 - number)
    for number in range(100):
        tally.add(f"small {number}", now=0)
    assert [tally.total(f"great {number}", now=0) for number in range(7)] == [100 - number for number in range(7)]
    assert tally.total("small 99", now=0) == 1
    tally.add("nobody", now=0, count=-1)
    assert tally.total("nobody", now=0) == 0


def test_nobody_can_tell_who_shares_a_place() -> None:
    assert Tallies().key != Tallies().key


@pytest.mark.parametrize(
    ("peer", "names"),
    [
        ("192.0.2.77", ("192.0.2.77", "192.0.2.0/24")),
        ("2001:db8:1:2ff:3::4", ("2001:db8:1:2ff::/64", "2001:db8:1:200::/56")),
    ],
)
def test_what_counts_as_one_peer(peer: str, names: tuple[str, str]) -> None:
    assert names_of(ip_address(peer)) == names


def test_a_network_is_allowed_four_times_what_one_address_is() -> None:
    connections = Connections(Tallies())
    peers = [ip_address(f"192.0.2.{number}") for number in range(10)]
    assert sum(connections.enter(peer, most=100, most_per_peer=2) for peer in peers for _ in range(3)) == 8
    assert connections.enter(ip_address("198.51.100.1"), most=100, most_per_peer=2)


# What sessions make of it.


def erring(front: Front, errors: int, peer: str = ELSEWHERE) -> None:
    session = front.mx(peer)
    for _ in range(errors):
        assert mail(session, "<victim@my.relay.example>").code == 550


def test_delays_grow_and_end_somewhere() -> None:
    delays = [delay_after(errors) for errors in range(200)]
    assert delays[:11] == [0.0] * 11
    assert delays == sorted(delays)
    assert 0.25 < delays[12] < 0.5
    assert delays[-1] == 20.0


async def test_errors_are_answered_later_and_later_and_then_not_at_all(front) -> None:
    erring(front, 10)
    session = front.mx(ELSEWHERE)
    assert session.connect().code == 220
    assert session.delay == 0
    erring(front, 15)
    assert session.delay > 1
    assert front.mx("192.0.2.1").delay == 0
    erring(front, 75)
    turned_away = front.mx(ELSEWHERE).connect()
    assert str(turned_away) == "421 4.7.0 Too many errors from where you are, try again later"
    assert front.mx("198.51.100.78").connect().code == 220
    front.clock.at += 1200
    assert front.mx(ELSEWHERE).connect().code == 220


async def test_mail_excuses_errors(front) -> None:
    erring(front, 100)
    for _ in range(60):
        assert (await send(front.mx(ELSEWHERE), "<a@outside.example>", "<bakery@my.relay.example>")).code == 250
    assert front.mx(ELSEWHERE).connect().code == 220


async def test_an_app_that_has_logged_in_this_machine_and_we_ourselves_are_not_held_up(front) -> None:
    app = await front.app()
    for _ in range(200):
        assert mail(app, "<nobody@my.relay.example>").code == 550
    assert app.delay == 0
    for peer in ("127.0.0.1", "192.0.2.1"):
        session = front.mx(peer)
        for _ in range(200):
            session.refused("X", front.mx().connect())
        assert session.delay == 0
        assert session.connect().code == 220


async def test_another_server_brings_so_many_messages_in_a_minute(front) -> None:
    front.configure(limits={"messages_per_peer": 3})
    codes = [mail(front.mx(ELSEWHERE), "<a@outside.example>").code for _ in range(5)]
    assert codes == [250] * 3 + [451] * 2
    assert mail(front.mx("192.0.2.1"), "<a@outside.example>").code == 250
    front.clock.at += 120
    assert mail(front.mx(ELSEWHERE), "<a@outside.example>").code == 250


# Guessing.


def guess(front: Front, user: str, peer: str, times: int) -> None:
    """So many wrong guesses, counted without the time that real ones take."""
    for _ in range(times):
        front.guesses.count(user, ip_address(peer), now=front.clock.now())


async def test_a_peer_that_guesses_is_locked_out_for_a_while(front) -> None:
    guess(front, "x", ELSEWHERE, MOST_OF_PEER - 1)
    codes = [(await front.submission(ELSEWHERE).login("y", "wrong")).code for _ in range(2)]
    assert codes == [535, 454]
    assert (await front.submission(ELSEWHERE).login("web", PASSWORD)).code == 454
    assert (await front.submission(APP).login("web", PASSWORD)).code == 235
    assert [event.data["locked"] for event in front.sink.of(EventType.LOGIN_LOCKED)] == [ELSEWHERE]
    assert front.guard.locked() == [ELSEWHERE]
    front.clock.at += 1800
    assert front.guard.locked() == []
    assert (await front.submission(ELSEWHERE).login("web", PASSWORD)).code == 235


def lock_user(front: Front) -> None:
    for number in range(MOST_OF_USER):
        guess(front, "web", f"198.51.{number}.1", 1)


async def test_guesses_from_everywhere_lock_the_user_but_not_where_it_is_at_home(front) -> None:
    assert (await front.submission(APP).login("web", PASSWORD)).code == 235
    lock_user(front)
    assert (await front.submission(ELSEWHERE).login("web", PASSWORD)).code == 454
    # Another worker, which has not seen the app before.
    front.share_tallies(Tallies())
    lock_user(front)
    assert (await front.submission("203.0.113.99").login("web", PASSWORD)).code == 235
    assert (await front.submission("203.0.113.99").login("web", "wrong")).code == 535
    assert front.guard.locked() == []
    assert (await front.submission(ELSEWHERE).login("web", PASSWORD)).code == 454
    assert front.guard.locked() == ["user web"]


async def test_networks_are_remembered_once_a_day_and_forgotten_after_a_month(front, monkeypatch) -> None:
    await front.submission(APP).login("web", PASSWORD)
    await front.submission(APP).login("web", PASSWORD)
    fact = await front.spool.facts.get(KIND, "web")
    assert fact is not None
    assert fact.version == 1
    assert fact.value == {"203.0.113.0/24": 20_000}
    front.clock.at += 31 * 86400
    lock_user(front)
    assert (await front.submission(APP).login("web", PASSWORD)).code == 454
    monkeypatch.setattr("relay.intake.guard._MOST_NOTED", 1)
    front.clock.at += 86400
    for peer in (APP, "192.0.2.9"):
        assert (await front.submission(peer).login("web", PASSWORD)).code == 235
    fact = await front.spool.facts.get(KIND, "web")
    assert fact is not None
    assert set(fact.value) == {"203.0.113.0/24", "192.0.2.0/24"}


async def test_two_workers_that_note_at_once_lose_nothing(front, monkeypatch) -> None:
    facts = front.spool.facts
    put = type(facts).put

    async def overtaken(self: object, fact: Fact) -> Fact | None:
        monkeypatch.setattr(type(facts), "put", put)
        await facts.put(Fact(KIND, "web", {"192.0.2.0/24": 20_000}))
        return await facts.put(fact)

    monkeypatch.setattr(type(facts), "put", overtaken)
    for _ in range(2):
        assert (await front.submission(APP).login("web", PASSWORD)).code == 235
    fact = await facts.get(KIND, "web")
    assert fact is not None
    assert set(fact.value) == {"203.0.113.0/24", "192.0.2.0/24"}


async def test_a_store_in_trouble_lets_right_logins_in(front, monkeypatch) -> None:
    async def fail(*_: object) -> None:
        raise SpoolError("no room")

    monkeypatch.setattr(type(front.spool.facts), "get", fail)
    assert (await front.submission(APP).login("web", PASSWORD)).code == 235
    guess(front, "web", APP, MOST_OF_PEER)
    assert (await front.submission(APP).login("web", PASSWORD)).code == 454


# Patience.


async def test_strangers_wait_for_the_greeting_until_they_have_brought_mail(front) -> None:
    front.configure(limits={"greeting_pause": "2s"})
    stranger = front.mx(ELSEWHERE)
    assert stranger.is_strict
    assert stranger.greeting_pause == 2
    assert (await send(stranger, "<a@outside.example>", "<bakery@my.relay.example>")).code == 250
    assert front.mx(ELSEWHERE).greeting_pause == 0
    assert front.mx(ELSEWHERE).is_strict
    front.clock.at += 1200
    assert front.mx(ELSEWHERE).greeting_pause == 2
    for session in (front.mx("127.0.0.1"), front.mx("192.0.2.1"), front.submission(ELSEWHERE)):
        assert session.greeting_pause == 0
        assert not session.is_strict
