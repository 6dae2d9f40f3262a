"""The listeners' certificate: what handshakes it makes, and when it ends."""

import datetime as dt
import ssl

import pytest
import trustme

from relay.config.certificate import load_certificate
from relay.config.settings import Tls

UNTIL = dt.datetime(2040, 5, 6, tzinfo=dt.UTC)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA, tmp_path) -> Tls:
    issued = authority.issue_cert("relay.example", not_after=UNTIL)
    issued.private_key_pem.write_to_path(tmp_path / "key")
    for pem in (*issued.cert_chain_pems, authority.cert_pem):
        pem.write_to_path(tmp_path / "chain", append=True)
    return Tls(certificate=str(tmp_path / "chain"), key=str(tmp_path / "key"))


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[str | None, str]:
    """Version and cipher that both agree on. Raises ssl.SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="relay.example"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    while ends:
        for end in list(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)
            last = end
    cipher = last.cipher()
    assert cipher is not None
    return last.version(), cipher[0]


def client(authority: trustme.CA, version: ssl.TLSVersion, ciphers: str = "") -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers(ciphers or "ALL:@SECLEVEL=0")
    context.maximum_version = version
    return context


def test_it_says_when_it_ends(tls: Tls) -> None:
    assert load_certificate(tls).until == UNTIL.timestamp()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_of_today_are_spoken_with_forward_secrecy(version, tls: Tls, authority: trustme.CA) -> None:
    spoken, cipher = shake_hands(load_certificate(tls).context, client(authority, version))
    assert spoken == version.name.replace("_", ".")
    assert cipher.startswith(("TLS_", "ECDHE-", "DHE-"))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_old_versions_are_refused(version: str, tls: Tls, authority: trustme.CA) -> None:
    with pytest.raises(ssl.SSLError):
        shake_hands(load_certificate(tls).context, client(authority, ssl.TLSVersion[version]))


@pytest.mark.parametrize("cipher", ["NULL", "aNULL", "RC4", "3DES", "kRSA"])
def test_weak_ciphers_are_refused(cipher: str, tls: Tls, authority: trustme.CA) -> None:
    try:
        weak = client(authority, ssl.TLSVersion.TLSv1_2, f"{cipher}:@SECLEVEL=0")
    except ssl.SSLError:
        return  # this OpenSSL does not know it at all
    with pytest.raises(ssl.SSLError):
        shake_hands(load_certificate(tls).context, weak)


def test_what_is_no_certificate_is_said(tls: Tls) -> None:
    for broken in (Tls(certificate=tls.key, key=tls.key), Tls(certificate="/nowhere", key=tls.key)):
        with pytest.raises((OSError, ValueError)):
            load_certificate(broken)
