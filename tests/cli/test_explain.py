"""`relay explain` says what the relay would do, from the same configuration and the same DNS."""

import asyncio

import pytest

from relay.clock import SystemClock
from relay.facts.domain_record import standing_as_json
from relay.policy.dmarc import Dmarc
from relay.policy.evidence import Evidence, Finding
from relay.policy.standing import Standing, State
from relay.store.facts import Fact
from relay.store.sqlite.spool import SqliteSpool

from .names import name_server

RECORDS = {
    "klant.example": {"MX": "10 mx.klant.example."},
    "mx.klant.example": {"A": "127.0.10.1"},
    "_dmarc.streng.example": {"TXT": "v=DMARC1; p=reject"},
    "weg.example": {"MX": "0 ."},
    "garage-lambert.example": {"TXT": "v=spf1 ip4:127.0.0.1 -all"},
    "slager.example": {"TXT": "v=spf1 -all"},
    "bakkerij-peeters.example": {"MX": "10 mx.klant.example."},
    "my.relay.example": {"MX": "10 mx1.my.relay.example."},
    "mx1.my.relay.example": {"A": "127.0.0.1"},
    "smtp.studio-noord.example": {"A": "127.0.10.9"},
}
YES = Finding(holds=True)
PASSED = Standing(
    State.PASSES,
    0.0,
    Evidence("slager.example", YES, YES, YES, ("d1",), YES, "slager.example", Dmarc("slager.example")),
)
COMPANY = "name: {name}\naddress: info@{name}.example\nalias: {name}\n{more}"
OWN_SERVER = """\
outgoing:
  identity: own-server
  server: {host: smtp.studio-noord.example, username: u, password: {file: var/studio-password}}
"""


@pytest.fixture(scope="module")
def dns():
    with name_server(RECORDS) as names:
        yield names.address


@pytest.fixture
def world(place, dns):
    key = place.path / "var/dkim.pem"
    assert place.run("dkim", "new", "my.relay.example", "s1", "--out", str(key), "--type", "ed25519").code == 0
    settings = (place.path / "config/relay.yaml").read_text().replace("127.0.0.1:9", dns)
    place.write("relay.yaml", settings + f"dkim: [{{domain: my.relay.example, selector: s1, key: {{file: {key}}}}}]\n")
    own = "outgoing: {{identity: own-domain, vouched: a test{}}}\n"
    place.write("companies/garage-lambert.yaml", COMPANY.format(name="garage-lambert", more=own.format("")))
    place.write("companies/slager.yaml", COMPANY.format(name="slager", more=own.format("")))
    place.write(
        "companies/slager-wacht.yaml", COMPANY.format(name="slager-wacht", more=own.format(", otherwise: hold"))
    )
    place.write("companies/studio-noord.yaml", COMPANY.format(name="studio-noord", more=OWN_SERVER))
    return place


def _one(place, *arguments):
    ended = place.run("explain", *arguments, "--json")
    (step,) = ended.json
    return ended.code, step


def test_an_alias_for_people(world):
    ended = world.run("explain", "bakkerij-peeters@my.relay.example", "an@klant.example")
    assert ended.code == 0
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    first, more = lines[:10], lines[10:]
    assert first == [
        "submitted by billit-web, for company bakkerij-peeters",
        "goes out as alias",
        "because the company sends under its alias",
        "From bakkerij-peeters@my.relay.example",
        "sender <b+<queue id>.<number>.<seal>@my.relay.example>",
        "route mail hosts of klant.example, port 25, TLS opportunistic",
        "host mx.klant.example [127.0.10.1]",
        "signed d=my.relay.example s=s1",
        "receivers would compute",
        "own-domain DMARC fails, or nothing we would rely on, no policy",
    ]
    assert "* alias DMARC fails, or nothing we would rely on, no policy" in more
    assert any(line.startswith("DKIM my.relay.example: no pass, aligned (no DKIM key of ours") for line in more)


def test_what_receivers_would_compute_is_shown_for_every_name(world):
    _, step = _one(world, "garage-lambert", "an@klant.example")
    own, alias = step["predictions"]
    assert (own["identity"], own["dmarc"], own["policy"]) == ("own-domain", "passes", "none")
    assert (own["spf"]["domain"], own["spf"]["passes"], own["spf"]["aligned"]) == ("garage-lambert.example", True, True)
    assert own["dkim"]["passes"] is False
    assert alias["identity"] == "alias"
    _, step = _one(world, "studio-noord", "an@klant.example")
    assert [each["identity"] for each in step["predictions"]] == ["own-domain", "own-server", "alias"]


def test_what_the_workers_know_counts(world):
    """Mail of a domain that was in order a moment ago waits; without the store it would fall back."""
    clock = SystemClock()

    async def remember():
        spool = SqliteSpool(world.path / "var/relay.db", worker="test.1.1", pid=1, clock=clock)
        await spool.start()
        value = standing_as_json(PASSED) | {"expires": clock.now() - 1, "basis": ""}
        await spool.facts.put(Fact("domain", "slager", value))
        await spool.stop()

    asyncio.run(remember())
    code, step = _one(world, "slager", "an@klant.example")
    assert (code, step["waits"]) == (1, "tried again")
    assert "waits to see whether it lasts" in step["reasons"][0]


def test_a_company_can_be_named_by_its_file(world):
    code, step = _one(world, "garage-lambert", "an@klant.example")
    assert (code, step["identity"], step["author"]) == (0, "own-domain", "info@garage-lambert.example")
    assert step["reverse_path"] == "info@garage-lambert.example"
    assert step["hosts"] == [{"host": "mx.klant.example", "ip": "127.0.10.1"}]
    assert step["signatures"] == [{"domain": "my.relay.example", "selector": "s1"}]


