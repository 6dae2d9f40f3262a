"""`relay company check` says which records a company's domain needs, from the DNS as it is now."""

import pytest

from relay.cli.reading import resolver_of
from relay.config.settings import Dns, Settings
from relay.sandbox.zones import FaultKind

from .names import name_server

OURS = "my.relay.example"
RECORDS = {
    OURS: {"MX": f"10 mx1.{OURS}.", "TXT": "v=spf1 ip4:127.0.0.1 -all"},
    f"mx1.{OURS}": {"A": "127.0.0.1"},
}
SHOP = "name: Shop\naddress: info@shop.example\nalias: shop\noutgoing: {identity: own-domain}\n"


@pytest.fixture
def names():
    with name_server(RECORDS) as server:
        yield server


@pytest.fixture
def world(place, names):
    key = place.path / "var/dkim.pem"
    made = place.run("dkim", "new", OURS, "d1", "--out", str(key), "--json").json
    names.zones.publish(f"d1._domainkey.{OURS}", "TXT", made["value"])
    settings = (place.path / "config/relay.yaml").read_text().replace("127.0.0.1:9", names.address)
    delegated = f"dkim: [{{domain: {OURS}, selector: d1, key: {{file: {key}}}, delegated: true}}]\n"
    place.write("relay.yaml", settings + delegated)
    place.write("companies/shop.yaml", SHOP)
    return place


def records(world):
    ended = world.run("company", "check", "shop", "--json")
    return ended.code, {record["name"]: record for record in ended.json["records"]}


def test_what_is_missing_is_named_with_the_exact_text(world) -> None:
    code, found = records(world)

    assert code == 1
    assert [(record["type"], record["state"]) for record in found.values()] == [
        ("TXT", "to do"),
        ("CNAME", "optional"),
        ("TXT", "to do"),
        ("CNAME", "optional"),
        ("TXT", "optional"),
        ("TXT", "optional"),
        ("TXT", "optional"),
    ]
    assert found["shop.example"]["publish"] == [f"v=spf1 include:{OURS}"]
    assert found["d1._domainkey.shop.example"]["publish"] == [f"d1._domainkey.{OURS}."]


def test_publishing_what_it_says_is_all_there_is_to_do(world, names) -> None:
    _, found = records(world)
    for record in found.values():
        names.zones.publish(record["name"], record["type"], "".join(record["publish"]))

    ended = world.run("company", "check", "shop", "--json")

    assert (ended.code, ended.json["verdict"]) == (0, "passes")
    assert {record["state"] for record in ended.json["records"]} == {"ok"}
    explained = world.run("explain", "shop", "an@shop.example", "--json").json[0]
    assert (explained["identity"], explained["fallback"]) == ("own-domain", False)
    assert explained["reverse_path"].endswith("@bounce.shop.example")


def test_reports_of_receivers_go_to_the_companys_address_for_them(world, names) -> None:
    names.zones.publish("_dmarc.shop.example", "TXT", "v=DMARC1; p=reject; rua=mailto:dmarc@shop.example")
    names.zones.publish(f"shop.example._report._dmarc.{OURS}", "TXT", "v=DMARC1")
    _, found = records(world)

    asked, tls = found["_dmarc.shop.example"], found["_smtp._tls.shop.example"]
    assert asked["publish"] == [
        f"v=DMARC1; p=reject; rua=mailto:dmarc@shop.example,mailto:reports+shop@{OURS}",
    ]
    assert tls["publish"] == [f"v=TLSRPTv1; rua=mailto:reports+shop@{OURS}"]
    assert found[f"shop.example._report._dmarc.{OURS}"]["state"] == "ok"
    names.zones.break_name(f"shop.example._report._dmarc.{OURS}", FaultKind.SERVFAIL)
    assert records(world)[1][f"shop.example._report._dmarc.{OURS}"]["state"] == "not known"


