"""Where issuers of tokens are asked."""

import pytest

from relay.policy.issuers import Issuer, in_tenant, issuer_named, scope_for


@pytest.mark.parametrize("name", ["google", "microsoft"])
def test_known_issuers_are_asked_over_tls_for_mail(name: str) -> None:
    issuer = issuer_named(name)
    assert all(url.startswith("https://") for url in (issuer.token_url, issuer.authorize_url))
    assert "mail" in issuer.scope or "SMTP" in issuer.scope


def test_google_gives_no_codes_for_devices() -> None:
    assert issuer_named("google").device_url == ""
    assert issuer_named("microsoft").device_url.startswith("https://")


@pytest.mark.parametrize("name", [None, "", "unheard-of"])
def test_another_issuer_says_everything_itself(name: str | None) -> None:
    assert issuer_named(name) == Issuer()


def test_a_tenant_has_a_directory_of_its_own() -> None:
    url = issuer_named("microsoft").token_url
    assert in_tenant(url, "contoso.example") == "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token"
    assert "/organizations/" in in_tenant(url, "")


@pytest.mark.parametrize(
    ("name", "uses", "scope"),
    [
        ("microsoft", "send", "https://outlook.office.com/SMTP.Send offline_access"),
        ("microsoft", "read", "https://outlook.office.com/IMAP.AccessAsUser.All offline_access"),
        (
            "microsoft",
            "both",
            "https://outlook.office.com/SMTP.Send offline_access https://outlook.office.com/IMAP.AccessAsUser.All",
        ),
        ("google", "both", "https://mail.google.com/"),
    ],
)
def test_a_person_is_asked_for_no_more_than_is_done(name: str, uses: str, scope: str) -> None:
    assert scope_for(issuer_named(name), uses) == scope
