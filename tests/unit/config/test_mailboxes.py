"""Mailboxes of companies, and where their invoices go."""

from datetime import date

import pytest

from relay.config.errors import ConfigErrors
from relay.config.record import mailbox_in, pack, sink_in, unpack
from relay.mail.address import Address
from relay.policy.company import After, Company, FastInput, Mailbox, OAuth2, SecretKind, SecretRef, SinkKind

STUDIO = """\
name: Studio
address: hallo@studio.example
alias: studio
incoming:
  mailbox:
    host: imap.studio.example
    username: hallo
    password: {env: STUDIO_IMAP}
    folder: Facturen
    after: move
    move_to: Verwerkt
    since: "2026-01-31"
  fast_input: {party_id: 4711, split: true}
"""


def test_a_mailbox_reads_as_it_is_written(config) -> None:
    config.company("studio").write_text(STUDIO)
    snapshot = config.load()
    company = snapshot.company("studio")
    assert company.mailbox == Mailbox(
        host="imap.studio.example",
        port=993,
        tls="implicit",
        username="hallo",
        password=SecretRef(SecretKind.ENV, "STUDIO_IMAP"),
        folder="Facturen",
        after=After.MOVE,
        move_to="Verwerkt",
        since=date(2026, 1, 31),
    )
    assert company.fast_input == FastInput(4711, split=True)
    assert list(snapshot.with_mailbox()) == ["studio"]


def test_a_name_does_not_pass_for_a_mailbox() -> None:
    company = Company("x", '["imap",', Address("x", "x.example"), "x")
    assert not mailbox_in(pack(company))
    assert unpack("x", pack(company)) == company


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("    move_to: Verwerkt\n", "", "`after: move` and `move_to` go together"),
        ("after: move", "after: keep", "`after: move` and `move_to` go together"),
        ("after: move", "after: burn", "is not one of"),
        ('"2026-01-31"', '"2026-02-31"', "is not a day"),
        ('"2026-01-31"', '"yesterday"', "is not a day"),
        ("4711", "0", "incoming.fast_input.party_id"),
    ],
)
def test_wrong_mailboxes_are_explained(config, before, after, message) -> None:
    config.company("studio").write_text(STUDIO.replace(before, after))
    (error,) = config.errors()
    assert error.startswith("companies/studio.yaml:")
    assert message in error


ADDRESS = SecretRef(SecretKind.FILE, "address")


@pytest.mark.parametrize(
    "about",
    [
        FastInput(),
        FastInput(sink=SinkKind.WEBHOOK),
        FastInput(1, 2, split=True, subject=True, sink=SinkKind.MAIL, address=ADDRESS, split_address=ADDRESS),
        FastInput(split_address=ADDRESS),
    ],
)
def test_what_fast_input_has_to_know_is_kept(about) -> None:
    company = Company("x", "X", Address("x", "x.example"), "x", fast_input=about)
    assert unpack("x", pack(company)) == company
    assert sink_in(pack(company)) or about.sink is None


@pytest.mark.parametrize(
    ("fast_input", "message"),
    [
        ("{sink: mail}", "documents cannot go by mail without address"),
        ("{sink: mail, split: true, address: {env: X}}", "documents cannot go by mail without split_address"),
        ("{sink: pigeon}", "is not one of"),
        ("{sink: webhook}", "relay.yaml has no fast_input.webhook"),
        ("{address: secret@fast.example}", "a secret is not written here"),
    ],
)
def test_a_sink_that_cannot_be_is_explained(config, fast_input, message) -> None:
    config.company("studio").write_text(STUDIO.replace("{party_id: 4711, split: true}", fast_input))
    (error,) = config.errors()
    assert error.startswith("companies/studio.yaml:")
    assert message in error
    assert "secret@" not in error


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{api: {key: {env: HOME}}, folder: /tmp/x}", "of api and folder, one is for companies that choose none"),
        ("{sink: webhook, folder: /tmp/x}", "there is no webhook here"),
        ('{webhook: {url: "http://erp.example/", secret: {env: PATH}}}', "reads the documents"),
        ('{webhook: {url: "https://erp.example/", secret: {env: NOWHERE}}}', "fast_input.webhook.secret: env:NOWHERE"),
        ("{api: {}}", "one of key and token"),
        ("{api: {key: {env: HOME}, token: {env: HOME}}}", "one of key and token"),
    ],
)
def test_fast_input_is_one_thing_and_says_who_we_are(config, written, message) -> None:
    settings = config.root / "relay.yaml"
    settings.write_text(settings.read_text() + f"fast_input: {written}\n")
    (error,) = config.errors()
    assert message in error


