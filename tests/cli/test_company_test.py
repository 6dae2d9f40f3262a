"""`relay company test` goes through all steps with a real server, and says what is wrong at the first that fails."""

from uuid import UUID

import pytest

from relay.facts.invitations import KIND
from relay.sandbox.certificates import Authority
from relay.sandbox.dns_server import DnsServer
from relay.sandbox.scripted_peer import Say, Script, ScriptedPeer
from relay.sandbox.zones import Zones

from .conftest import SETTINGS

EHLO = Say("250-peer.example\r\n250-STARTTLS\r\n250 AUTH PLAIN")
COMPANY = """\
name: Own
address: info@own.example
alias: own
outgoing:
  identity: own-server
  server: {{host: {host}, port: {port}, username: info@own.example, password: {{file: var/password}}, ca: var/ca.pem}}
"""


async def ask(place, script, *options, host="smtp.own.example", name="smtp.own.example", password=True):
    authority = Authority()
    (place.path / "var/ca.pem").write_bytes(authority.ca_pem)
    if password:
        (place.path / "var/password").write_text("s3cret")
    zones = Zones({"smtp.own.example": {"A": "127.0.0.1"}})
    async with DnsServer(zones) as names, ScriptedPeer(script, tls=authority.server_context(name)) as peer:
        place.write("relay.yaml", SETTINGS.replace("127.0.0.1:9", names.address))
        place.write("companies/own.yaml", COMPANY.format(host=host, port=peer.port))
        return await place.ask("company", "test", "own", *options), peer


async def test_a_server_that_takes_our_mail_passes_every_step(place):
    ended, peer = await ask(place, Script(ehlo=EHLO), "--json")
    assert ended.code == 0
    assert [(step["name"], step["ok"]) for step in ended.json["steps"]] == [
        ("resolve", True),
        ("connect", True),
        ("tls", True),
        ("login", True),
        ("mail", True),
    ]
    assert [line.partition(" ")[0] for line in peer.records[0].lines][-3:] == ["MAIL", "RSET", "QUIT"]
    assert peer.messages == []


@pytest.mark.parametrize(
    ("script", "options", "failed", "words"),
    [
        (Script(ehlo=EHLO), {"host": "nowhere.example"}, "resolve", "discover"),
        (Script(banner=Say("554 5.7.1 Go away")), {}, "connect", "554 5.7.1 Go away"),
        (Script(), {}, "tls", "STARTTLS"),
        (Script(ehlo=EHLO), {"name": "other.example"}, "tls", "certificate"),
        (Script(ehlo=EHLO), {"password": False}, "login", "does not exist"),
        (
            Script(ehlo=EHLO, auth=Say("535 5.7.139 SmtpClientAuthentication is disabled for the Tenant.")),
            {},
            "login",
            "switched off",
        ),
        (Script(ehlo=EHLO, mail=Say("550 5.7.60 Not allowed")), {}, "mail", "Send as"),
    ],
)
async def test_the_step_that_fails_has_its_cause_and_what_to_do(place, script, options, failed, words):
    ended, _ = await ask(place, script, **options)
    assert ended.code == 1
    (line,) = [line for line in ended.out.splitlines() if "FAILED" in line]
    assert line.startswith(failed)
    assert words in ended.out
    assert "s3cret" not in ended.out


def test_companies_without_a_server_have_nothing_to_test(place):
    assert place.run("company", "test", "bakkerij-peeters").code == 2
    assert place.run("company", "test", "nobody").code == 2
    assert place.run("company", "consent", "bakkerij-peeters").code == 2
    assert place.run("company", "consent", "nobody").code == 2


