"""Logins: checked in a thread, remembered when good, and the same for users that do not exist."""

import asyncio
import threading

from relay.events import EventType
from relay.intake.logins import Logins

from .front import HASH, PASSWORD


async def test_right_and_wrong(front):
    session = front.submission()
    for username, password, code in (
        ("web", PASSWORD, 235),
        ("web", "wrong", 535),
        ("web", "", 535),
        ("nobody", PASSWORD, 535),
        ("", "", 535),
        ("shop", PASSWORD, 535),  # has no password: known by its network only
        ("web", "p\udcff", 535),
        ("WEB", PASSWORD, 535),
    ):
        reply = await session.login(username, password)
        assert reply.code == code, username
    logins = [event.data["user"] for event in front.sink.of(EventType.LOGIN)]
    failed = [event.data["user"] for event in front.sink.of(EventType.LOGIN_FAILED)]
    assert logins == ["web"]
    assert failed == ["web", "web", "nobody", "", "shop", "web", "WEB"]
    assert PASSWORD not in str(front.sink.events)


async def test_a_failed_login_leaves_the_session_as_it_was(front):
    session = front.submission()
    await session.login("web", "wrong")
    assert session.mail(None, None).code == 530


class Counting(Logins):
    """Counts the hashes that are computed, and can make them wait."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self.started = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()

    def _verify(self, known: str, password: str) -> bool:
        self.asked.append(known)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.started.release()
        self.gate.wait(10)
        try:
            return super()._verify(known, password)
        finally:
            self.at_once -= 1


async def test_a_good_login_is_computed_once():
    logins = Counting()
    assert [await logins.check("web", PASSWORD, HASH) for _ in range(3)] == [True, True, True]
    assert len(logins.asked) == 1


async def test_a_changed_hash_or_another_user_is_computed_again():
    logins = Counting()
    assert await logins.check("web", PASSWORD, HASH)
    assert await logins.check("other", PASSWORD, HASH)
    assert not await logins.check("web", PASSWORD, HASH.replace("CJq3", "AAAA"))
    assert len(logins.asked) == 3


async def test_bad_logins_are_computed_every_time():
    logins = Counting()
    assert [await logins.check("web", "wrong", HASH) for _ in range(2)] == [False, False]
    assert len(logins.asked) == 2


async def test_a_user_that_does_not_exist_takes_the_same_path():
    logins = Counting()
    assert not await logins.check("nobody", PASSWORD, None)
    assert not await logins.check("nobody", PASSWORD, None)
    assert len(logins.asked) == 2
    assert all(known.startswith("$argon2id$") for known in logins.asked)


async def test_what_is_no_hash_fits_no_password():
    assert not await Logins().check("web", PASSWORD, "not a hash")


async def test_few_hashes_are_computed_at_once():
    logins = Counting()
    logins.gate.clear()
    checks = [asyncio.create_task(logins.check(f"user{number}", PASSWORD, HASH)) for number in range(6)]
    for _ in range(2):
        assert await asyncio.to_thread(logins.started.acquire, timeout=10)
    logins.gate.set()
    assert all(await asyncio.gather(*checks))
    assert logins.most_at_once <= 2


async def test_not_everyone_is_remembered_for_ever(monkeypatch):
    monkeypatch.setattr("relay.intake.logins._REMEMBERED", 2)
    logins = Counting()
    for user in ("a", "b", "a", "c"):  # b was asked for longest ago
        assert await logins.check(user, PASSWORD, HASH)
    assert len(logins.asked) == 3
    assert await logins.check("a", PASSWORD, HASH)
    assert len(logins.asked) == 3
    assert await logins.check("b", PASSWORD, HASH)
    assert len(logins.asked) == 4
