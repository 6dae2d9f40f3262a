"""Mails are read in processes that have nothing to lose, each those of one mailbox."""

import asyncio
import contextlib
import os
import resource
import signal
import socket
from pathlib import Path

import pytest

from relay.fetch import child
from relay.fetch.frames import MAIL, READ, READY
from relay.fetch.reader import Readers, one_reader
from relay.policy.invoice.facts import Flaw, Kind

from .mails import mail, pdf


@pytest.fixture
async def readers():
    readers = Readers()
    yield readers
    await readers.close()


def attached(name):
    return mail((name, pdf())).as_bytes()


def names(contents):
    return [part.name for part in contents.facts.parts]


def processes(readers):
    """Those that read mails now."""
    pid = readers._program.pid
    return {int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


async def end_of(pid):
    """Wait until a process is gone."""
    with contextlib.suppress(ProcessLookupError):
        watched, gone = os.pidfd_open(pid), asyncio.Event()
        asyncio.get_running_loop().add_reader(watched, gone.set)
        await gone.wait()
        asyncio.get_running_loop().remove_reader(watched)
        os.close(watched)


async def stop_in_a_mail(readers, reader):
    """A process that was handed `2.pdf` and stands still, and the reading that waits for it."""
    await reader.read(attached("1.pdf"))
    (pid,) = processes(readers)
    os.kill(pid, signal.SIGSTOP)
    reading = asyncio.create_task(reader.read(attached("2.pdf")))
    await asyncio.sleep(0)
    return pid, reading


async def test_one_process_reads_the_mails_of_a_mailbox_and_is_gone_afterwards(readers):
    seen = []
    with readers.new() as reader:
        for number in range(3):
            contents = await reader.read(attached(f"{number}.pdf"))
            assert names(contents) == [f"{number}.pdf"]
            assert contents.data[0].startswith(b"%PDF")
            seen.append(processes(readers))
    (only,) = seen[0]
    assert seen == [{only}] * 3
    await end_of(only)


async def test_two_mailboxes_never_share_a_process(readers):
    with readers.new() as one, readers.new() as other:
        await one.read(attached("1.pdf"))
        (first,) = processes(readers)
        await other.read(attached("2.pdf"))
        await one.read(attached("3.pdf"))
        assert len(processes(readers) - {first}) == 1


async def test_after_so_many_mails_another_process_goes_on(readers, monkeypatch):
    monkeypatch.setattr("relay.fetch.reader._MOST_MAILS", 2)
    with readers.new() as reader:
        await reader.read(attached("1.pdf"))
        (first,) = processes(readers)
        await reader.read(attached("2.pdf"))
        await end_of(first)
        assert names(await reader.read(attached("3.pdf"))) == ["3.pdf"]


async def test_a_mail_that_takes_long_keeps_others_from_nothing(readers):
    with readers.new() as one, readers.new() as other:
        stopped, slow = await stop_in_a_mail(readers, one)
        assert names(await other.read(attached("quick.pdf"))) == ["quick.pdf"]
        assert not slow.done()
        os.kill(stopped, signal.SIGCONT)
        assert names(await slow) == ["2.pdf"]


async def test_a_mail_whose_reader_dies_is_parked_and_the_next_one_is_read(readers):
    with readers.new() as reader:
        pid, reading = await stop_in_a_mail(readers, reader)
        os.kill(pid, signal.SIGKILL)
        (part,) = (await reading).facts.parts
        assert part.flaw is Flaw.BURSTS
        assert names(await reader.read(attached("3.pdf"))) == ["3.pdf"]


async def test_the_program_is_started_anew_when_it_has_died(readers):
    with readers.new() as reader:
        await reader.read(attached("1.pdf"))
    os.kill(readers._program.pid, signal.SIGKILL)
    await readers._program.wait()
    with readers.new() as reader:
        assert names(await reader.read(attached("2.pdf"))) == ["2.pdf"]


async def test_who_reads_already_goes_on_when_the_program_is_started_anew(readers):
    with readers.new() as one, readers.new() as other:
        await one.read(attached("1.pdf"))
        os.kill(readers._program.pid, signal.SIGKILL)
        await readers._program.wait()
        assert names(await other.read(attached("2.pdf"))) == ["2.pdf"]
        assert names(await one.read(attached("3.pdf"))) == ["3.pdf"]


async def test_a_mail_is_not_judged_when_no_process_can_be_started(readers, monkeypatch):
    """It is not the mail's fault, and the mail must not be parked for it."""
    with readers.new() as reader:
        with monkeypatch.context() as broken:
            broken.setattr("relay.fetch.reader.sys.executable", "/bin/true")
            with pytest.raises(OSError):
                await reader.read(attached("1.pdf"))
        await readers._program.wait()
        assert names(await reader.read(attached("1.pdf"))) == ["1.pdf"]


async def test_a_reading_that_is_given_up_ends_its_process(readers):
    with readers.new() as reader:
        pid, reading = await stop_in_a_mail(readers, reader)
        reading.cancel()
        await asyncio.wait([reading])
        os.kill(pid, signal.SIGCONT)
        await end_of(pid)
        assert names(await reader.read(attached("3.pdf"))) == ["3.pdf"]


def answers(octets=b"mail"):
    """What a process says that is handed one mail; nothing when it does not survive."""
    ours, theirs = socket.socketpair()
    with ours:
        pid = os.fork()
        if pid == 0:
            child.serve(theirs.fileno())
        theirs.close()
        ours.sendall(MAIL.pack(len(octets)) + octets)
        ours.shutdown(socket.SHUT_WR)
        said = b"".join(iter(lambda: ours.recv(65536), b""))
        os.waitpid(pid, 0)
        assert said.startswith(READY)
        return said[len(READY) :]


@pytest.mark.parametrize(
    "harm",
    [
        lambda *_: bytearray(4 << 30),
        lambda *_: os.kill(os.getpid(), signal.SIGKILL),
        lambda *_: 1 // 0,
        lambda *_: signal.pause(),
    ],
)
def test_what_a_mail_does_to_its_reader_ends_with_the_reader(monkeypatch, harm):
    monkeypatch.setattr(child, "read_mail", harm)
    monkeypatch.setattr(child, "MOST_SECONDS", 0.05)
    assert answers() == b""


def test_the_reader_of_a_mail_holds_nothing_of_ours_and_starts_nothing(monkeypatch):
    def look(_contents):
        opened = set()
        for each in list(Path("/proc/self/fd").iterdir()):
            with contextlib.suppress(FileNotFoundError):  # the one that the list was read by
                opened.add(str(each.readlink()).partition(":")[0])
        return [f"{resource.getrlimit(resource.RLIMIT_NPROC)} {sorted(opened)}".encode()]

    monkeypatch.setattr(child, "write_contents", look)
    assert answers()[READ.size :] == b"(0, 0) ['/dev/null', 'socket']"


@pytest.mark.parametrize("much", ["_MUCH_MEMORY", "_MUCH_CPU"])
def test_who_has_used_much_says_that_it_reads_no_other_mail(monkeypatch, much):
    monkeypatch.setattr(child, "_MUCH_MEMORY", 2**40)  # a process that is forked begins with what its parent has
    assert READ.unpack_from(answers(attached("1.pdf")))[0] is False
    monkeypatch.setattr(child, much, 0)
    assert READ.unpack_from(answers(attached("1.pdf")))[0] is True


NONSENSE = [
    *(
        b"",
        b"[]\n",
        b"[" * 100_000 + b"\n",
        b'{"facts": {"parts": [7]}, "sizes": {}}\n',
        b'{"facts": {}, "sizes": []}\n',
    ),
    b'{"facts": {"parts": [{"pixels": [Infinity, 1], "business": null, "flaw": null, "kind": "pdf"}]}, "sizes": {}}\n',
]


@pytest.mark.parametrize("answer", NONSENSE)
async def test_a_mail_that_cannot_be_read_is_parked_as_a_whole(answer, monkeypatch):
    async with one_reader() as reader:

        async def say(_line, _mail):
            return answer

        monkeypatch.setattr(reader, "_ask", say)
        (part,) = (await reader.read(b"mail")).facts.parts
    assert (part.flaw, part.kind) == (Flaw.BURSTS, Kind.MESSAGE)


@pytest.mark.parametrize("said", [READ.pack(False, 2**40), b"\0" * 5, READ.pack(False, 5) + b"1234"])  # noqa: FBT003
async def test_an_answer_that_is_too_large_or_breaks_off_is_none(readers, monkeypatch, said):
    ours, theirs = socket.socketpair()
    ours.settimeout(0)

    async def fork():
        return ours

    monkeypatch.setattr(readers, "fork", fork)
    theirs.sendall(said)
    theirs.shutdown(socket.SHUT_WR)
    with readers.new() as reader:
        (part,) = (await reader.read(b"mail")).facts.parts
        assert part.flaw is Flaw.BURSTS
    assert ours.fileno() == -1
    theirs.close()


async def test_the_program_knows_nothing_of_our_environment(readers, monkeypatch):
    monkeypatch.setenv("RELAY_SECRET", "not for children")
    with readers.new() as reader:
        await reader.read(b"")
    environment = Path(f"/proc/{readers._program.pid}/environ")
    assert b"RELAY_SECRET" not in await asyncio.to_thread(environment.read_bytes)
