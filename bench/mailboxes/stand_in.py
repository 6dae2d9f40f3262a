"""A light IMAP server over TLS for as many mailboxes as connect: `python -m bench.mailboxes.stand_in PORT CERT KEY`.

Says only what our client asks for. A line on standard input names the user who gets a mail.
"""

import asyncio
import re
import ssl
import sys
from asyncio import sslproto
from collections import Counter, defaultdict

HEAD = b"Message-ID: <%d@%s>\r\nSubject: hello\r\n\r\n"
STRUCTURE = b'("TEXT" "PLAIN" NIL NIL NIL "7BIT" 12 1)'

mails: Counter[str] = Counter()
waiting: defaultdict[str, set[asyncio.StreamWriter]] = defaultdict(set)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection."""
    user, idle = "", b""
    writer.write(b"* OK [CAPABILITY IMAP4rev1 IDLE SASL-IR] hello\r\n")
    try:
        while line := await reader.readline():
            tag, _, rest = line.strip().partition(b" ")
            verb = rest.upper()
            if tag.upper() == b"DONE":
                waiting[user].discard(writer)
                tag = idle
            elif verb.startswith(b"LOGIN"):
                user = re.findall(rb'"([^"]*)"', rest)[0].decode()
            elif verb.startswith(b"EXAMINE"):
                count = mails[user]
                writer.write(b"* %d EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT %d] x\r\n" % (count, count + 1))
            elif verb.startswith(b"UID SEARCH"):
                writer.write(b"* SEARCH %d\r\n" % mails[user] if mails[user] else b"* SEARCH\r\n")
            elif verb.startswith(b"UID FETCH"):
                uid = int(rest.split()[2].split(b",")[-1])
                head = HEAD % (uid, user.encode())
                writer.write(
                    b'* %d FETCH (UID %d RFC822.SIZE 100 INTERNALDATE "25-Nov-2026 10:00:00 +0000" BODYSTRUCTURE %s '
                    b"BODY[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT)] {%d}\r\n%s)\r\n"
                    % (uid, uid, STRUCTURE, len(head), head)
                )
            elif verb == b"IDLE":
                idle = tag
                waiting[user].add(writer)
                writer.write(b"+ idling\r\n")
                continue
            writer.write(tag + b" OK done\r\n")
    except ConnectionError:
        pass
    finally:
        waiting[user].discard(writer)
        writer.close()


async def main(port: int, certificate: str, key: str) -> None:
    """Serve until standard input ends."""
    sslproto.SSLProtocol.max_size = 16 * 1024  # 256 KiB a connection otherwise
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    await asyncio.start_server(serve, "127.0.0.1", port, ssl=context, backlog=1000)
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while line := await orders.readline():
        user = line.decode().strip()
        mails[user] += 1
        for writer in waiting[user]:
            writer.write(b"* %d EXISTS\r\n" % mails[user])


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
