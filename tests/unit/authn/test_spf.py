"""SPF verdicts: the published suite for RFC 7208, and what a caller is promised beyond it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.name
import pytest
import yaml

from relay.authn.spf import SpfResult, Verdict, evaluate, evaluate_all
from relay.dns import Resolver
from relay.sandbox.dns_server import DnsServer
from relay.sandbox.zones import Fault, FaultKind, Zones

SUITE = Path(__file__).parents[2] / "vectors" / "openspf" / "rfc7208-tests.yml"
CASES = 203


class SuiteServer(DnsServer):
    """Falls silent as the suite describes: for one type of a name, or for whatever a name has no records of."""

    def __init__(self, zones: Zones, silent: set[tuple[str, str]]) -> None:
        super().__init__(zones)
        self.silent = silent

    async def _respond(self, data: bytes, over: str) -> bytes | None:
        answer = await super()._respond(data, over)
        name, rdtype, _ = self.questions[-1]
        records = self.zones.find(dns.name.from_text(name), rdtype).records
        if (name, rdtype) in self.silent or ((name, "") in self.silent and not records):
            return None
        return answer


def read_zones(zonedata: dict[str, list[Any]]) -> tuple[Zones, set[tuple[str, str]]]:
    """The suite's zone data; SPF records stand for TXT records of the same name unless there are TXT records."""
    zones, silent = Zones(), set()
    for name, entries in zonedata.items():
        records: dict[str, list[Any]] = {}
        for entry in entries:
            if entry == "TIMEOUT":
                silent.add((name.lower(), ""))
                continue
            for rdtype, value in entry.items():
                if value == "TIMEOUT":
                    silent.add((name.lower(), rdtype))
                else:
                    records.setdefault(rdtype, []).append(value)
        if "TXT" not in records and "SPF" in records:
            records["TXT"] = records["SPF"]
        for rdtype, values in records.items():
            texts = [value for value in values if value != "NONE"]
            if texts:
                zones.publish(name, rdtype, *[as_text(rdtype, value) for value in texts])
    return zones, silent


def as_text(rdtype: str, value: Any) -> Any:
    if rdtype == "MX":
        return f"{value[0]} {value[1] or '.'}" if value[1].endswith(".") or not value[1] else f"{value[0]} {value[1]}."
    if rdtype in ("PTR", "CNAME") and not value.endswith("."):
        return f"{value}."
    return value


def cases() -> Iterator[Any]:
    for scenario in yaml.safe_load_all(SUITE.read_text(encoding="utf-8")):
        for name, test in scenario["tests"].items():
            yield pytest.param(scenario["zonedata"], test, id=name)


def test_the_suite_is_whole() -> None:
    assert len(list(cases())) == CASES


@pytest.mark.parametrize(("zonedata", "test"), list(cases()))
async def test_published_case(zonedata: dict[str, list[Any]], test: dict[str, Any]) -> None:
    zones, silent = read_zones(zonedata)
    async with SuiteServer(zones, silent) as server:
        resolver = Resolver([server.address], 1.0 if silent else 5.0)
        result = await evaluate(test["host"], test["mailfrom"], test["helo"], resolver)
    expected = test["result"] if isinstance(test["result"], list) else [test["result"]]
    assert result.verdict in expected, result
    assert result.reason


RECORDS = {
    "klant.example": {"TXT": "v=spf1 include:relay.example a:mx.klant.example -all"},
    "relay.example": {"TXT": "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all"},
    "mx.klant.example": {"A": "192.0.2.9"},
    "mild.example": {"TXT": "v=spf1 ip4:192.0.2.1 ~all"},
    "undecided.example": {"TXT": "v=spf1 ip4:192.0.2.1"},
    "silent.example": {"A": "192.0.2.1"},
    "xn--bcher-kva.example": {"TXT": "v=spf1 ip4:192.0.2.1 -all"},
    "double.example": {"TXT": ["v=spf1 -all", "v=spf1 +all"]},
    "wild.example": {"TXT": "v=spf1 a/99999999999999999999 -all"},
    "odd.example": {"TXT": f"v=spf1 a/{'9' * 5000} -all"},
    "huge.example": {"TXT": ["v=spf1 " + "ip4:192.0.2.1 " * 700 + "-all"]},
    "local.example": {"TXT": "v=spf1 exists:%{l}.local.example -all"},
    "a.local.example": {"A": "127.0.0.2"},
}


