"""The program that reads hostile mail: started with an empty environment, it forks for every look at a mailbox.

The one that waits has everything loaded and never sees what is in a mail. Those that read are handed the mails of one
mailbox over a connection of their own. Each may use so much memory, and so much time for a mail; whatever a mail did to
it is gone with it, at the latest when the look at the mailbox ends.
"""

import base64
import gc
import os
import resource
import signal
import socket
import sys
from time import process_time

from relay.fetch.frames import MAIL, MOST_SECONDS, READ, READY, write_contents
from relay.fetch.parts import Limits, read_mail
from relay.malloc import give_memory_back

MOST_MEMORY = 1024 * 1024 * 1024
MOST_CPU = 20
# Who has used so much of either reads no further mail.
_MUCH_MEMORY = 192 * 1024 * 1024
_MUCH_CPU = 40
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
    """Fork a reader for every connection that is handed in, until nobody hands in any more."""
    # A mail that makes the reader fall is told to the parent; it is nothing for the log.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    # What a mail needs is there before the first one, and pages that are not touched are not copied for each reader.
    give_memory_back()
    read_mail(_SAMPLE, Limits())
    gc.disable()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=sys.stdin.fileno()) as orders:
        while handed := socket.recv_fds(orders, 1, 1)[1]:
            if os.fork() == 0:
                serve(handed[0])
            os.close(handed[0])


def serve(connection: int) -> None:
    """Read the mails that come in over a connection, then be gone."""
    code = 1
    try:
        _let_go(connection)
        _limit()
        gc.enable()
        with socket.socket(fileno=connection) as line:
            line.sendall(READY)
            while _answer(line):
                pass
        code = 0
    finally:
        os._exit(code)


def _answer(line: socket.socket) -> bool:
    """Read one mail; whether there may be another one."""
    head = _receive(line, MAIL.size)
    if not head:
        return False
    mail = bytes(_receive(line, *MAIL.unpack(head)))
    _allow_one_more()
    pieces = write_contents(read_mail(mail, Limits()))
    signal.setitimer(signal.ITIMER_REAL, 0)
    used = resource.getrusage(resource.RUSAGE_SELF)
    is_last = used.ru_maxrss * 1024 > _MUCH_MEMORY or process_time() > _MUCH_CPU
    line.sendall(READ.pack(is_last, sum(map(len, pieces))))
    for piece in pieces:
        line.sendall(piece)
    return not is_last


def _receive(line: socket.socket, size: int) -> bytearray:
    """So many octets; fewer when the other side has gone."""
    data = bytearray(size)
    left = memoryview(data)
    while left and (count := line.recv_into(left)):
        left = left[count:]
    return data[: size - len(left)] if left else data


def _let_go(connection: int) -> None:
    """Keep nothing open but the connection: nobody to talk to, and no place for last words."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    os.closerange(3, connection)
    os.closerange(connection + 1, os.sysconf("SC_OPEN_MAX"))


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_AS, MOST_MEMORY),
        (resource.RLIMIT_CPU, _MUCH_CPU + MOST_CPU),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def _allow_one_more() -> None:
    """Time for one mail, from now on."""
    signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (int(process_time()) + MOST_CPU, _MUCH_CPU + MOST_CPU))


if __name__ == "__main__":
    main()
