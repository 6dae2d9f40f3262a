"""The files beside the database: rolling, failing, and who may take them away."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from relay.store.spool import Acceptance, SpoolError, SpoolFull
from relay.store.sqlite import segments as segments_module
from relay.store.sqlite.segments import Segments


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "segments"


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(segments_module, "SEGMENT_SIZE", 1000)
    monkeypatch.setattr(segments_module, "BLOCK_SIZE", 100)


def _files(folder):
    return sorted(path.name for path in folder.iterdir())


def _open_files(folder):
    return [path for fd in Path("/proc/self/fd").iterdir() if (path := fd.resolve()).is_relative_to(folder)]


async def test_full_segments_are_rolled_and_let_go(sqlite, small):
    spool = await sqlite.start()
    messages = [await sqlite.put(spool, octets=b"%03d" % number * 100) for number in range(20)]

    folder = spool._segments._folder
    assert len(_files(folder)) == 5
    assert len(_open_files(folder)) == 1
    for number, message in enumerate(messages):
        assert sqlite.octets(spool, message) == b"%03d" % number * 100


async def test_a_full_segment_stays_until_its_last_message_is_decided(sqlite, small):
    spool, other = await sqlite.start(), await sqlite.start(2)
    slow, gone = spool.writer(), spool.writer()
    slow.write(b"a" * 2000)
    await sqlite.put(spool, octets=b"rolls")
    gone.abort()

    await other.sweep(now=sqlite.now, keep_history=0)
    slow.write(b"b" * 2000)
    message = sqlite.message(slow.finish(header_size=0, body_hash=""))
    await other.sweep(now=sqlite.now, keep_history=0)
    await spool.commit(Acceptance(message, ("shop",), leased=False))

    assert sqlite.octets(other, message) == b"a" * 2000 + b"b" * 2000
    assert len(_open_files(spool._segments._folder)) == 2  # the growing one, and the reader of the other worker


async def test_a_commit_in_progress_keeps_its_segment_although_cancelled(sqlite, small):
    spool, other = await sqlite.start(), await sqlite.start(2)
    acceptance = sqlite.acceptance(spool, octets=b"x" * 2000)
    fence = asyncio.Event()
    loop = asyncio.get_running_loop()
    blocked = spool._writer.call(lambda _: asyncio.run_coroutine_threadsafe(fence.wait(), loop).result())
    commit = asyncio.create_task(spool.commit(acceptance))
    await asyncio.sleep(0)

    commit.cancel()
    await asyncio.gather(commit, return_exceptions=True)
    spool.writer().write(b"rolls")
    assert acceptance.message.content.segment in spool._segments._open
    fence.set()
    await blocked
    # Asked behind the commit, so answered behind it.
    assert len(await spool.find(acceptance.message.queue_id)) == 1
    await other.sweep(now=sqlite.now, keep_history=0)

    assert sqlite.octets(other, acceptance.message) == b"x" * 2000
    assert len(await other.find(acceptance.message.queue_id)) == 1


async def test_a_failed_sync_is_not_forgiven(sqlite, monkeypatch):
    """After a failed fdatasync the next one tells of success although the octets are lost."""
    spool = await sqlite.start()
    sync, failures = os.fdatasync, [OSError(errno.EIO, "Input/output error")]

    def fail_once(fd):
        if failures:
            raise failures.pop()
        sync(fd)

    before = await sqlite.put(spool, octets=b"before")
    acceptances = [sqlite.acceptance(spool, octets=b"lost") for _ in range(3)]
    late = sqlite.acceptance(spool, octets=b"also lost")
    monkeypatch.setattr(os, "fdatasync", fail_once)

    results = await asyncio.gather(*(spool.commit(acceptance) for acceptance in acceptances), return_exceptions=True)
    with pytest.raises(SpoolError):
        await spool.commit(late)
    after = await sqlite.put(spool, octets=b"after")

    assert [type(result) for result in results] == [SpoolError] * 3
    assert await sqlite.lease(spool) == [(before.queue_id, 0), (after.queue_id, 0)]
    assert after.content.segment != before.content.segment
    assert sqlite.octets(spool, before) == b"before"
    assert sqlite.octets(spool, after) == b"after"


async def test_missing_octets_are_an_error_and_never_a_shorter_message(sqlite, small):
    spool = await sqlite.start()
    message = await sqlite.put(spool, octets=b"x" * 2000)
    await sqlite.put(spool, octets=b"rolls")
    path = spool._segments._folder / message.content.segment
    with path.open("r+b") as file:
        file.truncate(1500)

    assert spool.read(message.content, 0, 1500) == b"x" * 1500
    with pytest.raises(SpoolError):
        spool.read(message.content, 0, 2000)
    path.unlink()
    spool._segments.forget_removed()
    with pytest.raises(SpoolError):
        spool.read(message.content, 0, 1)


async def test_removed_segments_are_not_kept_open(sqlite, small):
    spool, other = await sqlite.start(), await sqlite.start(2)
    message = await sqlite.put(spool, octets=b"x" * 2000, leased=True)
    sqlite.octets(other, message)
    await spool.record([sqlite.change(message.queue_id)])
    await sqlite.put(spool, octets=b"rolls")
    folder = spool._segments._folder
    assert len(_open_files(folder)) == 2

    assert await spool.sweep(now=sqlite.now, keep_history=1000) == 2000
    await other.heartbeat(now=sqlite.now, detail={})

    assert len(_open_files(folder)) == 1


def test_a_segment_taken_away_before_it_was_locked_is_not_used(folder, monkeypatch):
    """A sweep may come between the making of a file and its locking."""
    segments = Segments(folder, "w")
    claim, taken = segments_module.claim, []

    def late(fd):
        if not taken:
            taken.append(Path(f"/proc/self/fd/{fd}").resolve())
            taken[0].unlink()
        return claim(fd)

    monkeypatch.setattr(segments_module, "claim", late)
    writer = segments.writer()
    writer.write(b"kept")
    content = writer.finish(header_size=0, body_hash="")

    assert _files(folder) == [content.segment]
    assert len(_open_files(folder)) == 1
    segments.close()


def test_a_segment_locked_by_a_sweep_is_left_to_it(folder, monkeypatch):
    segments, sweeper = Segments(folder, "w"), Segments(folder, "s")
    claim, removed = segments_module.claim, []

    def late(fd):
        if not removed:
            removed.append("")
            with sweeper.idle(sweeper.others()) as idle:
                removed[:] = idle
                assert not claim(fd)
                sweeper.remove(*idle)
            return False
        return claim(fd)

    monkeypatch.setattr(segments_module, "claim", late)
    segment = segments.writer().segment

    assert _files(folder) == [segment.name]
    assert removed == ["w-1.segment"]
    segments.close()


def test_what_another_holds_or_removed_is_not_idle(folder):
    segments, first, second = Segments(folder, "w"), Segments(folder, "a"), Segments(folder, "b")
    segments.writer()
    for name in ("old-1.segment", "old-2.segment"):
        (folder / name).write_bytes(b"x")

    assert first.others() == ["old-1.segment", "old-2.segment", "w-1.segment"]
    with first.idle(["old-1.segment", "w-1.segment", "gone.segment"]) as mine:
        assert mine == ["old-1.segment"]
        with second.idle(second.others()) as theirs:
            assert theirs == ["old-2.segment"]
    segments.close()


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(SpoolError):
        Segments(tmp_path / "file" / "segments", "w")


def test_a_segment_that_cannot_be_made_leaves_no_file_open(folder, monkeypatch):
    segments = Segments(folder, "w")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(segments_module, "sync_folder", full)
    for _ in range(3):
        with pytest.raises(SpoolFull):
            segments.writer()
    assert _open_files(folder) == []
    monkeypatch.undo()

    assert segments.writer().segment.name == "w-4.segment"
    segments.close()
