"""Mails are read in a child that has nothing to lose."""

import asyncio
import contextlib
import os
import resource
import signal
from pathlib import Path

import pytest

from relay.fetch import child
from relay.fetch.reader import Reader
from relay.policy.invoice.facts import Flaw, Kind

from .mails import mail, pdf


@pytest.fixture
async def reader():
    reader = Reader()
    yield reader
    await reader.close()


async def test_one_child_reads_many_mails(reader):
    for number in range(3):
        contents = await reader.read(mail((f"{number}.pdf", pdf())).as_bytes())
        assert [part.name for part in contents.facts.parts] == [f"{number}.pdf"]
        assert contents.data[0].startswith(b"%PDF")


async def test_a_mail_that_takes_long_keeps_others_from_nothing(reader):
    stopped = reader._free[-1]
    await reader.read(b"")
    os.kill(stopped.process.pid, signal.SIGSTOP)
    slow = asyncio.create_task(reader.read(mail(("slow.pdf", pdf())).as_bytes()))
    await asyncio.sleep(0)
    quick = await reader.read(mail(("quick.pdf", pdf())).as_bytes())
    assert [part.name for part in quick.facts.parts] == ["quick.pdf"]
    assert not slow.done()
    os.kill(stopped.process.pid, signal.SIGCONT)
    assert [part.name for part in (await slow).facts.parts] == ["slow.pdf"]


async def test_a_child_that_dies_is_replaced(reader):
    await reader.read(b"")
    os.kill(reader._free[-1].process.pid, signal.SIGKILL)
    first = await reader.read(mail(("f.pdf", pdf())).as_bytes())
    second = await reader.read(mail(("f.pdf", pdf())).as_bytes())
    assert Kind.PDF in {part.kind for part in (*first.facts.parts, *second.facts.parts)}


@pytest.mark.parametrize(
    "harm", [lambda *_: bytearray(4 << 30), lambda *_: os.kill(os.getpid(), signal.SIGKILL), lambda *_: 1 // 0]
)
def test_what_a_mail_does_to_its_reader_ends_with_the_reader(monkeypatch, tmp_path, harm):
    monkeypatch.setattr(child, "read_mail", harm)
    with (tmp_path / "out").open("wb") as out:
        child._answer(b"mail", out)
    assert (tmp_path / "out").read_bytes() == b"\0" * 8


def test_the_reader_of_a_mail_holds_nothing_of_ours_and_starts_nothing(monkeypatch, tmp_path):
    def look(*_):
        limits = resource.getrlimit(resource.RLIMIT_NPROC)
        opened = set()
        for each in list(Path("/proc/self/fd").iterdir()):
            with contextlib.suppress(FileNotFoundError):  # the one that the list was read by
                opened.add(str(each.readlink()))
        (tmp_path / "seen").write_text(f"{limits} {sorted(opened)}")

    monkeypatch.setattr(child, "read_mail", look)
    with (tmp_path / "out").open("wb") as out:
        child._answer(b"mail", out)
    assert (tmp_path / "seen").read_text() == "(0, 0) ['/dev/null', '/memfd:relay-parts (deleted)']"


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
async def test_a_mail_that_cannot_be_read_is_parked_as_a_whole(reader, monkeypatch, answer):
    async def say(_mail):
        return answer

    monkeypatch.setattr(reader._free[-1], "_ask", say)
    (part,) = (await reader.read(b"mail")).facts.parts
    assert part.flaw is Flaw.BURSTS


async def test_the_child_knows_nothing_of_our_environment(reader, monkeypatch):
    monkeypatch.setenv("RELAY_SECRET", "not for children")
    await reader.read(b"")
    environment = Path(f"/proc/{reader._free[-1].process.pid}/environ")
    assert b"RELAY_SECRET" not in await asyncio.to_thread(environment.read_bytes)
