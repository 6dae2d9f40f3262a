"""A gate that does as it is told and remembers what it was asked."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from relay.intake.gate import Content, Hello, Peer, SessionLimits
from relay.mail.address import Address
from relay.mail.envelope import MailParameters, Recipient
from relay.mail.reply import Reply

OK = Reply(250, "2.0.0", "Ok")
WIDE = SessionLimits(message_size=1_000_000, recipients=100, errors=20, idle_timeout=60, data_timeout=60)


class RecordingContent:
    def __init__(self) -> None:
        self.octets = bytearray()
        self.refusal: Reply | None = None
        self.aborted = False
        self.broken = False

    def write(self, block: bytes | bytearray | memoryview) -> None:
        if self.broken:
            raise RuntimeError("secret detail of write")
        self.octets += block

    def refuse(self, reply: Reply) -> None:
        self.refusal = self.refusal or reply

    def abort(self) -> None:
        self.aborted = True


@dataclass
class Message:
    reverse_path: Address | None
    parameters: MailParameters
    recipients: list[Recipient]
    octets: bytes


@dataclass
class RecordingGate:
    """Local parts steer it: refuse@ and later@ are refused, break@ raises, full@ has no room for content."""

    peer: Peer
    limits: SessionLimits = WIDE
    offers_login: bool = True
    delay: float = 0.0
    greeting_pause: float = 0.0
    is_strict: bool = False
    hostname: str = "relay.example"
    greeting: Reply = field(default_factory=lambda: Reply(220, "", "ESMTP ready"))
    on_accept: Callable[[], "asyncio.Future[None]"] | None = None
    hellos: list[Hello] = field(default_factory=list)
    refusals: list[tuple[str, Reply]] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    contents: list[RecordingContent] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    resets: int = 0
    closed: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    accepting: asyncio.Event = field(default_factory=asyncio.Event)
    _open: tuple[Address | None, MailParameters, list[Recipient]] | None = None

    def connect(self) -> Reply:
        return self.greeting

    def hello(self, hello: Hello) -> None:
        if hello.name == "break.example":
            raise RuntimeError("secret detail of hello")
        self.hellos.append(hello)

    async def login(self, username: str, password: str) -> Reply:
        await asyncio.sleep(0)
        self.logins.append((username, password))
        if username == "break":
            raise RuntimeError("secret detail of login")
        if (username, password) == ("app", "sésame"):
            return Reply(235, "2.7.0", "Authenticated")
        return Reply(535, "5.7.8", "Wrong user name or password")

    def mail(self, reverse_path: Address | None, parameters: MailParameters) -> Reply:
        reply = self._judge(reverse_path)
        if reply.is_positive:
            self._open = (reverse_path, parameters, [])
        return reply

    async def rcpt(self, recipient: Recipient) -> Reply:
        reply = self._judge(recipient.address)
        if reply.is_positive:
            assert self._open is not None
            self._open[2].append(recipient)
        return reply

    def content(self) -> Content | Reply:
        assert self._open is not None
        local_parts = {recipient.address.local for recipient in self._open[2]}
        if "full" in local_parts:
            return Reply(452, "4.3.1", "No room now")
        content = RecordingContent()
        content.broken = "break-write" in local_parts
        self.contents.append(content)
        return content

    async def accept(self, content: Content) -> Reply:
        assert self._open is not None
        assert isinstance(content, RecordingContent)
        opened, self._open = self._open, None
        self.accepting.set()
        await (self.on_accept() if self.on_accept else asyncio.sleep(0))
        if any(recipient.address.local == "break-accept" for recipient in opened[2]):
            raise RuntimeError("secret detail of accept")
        if content.refusal is not None:
            return content.refusal
        self.messages.append(Message(*opened, bytes(content.octets)))
        return Reply(250, "2.0.0", f"queued as {len(self.messages)}")

    def refused(self, verb: str, reply: Reply) -> None:
        self.refusals.append((verb, reply))

    def reset(self) -> None:
        self.resets += 1
        self._open = None

    def close(self) -> None:
        self.closed += 1
        self.ended.set()

    def _judge(self, address: Address | None) -> Reply:
        match address.local if address else "":
            case "refuse":
                return Reply(550, "5.1.1", "No such mailbox")
            case "later":
                return Reply(451, "4.7.1", "Come back later")
            case "break":
                raise RuntimeError("secret detail of an address")
        return OK
