"""Mail::SPF of Debian and the relay agree about who may send for a domain."""

from relay.authn.spf import evaluate
from relay.clock import SystemClock
from relay.dns import Resolver
from relay.sandbox.dns_server import DnsServer
from relay.sandbox.zones import FaultKind, Zones
from tests.peers.programs import program, run

from .conftest import PEERS

OURS, OTHER, SIX = "203.0.113.7", "198.51.100.9", "2001:db8::7"
ZONES = Zones(
    {
        "pass.example": {"TXT": "v=spf1 ip4:203.0.113.0/24 -all"},
        "soft.example": {"TXT": "v=spf1 ip4:203.0.113.7 ~all"},
        "neutral.example": {"TXT": "v=spf1 ?all"},
        "nothing.example": {"TXT": "some other text"},
        "six.example": {"TXT": "v=spf1 ip6:2001:db8::/32 -all"},
        "a.example": {"TXT": "v=spf1 a -all", "A": [OURS], "AAAA": [SIX]},
        "a-cidr.example": {"TXT": "v=spf1 a:near.example/24 -all"},
        "near.example": {"A": "203.0.113.200"},
        "mx.example": {"TXT": "v=spf1 mx -all", "MX": ["10 a.example.", "20 near.example."]},
        "include.example": {"TXT": "v=spf1 include:pass.example -all"},
        "include-none.example": {"TXT": "v=spf1 include:nothing.example -all"},
        "redirect.example": {"TXT": "v=spf1 redirect=pass.example"},
        "redirect-none.example": {"TXT": "v=spf1 redirect=nothing.example"},
        "exists.example": {"TXT": "v=spf1 exists:%{ir}.%{l1r}.%{d} -all"},
        "7.113.0.203.an.exists.example": {"A": "127.0.0.2"},
        "ptr.example": {"TXT": "v=spf1 ptr -all"},
        "host.ptr.example": {"A": OURS},
        "7.113.0.203.in-addr.arpa": {"PTR": "host.ptr.example."},
        "two.example": {"TXT": ["v=spf1 -all", "v=spf1 +all"]},
        "wrong.example": {"TXT": "v=spf1 ipv4:203.0.113.7 -all"},
        "wrong-ip.example": {"TXT": "v=spf1 ip4:203.0.113.777 -all"},
        "case.example": {"TXT": "V=SPF1 IP4:203.0.113.7 -ALL"},
        "split.example": {"TXT": [("v=spf1 ip4:203.0", ".113.7 -all")]},
        "deep.example": {"TXT": "v=spf1 " + " ".join(f"a:{n}.deep.example" for n in range(11)) + " -all"},
        **{f"{n}.deep.example": {"A": "192.0.2.1"} for n in range(11)},
        "void.example": {"TXT": "v=spf1 a:v1.example a:v2.example a:v3.example ip4:203.0.113.7 -all"},
        "loop.example": {"TXT": "v=spf1 include:loop.example -all"},
        "broken.example": {"TXT": "v=spf1 include:servfail.example -all"},
        "mail.helo.example": {"TXT": "v=spf1 ip4:203.0.113.7 -all"},
    }
)
ZONES.break_name("servfail.example", FaultKind.SERVFAIL)
DOMAINS = sorted(
    {
        *(name for name in ZONES.names() if name.count(".") == 1 and not name.startswith(("near", "servfail"))),
        "missing.example",
    }
)
QUESTIONS = [(ip, "mail.helo.example", f"an@{domain}") for domain in DOMAINS for ip in (OURS, OTHER, SIX)] + [
    (ip, helo, "-") for ip in (OURS, OTHER) for helo in ("mail.helo.example", "missing.example")
]


async def test_verdicts_agree() -> None:
    async with DnsServer(ZONES) as server:
        lines = "".join(f"{' '.join(question)}\n" for question in QUESTIONS)
        code, said = await run(
            program("perl", "perl"), str(PEERS / "spf.pl"), server.host, str(server.port), stdin=lines.encode()
        )
        assert code == 0, said
        theirs = dict(zip(QUESTIONS, said.split(), strict=True))
        resolver = Resolver([server.address], 5.0, clock=SystemClock())
        ours = {
            question: str((await evaluate(question[0], question[2].strip("-"), question[1], resolver)).verdict)
            for question in QUESTIONS
        }
    assert ours == theirs
    assert set(ours.values()) == {"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"}
