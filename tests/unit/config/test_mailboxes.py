"""Mailboxes of companies, and where their invoices go."""

from datetime import date

import pytest

from relay.config.record import mailbox_in, pack, unpack
from relay.mail.address import Address
from relay.policy.company import After, Company, FastInput, Mailbox, SecretKind, SecretRef

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


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{api: {key: {env: HOME}}, folder: /tmp/x}", "not both"),
        ("{api: {}}", "one of key and token"),
        ("{api: {key: {env: HOME}, token: {env: HOME}}}", "one of key and token"),
    ],
)
def test_fast_input_is_one_thing_and_says_who_we_are(config, written, message) -> None:
    settings = config.root / "relay.yaml"
    settings.write_text(settings.read_text() + f"fast_input: {written}\n")
    (error,) = config.errors()
    assert message in error
