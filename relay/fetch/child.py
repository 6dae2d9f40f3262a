"""The program that reads hostile mail: started with an empty environment, it forks once for every mail.

The one that waits has everything loaded and never sees what is in a mail. The one that reads may use so much memory, so
much time and one anonymous file for its answer, then it is gone with whatever the mail did to it. An empty answer says
that it did not survive.
"""

import os
import resource
import signal
import sys
from typing import BinaryIO

from relay.fetch.frames import LENGTH, MOST_SECONDS, frame, write_contents
from relay.fetch.parts import Limits, read_mail

MOST_MEMORY = 1024 * 1024 * 1024
MOST_CPU = 20
_MOST_ANSWER = 256 * 1024 * 1024


def main() -> None:
    """Serve until nothing more comes in."""
    # A mail that makes the reader fall is told to the parent; it is nothing for the log.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    while len(length := sys.stdin.buffer.read(LENGTH)) == LENGTH:
        mail = sys.stdin.buffer.read(int.from_bytes(length, "big"))
        _answer(mail, sys.stdout.buffer)


def _answer(mail: bytes, out: BinaryIO) -> None:
    file = os.memfd_create("relay-parts")
    try:
        child = os.fork()
        if child == 0:
            _read(mail, file)
        _, status = os.waitpid(child, 0)
        content = b""
        if status == 0:
            with os.fdopen(os.dup(file), "rb") as answer:
                answer.seek(0)
                content = answer.read()
        out.write(frame(content))
        out.flush()
    finally:
        os.close(file)


def _read(mail: bytes, file: int) -> None:
    code = 1
    try:
        _let_go(file)
        _limit()
        content = memoryview(write_contents(read_mail(mail, Limits())))
        while content:
            content = content[os.write(file, content) :]
        code = 0
    finally:
        os._exit(code)


def _let_go(file: int) -> None:
    """Keep nothing open but the file for the answer: no pipe to write into, and no place for last words."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    os.closerange(3, file)
    os.closerange(file + 1, os.sysconf("SC_OPEN_MAX"))


def _limit() -> None:
    signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
    for what, most in (
        (resource.RLIMIT_AS, MOST_MEMORY),
        (resource.RLIMIT_CPU, MOST_CPU),
        (resource.RLIMIT_FSIZE, _MOST_ANSWER),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    main()
