"""The program that reads hostile mail: started with an empty environment, it forks once for every mail.

The one that waits has everything loaded and never sees what is in a mail. The one that reads may use so much memory, so
much time and one anonymous file for its answer, then it is gone with whatever the mail did to it. An empty answer says
that it did not survive.
"""

import base64
import gc
import os
import resource
import signal
import sys
from typing import BinaryIO

from relay.fetch.frames import LENGTH, MOST_SECONDS, write_contents
from relay.fetch.parts import Limits, read_mail

MOST_MEMORY = 1024 * 1024 * 1024
MOST_CPU = 20
_MOST_ANSWER = 256 * 1024 * 1024
_SAMPLE = b"""\
Content-Type: multipart/mixed; boundary=b
Subject: =?utf-8?Q?sample?=

--b
Content-Type: text/html; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

<p>sample</p>
--b
Content-Type: application/pdf; name="sample.pdf"
Content-Disposition: attachment; filename="sample.pdf"

%%PDF-1.3
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj trailer<</Root 1 0 R>>
--b
Content-Type: application/xml
Content-Transfer-Encoding: base64

%b
--b--
""" % base64.encodebytes(b"<Invoice/>")


def main() -> None:
    """Serve until nothing more comes in."""
    # A mail that makes the reader fall is told to the parent; it is nothing for the log.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    # What a mail needs is there before the first one, and pages that are not touched are not copied for each mail.
    read_mail(_SAMPLE, Limits())
    gc.disable()
    gc.freeze()
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
        size = os.fstat(file).st_size if status == 0 else 0
        out.write(size.to_bytes(LENGTH, "big"))
        out.flush()
        sent = 0
        while sent < size:
            moved = os.sendfile(out.fileno(), file, sent, size - sent)
            if not moved:
                sys.exit("the answer has become shorter")
            sent += moved
    finally:
        os.close(file)


def _read(mail: bytes, file: int) -> None:
    code = 1
    try:
        _let_go(file)
        _limit()
        for piece in write_contents(read_mail(mail, Limits())):
            content = memoryview(piece)
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