@pytest.mark.parametrize(
    ("ip", "sender", "verdict", "reason"),
    [
        ("192.0.2.1", "a@klant.example", Verdict.PASS, "by include:relay.example"),
        ("2001:db8::1", "a@klant.example", Verdict.PASS, "by include:relay.example"),
        ("::ffff:192.0.2.1", "klant.example", Verdict.PASS, "by include:relay.example"),
        ("192.0.2.9", "a@klant.example", Verdict.PASS, "by a:mx.klant.example"),
        ("192.0.2.2", "a@klant.example", Verdict.FAIL, "by -all"),
        ("192.0.2.2", "a@mild.example", Verdict.SOFTFAIL, "by ~all"),
        ("192.0.2.2", "a@undecided.example", Verdict.NEUTRAL, "nothing in it matches"),
        ("192.0.2.2", "a@silent.example", Verdict.NONE, "publishes no SPF record"),
        ("192.0.2.2", "a@nergens.example", Verdict.NONE, "publishes no SPF record"),
        ("192.0.2.1", "é@bücher.example", Verdict.PASS, "by ip4:192.0.2.1"),
        ("192.0.2.1", "a@double.example", Verdict.PERMERROR, "Two or more"),
        ("192.0.2.1", "a@wild.example", Verdict.PERMERROR, "CIDR"),
        ("192.0.2.1", "a@odd.example", Verdict.PERMERROR, "beyond evaluation"),
        ("192.0.2.1", "a@huge.example", Verdict.PERMERROR, "too much text"),
        ("192.0.2.1", '"b@x"@local.example', Verdict.FAIL, "by -all"),
        ("192.0.2.1", "a@local.example", Verdict.PASS, "by exists"),
        ("192.0.2.1", "", Verdict.PASS, "relay.example"),
        ("list", "a@klant.example", Verdict.PERMERROR, "is not an address"),
        ("garbage", "a@klant.example", Verdict.PERMERROR, "is not an address"),
        ("192.0.2.1", "a@\udcff.example", Verdict.NONE, ""),
        ("192.0.2.1", "a@", Verdict.NONE, ""),
    ],
)
async def test_verdicts_come_with_their_reason(ip: str, sender: str, verdict: Verdict, reason: str) -> None:
    async with DnsServer(Zones(RECORDS)) as server:
        result = await evaluate(ip, sender, "klant.example", Resolver([server.address]))
    assert result.verdict is verdict, result
    assert reason in result.reason


async def test_a_verdict_holds_as_long_as_the_first_of_its_answers() -> None:
    async with DnsServer(Zones(RECORDS)) as server:
        resolver = Resolver([server.address])
        server.zones.ttl = 30
        short = await resolver.lookup_txt("relay.example")
        server.zones.ttl = 3000
        result = await evaluate("192.0.2.1", "a@klant.example", "x", resolver)
    assert result.expires == short.expires


async def test_trouble_with_the_dns_is_temporary() -> None:
    async with DnsServer(Zones(RECORDS)) as server:
        server.zones.break_name("relay.example", FaultKind.SERVFAIL)
        result = await evaluate("192.0.2.1", "a@klant.example", "x", Resolver([server.address]))
    assert (result.verdict, "relay.example" in result.reason) == (Verdict.TEMPERROR, True)


async def test_the_time_in_all_is_limited() -> None:
    async with DnsServer(Zones(RECORDS)) as server:
        server.zones.break_name("relay.example", Fault(FaultKind.DELAY, 60))
        result = await evaluate("192.0.2.1", "a@klant.example", "x", Resolver([server.address], 30), time_limit=0.05)
    assert result.verdict is Verdict.TEMPERROR
    assert "within 0.05 seconds" in result.reason


async def test_several_addresses_share_the_look_ups() -> None:
    async with DnsServer(Zones(RECORDS)) as server:
        results = await evaluate_all(
            ["192.0.2.1", "192.0.2.2", "2001:db8::1", "192.0.2.1"], "klant.example", Resolver([server.address])
        )
        assert {ip: result.verdict for ip, result in results.items()} == {
            "192.0.2.1": Verdict.PASS,
            "192.0.2.2": Verdict.FAIL,
            "2001:db8::1": Verdict.PASS,
        }
        assert len({(question.name, question.rdtype) for question in server.questions}) == len(server.questions)


async def test_evaluations_at_the_same_time_do_not_mix() -> None:
    domains = [f"d{number}.example" for number in range(40)]
    zones = Zones({name: {"TXT": f"v=spf1 ip4:192.0.2.{number} -all"} for number, name in enumerate(domains)})
    async with DnsServer(zones) as server:
        resolver = Resolver([server.address])
        results: list[SpfResult] = await asyncio.gather(
            *(evaluate(f"192.0.2.{number}", name, "x", resolver) for number, name in enumerate(domains)),
            *(evaluate("192.0.2.200", name, "x", resolver) for name in domains),
        )
    assert [result.verdict for result in results] == [Verdict.PASS] * 40 + [Verdict.FAIL] * 40


async def test_a_domain_that_needs_endless_look_ups_is_given_up() -> None:
    records = {f"n{number}.example": {"TXT": f"v=spf1 include:n{number + 1}.example -all"} for number in range(100)}
    async with DnsServer(Zones(records)) as server:
        result = await evaluate("192.0.2.1", "a@n0.example", "x", Resolver([server.address]))
        assert (result.verdict, "Too many DNS lookups" in result.reason) == (Verdict.PERMERROR, True)
        assert len(server.questions) <= 11
