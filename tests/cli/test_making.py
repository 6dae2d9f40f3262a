"""Passwords and keys: made well, shown once, never in place of another."""

import base64
import io
import stat

import pytest
import yaml
from argon2 import PasswordHasher

from relay.mail.dkim import dns_record, load_private_key


def _snippet(out: str) -> dict:
    return yaml.safe_load(out[out.index("# in relay.yaml") :])


def test_a_new_password_fits_the_hash_beside_it(place):
    ended = place.run("app", "password", "--name", "billing")
    assert ended.code == 0
    word = ended.out.splitlines()[0].rpartition(" ")[2]
    assert len(word) == 32
    hashed = _snippet(ended.out)["apps"]["billing"]["password"]["hash"]
    assert PasswordHasher().verify(hashed, word)
    assert ended.out.count(word) == 1


def test_the_settings_take_the_snippet_as_it_is(place):
    snippet = place.run("app", "password", "--name", "billing").out.partition("# in relay.yaml\n")[2]
    settings = (place.path / "config/relay.yaml").read_text()
    start, end = settings.index("apps:"), settings.index("verification:")
    place.write("relay.yaml", settings[:start] + snippet + settings[end:])
    assert place.run("check").code == 0


def test_a_given_password_is_never_shown(place, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))
    ended = place.run("app", "password", "--stdin", "--json")
    assert ended.code == 0
    assert "horse" not in ended.out + ended.err
    assert PasswordHasher().verify(ended.json["hash"], "correct horse battery")


def test_a_short_password_is_refused(place, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    ended = place.run("app", "password", "--stdin")
    assert (ended.code, ended.out) == (2, "")


def test_a_name_that_the_settings_would_refuse(place):
    assert place.run("app", "password", "--name", "a b").code == 2


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_a_new_key_fits_its_record(place, kind):
    ended = place.run("dkim", "new", "my.relay.example", "s1", "--out", "var/k.pem", "--type", kind, "--json")
    file = place.path / "var/k.pem"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ended.json["name"] == "s1._domainkey.my.relay.example"
    assert ended.json["value"] == dns_record(load_private_key(file.read_bytes())) == "".join(ended.json["strings"])
    assert all(len(string) <= 255 for string in ended.json["strings"])
    assert len(ended.json["strings"]) == (2 if kind == "rsa" else 1)


def test_the_private_key_is_in_its_file_only(place):
    ended = place.run("dkim", "new", "my.relay.example", "s1", "--out", "var/k.pem")
    key = load_private_key((place.path / "var/k.pem").read_bytes())
    prime = key.private_numbers().p
    secret = base64.b64encode(prime.to_bytes(128)).decode()
    assert "PRIVATE" not in ended.out
    assert secret[:20] not in ended.out


def test_the_record_and_the_settings_for_people(place):
    ended = place.run("dkim", "new", "My.Relay.example", "s1", "--out", "var/a, b.pem")
    assert ended.code == 0
    assert ended.out.splitlines()[1] == "s1._domainkey.my.relay.example. TXT ("
    (entry,) = _snippet(ended.out)["dkim"]
    assert entry == {"domain": "my.relay.example", "selector": "s1", "key": {"file": "var/a, b.pem"}}


def test_a_key_that_is_there_stays(place):
    (place.path / "var/k.pem").write_text("in use")
    ended = place.run("dkim", "new", "my.relay.example", "s1", "--out", "var/k.pem")
    assert (ended.code, ended.out) == (73, "")
    assert (place.path / "var/k.pem").read_text() == "in use"


def test_a_place_where_nothing_can_be_written(place):
    ended = place.run("dkim", "new", "my.relay.example", "s1", "--out", "nowhere/k.pem")
    assert (ended.code, ended.err) == (73, "relay: nowhere/k.pem: No such file or directory\n")


@pytest.mark.parametrize(
    "arguments", [("no_name", "s1"), ("my.relay.example", "S 1"), ("my.relay.example", "s1", "--bits", "1024")]
)
def test_wrong_arguments_make_no_key(place, arguments):
    assert place.run("dkim", "new", *arguments, "--out", "var/k.pem").code == 2
    assert not (place.path / "var/k.pem").exists()