TOKENS = STUDIO.replace("password: {env: STUDIO_IMAP}", "oauth2: {client: google}")
UNNAMED = STUDIO.replace("    host: imap.studio.example\n", "")
SENDING = "outgoing: {server: {host: s.studio.example, username: hallo, oauth2: {client: CLIENT}}}\n"


def test_one_account_for_both_ways_has_one_token_for_both(config) -> None:
    config.company("studio").write_text(TOKENS)
    assert config.load().company("studio").mailbox.oauth2 == OAuth2("studio", "google", uses="read")
    config.company("studio").write_text(TOKENS + SENDING.replace("CLIENT", "google"))
    company = config.load().company("studio")
    assert company.mailbox.oauth2 == company.server.oauth2 == OAuth2("studio", "google", uses="both")
    assert unpack("studio", pack(company)) == company


@pytest.mark.parametrize("username", ["info@gmail.com", "INFO@GMAIL.COM"])
def test_the_server_of_a_known_provider_need_not_be_named(config, username) -> None:
    named = STUDIO.replace("    host: imap.studio.example\n", "").replace("username: hallo", f"username: {username}")
    config.company("studio").write_text(named)
    mailbox = config.load().company("studio").mailbox
    assert (mailbox.host, mailbox.port, mailbox.tls) == ("imap.gmail.com", 993, "implicit")


def test_a_server_that_is_not_named_is_found_by_the_accounts_address(config) -> None:
    config.company("studio").write_text(UNNAMED)
    company = config.load().company("studio")
    assert company.mailbox.sought == Address("hallo", "studio.example")
    assert (company.mailbox.host, company.mailbox.realm, company.mailbox.username) == ("", "studio.example", "hallo")
    assert unpack("studio", pack(company)) == company
    config.company("studio").write_text(UNNAMED.replace("username: hallo", "username: bills@other.example"))
    assert config.load().company("studio").mailbox.sought == Address("bills", "other.example")
    config.company("studio").write_text(UNNAMED.replace("username: hallo", "username: bills@[192.0.2.1]"))
    assert config.load().company("studio").mailbox.sought == Address("hallo", "studio.example")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (STUDIO, "hallo@studio.example"),
        (UNNAMED, "hallo@studio.example"),
        (UNNAMED.replace("hallo@studio.example", "hallo@gmail.com"), "hallo@gmail.com"),
        (UNNAMED.replace("hallo@studio.example", "hallo@web.de"), "hallo"),
        (STUDIO.replace("hallo@studio.example", "hallo@web.de"), "hallo@web.de"),
    ],
)
def test_an_account_without_a_name_has_that_of_the_company(config, text, name) -> None:
    config.company("studio").write_text(text.replace("    username: hallo\n", ""))
    assert config.load().company("studio").mailbox.username == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            UNNAMED.replace("    folder:", "    tls: starttls\n    port: 143\n    folder:"),
            r"studio.yaml:9.*mailbox.port: port and",
        ),
        (
            UNNAMED.replace("    folder:", "    tls: implicit\n    folder:"),
            "tls are those of a host that is written. Write",
        ),
        (
            TOKENS.replace("    username: hallo\n", "") + SENDING.replace("hallo", "hallo@studio.example"),
            "the account has other oauth2 settings",
        ),
        (TOKENS + SENDING.replace("CLIENT", "other"), "the account has other oauth2 settings under outgoing.server"),
        (STUDIO.replace("    password: {env: STUDIO_IMAP}\n", ""), "a mailbox has either a password or oauth2"),
        (
            STUDIO.replace("folder:", "oauth2: {client: google}\n    folder:"),
            "a mailbox has either a password or oauth2",
        ),
    ],
)
def test_logins_that_contradict_each_other_are_errors(config, text, message) -> None:
    config.company("studio").write_text(text)
    with pytest.raises(ConfigErrors, match=message):
        config.load()