def test_a_policy_further_up_is_where_reports_are_asked_for(world, names) -> None:
    names.zones.publish("_dmarc.shop.example", "TXT", "v=DMARC1; p=reject")
    world.write("companies/shop.yaml", SHOP.replace("info@shop.example", "info@mail.shop.example"))
    _, found = records(world)

    assert f"v=DMARC1; p=reject; rua=mailto:reports+shop@{OURS}" in found["_dmarc.shop.example"]["publish"]
    assert "_dmarc.mail.shop.example" not in found


def test_the_colon_that_the_page_forgot_is_found(world, names) -> None:
    names.zones.publish("shop.example", "TXT", f"v=spf1 include.{OURS} mx -all")
    _, found = records(world)

    record = found["shop.example"]
    assert record["publish"] == [f"v=spf1 include:{OURS} mx -all"]
    assert any(f"'include.{OURS}' breaks the whole record" in remark for remark in record["remarks"])


def test_people_are_told_for_how_long_the_old_answer_holds(world, names) -> None:
    names.zones.ttl = 2820
    names.zones.publish("_dmarc.shop.example", "TXT", "v=DMARC1; p=reject")
    ended = world.run("company", "check", "shop")

    assert ended.code == 1
    assert "receivers believe it: no" in ended.out
    assert "DMARC: shop.example asks for p=reject" in ended.out
    assert f'publish  "v=spf1 include:{OURS}"' in ended.out
    assert "what is there now is remembered for 4" in ended.out
    assert "to do     CNAME d1._domainkey.shop.example" in ended.out


def test_silence_of_the_dns_is_not_taken_for_an_answer(world, names) -> None:
    for name in ("_relay-challenge.shop.example", "shop.example", "d1._domainkey.shop.example", "_dmarc.shop.example"):
        names.zones.break_name(name, FaultKind.SERVFAIL)
    ended = world.run("company", "check", "shop", "--json")

    assert (ended.code, ended.json["verdict"]) == (1, "unknown")
    assert "not known now" in world.run("company", "check", "shop").out


def test_a_mailbox_is_looked_for_where_its_server_is_not_written(world, names) -> None:
    world.write("companies/shop.yaml", f"{SHOP}incoming: {{mailbox: {{password: {{env: SHOP_IMAP}}}}}}\n")
    names.zones.publish("_imaps._tcp.shop.example", "SRV", "0 1 993 imap.shop.example.")
    told = world.run("company", "check", "shop", "--json").json["mailbox"]
    server = {"host": "imap.shop.example", "port": 993, "tls": "implicit", "source": "SRV records of shop.example"}
    assert told == {"server": server, "why": ""}
    line = "mailbox   imap.shop.example, port 993, TLS implicit, by SRV records of shop.example"
    assert line in world.run("company", "check", "shop").out.splitlines()


def test_a_server_elsewhere_is_told_with_what_to_write(world, names) -> None:
    world.write("companies/shop.yaml", f"{SHOP}incoming: {{mailbox: {{password: {{env: SHOP_IMAP}}}}}}\n")
    names.zones.publish("_imap._tcp.shop.example", "SRV", "0 1 143 imap.hoster.example.")
    told = world.run("company", "check", "shop", "--json").json["mailbox"]
    assert told["server"] is None
    assert "write host: imap.hoster.example, port: 143, tls: starttls under incoming.mailbox" in told["why"]
    assert f"mailbox   {told['why']}" in world.run("company", "check", "shop").out.splitlines()
    names.authenticated = True
    assert world.run("company", "check", "shop", "--json").json["mailbox"]["server"]["host"] == "imap.hoster.example"
    world.write("companies/shop.yaml", SHOP)
    assert world.run("company", "check", "shop", "--json").json["mailbox"] is None


def test_a_company_that_does_not_exist(world) -> None:
    assert world.run("company", "check", "nobody").code == 2


@pytest.mark.parametrize("is_validating", [False, True])
def test_commands_believe_the_dns_as_the_workers_do(is_validating) -> None:
    dns = Dns.model_validate({"servers": ["192.0.2.53"], "validating": is_validating})
    assert resolver_of(Settings.model_construct(dns=dns)).is_believed is is_validating