def test_a_domain_that_does_not_allow_it_falls_back_with_the_reason(world):
    code, step = _one(world, "slager", "an@klant.example")
    assert (code, step["identity"]) == (0, "alias")
    assert "SPF of slager.example says fail" in step["reasons"][0]
    assert (step["wanted"], step["fallback"]) == ("own-domain", True)


def test_a_domain_that_does_not_allow_it_holds_when_the_company_wants_that(world):
    code, step = _one(world, "slager-wacht", "an@klant.example")
    assert (code, step["goes_out"], step["waits"]) == (1, False, "held")
    people = world.run("explain", "slager-wacht", "an@klant.example")
    assert "is held: SPF of slager-wacht.example" in people.out


def test_an_own_server_whose_password_is_missing(world):
    code, step = _one(world, "studio-noord", "an@klant.example")
    assert (code, step["identity"], step["route"]["own_server"]) == (1, "own-server", True)
    assert step["hosts"] == [{"host": "smtp.studio-noord.example", "ip": "127.0.10.9"}]
    assert "file:var/studio-password" in step["trouble"]
    (world.path / "var/studio-password").write_text("hush-hush-hush")
    ended = world.run("explain", "studio-noord", "an@klant.example")
    assert ended.code == 0
    assert "signed not by us" in " ".join(ended.out.split())
    assert "hush" not in ended.out


def test_a_domain_that_takes_no_mail(world):
    code, step = _one(world, "bakkerij-peeters", "an@weg.example")
    assert (code, step["goes_out"]) == (1, False)
    assert (step["outcome"]["action"], step["outcome"]["status"]) == ("fail", "5.1.10")


def test_an_answer_from_outside_is_forwarded(world):
    code, step = _one(world, "an@klant.example", "bakkerij-peeters@my.relay.example")
    assert (code, step["origin"], step["identity"]) == (0, "mx", "forward")
    assert step["recipient"] == "info@bakkerij-peeters.example"
    assert step["reverse_path"].startswith("SRS0=")
    assert step["signatures"] == []
    assert step["reasons"][1:] == ["it goes unchanged: klant.example asks nobody to refuse it"]


def test_an_answer_whose_author_could_not_be_believed_goes_out_in_our_name(world):
    answer = ("jan@streng.example", "bakkerij-peeters@my.relay.example")
    code, step = _one(world, *answer)
    assert (code, step["author"]) == (0, "bakkerij-peeters@my.relay.example")
    assert step["signatures"] == [{"domain": "my.relay.example", "selector": "s1"}]
    assert "streng.example asks for p=reject" in step["reasons"][1]
    assert step["reasons"][2] == "a mail that streng.example has signed goes unchanged"
    said = world.run("explain", *answer).out
    supposed = "it is from streng.example, as SPF of streng.example proves"
    assert step["supposed"] == supposed
    assert f"supposed       {supposed} (it is not signed" in said
    assert "From           the author's name via Bakkerij Peeters BV bakkerij-peeters@my.relay.example" in said


def test_a_bounce_keeps_the_null_reverse_path(world):
    _, step = _one(world, "<>", "bakkerij-peeters@my.relay.example")
    assert (step["identity"], step["reverse_path"]) == ("forward", "")


def test_mail_among_our_own_addresses_goes_through_twice(world):
    steps = world.run("explain", "garage-lambert", "bakkerij-peeters@my.relay.example", "--json").json
    assert [step["origin"] for step in steps] == ["submission", "mx"]
    assert steps[1]["recipient"] == "info@bakkerij-peeters.example"


@pytest.mark.parametrize(
    ("sender", "recipient", "reply"),
    [
        ("an@klant.example", "piet@elders.example", "550 5.7.1"),
        ("an@klant.example", "nobody@my.relay.example", "550 5.1.1"),
        ("nobody@my.relay.example", "an@klant.example", "550 5.1.0"),
        ("bakkerij-peeters", "an@klant", "550 5.1.2"),
        ("<>", "b+1m83n7g.0.aaaaaaaaaaaaaaaa@my.relay.example", "550 5.1.1"),
    ],
)
def test_what_would_be_refused(world, sender, recipient, reply):
    code, step = _one(world, sender, recipient)
    assert (code, step["goes_out"]) == (1, False)
    assert step["refusal"].startswith(reply)
    assert f"refused: {reply}" in world.run("explain", sender, recipient).out


def test_an_app_that_may_not_send_for_a_company_is_not_named(world):
    settings = (world.path / "config/relay.yaml").read_text()
    more = "apps:\n  other: {networks: [10.0.0.0/8], companies: [slager]}\n"
    world.write("relay.yaml", settings.replace("apps:\n", more))
    assert _one(world, "bakkerij-peeters", "an@klant.example")[1]["apps"] == ["billit-web"]
    assert _one(world, "slager", "an@klant.example")[1]["apps"] == ["other", "billit-web"]


@pytest.mark.parametrize(
    ("sender", "recipient"), [("no-such-company", "a@b.example"), ("a@b@c", "a@b.example"), ("slager", "x")]
)
def test_wrong_arguments(world, sender, recipient):
    ended = world.run("explain", sender, recipient)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("relay: ")


def test_it_needs_a_configuration_without_errors(world):
    world.write("relay.yaml", "hostname: x\n")
    assert world.run("explain", "slager", "an@klant.example").code == 78
