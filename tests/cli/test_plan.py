"""What an edited configuration would change is said before anything is reloaded."""

import shutil

import pytest

GARAGE = """\
name: Garage Lambert
address: info@garage-lambert.example
alias: garage-lambert
outgoing:
  identity: own-domain
"""
STUDIO = """\
name: Studio Noord
address: hallo@studio-noord.example
alias: studio-noord
outgoing:
  identity: own-server
  server: {host: smtp.studio-noord.example, username: hallo, password: {file: var/not-to-be-shown}}
"""


@pytest.fixture
def edited(place):
    """A second configuration, equal to the running one until somebody edits it: gives a way to replace text in it."""
    place.write("companies/garage-lambert.yaml", GARAGE)
    place.write("companies/studio-noord.yaml", STUDIO)
    shutil.copytree(place.path / "config", place.path / "edited")

    def edit(name: str, old: str, new: str) -> None:
        file = place.path / "edited" / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    return edit


def test_nothing_changes(place, edited):
    ended = place.run("plan", "edited/relay.yaml")
    assert (ended.code, ended.out) == (0, "nothing would change\n")
    edited("relay.yaml", "hostname:", "# a comment\nhostname:")
    assert place.run("plan", "edited").code == 0


def test_companies_come_and_go(place, edited):
    (place.path / "edited/companies/bakkerij-peeters.yaml").unlink()
    text = GARAGE.replace("garage-lambert", "slagerij")
    (place.path / "edited/companies/slagerij.yaml").write_text(text)
    ended = place.run("plan", "edited/relay.yaml")
    assert ended.code == 1
    assert ended.out.splitlines() == [
        "+ slagerij",
        "- bakkerij-peeters",
        "companies: 1 added, 1 removed, 0 changed",
    ]


def test_another_identity_is_said_with_its_consequences(place, edited):
    edited("companies/garage-lambert.yaml", "own-domain\n", "own-domain\n  otherwise: hold\n")
    edited("companies/bakkerij-peeters.yaml", "alias: bakkerij-peeters", "alias: peeters")
    ended = place.run("plan", "edited/relay.yaml")
    assert ended.out.splitlines() == [
        "~ bakkerij-peeters",
        "    alias: bakkerij-peeters → peeters",
        (
            "    mail goes out as alias (peeters@my.relay.example); "
            "before, it went out as alias (bakkerij-peeters@my.relay.example)"
        ),
        "~ garage-lambert",
        "    outgoing.otherwise: alias → hold",
        "    mail is held while its domain fails; before, it went out as alias (garage-lambert@my.relay.example)",
        "companies: 0 added, 0 removed, 2 changed",
    ]


def test_another_route_is_said(place, edited):
    edited("companies/studio-noord.yaml", "host: smtp.studio-noord.example", "host: mail.studio-noord.example")
    edited("relay.yaml", "workers: 1", "workers: 2\ndelivery: {smarthost: {host: out.relay.example, tls: starttls}}")
    ended = place.run("plan", "edited/relay.yaml", "--json")
    assert ended.code == 1
    assert [(change["key"], change["restart"]) for change in ended.json["settings"]] == [
        ("delivery.smarthost", False),
        ("workers", True),
    ]
    assert ended.json["everybody"] == ["delivery.smarthost"]
    (studio,) = ended.json["changed"]
    assert studio["company"] == "studio-noord"
    assert studio["keys"] == [
        {
            "key": "outgoing.server.host",
            "before": "smtp.studio-noord.example",
            "after": "mail.studio-noord.example",
        }
    ]
    (mail,) = studio["mail"]
    assert [mail[when]["host"] for when in ("before", "after")] == [
        "smtp.studio-noord.example:587",
        "mail.studio-noord.example:587",
    ]


def test_from_alias_to_own_domain_names_each_state_of_the_domain(place, edited):
    edited("companies/bakkerij-peeters.yaml", "alias: bak", "outgoing: {identity: own-domain}\nalias: bak")
    mail = place.run("plan", "edited/relay.yaml", "--json").json["changed"][0]["mail"]
    assert [(each["domain"], each["after"]["identity"], each["before"]["identity"]) for each in mail] == [
        ("passes", "own-domain", "alias"),
        ("unknown", None, "alias"),
    ]


def test_wishes_are_written_as_in_the_file(place, edited):
    edited("companies/studio-noord.yaml", "identity: own-server", "identity: [own-server, own-domain]")
    edited("companies/bakkerij-peeters.yaml", "alias: bak", "language: fr\nalias: bak")
    out = place.run("plan", "edited/relay.yaml").out
    assert "~ bakkerij-peeters\n    language: (not set) → fr\n" in out
    assert "    outgoing.identity: own-server → own-server, then own-domain\n" in out


def test_settings_are_named_and_secrets_never_shown(place, edited):
    edited("companies/studio-noord.yaml", "{file: var/not-to-be-shown}", "{env: ANOTHER}")
    edited("relay.yaml", "billit-web: {networks: [127.0.0.0/8]", "billit-api: {networks: [10.0.0.0/8]")
    out = place.run("plan", "edited/relay.yaml").out
    assert "settings  apps.billit-api: (not set) → set" in out
    assert "settings  apps.billit-web: set → (not set)" in out
    assert "    outgoing.server.password: file:var/not-to-be-shown → env:ANOTHER" in out


def test_an_edited_configuration_that_is_wrong(place, edited):
    edited("companies/garage-lambert.yaml", "own-domain", "own_domain")
    ended = place.run("plan", "edited/relay.yaml")
    assert ended.code == 78
    assert "edited/companies/garage-lambert.yaml:5:13" in ended.err


def test_many_changes_are_cut_short_and_all_on_demand(place, edited):
    for number in range(60):
        text = GARAGE.replace("garage-lambert", f"garage-{number}")
        (place.path / f"edited/companies/garage-{number}.yaml").write_text(text)
    assert "… and 10 more added: --all prints them" in place.run("plan", "edited").out
    assert "more added" not in place.run("plan", "edited", "--all").out


async def test_it_says_when_the_files_are_not_what_runs(place, edited, store):
    await store.spool.heartbeat(now=4e9, detail={"generation": "something-else"})
    ended = await place.ask("plan", "edited/relay.yaml")
    assert ended.code == 0
    assert "the workers run something else than the files at config/relay.yaml say" in ended.err
