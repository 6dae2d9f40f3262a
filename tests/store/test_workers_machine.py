"""Workers that come, work and die in any order: no accepted delivery is lost, and none has two live holders.

The machine knows what the store must hold; hypothesis looks for the steps after which it does not.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from relay.store.spool import Acceptance, Order, Selection, Spool, SpoolError, State

SLOTS = (1, 2, 3)
HISTORY = 1000.0
LIVE = (State.QUEUED, State.HELD)
slots = st.sampled_from(SLOTS)
OUTCOMES = st.sampled_from([State.QUEUED, State.HELD, State.DELIVERED, State.FAILED, State.EXPIRED])
SIZES = st.sampled_from([0, 1, 4000, 300_000])


@dataclass
class Worker:
    """A worker and the contents it has begun; dead ones stay known for as long as their lease runs."""

    slot: int
    spool: Spool
    lease_until: float
    beaten_at: float
    begun: list = field(default_factory=list)


@dataclass
class Row:
    """What is known of one delivery."""

    state: State
    due: float
    company: str
    holder: Worker | None = None


class Workers(RuleBasedStateMachine):
    def __init__(self, new_bench: Callable):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.bench = new_bench()
        self.workers: dict[int, Worker] = {}
        self.dead: list[Worker] = []
        self.rows: dict[tuple[str, int], Row] = {}
        self.messages = {}
        self.octets: dict[str, bytes] = {}
        self.finished: dict[str, float] = {}
        self.start(1)

    def run(self, awaitable):
        return self.loop.run_until_complete(awaitable)

    @property
    def now(self):
        return self.bench.now

    def worker(self, slot) -> Worker:
        """The worker in that slot, or any that lives."""
        return self.workers.get(slot) or next(iter(self.workers.values()))

    def free_dead(self):
        """Dead is whose lease has run out, and who has a successor."""
        live = [worker for worker in [*self.workers.values(), *self.dead] if worker.lease_until > self.now]
        for row in self.rows.values():
            if row.holder not in live:
                row.holder = None

    @rule(slot=slots)
    def start(self, slot):
        if slot not in self.workers:
            self.dead = [worker for worker in self.dead if worker.slot != slot]
            spool = self.run(self.bench.start(slot))
            self.workers[slot] = Worker(slot, spool, self.now + self.bench.lease_time, self.now)
            self.free_dead()

    @precondition(lambda self: len(self.workers) > 1)
    @rule(slot=slots)
    def kill(self, slot):
        worker = self.worker(slot)
        self.run(self.bench.kill(worker.spool))
        del self.workers[worker.slot]
        self.dead.append(worker)

    @precondition(lambda self: len(self.workers) > 1)
    @rule(slot=slots)
    def stop(self, slot):
        worker = self.worker(slot)
        self.run(self.bench.stop(worker.spool))
        del self.workers[worker.slot]
        for row in self.rows.values():
            if row.holder is worker:
                row.holder = None

    @rule(seconds=st.sampled_from([1.0, 29.0, 30.0, 400.0]))
    def wait(self, seconds):
        self.bench.clock.advance(seconds)

    @rule(slot=slots)
    def heartbeat(self, slot):
        worker = self.worker(slot)
        worker.lease_until = self.now + self.bench.lease_time
        before = sum(row.holder is not None for row in self.rows.values())
        freed = self.run(worker.spool.heartbeat(now=self.now, detail={}))
        if self.now - worker.beaten_at <= self.bench.lease_time / 2:
            self.free_dead()
        worker.beaten_at = self.now
        assert freed == before - sum(row.holder is not None for row in self.rows.values())

    @rule(slot=slots, size=SIZES)
    def begin(self, slot, size):
        writer = self.worker(slot).spool.writer()
        writer.write(b"b" * size)
        self.worker(slot).begun.append((writer, b"b" * size))

    @rule(slot=slots)
    def abort(self, slot):
        for writer, _ in self.worker(slot).begun:
            writer.abort()
        self.worker(slot).begun.clear()

    @rule(
        slot=slots,
        size=SIZES,
        letter=st.binary(min_size=1, max_size=1),
        companies=st.lists(st.sampled_from("abc"), min_size=1, max_size=3),
        leased=st.booleans(),
    )
    def commit(self, slot, size, letter, companies, leased):
        worker = self.worker(slot)
        writer, octets = worker.begun.pop(0) if worker.begun else (worker.spool.writer(), b"")
        writer.write(letter * size)
        octets += letter * size
        message = self.bench.message(
            writer.finish(header_size=0, body_hash=""), [f"{n}@shop.example" for n in range(len(companies))]
        )
        self.run(worker.spool.commit(Acceptance(message, tuple(companies), leased)))
        self.messages[message.queue_id] = message
        self.octets[message.queue_id] = octets
        for number, company in enumerate(companies):
            self.rows[message.queue_id, number] = Row(State.QUEUED, self.now, company, worker if leased else None)

    @rule(slot=slots, limit=st.integers(1, 4), busy=st.sets(st.sampled_from("abc"), max_size=2))
    def lease(self, slot, limit, busy):
        worker = self.worker(slot)
        leased = self.run(self.bench.lease(worker.spool, limit=limit, busy=tuple(busy)))
        ready = {
            key: row
            for key, row in self.rows.items()
            if row.state is State.QUEUED and row.holder is None and row.due <= self.now and row.company not in busy
        }
        assert len(leased) == len(set(leased)) == min(limit, len(ready))
        assert set(leased) <= set(ready)
        assert sorted(ready[key].due for key in leased) == sorted(row.due for row in ready.values())[:limit]
        for key in leased:
            self.rows[key].holder = worker

    @precondition(lambda self: self.rows)
    @rule(slot=slots, state=OUTCOMES, delay=st.sampled_from([0.0, 60.0]), data=st.data())
    def record(self, slot, state, delay, data):
        """Outcomes of any deliveries, whether this worker holds them or not."""
        worker = self.worker(slot)
        keys = data.draw(st.lists(st.sampled_from(sorted(self.rows)), min_size=1, max_size=3, unique=True))
        changes = [
            self.bench.change(*key, state, next_attempt=self.now + delay, hold_key="key" if state is State.HELD else "")
            for key in keys
        ]
        self.run(worker.spool.record(changes))
        for key in keys:
            row = self.rows[key]
            if row.holder is worker:
                self.move(key, state, self.now + delay)

    @rule(slot=slots, delay=st.sampled_from([0.0, 60.0]))
    def give_back(self, slot, delay):
        worker = self.worker(slot)
        self.run(worker.spool.give_back(sorted(self.rows), next_attempt=self.now + delay))
        for row in self.rows.values():
            if row.holder is worker:
                row.holder, row.due = None, self.now + delay

    @rule(slot=slots, order=st.sampled_from(Order))
    def order(self, slot, order):
        self.run(
            self.worker(slot).spool.order(
                order, Selection(states=tuple(State), company="a", limit=1000), now=self.now, reason=""
            )
        )
        for key, row in self.rows.items():
            if row.company != "a" or row.holder is not None:
                continue
            if order is Order.DROP and row.state in LIVE:
                self.move(key, State.DROPPED, row.due)
            elif order is Order.HOLD and row.state is State.QUEUED:
                self.move(key, State.HELD, row.due)
            elif (order is Order.RELEASE and row.state is State.HELD) or (
                order is Order.RETRY and row.state is State.QUEUED
            ):
                self.move(key, State.QUEUED, self.now)

    @rule()
    def sweep(self):
        for worker in self.workers.values():
            self.run(worker.spool.sweep(now=self.now, keep_history=HISTORY))
        for queue_id, at in list(self.finished.items()):
            if at < self.now - HISTORY:
                del self.finished[queue_id], self.messages[queue_id]
                self.rows = {key: row for key, row in self.rows.items() if key[0] != queue_id}
        self.see_what_was_moved()

    def see_what_was_moved(self):
        """Contents may have moved, but for what somebody has in hands: the invariants compare that as it was."""
        spool = next(iter(self.workers.values())).spool
        for entry in self.run(spool.select(Selection(states=tuple(State), limit=1_000_000))):
            known, message = self.messages[entry.message.queue_id], entry.message
            if not any(row.holder for key, row in self.rows.items() if key[0] == message.queue_id):
                self.messages[message.queue_id] = replace(known, content=message.content)

    def move(self, key, state, due):
        row = self.rows[key]
        row.state, row.due, row.holder = state, due, None
        if all(other.state not in LIVE for name, other in self.rows.items() if name[0] == key[0]):
            self.finished[key[0]] = self.now

    @invariant()
    def the_store_holds_what_it_should(self):
        spool = next(iter(self.workers.values())).spool
        everything = self.run(spool.select(Selection(states=tuple(State), limit=1_000_000)))
        found = {(e.message.queue_id, d.number): d for e in everything for d in e.deliveries}
        assert set(found) == set(self.rows)
        names = {status.worker for status in self.run(spool.workers(now=self.now))}
        for key, row in self.rows.items():
            assert found[key].state is row.state
            assert (found[key].worker != "") == (row.holder is not None)
            if row.holder is not None and row.holder.lease_until > self.now:
                assert found[key].worker in names
        for entry in everything:
            assert entry.message == self.messages[entry.message.queue_id]

    @invariant()
    def live_messages_read_back_as_they_were_given(self):
        for worker in self.workers.values():
            for queue_id, message in self.messages.items():
                try:
                    assert self.bench.octets(worker.spool, message) == self.octets[queue_id]
                except SpoolError:
                    assert queue_id in self.finished

    def teardown(self):
        self.run(self.bench.close())
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()


@pytest.mark.timeout(600)  # a failure is made small before it is shown
def test_workers_lose_nothing_and_do_nothing_twice(new_bench, monkeypatch):
    # Mail is moved out of every segment that nobody adds to any more.
    monkeypatch.setattr("relay.store.sqlite.spool._DEAD_PART", 1)
    run_state_machine_as_test(
        lambda: Workers(new_bench),
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
