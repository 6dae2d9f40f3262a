import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.address import Address
from relay.policy.providers import Endpoint
from relay.policy.published import MOST_XML, Offer, read_autoconfig, read_srv

ANNA = Address("anna", "bakery.example")


def autoconfig(*servers: str) -> bytes:
    inner = "".join(servers)
    return f"<clientConfig version='1.1'><emailProvider id='x'>{inner}</emailProvider></clientConfig>".encode()


def server(kind: str = "smtp", **changed: str) -> str:
    said = {
        "hostname": "smtp.%EMAILDOMAIN%",
        "port": "587",
        "socketType": "STARTTLS",
        "username": "%EMAILADDRESS%",
        "authentication": "password-cleartext",
    } | changed
    tag = "outgoingServer" if kind == "smtp" else "incomingServer"
    return f"<{tag} type='{kind}'>" + "".join(f"<{key}>{value}</{key}>" for key, value in said.items()) + f"</{tag}>"


def test_srv_records_come_in_the_order_of_their_wishes() -> None:
    records = ["20 0 587 c.example.", "10 5 587 b.example.", "10 9 465 A.example."]
    offers = read_srv(records, "smtp", "starttls")
    assert [offer.endpoint.host for offer in offers] == ["a.example", "b.example", "c.example"]
    assert offers[0] == Offer("smtp", Endpoint("a.example", 465, "starttls"))


@pytest.mark.parametrize(
    "record",
    [
        *("0 0 0 .", "", "a b c d", "1 2 3", "0 0 99999 a.example.", "0 0 587 .", "-1 0 5 a.example."),
        *("0 0 993 localhost.", "0 0 993 a\\;b.example.", "0 0 993 \x1b[2Ja.example.", "0 0 993 ä.example."),
    ],
)
def test_srv_records_that_name_no_server_are_left_out(record: str) -> None:
    assert read_srv([record], "imap", "implicit") == []


def test_an_autoconfig_file_names_servers_and_the_account() -> None:
    document = autoconfig(
        server("imap", hostname="imap.bakery.example", port="993", socketType="SSL"),
        server(username="%EMAILLOCALPART%", authentication="OAuth2"),
        server("pop3"),
    )
    assert read_autoconfig(document, ANNA) == [
        Offer("imap", Endpoint("imap.bakery.example", 993, "implicit"), "anna@bakery.example", ("password",)),
        Offer("smtp", Endpoint("smtp.bakery.example", 587, "starttls"), "anna", ("oauth2",)),
    ]


@pytest.mark.parametrize(
    "changed",
    [
        {"socketType": "plain"},
        {"hostname": "localhost"},
        {"hostname": "a b.example"},
        {"hostname": ""},
        {"port": "0"},
        {"port": "x"},
        {"port": "9999999999"},
    ],
)
def test_servers_that_cannot_be_used_are_left_out(changed: dict[str, str]) -> None:
    assert read_autoconfig(autoconfig(server(**changed)), ANNA) == []


def test_a_username_that_cannot_be_known_is_left_open() -> None:
    (offer,) = read_autoconfig(autoconfig(server(username="%REALNAME%", authentication="GSSAPI")), ANNA)
    assert (offer.username, offer.logins) == (None, ())


def test_a_file_with_a_doctype_is_worth_nothing() -> None:
    bomb = b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]>" + autoconfig(server(hostname="&a;.example"))
    assert read_autoconfig(bomb, ANNA) == []


def test_a_file_that_is_too_large_or_no_xml_is_worth_nothing() -> None:
    assert read_autoconfig(b" " * (MOST_XML + 1), ANNA) == []
    assert read_autoconfig(b"<clientConfig>", ANNA) == []
    assert read_autoconfig(b"<?xml version='1.0' encoding='nonsense'?><a/>", ANNA) == []


def test_only_so_many_servers_are_taken() -> None:
    assert len(read_autoconfig(autoconfig(*[server()] * 50), ANNA)) == 20


@given(st.binary(max_size=300))
def test_no_document_makes_trouble(document: bytes) -> None:
    assert isinstance(read_autoconfig(document, ANNA), list)
    assert isinstance(read_autoconfig(autoconfig(server()).replace(b"587", document), ANNA), list)


@given(st.lists(st.text()))
def test_no_record_makes_trouble(records: list[str]) -> None:
    assert isinstance(read_srv(records, "smtp", "implicit"), list)


@pytest.mark.parametrize("port", ["0001439999999", "000993", "65536", "0", "-1", "9" * 500])
def test_a_port_that_is_none_is_left_out(port: str) -> None:
    assert read_autoconfig(autoconfig(server("imap", port=port)), ANNA) == []


def test_a_host_is_named_with_the_domain_as_the_dns_knows_it() -> None:
    document = autoconfig(server("imap", hostname="imap.%EMAILDOMAIN%"))
    (offer,) = read_autoconfig(document, Address("anna", "bäckerei.example"))
    assert offer.endpoint.host == "imap.xn--bckerei-5wa.example"
    assert offer.username == "anna@bäckerei.example"
