import ipaddress
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from relay.config import values
from relay.config.values import Endpoint
from relay.policy.company import SecretKind, SecretRef


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (values.parse_duration, "500ms", 0.5),
        (values.parse_duration, "90s", 90),
        (values.parse_duration, "1.5h", 5400),
        (values.parse_duration, "5d", 432000),
        (values.parse_duration, "2w", 1209600),
        (values.parse_size, "35MiB", 36700160),
        (values.parse_size, "1MB", 1000000),
        (values.parse_size, "7B", 7),
        (values.parse_host, "MX1.Relay.example", "mx1.relay.example"),
        (values.parse_host, "localhost", "localhost"),
        (values.parse_domain, "xn--bcher-kva.example", "xn--bcher-kva.example"),
        (values.parse_target, "2001:DB8::1", "2001:db8::1"),
        (values.parse_target, "smtp.relay.example", "smtp.relay.example"),
        (values.parse_endpoint, "127.0.0.1:25", Endpoint("127.0.0.1", 25)),
        (values.parse_endpoint, "[::]:25", Endpoint("::", 25)),
        (values.parse_endpoint, "localhost:2525", Endpoint("localhost", 2525)),
        (values.parse_name_server, "::1", Endpoint("::1", 53)),
        (values.parse_name_server, "127.0.0.1:2053", Endpoint("127.0.0.1", 2053)),
        (values.parse_network, "10.0.0.0/8", ipaddress.ip_network("10.0.0.0/8")),
        (values.parse_network, "::1", ipaddress.ip_network("::1/128")),
        (values.parse_ip, "203.0.113.7", ipaddress.ip_address("203.0.113.7")),
        (values.parse_selector, "s1.mail", "s1.mail"),
        (values.parse_tenant, "studio-noord.example", "studio-noord.example"),
        (values.parse_tenant, "11aa22bb-0000-4000-8000-0123456789ab", "11aa22bb-0000-4000-8000-0123456789ab"),
        (values.parse_alias, "De.Bakker_2-x", "De.Bakker_2-x"),
        (values.parse_public_url, "https://mail.relay.example/", "https://mail.relay.example"),
        (values.parse_public_url, "https://relay.example:8443/mail", "https://relay.example:8443/mail"),
        (values.parse_public_url, "http://127.0.0.1:8025", "http://127.0.0.1:8025"),
        (values.parse_public_url, "http://[::1]:8025", "http://[::1]:8025"),
        (values.parse_public_url, "http://localhost", "http://localhost"),
        (values.parse_alias, "a", "a"),
        (values.parse_line, "Café Noord & Zn.", "Café Noord & Zn."),
        (values.parse_store, "sqlite:var/relay.db", "sqlite:var/relay.db"),
        (values.parse_file, "var/x y", "var/x y"),
        (values.parse_app_name, "billit-web", "billit-web"),
        (values.parse_companies, "all", "all"),
        (values.parse_companies, ["a", "b"], frozenset({"a", "b"})),
        (values.parse_secret, {"env": "NAME"}, SecretRef(SecretKind.ENV, "NAME")),
        (values.parse_secret, {"file": "/a b"}, SecretRef(SecretKind.FILE, "/a b")),
        (values.parse_secret, {"credential": "dkim.rsa"}, SecretRef(SecretKind.CREDENTIAL, "dkim.rsa")),
    ],
)
def test_what_is_accepted(parse, text, value) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (values.parse_duration, "5", "is not a duration"),
        (values.parse_duration, "5 m", "is not a duration"),
        (values.parse_duration, "-5m", "is not a duration"),
        (values.parse_size, "35M", "is not a size"),
        (values.parse_size, "1.5MiB", "is not a size"),
        (values.parse_host, "bücher.example", "in ASCII"),
        (values.parse_host, "a_b.example", "is not a host name"),
        (values.parse_host, "-a.example", "is not a host name"),
        (values.parse_host, ".".join(["a" * 63] * 4), "is not a host name"),
        (values.parse_domain, "localhost", "is not a full domain name"),
        (values.parse_domain, "10.0.0.1", "is not a full domain name"),
        (values.parse_endpoint, "127.0.0.1", "has no port"),
        (values.parse_endpoint, "127.0.0.1:0", "has no port"),
        (values.parse_endpoint, "127.0.0.1:65536", "has no port"),
        (values.parse_endpoint, "mx.example:25", "is not an IP address"),
        (values.parse_endpoint, "::1:25", "brackets"),
        (values.parse_endpoint, "[127.0.0.1]:25", "brackets"),
        (values.parse_network, "ten", "is not a network"),
        (values.parse_network, "10.0.0.1/8", "has bits set"),
        (values.parse_ip, "10.0.0.0/8", "is not an IP address"),
        (values.parse_selector, "S1", "is not a selector"),
        (values.parse_tenant, "common/../../x", "is not a directory"),
        (values.parse_tenant, "a?b", "is not a directory"),
        (values.parse_mailbox, "bakkerij", "is not an e-mail address"),
        (values.parse_mailbox, "a@[127.0.0.1]", "has an IP address for a domain"),
        (values.parse_public_url, "mail.relay.example", "is not the address of a web site"),
        (values.parse_public_url, "ftp://mail.relay.example", "is not the address of a web site"),
        (values.parse_public_url, "https://", "is not the address of a web site"),
        (values.parse_public_url, "https://mail.relay.example:port", "is not the address of a web site"),
        (values.parse_public_url, "https://[::1", "is not the address of a web site"),
        (values.parse_public_url, "https://mail.relay.example/a b", "is not the address of a web site"),
        (values.parse_public_url, "https://mail.relay.example?x=1", "more in it than a host and a path"),
        (values.parse_public_url, "https://a:b@mail.relay.example", "more in it than a host and a path"),
        (values.parse_public_url, "http://mail.relay.example", "links in mail need TLS"),
        (values.parse_public_url, "http://10.0.0.1", "links in mail need TLS"),
        (values.parse_alias, "Notices", "is reserved"),
        (values.parse_alias, "reports", "is reserved"),
        (values.parse_alias, "PostMaster", "is reserved"),
        (values.parse_alias, "srs0=x", "is reserved"),
        (values.parse_alias, "SRS1-x", "is reserved"),
        (values.parse_alias, "b+x", "is reserved"),
        (values.parse_alias, "a+x", "cannot be an alias"),
        (values.parse_alias, "a..b", "cannot be an alias"),
        (values.parse_alias, "a.", "cannot be an alias"),
        (values.parse_alias, "é", "cannot be an alias"),
        (values.parse_alias, "", "cannot be an alias"),
        (values.parse_alias, "a" * 64, "cannot be an alias"),
        (values.parse_line, "", "empty"),
        (values.parse_line, " a", "space"),
        (values.parse_line, "a\nBcc: x", "line break"),
        (values.parse_line, "a" * 501, "501 characters"),
        (values.parse_store, "postgresql://x", "is not a store"),
        (values.parse_store, "sqlite:", "is not a store"),
        (values.parse_file, " ", "not the path"),
        (values.parse_app_name, "a b", "is not a name"),
        (values.parse_companies, [], "is empty"),
        (values.parse_companies, "none", "is not a list"),
        (values.parse_companies, [1], "is not the name"),
        (values.parse_secret, {"vault": "x"}, "is not one of env, file, credential"),
        (values.parse_secret, {"env": "A B"}, "not a name for 'env'"),
        (values.parse_secret, {"credential": "../x"}, "not a name for 'credential'"),
        (values.parse_secret, {"file": 3}, "not a name for 'file'"),
        (values.parse_secret, {"env": "A", "file": "b"}, "say where it is kept"),
    ],
)
def test_what_is_refused(parse, text, message) -> None:
    with pytest.raises(PydanticCustomError, match=message):
        parse(text)


def test_secrets_written_in_place_are_not_repeated() -> None:
    for parse in (values.parse_secret, values.parse_password_hash):
        with pytest.raises(PydanticCustomError) as caught:
            parse("hunter2-hunter2")
        assert "hunter2" not in str(caught.value)


def test_an_endpoint_reads_as_it_is_written() -> None:
    for text in ("127.0.0.1:25", "[2001:db8::1]:25", "localhost:25"):
        assert str(values.parse_endpoint(text)) == text


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
    assert values.shown(value) == text


@given(st.text(max_size=40))
def test_parsers_raise_nothing_but_their_own_error(text: str) -> None:
    for name in vars(values):
        if name.startswith("parse_") and name != "parse_address":
            with suppress(PydanticCustomError):
                getattr(values, name)(text)
