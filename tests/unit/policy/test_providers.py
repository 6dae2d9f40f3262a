import os
from pathlib import Path
from xml.etree import ElementTree as ET

from relay.mail.address import Address
from relay.policy.pacing import Pace
from relay.policy.provider_table import MX_SUFFIXES
from relay.policy.providers import (
    GOOGLE,
    ICLOUD,
    MICROSOFT,
    Endpoint,
    by_name,
    pace_at,
    provider_at,
    provider_behind,
    provider_for,
    providers,
)

ANNA = Address("anna", "gmail.com")


def test_a_provider_is_known_by_its_domain() -> None:
    google = provider_for("GMail.com")
    assert google is not None
    assert google.name == GOOGLE
    assert google.smtp == Endpoint("smtp.gmail.com", 465, "implicit")
    assert google.imap == Endpoint("imap.gmail.com", 993, "implicit")
    assert google.logins == ("oauth2", "password")
    assert google.username(ANNA) == "anna@gmail.com"
    assert provider_for("bakery.example") is None


def test_some_providers_name_accounts_by_the_local_part() -> None:
    free = provider_for("free.fr")
    assert free is not None
    assert free.username(Address("anna", "free.fr")) == "anna"


def test_a_provider_is_known_by_the_mail_hosts_of_its_customers() -> None:
    microsoft = provider_behind(["bakery-example.mail.protection.outlook.com."])
    assert microsoft is not None
    assert microsoft.name == MICROSOFT
    assert provider_behind(["ASPMX.L.GOOGLE.COM"]) == by_name(GOOGLE)
    assert provider_behind(["mail.bakery.example", "mx.skynet.be"]) == provider_for("skynet.be")
    assert provider_behind(["mail.bakery.example"]) is None
    assert provider_behind([]) is None


def test_a_provider_is_known_by_its_server() -> None:
    assert provider_at("smtp.mail.me.com") == by_name(ICLOUD)
    assert provider_at("smtp.bakery.example") is None


def test_every_suffix_of_mail_hosts_names_a_provider() -> None:
    assert all(by_name(name) is not None for name in MX_SUFFIXES.values())


def test_providers_have_paces() -> None:
    assert pace_at("smtp.gmail.com", "anna@gmail.com") == Pace(per_day=500)
    assert pace_at("smtp.gmail.com", "anna@bakery.example") == Pace(per_day=2000)
    assert pace_at("SMTP.office365.com", "anna@bakery.example") == Pace(per_minute=30, per_day=10000)
    assert pace_at("smtp.bakery.example", "anna") == Pace()


def test_no_two_providers_share_a_name_or_a_domain() -> None:
    names = [provider.name for provider in providers()]
    domains = [domain for provider in providers() for domain in provider.domains]
    assert len(names) == len(set(names))
    assert len(domains) == len(set(domains))


def test_the_table_agrees_with_what_others_have_published() -> None:
    # Only where those facts are at hand; the table stands for itself.
    published: dict[str, set[Endpoint]] = {}
    for path in sorted(Path(os.environ.get("RELAY_SUITES") or os.devnull).glob("ispdb/*.xml")):
        servers = {
            Endpoint(
                server.findtext("hostname", "").strip(),
                int(server.findtext("port", "0")),
                "implicit" if server.findtext("socketType") == "SSL" else "starttls",
            )
            for server in ET.parse(path).iter()
            if server.tag in ("outgoingServer", "incomingServer") and server.findtext("port")
        }
        for domain in ET.parse(path).iter("domain"):
            published.setdefault((domain.text or "").strip().lower(), set()).update(servers)
    for provider in providers():
        for domain in provider.domains:
            if domain in published:
                assert {provider.smtp, provider.imap or provider.smtp} <= published[domain], domain
