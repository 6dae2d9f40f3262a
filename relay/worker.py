"""The program of one worker process: an event loop, the signals, and the pipes to its parent."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import structlog
import uvloop

from relay.app import ConfigTrouble, Worker, WorkerName
from relay.log import set_up_log
from relay.malloc import give_memory_back
from relay.supervisor import EX_CONFIG


def work(config: Path, name: str, lifeline: int, notices: int) -> int:
    """Be a worker until the parent says stop, or is gone; the exit code.

    `lifeline` is a pipe that ends with the parent, `notices` one to say "ready" and "alive" into.
    """
    give_memory_back()
    # What `ps` and `top` show.
    Path("/proc/self/comm").write_text("relay-worker", encoding="ascii")
    # Between getting the GIL and giving it up again lie system calls of the store's thread: let it have its turn.
    sys.setswitchinterval(0.0005)
    return uvloop.run(_run(config, name, lifeline, notices))


async def _run(config: Path, name: str, lifeline: int, notices: int) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    # The terminal's Ctrl-C reaches the parent, which then says what to do.
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    loop.add_reader(lifeline, stop.set)
    try:
        worker = Worker(config, WorkerName(name, os.getpid()))
    except ConfigTrouble as error:
        set_up_log("info", "json")
        structlog.get_logger("relay").error("cannot start", error=str(error))
        return EX_CONFIG
    loop.add_signal_handler(signal.SIGHUP, worker.reload)

    def say(word: bytes) -> None:
        os.write(notices, word + b"\n")

    await worker.run(stop, lambda: say(b"ready"), lambda: say(b"alive"))
    return 0


if __name__ == "__main__":
    sys.exit(work(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
