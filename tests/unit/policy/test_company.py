from dataclasses import replace

import pytest

from relay.mail.address import Address
from relay.policy.company import (
    Company,
    FastInput,
    IdentityKind,
    Mailbox,
    OAuth2,
    Otherwise,
    SecretKind,
    SecretRef,
    Server,
)

INFO = Address("info", "studio.example")
SERVER = Server("smtp.studio.example", 587, "starttls", "info", SecretRef(SecretKind.FILE, "var/password"))


def test_a_company_is_an_alias_unless_it_says_otherwise() -> None:
    company = Company("studio", "Studio", INFO, "studio")
    assert company.identity is IdentityKind.ALIAS
    assert company.otherwise is Otherwise.ALIAS
    assert company.server is None


def test_the_own_author_is_the_companys_address_unless_named() -> None:
    assert Company("studio", "Studio", INFO, "studio").own_author == INFO
    other = Address("facturen", "studio.example")
    assert Company("studio", "Studio", INFO, "studio", author=other).own_author == other


def test_an_own_server_is_needed_for_that_identity() -> None:
    with pytest.raises(ValueError, match="studio: identity own-server needs a server"):
        Company("studio", "Studio", INFO, "studio", identity=IdentityKind.OWN_SERVER)
    assert Company("studio", "Studio", INFO, "studio", identity=IdentityKind.OWN_SERVER, server=SERVER).server is SERVER


def test_a_reference_to_a_secret_can_be_shown() -> None:
    assert str(SecretRef(SecretKind.CREDENTIAL, "studio")) == "credential:studio"
    sealed = SecretRef(SecretKind.SEALED, "relay1.00000000.x", "studio/outgoing.server.password")
    assert str(sealed) == "sealed:studio/outgoing.server.password"
    assert str(SERVER.password) == "file:var/password"


def test_words_are_those_of_the_files() -> None:
    assert [*IdentityKind] == ["alias", "own-domain", "own-server"]
    assert [*Otherwise] == ["alias", "hold"]
    assert [*SecretKind] == ["env", "file", "credential", "sealed"]


def test_an_account_for_both_ways_is_one_account() -> None:
    oauth2 = OAuth2("studio", "google", uses="both")
    server = Server("smtp.studio.example", 587, "starttls", "info", None, oauth2=oauth2)
    mailbox = Mailbox("imap.studio.example", 993, "implicit", "info", None, oauth2=oauth2)
    other = replace(mailbox, username="other")

    def accounts(server: Server | None, mailbox: Mailbox | None) -> tuple[object, ...]:
        return Company("studio", "Studio", INFO, "studio", server=server, mailbox=mailbox).accounts

    assert accounts(server, mailbox) == (server,)
    assert accounts(server, other) == (server, other)
    assert accounts(SERVER, mailbox) == (mailbox,)
    assert accounts(None, None) == ()


def test_documents_go_to_the_address_for_files_that_are_split_or_stay_whole() -> None:
    whole, split = SecretRef(SecretKind.ENV, "WHOLE"), SecretRef(SecretKind.ENV, "SPLIT")
    assert FastInput(address=whole, split_address=split).mail_address == whole
    assert FastInput(split=True, address=whole, split_address=split).mail_address == split
    assert FastInput(split=True, address=whole).mail_address is None


def test_an_account_is_where_its_server_is_or_where_that_is_looked_for() -> None:
    written = Mailbox("IMAP.studio.example", 993, "implicit", "info", None)
    assert written.realm == "imap.studio.example"
    assert replace(written, host="", sought=Address("info", "studió.example")).realm == "xn--studi-4ta.example"
