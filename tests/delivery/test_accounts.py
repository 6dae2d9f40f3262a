"""Companies' own servers that refuse us: mail is held, the account is spared, and all goes on when it is repaired."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Self

import pytest

from relay.delivery.attempt import AttemptResult, Batch
from relay.events import EventType
from relay.facts.dead_addresses import DeadAddresses
from relay.facts.troubles import Troubles
from relay.mail.address import Address, parse_address
from relay.policy.pacing import Pace
from relay.sandbox.certificates import Authority
from relay.sandbox.scripted_peer import Say, Script, ScriptedPeer
from relay.store.spool import SpoolError, State

from .house import ANNA, DAY, DOMAIN, House, server_at, with_server

EHLO = Say("250-peer.example\r\n250-STARTTLS\r\n250-PIPELINING\r\n250 AUTH PLAIN")
WRONG = Script(ehlo=EHLO, auth=Say("535 5.7.8 Wrong"))
RIGHT = Script(ehlo=EHLO)


class Account:
    """A company whose mail goes through a server of its own; its scripts hold for one connection each."""

    def __init__(self, house: House, tmp_path, *scripts: Script) -> None:
        self.house = house
        self.password = tmp_path / "password"
        self.password.write_text("first")
        authority = Authority()
        self.ca = tmp_path / "ca.pem"
        self.ca.write_bytes(authority.ca_pem)
        self.peer = ScriptedPeer(*scripts, tls=authority.server_context("smtp.own.example"))

    async def __aenter__(self) -> Self:
        await self.peer.__aenter__()
        house = self.house
        house.zones.publish("smtp.own.example", "A", "127.0.0.1")
        company = with_server(server_at(self.peer.port, self.password, ca=self.ca))
        house.configure(company, delivery={"connections_idle": "1ms"})
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.peer.__aexit__(None, None, None)

    async def send(self, *recipients: str) -> str:
        return await self.house.deliver(*recipients, company="own", sender=f"own@{DOMAIN}")

    async def state(self, queue_id: str) -> State:
        return (await self.house.delivery(queue_id)).state

    @property
    def logins(self) -> int:
        return sum(line.startswith("AUTH") for record in self.peer.records for line in record.lines)


def before_noting(house: House, happen: Callable[[], object]) -> None:
    """Let something happen after each attempt, before what it says of the account is noted."""
    accounts = house.dispatcher.accounts

    async def note(account: str, batch: Batch, result: AttemptResult) -> None:
        happen()
        await type(accounts).note(accounts, account, batch, result)

    accounts.note = note


async def fail_to_write(*_: object) -> None:
    raise SpoolError("no room")


async def test_that_an_own_server_takes_mail_says_nothing_about_the_recipient(house, tmp_path):
    async with Account(house, tmp_path, RIGHT) as account:
        web = {"networks": ["10.0.0.0/8"], "companies": "all", "dead_addresses": "refuse"}
        house.configure(house.companies[0], delivery={"connections_idle": "1ms"}, apps={"web": web})
        dead = DeadAddresses(lambda: house.spool.facts, house.clock)
        await dead.note("own", parse_address(ANNA), "address-gone", "5.1.1")
        assert await account.state(await account.send()) is State.DELIVERED
        assert await dead.of("own", parse_address(ANNA)) is not None


async def test_a_refused_login_holds_mail_and_is_not_repeated(house, tmp_path):
    async with Account(house, tmp_path, WRONG) as account:
        ids = [await account.send(), await account.send()]
        assert [await account.state(queue_id) for queue_id in ids] == [State.HELD, State.HELD]
        keys = {(await house.delivery(queue_id)).hold_key for queue_id in ids}
        assert len(keys) == 1
        assert keys.pop().startswith("account:info@own.example@smtp.own.example:")
        assert account.logins == 1
        assert await house.reports() == []
        assert "first" not in str(house.sink.events)
        await house.dispatcher.release_held()
        assert [await account.state(queue_id) for queue_id in ids] == [State.HELD, State.HELD]


async def test_a_new_password_releases_at_once_even_within_the_pause(house, tmp_path):
    """And the mail is not held again for the refusal of the old one."""
    async with Account(house, tmp_path, WRONG, RIGHT) as account:
        queue_id = await account.send()
        account.password.write_text("second")
        await house.dispatcher.release_held()
        assert await account.state(queue_id) is State.QUEUED
        assert await house.lease() == 1
        assert await account.state(queue_id) is State.DELIVERED
        assert account.logins == 2


async def test_a_password_that_changes_during_the_attempt_releases_too(house, tmp_path):
    """And the refusal of the one that is gone says nothing: other mail may have got in with the new one meanwhile."""
    async with Account(house, tmp_path, WRONG, RIGHT) as account:
        before_noting(house, lambda: account.password.write_text("second"))
        queue_id = await account.send()
        assert await account.state(queue_id) is State.HELD
        assert house.sink.of(EventType.ACCOUNT_REFUSED) == await house.spool.facts.list("account") == []
        await house.dispatcher.release_held()
        assert await account.state(queue_id) is State.QUEUED


async def test_a_reload_that_changes_nothing_here_lets_nobody_try_again(house, tmp_path):
    """Also not those who wait for their turn, and were decided about before it."""
    async with Account(house, tmp_path, WRONG) as account:
        before_noting(house, house.configure)
        entries = [await house.put(company="own", sender=f"own@{DOMAIN}") for _ in range(4)]
        for entry in entries:
            house.dispatcher.take(entry)
        await house.settled()
        states = [await account.state(entry.message.queue_id) for entry in entries]
        assert states == [State.HELD] * 4
        assert account.logins == 1
        assert len(house.sink.of(EventType.ACCOUNT_REFUSED)) == 1


async def test_the_end_of_a_refusal_is_said_even_when_the_notice_cannot_be_written(house, tmp_path, monkeypatch):
    async with Account(house, tmp_path, WRONG, RIGHT) as account:
        held = await account.send()
        house.clock.at += 61
        with monkeypatch.context() as patch:
            patch.setattr(Troubles, "over", fail_to_write)
            assert await account.state(await account.send()) is State.DELIVERED
        await house.dispatcher._due.wait()
        assert await account.state(held) is State.QUEUED
        assert len(house.sink.of(EventType.ACCOUNT_BACK)) == 1
        assert await house.spool.facts.list("trouble") != []
        await account.send()
        assert await house.spool.facts.list("trouble") == []


async def test_the_pause_ends_although_mail_keeps_coming(house, tmp_path):
    async with Account(house, tmp_path, WRONG) as account:
        for _ in range(5):
            await account.send()
            house.clock.at += 25
        assert account.logins == 2


async def test_an_account_that_works_again_lets_all_its_mail_go(house, tmp_path):
    """Repaired on the other side: nothing of ours has changed."""
    async with Account(house, tmp_path, WRONG, RIGHT) as account:
        first = await account.send()
        house.clock.at += 61
        second = await account.send()
        assert await account.state(second) is State.DELIVERED
        await house.dispatcher._due.wait()
        assert await account.state(first) is State.QUEUED
        assert await house.lease() == 1
        assert await account.state(first) is State.DELIVERED


async def test_an_account_repaired_on_the_other_side_is_found_out_now_and_then(house, tmp_path):
    async with Account(house, tmp_path, WRONG, RIGHT) as account:
        queue_id = await account.send()
        await house.dispatcher.release_held()
        house.clock.at += 899
        await house.dispatcher.release_held()
        assert await account.state(queue_id) is State.HELD
        house.clock.at += 1
        await house.dispatcher.release_held()
        assert await house.lease() == 1
        assert await account.state(queue_id) is State.DELIVERED
        assert account.logins == 2


async def test_a_new_certificate_authority_releases(house, tmp_path):
    async with Account(house, tmp_path, RIGHT) as account:
        good = account.ca.read_bytes()
        account.ca.write_bytes(Authority().ca_pem)
        queue_id = await account.send()
        assert await account.state(queue_id) is State.HELD
        assert account.logins == 0
        account.ca.write_bytes(good)
        await house.dispatcher.release_held()
        assert await house.lease() == 1
        assert await account.state(queue_id) is State.DELIVERED


async def test_a_password_and_authorities_that_are_missing_release_when_they_are_there(house, tmp_path):
    async with Account(house, tmp_path, RIGHT) as account:
        ca = account.ca.read_bytes()
        account.password.unlink()
        first = await account.send()
        account.ca.unlink()
        second = await account.send()
        assert [await account.state(queue_id) for queue_id in (first, second)] == [State.HELD, State.HELD]
        account.password.write_text("first")
        account.ca.write_bytes(ca)
        await house.dispatcher.release_held()
        assert await house.lease() == 2
        assert [await account.state(queue_id) for queue_id in (first, second)] == [State.DELIVERED] * 2


async def test_an_author_whom_the_server_accepts_releases(house, tmp_path):
    refusing = Script(ehlo=EHLO, mail=Say("553 5.7.1 Not your address"))
    async with Account(house, tmp_path, refusing, RIGHT) as account:
        queue_id = await account.send()
        assert await account.state(queue_id) is State.HELD
        company = house.companies[0]
        house.configure(replace(company, author=Address("bills", "own.example")))
        await house.dispatcher.release_held()
        assert await house.lease() == 1
        assert await account.state(queue_id) is State.DELIVERED


@pytest.mark.parametrize(
    ("part", "reply", "state"),
    [
        ("mail", "550 5.7.60 Not allowed to send as this", State.HELD),
        ("mail", "530 5.7.0 Log in", State.HELD),
        ("mail", "552 5.3.4 Too large", State.FAILED),
        ("rcpt", "530 5.7.0 Log in", State.HELD),
        ("rcpt", "553 5.7.1 Not owned by user", State.HELD),
        ("rcpt", "550 5.1.1 Nobody", State.FAILED),
        ("end", "554 5.7.1 Spam", State.FAILED),
    ],
)
async def test_permissions_are_held_and_verdicts_are_not(house, tmp_path, part, reply, state):
    async with Account(house, tmp_path, Script(ehlo=EHLO, **{part: Say(reply)})) as account:
        queue_id = await account.send()
        assert await account.state(queue_id) is state


async def test_what_an_own_server_has_against_one_recipient_keeps_nobody_elses_mail(house, tmp_path):
    """It alone is held, without a word to the company; other mail neither waits for it nor sends it again."""
    refusing = Script(ehlo=EHLO, rcpt=Say("550 5.7.1 Not allowed by policy"))
    async with Account(house, tmp_path, refusing, RIGHT) as account:
        refused = await account.send()
        other = await account.send()
        assert [await account.state(queue_id) for queue_id in (refused, other)] == [State.HELD, State.DELIVERED]
        house.clock.at += 5000
        await house.dispatcher.release_held()
        assert await account.state(refused) is State.HELD
        assert house.sink.of(EventType.ACCOUNT_REFUSED) == house.sink.of(EventType.ACCOUNT_BACK) == []
        account.password.write_text("second")
        await house.dispatcher.release_held()
        assert await house.lease() == 1
        assert await account.state(refused) is State.DELIVERED


async def test_one_mail_tries_whether_a_refused_account_works_again_and_the_rest_follows(house, tmp_path):
    async with Account(house, tmp_path, WRONG, WRONG, RIGHT) as account:
        ids = [await account.send() for _ in range(3)]
        for logins, queued in ((2, 0), (3, 2)):
            house.clock.at += 900
            await house.dispatcher.release_held()
            assert await house.lease() == 1
            await asyncio.gather(*house.dispatcher._tasks)
            assert account.logins == logins
            states = [await account.state(queue_id) for queue_id in ids]
            assert states.count(State.QUEUED) == queued
        assert await house.lease() == 2
        assert [await account.state(queue_id) for queue_id in ids] == [State.DELIVERED] * 3


async def test_recipients_share_one_transaction(house, tmp_path):
    async with Account(house, tmp_path, RIGHT) as account:
        queue_id = await account.send("anna@customer.example", "bert@elsewhere.example")
        assert len(account.peer.messages) == 1
        assert [delivery.state for delivery in await house.deliveries(queue_id)] == [State.DELIVERED] * 2
        assert len(house.sink.of(EventType.DELIVERED)) == 2


async def test_a_server_named_differently_is_another_account(house, tmp_path):
    async with Account(house, tmp_path, WRONG, RIGHT) as account:
        queue_id = await account.send()
        server = server_at(account.peer.port, account.password, ca=account.ca)
        changed = type(server)(server.host, server.port, server.tls, "other@own.example", server.password, server.ca)
        house.configure(with_server(changed))
        await house.dispatcher.release_held()
        assert await house.lease() == 1
        assert await account.state(queue_id) is State.DELIVERED


async def test_a_refusal_that_one_worker_met_holds_for_all_and_its_end_too(house, tmp_path):
    async with Account(house, tmp_path, WRONG, RIGHT) as account:
        first = await account.send()
        entry = await house.put(company="own", sender=f"own@{DOMAIN}")
        other = house.make_dispatcher()
        other.take(entry)
        while other.in_hand:
            house.changed.clear()
            await house.changed.wait()
        assert await account.state(entry.message.queue_id) is State.HELD
        assert account.logins == 1
        house.clock.at += 61
        third = await account.send()
        assert await account.state(third) is State.DELIVERED
        await house.dispatcher._due.wait()
        ids = (first, entry.message.queue_id)
        assert [await account.state(queue_id) for queue_id in ids] == [State.QUEUED, State.QUEUED]


async def test_a_refused_account_is_told_once_and_so_is_its_end(house, tmp_path):
    async with Account(house, tmp_path, WRONG, RIGHT) as account:
        await account.send()
        await account.send()
        (event,) = house.sink.of(EventType.ACCOUNT_REFUSED)
        assert event.data["company"] == "own"
        assert event.data["account"] == "info@own.example at smtp.own.example"
        assert "password" in event.data["advice"]
        troubles = await house.spool.facts.list("trouble")
        assert [fact.key for fact in troubles] == ["own account-refused"]
        house.clock.at += 61
        await account.send()
        assert len(house.sink.of(EventType.ACCOUNT_BACK)) == 1
        assert await house.spool.facts.list("account") == []


async def test_a_limit_of_the_account_pauses_it_and_holds_nothing(house, tmp_path):
    full = Script(ehlo=EHLO, mail=Say("550 5.4.5 Daily user sending limit exceeded"))
    async with Account(house, tmp_path, full, RIGHT) as account:
        first, second = await account.send(), await account.send()
        assert [await account.state(queue_id) for queue_id in (first, second)] == [State.QUEUED, State.QUEUED]
        assert account.logins == 1
        assert await house.reports() == []
        house.clock.at += 3601
        await house.lease()
        assert [await account.state(queue_id) for queue_id in (first, second)] == [State.DELIVERED, State.DELIVERED]


async def test_attempts_that_never_reached_the_server_spend_nothing(house, tmp_path):
    silent = Script(banner=Say("421 4.3.2 Later"))
    async with Account(house, tmp_path, silent, RIGHT) as account:
        server = replace(house.companies[0].server, pace=Pace(per_day=1))
        house.configure(with_server(server))
        queue_id = await account.send()
        house.clock.at += 3600
        await house.lease()
        assert await account.state(queue_id) is State.DELIVERED


async def test_mail_waits_for_the_pace_of_its_account_over_all_workers(house, tmp_path):
    async with Account(house, tmp_path, RIGHT) as account:
        server = replace(house.companies[0].server, pace=Pace(per_minute=2))
        house.configure(with_server(server))
        ids = [await account.send() for _ in range(2)]
        entry = await house.put(company="own", sender=f"own@{DOMAIN}")
        house.dispatcher = house.make_dispatcher()
        house.dispatcher.take(entry)
        await house.settled()
        ids.append(entry.message.queue_id)
        ids.append(await account.send())
        states = [await account.state(queue_id) for queue_id in ids]
        assert states == [State.DELIVERED, State.DELIVERED, State.QUEUED, State.QUEUED]
        waiting = [await house.delivery(queue_id) for queue_id in ids[2:]]
        assert [delivery.attempts for delivery in waiting] == [0, 0]
        assert "pace" in waiting[0].last
        assert waiting[1].next_attempt - waiting[0].next_attempt == pytest.approx(30)
        assert len(house.sink.of(EventType.DEFERRED)) == 2
        house.clock.at += 7 * DAY
        await house.lease()
        assert [await account.state(queue_id) for queue_id in ids] == [State.DELIVERED] * 4
        assert await house.reports() == []