@pytest.mark.parametrize(
    "case",
    [
        ("info@own.example", 0, "from info@own.example as it was sent"),
        ("someone@provider.example", 1, "replaces the From address by someone@provider.example"),
        ("", 1, "cannot be read"),
    ],
)
async def test_a_loop_back_mail_shows_whether_the_provider_replaces_the_author(place, store, monkeypatch, case):
    author, code, words = case

    def known() -> UUID:
        return UUID(int=7)

    monkeypatch.setattr("relay.cli.company_test.uuid.uuid4", known)
    message_id = f"<{UUID(int=7).hex}@my.relay.example>"
    header = f"From: {author}\r\n".encode()
    await store.put("1", "own@my.relay.example", header=header, message_id=message_id)
    ended, peer = await ask(place, Script(ehlo=EHLO), "--loop-back")
    assert (ended.code, words in ended.out) == (code, True)
    (letter,) = peer.messages
    assert b"To: own@my.relay.example\r\n" in letter
    assert b"Auto-Submitted: auto-generated\r\n" in letter


TWO_ACCOUNTS = """\
name: Own
address: info@own.example
alias: own
outgoing:
  identity: own-server
  server: {host: smtp.own.example, username: info@own.example, oauth2: {client: issuer}}
incoming:
  mailbox: {host: imap.own.example, username: bills@own.example, oauth2: {client: issuer}}
"""
REGISTRATION = """\
listeners: {web: {address: "127.0.0.1:8025", public_url: "https://relay.test"}}
oauth2: {issuer: {client_id: relay, scope: mail, internal: true, token_url: "http://127.0.0.1:9/token"}}
"""


def two_accounts(place):
    (place.path / "var/sealing").write_text("c2VhbGluZy1rZXktb2YtYS10ZXN0LW9ubHktMzItYnk=")
    keys = "secrets: {sealing: [{file: var/sealing}], signing:"
    settings = (place.path / "config/relay.yaml").read_text().replace("secrets: {signing:", keys)
    place.write("relay.yaml", settings + REGISTRATION)
    place.write("companies/own.yaml", TWO_ACCOUNTS)


@pytest.mark.parametrize(
    ("options", "account"), [((), "info@own.example"), (("--mailbox",), "bills@own.example")], ids=["server", "mailbox"]
)
async def test_a_link_to_consent_is_about_one_of_two_accounts(place, store, options, account):
    two_accounts(place)
    ended = await place.ask("company", "consent", "own", "--link", *options)
    assert ended.code == 0, ended.err
    assert ended.out.startswith("https://relay.test/consent/own/")
    assert (await store.spool.facts.get(KIND, "own")).value["account"] == account


async def test_an_account_without_consent_is_told(place, store):
    two_accounts(place)
    ended = await place.ask("company", "status", "own")
    assert ended.code == 1
    assert "info@own.example" in ended.out
    told = (await place.ask("company", "status", "--attention", "--json")).json
    assert [(each["company"], each["no_consent"]) for each in told] == [
        ("own", ["info@own.example", "bills@own.example"])
    ]
    (place.path / "var/token").write_text("a refresh token")
    mine = "username: bills@own.example, oauth2: {client: issuer"
    place.write("companies/own.yaml", TWO_ACCOUNTS.replace(mine, f"{mine}, refresh_token: {{file: var/token}}"))
    assert (await place.ask("company", "status", "own", "--json")).json[0]["no_consent"] == ["info@own.example"]
    place.write(
        "companies/own.yaml", TWO_ACCOUNTS.replace("client: issuer", "client: issuer, grant: client-credentials")
    )
    assert (await place.ask("company", "status", "own", "--json")).json[0]["no_consent"] == []


async def test_a_consent_that_cannot_be_read_is_not_taken_for_none(place, store):
    two_accounts(place)
    mine = "username: bills@own.example, oauth2: {client: issuer"
    place.write("companies/own.yaml", TWO_ACCOUNTS.replace(mine, f"{mine}, refresh_token: {{file: var/gone}}"))
    (missing,) = (await place.ask("company", "status", "own", "--json")).json[0]["no_consent"]
    assert missing.startswith("not known: ")
