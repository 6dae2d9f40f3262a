"""What was acknowledged is there: after kill -9, and when the disk was full."""

import asyncio
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from relay.clock import SystemClock
from relay.store.spool import State
from relay.store.sqlite.spool import SqliteSpool

PROGRAMS = Path(__file__).parent / "programs"
DEATHS = 10


def _live_and_die(path, life):
    """Let a worker take mail, kill it at some moment, and answer what it said."""
    command = [sys.executable, PROGRAMS / "commit_until_killed.py", path, f"test.1.{life}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as worker:
        said = [worker.stdout.readline() for _ in range(37 + 23 * life)]
        worker.kill()
        said += worker.stdout.readlines()
    return [line.decode().split() for line in said if line.endswith(b"\n")]


async def _check(path, kept, sent):
    spool = SqliteSpool(path, worker="test.1.0", pid=1, clock=SystemClock())
    await spool.start()
    for queue_id, digest in kept.items():
        (entry,) = await spool.find(queue_id)
        (delivery,) = entry.deliveries
        if queue_id in sent:
            assert delivery.state is State.DELIVERED
        if delivery.state is State.QUEUED:
            content = entry.message.content
            assert hashlib.sha256(spool.read(content, 0, content.size)).hexdigest() == digest
    due = {entry.message.queue_id for entry in await spool.lease(now=2.0, limit=100_000)}
    assert len(set(kept) - due - sent) <= 8  # recorded by sessions that did not live to say so
    await spool.stop()
    return due


def test_what_was_acknowledged_survives_kill_9(tmp_path):
    path = tmp_path / "relay.db"
    kept, sent = {}, set()
    for life in range(1, DEATHS + 1):
        for word, queue_id, digest in _live_and_die(path, life):
            if word == "kept":
                kept[queue_id] = digest
            else:
                sent.add(queue_id)
        recorded = set(kept) - asyncio.run(_check(path, kept, sent))
        sent |= recorded

    assert len(kept) > 100 * DEATHS / 2


@pytest.mark.parametrize(("place", "size"), [("segments", 512 * 1024), ("database", 256)])
def test_a_full_disk_refuses_mail_loses_none_and_heals(tmp_path, place, size):
    command = [sys.executable, PROGRAMS / "fill_the_disk.py", tmp_path / "relay.db", str(size), place]

    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (result.returncode, result.stderr) == (0, "")
