import ipaddress
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from relay.config.values import access, files, mail, measures, network, writing
from relay.config.values.network import Endpoint
from relay.policy.company import SecretKind, SecretRef


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (measures.parse_duration, "500ms", 0.5),
        (measures.parse_duration, "90s", 90),
        (measures.parse_duration, "1.5h", 5400),
        (measures.parse_duration, "5d", 432000),
        (measures.parse_duration, "2w", 1209600),
        (measures.parse_size, "35MiB", 36700160),
        (measures.parse_size, "1MB", 1000000),
        (measures.parse_size, "7B", 7),
        (network.parse_host, "MX1.Relay.example", "mx1.relay.example"),
        (network.parse_host, "localhost", "localhost"),
        (network.parse_domain, "xn--bcher-kva.example", "xn--bcher-kva.example"),
        (network.parse_target, "2001:DB8::1", "2001:db8::1"),
        (network.parse_target, "smtp.relay.example", "smtp.relay.example"),
        (network.parse_endpoint, "127.0.0.1:25", Endpoint("127.0.0.1", 25)),
        (network.parse_endpoint, "[::]:25", Endpoint("::", 25)),
        (network.parse_endpoint, "localhost:2525", Endpoint("localhost", 2525)),
        (network.parse_name_server, "::1", Endpoint("::1", 53)),
        (network.parse_name_server, "127.0.0.1:2053", Endpoint("127.0.0.1", 2053)),
        (network.parse_network, "10.0.0.0/8", ipaddress.ip_network("10.0.0.0/8")),
        (network.parse_network, "::1", ipaddress.ip_network("::1/128")),
        (network.parse_ip, "203.0.113.7", ipaddress.ip_address("203.0.113.7")),
        (mail.parse_selector, "s1.mail", "s1.mail"),
        (access.parse_tenant, "studio-noord.example", "studio-noord.example"),
        (access.parse_tenant, "11aa22bb-0000-4000-8000-0123456789ab", "11aa22bb-0000-4000-8000-0123456789ab"),
        (mail.parse_alias, "De.Bakker_2-x", "De.Bakker_2-x"),
        (network.parse_public_url, "https://mail.relay.example/", "https://mail.relay.example"),
        (network.parse_public_url, "https://relay.example:8443/mail", "https://relay.example:8443/mail"),
        (network.parse_public_url, "http://127.0.0.1:8025", "http://127.0.0.1:8025"),
        (network.parse_public_url, "http://[::1]:8025", "http://[::1]:8025"),
        (network.parse_public_url, "http://localhost", "http://localhost"),
        (mail.parse_alias, "a", "a"),
        (mail.parse_line, "Café Noord & Zn.", "Café Noord & Zn."),
        (files.parse_store, "sqlite:var/relay.db", "sqlite:var/relay.db"),
        (files.parse_file, "var/x y", "var/x y"),
        (access.parse_app_name, "billit-web", "billit-web"),
        (access.parse_companies, "all", "all"),
        (access.parse_companies, ["a", "b"], frozenset({"a", "b"})),
        (access.parse_secret, {"env": "NAME"}, SecretRef(SecretKind.ENV, "NAME")),
        (access.parse_secret, {"file": "/a b"}, SecretRef(SecretKind.FILE, "/a b")),
        (access.parse_secret, {"credential": "dkim.rsa"}, SecretRef(SecretKind.CREDENTIAL, "dkim.rsa")),
    ],
)
def test_what_is_accepted(parse, text, value) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (measures.parse_duration, "5", "is not a duration"),
        (measures.parse_duration, "5 m", "is not a duration"),
        (measures.parse_duration, "-5m", "is not a duration"),
        (measures.parse_size, "35M", "is not a size"),
        (measures.parse_size, "1.5MiB", "is not a size"),
        (network.parse_host, "bücher.example", "in ASCII"),
        (network.parse_host, "a_b.example", "is not a host name"),
        (network.parse_host, "-a.example", "is not a host name"),
        (network.parse_host, ".".join(["a" * 63] * 4), "is not a host name"),
        (network.parse_domain, "localhost", "is not a full domain name"),
        (network.parse_domain, "10.0.0.1", "is not a full domain name"),
        (network.parse_endpoint, "127.0.0.1", "has no port"),
        (network.parse_endpoint, "127.0.0.1:0", "has no port"),
        (network.parse_endpoint, "127.0.0.1:65536", "has no port"),
        (network.parse_endpoint, "mx.example:25", "is not an IP address"),
        (network.parse_endpoint, "::1:25", "brackets"),
        (network.parse_endpoint, "[127.0.0.1]:25", "brackets"),
        (network.parse_network, "ten", "is not a network"),
        (network.parse_network, "10.0.0.1/8", "has bits set"),
        (network.parse_ip, "10.0.0.0/8", "is not an IP address"),
        (mail.parse_selector, "S1", "is not a selector"),
        (access.parse_tenant, "common/../../x", "is not a directory"),
        (access.parse_tenant, "a?b", "is not a directory"),
        (mail.parse_mailbox, "bakkerij", "is not an e-mail address"),
        (mail.parse_mailbox, "a@[127.0.0.1]", "has an IP address for a domain"),
        (network.parse_public_url, "mail.relay.example", "is not the address of a web site"),
        (network.parse_public_url, "ftp://mail.relay.example", "is not the address of a web site"),
        (network.parse_public_url, "https://", "is not the address of a web site"),
        (network.parse_public_url, "https://mail.relay.example:port", "is not the address of a web site"),
        (network.parse_public_url, "https://[::1", "is not the address of a web site"),
        (network.parse_public_url, "https://mail.relay.example/a b", "is not the address of a web site"),
        (network.parse_public_url, "https://mail.relay.example?x=1", "more in it than a host and a path"),
        (network.parse_public_url, "https://a:b@mail.relay.example", "more in it than a host and a path"),
        (network.parse_public_url, "http://mail.relay.example", "links in mail need TLS"),
        (network.parse_public_url, "http://10.0.0.1", "links in mail need TLS"),
        (mail.parse_alias, "Notices", "is reserved"),
        (mail.parse_alias, "reports", "is reserved"),
        (mail.parse_alias, "PostMaster", "is reserved"),
        (mail.parse_alias, "srs0=x", "is reserved"),
        (mail.parse_alias, "SRS1-x", "is reserved"),
        (mail.parse_alias, "b+x", "is reserved"),
        (mail.parse_alias, "a+x", "cannot be an alias"),
        (mail.parse_alias, "a..b", "cannot be an alias"),
        (mail.parse_alias, "a.", "cannot be an alias"),
        (mail.parse_alias, "é", "cannot be an alias"),
        (mail.parse_alias, "", "cannot be an alias"),
        (mail.parse_alias, "a" * 64, "cannot be an alias"),
        (mail.parse_line, "", "empty"),
        (mail.parse_line, " a", "space"),
        (mail.parse_line, "a\nBcc: x", "line break"),
        (mail.parse_line, "a" * 501, "501 characters"),
        (files.parse_store, "postgresql://x", "is not a store"),
        (files.parse_store, "sqlite:", "is not a store"),
        (files.parse_file, " ", "not the path"),
        (access.parse_app_name, "a b", "is not a name"),
        (access.parse_companies, [], "is empty"),
        (access.parse_companies, "none", "is not a list"),
        (access.parse_companies, [1], "is not the name"),
        (access.parse_secret, {"vault": "x"}, "is not one of env, file, credential"),
        (access.parse_secret, {"env": "A B"}, "not a name for 'env'"),
        (access.parse_secret, {"credential": "../x"}, "not a name for 'credential'"),
        (access.parse_secret, {"file": 3}, "not a name for 'file'"),
        (access.parse_secret, {"env": "A", "file": "b"}, "say where it is kept"),
    ],
)
def test_what_is_refused(parse, text, message) -> None:
    with pytest.raises(PydanticCustomError, match=message):
        parse(text)


def test_secrets_written_in_place_are_not_repeated() -> None:
    for parse in (access.parse_secret, access.parse_password_hash):
        with pytest.raises(PydanticCustomError) as caught:
            parse("hunter2-hunter2")
        assert "hunter2" not in str(caught.value)


def test_an_endpoint_reads_as_it_is_written() -> None:
    for text in ("127.0.0.1:25", "[2001:db8::1]:25", "localhost:25"):
        assert str(network.parse_endpoint(text)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        (True, "true"),
        ({}, "a mapping"),
        ([], "a list"),
        (3, "the number 3"),
        (1.5, "the number 1.5"),
        ("x", "'x'"),
        ("x" * 70, f"'{'x' * 60}…'"),
    ],
)
def test_values_are_shown_as_they_stand(value, text) -> None:
    assert writing.shown(value) == text


@given(st.text(max_size=40))
def test_parsers_raise_nothing_but_their_own_error(text: str) -> None:
    for module in (access, files, mail, measures, network):
        for name in vars(module):
            if name.startswith("parse_") and name != "parse_address":
                with suppress(PydanticCustomError):
                    getattr(module, name)(text)
