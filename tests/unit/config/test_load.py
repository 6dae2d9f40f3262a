import dataclasses
import os
from pathlib import Path

import pytest

from relay.config import cache as cache_module
from relay.config import tree as tree_module
from relay.config.errors import ConfigErrors, did_you_mean, key_text
from relay.config.load import load
from relay.config.record import pack, unpack
from relay.config.sealing import SealingKeys, place_of
from relay.config.snapshot import Snapshot
from relay.config.tree import Tree
from relay.events import EventType
from relay.mail.address import Address
from relay.policy import provider_table
from relay.policy.company import Company, IdentityKind, Language, Otherwise, SecretKind, SecretRef, Server

STUDIO = """\
name: "Studio \\"Noord\\""
address: hallo@studio.example
alias: studio
outgoing:
  identity: own-server
  otherwise: hold
  server:
    host: smtp.studio.example
    port: 465
    tls: implicit
    username: hallo@studio.example
    password: {env: STUDIO_PASSWORD}
    ca: /etc/relay/studio-ca.pem
"""


def test_a_company_reads_as_it_is_written(config) -> None:
    config.company("studio").write_text(STUDIO)
    snapshot = config.load()
    address = Address("hallo", "studio.example")
    assert snapshot.company("studio") == Company(
        slug="studio",
        name='Studio "Noord"',
        address=address,
        alias="studio",
        identity=IdentityKind.OWN_SERVER,
        author=address,
        otherwise=Otherwise.HOLD,
        server=Server(
            host="smtp.studio.example",
            port=465,
            tls="implicit",
            username="hallo@studio.example",
            password=SecretRef(SecretKind.ENV, "STUDIO_PASSWORD"),
            ca="/etc/relay/studio-ca.pem",
        ),
    )
    assert snapshot.company("garage").author == Address("facturen", "garage.example")
    assert snapshot.company("bakkerij").identity is IdentityKind.ALIAS


def test_companies_are_found_by_slug_and_by_alias_in_any_case(config) -> None:
    snapshot = config.load()
    assert sorted(snapshot) == ["bakkerij", "garage"]
    assert len(snapshot) == 2
    assert "garage" in snapshot
    assert snapshot.by_alias("de.garage") == snapshot.by_alias("DE.GARAGE") == snapshot.company("garage")
    assert snapshot.by_alias("garage") is None
    assert snapshot.company("De.Garage") is None
    assert repr(snapshot) == f"Snapshot({snapshot.generation}, 2 companies)"


def test_a_record_is_the_company_again() -> None:
    company = Company("x", "Café \t 'x'", Address('"a b"', "xn--x.example"), "X", language=Language.FR)
    assert unpack("x", pack(company)) == company


def test_a_snapshot_can_be_made_of_values(config) -> None:
    loaded = config.load()
    made = Snapshot.of(loaded.settings, [loaded.company(slug) for slug in loaded])
    assert [made.company(slug) for slug in made] == [loaded.company(slug) for slug in loaded]
    assert made.generation == Snapshot.of(loaded.settings, [made.company(slug) for slug in made]).generation
    assert made.generation != Snapshot.of(loaded.settings).generation


def test_the_generation_follows_meaning_not_times_and_comments(config) -> None:
    first = config.load().generation
    config.company("bakkerij").write_text("# comment\n" + config.company("bakkerij").read_text())
    config.replace("hostname:", "# comment\nhostname:")
    os.utime(config.company("garage"), (1, 1))
    assert config.load().generation == first
    config.company("bakkerij").write_text(config.company("bakkerij").read_text().replace("Bakkerij", "Baecker"))
    second = config.load().generation
    assert second != first
    config.replace("hostname: mx1", "hostname: mx2")
    third = config.load().generation
    assert third not in {first, second}
    config.file("signing").write_text("another signing secret")
    assert config.load().generation not in {first, second, third}


def test_a_missing_key_is_explained(config) -> None:
    config.company("bakkerij").write_text("name: Bakkerij\nalias: b\n")
    assert config.errors() == [
        "companies/bakkerij.yaml:1:1: address: this key is missing. The company's own address: answers go there."
    ]


def test_all_errors_come_in_one_go_in_order(config) -> None:
    config.replace("hostname: mx1.my.relay.example", "hostnam: mx1")
    config.company("bakkerij").write_text(
        "name: no\nadres: info@b.example\nalias: b\noutgoing: {identity: own_domain}\n"
    )
    config.company("garage").write_text("name: [")
    config.company("Groot").write_text("name: Groot\n")
    assert config.errors() == [
        (
            "companies/Groot.yaml: a company's file is named with up to 100 small letters, digits, '-', '_' and '.'. "
            "For example bakkerij-peeters.yaml."
        ),
        (
            "companies/bakkerij.yaml:1:7: name: 'no' is text or a truth value, depending on the reader. "
            'Write true or false, or put it in quotes: "no".'
        ),
        "companies/bakkerij.yaml:2:1: adres: unknown key. Did you mean address?",
        (
            "companies/bakkerij.yaml:4:22: outgoing.identity: 'own_domain' is not one of alias, own-domain, "
            "own-server. Did you mean own-domain?"
        ),
        "companies/garage.yaml:2:1: not valid YAML: did not find expected node content",
        "relay.yaml:1:1: hostnam: unknown key. Did you mean hostname?",
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("workers", "workers", None),
        ("signing: [{", "signing: [{env: NOWHERE}, {", "secrets.signing[0]: env:NOWHERE: the environment variable"),
        ("SIGNING", "NOWHERE", "the file does not exist"),
        ("{file: SIGNING}", "{credential: x}", "CREDENTIALS_DIRECTORY is not set"),
        ("file: DKIM", "file: CERT", "is not a key to sign with"),
        ("selector: s1,", "selctor: s1,", "dkim[0].selctor: unknown key. Did you mean selector?"),
        ("garage]", "garag]", "apps.web.companies[1]: there is no company 'garag'. Did you mean garage?"),
        ("garage]", "zzz]", "apps.web.companies[1]: there is no company 'zzz'"),
        ('password: {hash: "', 'networks: [10.0.0.0/8]\n    password: {hash: "x', "this is not an argon2 hash"),
        ("domain: my.relay.example\npost", "domain: garage.example\npost", "companies/garage.yaml:2:10: address: "),
        ("postmaster@operator", "x@my.relay", "postmaster: mail for the postmaster would come back to us"),
        ("secrets:", "limits: {receiving_bytes: 1MiB}\nsecrets:", "this is less than limits.message_size"),
        ("secrets:", "delivery: {ca: DKIM}\nsecrets:", "holds no certificates"),
        ("secrets:", "delivery: {ca: /nowhere}\nsecrets:", "delivery.ca: /nowhere: the file does not exist"),
        ("certificate: CERT", "certificate: /nowhere", "tls.certificate: /nowhere: the file does not exist"),
        ("certificate: CERT", "certificate: DKIM", "certificate and key cannot be used"),
        ("key: KEY", "key: /", "tls.key: /: this is a directory"),
        ("key: KEY", "key: other-key", "is not the key of"),
        ("[::1]:2525", "0.0.0.0:2587", "submission already listens on 127.0.0.1:2587. Choose another port."),
        ("[::1]:2525", "127.0.0.1:2587", "submission already listens on 127.0.0.1:2587"),
        ('2587", tls: starttls', '2587", tls: tls', "'tls' is not one of starttls, implicit, none"),
        ('2587", tls: starttls', '2587", tls: no', "is text or a truth value"),
        ("dkim:\n", 'workers: "2"\ndkim:\n', "stands where a whole number was expected. Remove the quotes."),
        ("dkim:\n", "workers: 1.5\ndkim:\n", "workers: the number 1.5 stands where a whole number was expected"),
        ("dkim:\n", "workers: 5000\ndkim:\n", "the number 5000 is more than 1024, which is the most"),
        ("dkim:\n", "limits: {recipients: 0}\ndkim:\n", "the number 0 is less than 1, which is the least"),
        ("dkim:\n", "limits: {message_size: 35}\ndkim:\n", "the number 35 has no unit. Write 35KiB or 35MiB."),
        ("dkim:\n", "limits: {idle_timeout: 5}\ndkim:\n", "the number 5 has no unit. Write 5s or 5m or 5h."),
        ("dkim:\n", "limits: {idle_timeout: 0s}\ndkim:\n", "must be more than zero"),
        ("dkim:\n", "limits: {idle_timeout: true}\ndkim:\n", "true stands where text was expected"),
        ("dkim:\n", "delivery: {retry: []}\ndkim:\n", "delivery.retry: the list is empty"),
        ("dkim:\n", "delivery: {retry: 5m}\ndkim:\n", "'5m' stands where a list was expected"),
        ("dkim:\n", "delivery: {smarthost: {host: x, tsl: none}}\ndkim:\n", "tsl: unknown key. Did you mean tls?"),
        ("password: {hash:", "password: hunter2 #", "apps.web.password: this stands where a mapping of keys"),
        ("dkim:\n", "log: 3\ndkim:\n", "log: the number 3 stands where a mapping of keys and values was expected"),
        ("  web:\n", "  a b: {companies: all, networks: [127.0.0.1]}\n  web:\n", "'a b' is not a name for an app"),
        ("  web:\n", "  any: {companies: all}\n  web:\n", "apps.any: nothing tells this app from others"),
        ("  web:\n", "  any: {companies: all, networks: [0.0.0.0/0]}\n  web:\n", "is not a private network"),
        ("  web:\n", "  any: {companies: all, networks: [2001:db8::/32]}\n  web:\n", "write allow_public: true"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_relay_yaml(config, old, new, expected) -> None:
    for name in ("CERT", "KEY", "DKIM", "SIGNING"):
        old = old.replace(name, str(config.file(name.lower())))
    if expected is None:
        config.load()
        return
    config.replace(old, new.replace("other-key", str(config.file("other-key"))))
    errors = config.errors()
    assert len(errors) == 1, errors
    assert expected in errors[0]
    assert errors[0].startswith(("relay.yaml:", "companies/"))


def test_tls_needs_a_certificate(config) -> None:
    text = config.path.read_text()
    config.path.write_text("".join(line for line in text.splitlines(keepends=True) if not line.startswith("tls:")))
    hint = "Write tls: {certificate: path, key: path}, or none here."
    assert [error.partition(": ")[2] for error in config.errors()] == [
        f"listeners.{name}.tls: starttls needs a certificate. {hint}" for name in ("submission", "mx")
    ]


def test_public_networks_are_possible_when_meant(config) -> None:
    config.replace("  web:\n", "  any: {companies: all, networks: [0.0.0.0/0], allow_public: true}\n  web:\n")
    apps = config.load().settings.apps
    assert apps["any"].may_send_for("whoever")
    assert apps["web"].may_send_for("garage")
    assert not apps["web"].may_send_for("studio")


def test_the_same_dkim_selector_twice(config) -> None:
    line = f"  - {{domain: my.relay.example, selector: s1, key: {{file: {config.file('dkim')}}}}}\n"
    config.replace("dkim:\n", "dkim:\n" + line)
    assert config.errors() == ["relay.yaml:15:42: dkim[1].selector: s1 of my.relay.example stands here twice"]


def test_a_short_signing_secret(config) -> None:
    config.file("signing").write_text("short")
    (error,) = config.errors()
    assert "the secret is shorter than 16 characters" in error
    assert "short\n" not in error


def test_clashing_aliases_in_any_case(config) -> None:
    config.company("ander").write_text("name: A\naddress: a@ander.example\nalias: de.garage\n")
    (error,) = config.errors()
    assert error == (
        "companies/garage.yaml:3:8: alias: 'de.garage' is already the alias of companies/ander.yaml. Choose another."
    )


def test_own_names_on_the_alias_domain(config) -> None:
    config.company("garage").write_text(config.company("garage").read_text().replace("facturen@garage", "x@my.relay"))
    assert config.errors() == [
        (
            "companies/garage.yaml:6:9: outgoing.from: my.relay.example is our alias domain, not the company's own. "
            "Write an address of the company's own, or identity: alias."
        )
    ]
    config.company("garage").write_text(
        "name: G\naddress: g@garage.example\nalias: my\noutgoing: {from: x@my.relay.example}"
    )
    config.load()


@pytest.mark.parametrize("more", ["", "password: {env: P}, oauth2: {client: google}"])
def test_an_own_server_has_either_a_password_or_a_token(config, more) -> None:
    config.company("garage").write_text(
        f"name: G\naddress: g@g.example\nalias: g\noutgoing: {{server: {{host: m.g.example, username: g, {more}}}}}\n"
    )
    (error,) = config.errors()
    assert "outgoing.server: a server has either a password or oauth2" in error


@pytest.mark.parametrize(
    "more",
    [
        "oauth2: {client: google}",
        "oauth2: {client: m, grant: client-credentials, tenant: t}, pace: {per_minute: 30}",
        "oauth2: {client: m, refresh_token: {env: TOKEN}}",
        "password: {env: P}, pace: {per_day: 500}",
    ],
)
def test_a_company_with_a_token_or_a_pace_is_the_same_after_packing(config, more) -> None:
    config.company("garage").write_text(
        f"name: G\naddress: g@g.example\nalias: g\noutgoing: {{server: {{host: m.g.example, username: g, {more}}}}}\n"
    )
    company = config.load().company("garage")
    assert company is not None
    assert company.server is not None
    assert unpack("garage", pack(company)) == company


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("{google: {client_id: c}}", "it is not said where tokens are issued"),
        ("{google: {client_id: c, issuer: google}}", "without a secret to seal them with"),
        (
            "{g: {client_id: c, issuer: google, key: {env: K}, client_secret: {env: S}}}",
            "either a client_secret or a key",
        ),
    ],
)
def test_a_registration_has_to_be_whole(config, section, words) -> None:
    settings = config.path
    settings.write_text(settings.read_text() + f"oauth2: {section}\n")
    assert any(words in error for error in config.errors())


def test_an_own_server_has_to_be_there(config) -> None:
    config.company("garage").write_text("name: G\naddress: g@g.example\nalias: g\noutgoing: {identity: own-server}\n")
    assert config.errors() == [
        (
            "companies/garage.yaml:4:22: outgoing.identity: own-server needs a server. "
            "Write outgoing.server: {host, username, password}."
        )
    ]


def test_answers_need_a_mailbox_to_be_laid_into(config) -> None:
    config.company("garage").write_text("name: G\naddress: g@g.example\nalias: g\nincoming: {answers: mailbox}\n")
    assert config.errors() == [
        (
            "companies/garage.yaml:4:21: incoming.answers: the company has no mailbox to lay mail into. "
            "Write incoming.mailbox: {username, password}, or leave `answers` out."
        )
    ]


def test_files_that_would_be_overlooked(config) -> None:
    config.file("companies/groot.yml").write_text("")
    config.file("companies/more").mkdir()
    for ignored in (".x.yaml.swp", ".y.yaml", "garage.yaml~", "README.md"):
        config.file(f"companies/{ignored}").write_text("junk: [")
    assert config.errors() == [
        "companies/groot.yml: this file is not read. Name it groot.yaml.",
        "companies/more: directories are not read. Put the companies' files beside each other.",
    ]


def test_files_that_cannot_be_read(config) -> None:
    config.company("pipe").mkdir()
    os.mkfifo(config.company("fifo"))
    config.company("link").symlink_to("nowhere")
    errors = config.errors()
    assert errors == [
        "companies/fifo.yaml: the file cannot be read (Invalid argument)",
        "companies/pipe.yaml: this is a directory",
    ]


def test_nothing_there(tmp_path) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path / "relay.yaml")
    assert [error.message for error in caught.value.errors] == ["the file does not exist"] * 2


def test_messages_name_keys_as_they_are_written() -> None:
    assert key_text(("apps", "billit-web", "networks", 0)) == "apps.billit-web.networks[0]"
    assert key_text(("apps", "a b")) == 'apps."a b"'
    assert key_text(()) == ""
    assert did_you_mean("own_domain", ["alias", "own-domain"]) == "Did you mean own-domain?"
    assert did_you_mean("message-size", ["message_size"]) == "Did you mean message_size?"
    assert did_you_mean("zzz", ["alias", "hold"]) == "Known here: alias, hold."
    assert did_you_mean("zzz", []) == ""


# The compiled cache


def start(config) -> Tree:
    """What a starting worker does: the number of files it has to parse is in `parsed`."""
    tree = Tree(config.path, config.cache)
    tree.look_at_settings()
    tree.look_at_all()
    return tree


def test_a_second_load_parses_nothing(config) -> None:
    first = load(config.path, config.cache)
    tree = start(config)
    second = tree.snapshot()
    assert tree.parsed == 0
    assert second.generation == first.generation
    assert [second.company(slug) for slug in sorted(second)] == [first.company(slug) for slug in sorted(first)]
    assert second.by_alias("DE.garage") == first.company("garage")


def test_only_new_content_is_parsed(config) -> None:
    load(config.path, config.cache)
    os.utime(config.company("garage"), (1, 1))
    config.company("bakkerij").write_text(config.company("bakkerij").read_text().replace("Bakkerij", "Baecker"))
    config.company("nieuw").write_text("name: Nieuw\naddress: n@nieuw.example\nalias: nieuw\n")
    tree = start(config)
    assert tree.parsed == 2
    assert tree.snapshot().company("bakkerij").name == "Baecker"


def test_a_removed_company_is_forgotten(config) -> None:
    load(config.path, config.cache)
    config.company("garage").rename(config.company("garage-2"))
    config.replace("garage]", "garage-2]")
    snapshot = load(config.path, config.cache)
    assert sorted(snapshot) == ["bakkerij", "garage-2"]
    assert snapshot.by_alias("de.garage") == snapshot.company("garage-2")


def test_broken_files_are_not_cached(config) -> None:
    good = config.company("garage").read_text()
    config.company("garage").write_text("name: [")
    for _ in range(2):
        with pytest.raises(ConfigErrors):
            load(config.path, config.cache)
    config.company("garage").write_text(good)
    assert load(config.path, config.cache).company("garage") is not None


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"",
        lambda raw: raw[:-1],
        lambda raw: raw[: len(raw) // 2],
        lambda raw: raw.replace(b"Bakkerij", b"Bekkerij"),
        lambda raw: raw.replace(b"\t", b" "),
        lambda raw: b"\x80\x04" + raw,
        lambda raw: raw.rpartition(b"end ")[0],
        lambda raw: raw.replace(b"companies 1", b"companies 0"),
    ],
)
def test_a_damaged_cache_is_ignored(config, damage) -> None:
    load(config.path, config.cache)
    config.cache.write_bytes(damage(config.cache.read_bytes()))
    tree = start(config)
    assert tree.parsed == 2
    assert tree.snapshot().company("bakkerij").name == "Bakkerij"


def test_a_cache_of_other_code_is_ignored(config, monkeypatch) -> None:
    load(config.path, config.cache)
    monkeypatch.setattr(cache_module, "code_version", lambda: b"other")
    assert start(config).parsed == 2


def test_a_change_of_the_table_of_providers_makes_the_cache_one_of_other_code(config, monkeypatch) -> None:
    load(config.path, config.cache)
    table, read = Path(provider_table.__file__), Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + (b"#" if path == table else b""))
    cache_module.code_version.cache_clear()
    try:
        assert start(config).parsed == 2
    finally:
        cache_module.code_version.cache_clear()


def test_the_cache_may_be_impossible_to_write(config) -> None:
    config.file("var").write_text("a file where a directory is needed")
    assert len(load(config.path, config.cache)) == 2


def test_a_failed_save_leaves_nothing_behind(config, monkeypatch) -> None:
    load(config.path, config.cache)
    before = config.cache.read_bytes()
    monkeypatch.setattr(cache_module.Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        cache_module.save_cache(config.cache, start(config).compiled)
    assert [path.name for path in config.cache.parent.iterdir()] == ["cache"]
    assert config.cache.read_bytes() == before


def test_an_error_is_placed_even_when_its_file_is_gone(config, monkeypatch) -> None:
    config.replace("domain: my.relay.example\npost", "domain: garage.example\npost")
    tree = start(config)
    config.company("garage").unlink()
    with pytest.raises(ConfigErrors, match=r"garage\.yaml: address: answers would come back to us"):
        tree.snapshot()


def test_a_file_that_changes_while_it_is_read_is_read_again(config) -> None:
    tree = Tree(config.path)
    tree.look_at_all()
    assert all(seen[:32] == tree_module.UNSURE for seen in tree.compiled.seen.values()), "written only just now"
    parsed = tree.parsed
    os.utime(config.company("garage"), ns=(1, 1))
    assert tree.look_at_all() == set()
    assert tree.parsed == parsed


def test_settings_are_frozen(config) -> None:
    snapshot = config.load()
    with pytest.raises(ValueError, match="frozen"):
        snapshot.settings.domain = "x.example"
    with pytest.raises(dataclasses.FrozenInstanceError):
        snapshot.company("garage").alias = "x"


def test_what_the_reader_refuses_is_refused_though_it_would_fit(config) -> None:
    config.company("bakkerij").write_text("name: &n Bakkerij\naddress: info@bakkerij.example\nalias: !!str bakkerij\n")
    assert config.errors() == [
        (
            "companies/bakkerij.yaml:1:7: name: an anchor (&) is not allowed. "
            "Write each value out, or put the text in quotes."
        ),
        "companies/bakkerij.yaml:3:8: alias: a tag (!) is not allowed. Leave it off, or put the text in quotes.",
    ]


WISHES = "name: X\naddress: x@x.example\nalias: x\noutgoing: {identity: %s%s}\n"


@pytest.mark.parametrize(
    ("written", "wishes"),
    [
        ("own-domain", ("own-domain",)),
        ("[own-domain]", ("own-domain",)),
        ("[own-domain, alias]", ("own-domain", "alias")),
    ],
)
def test_wishes_may_be_one_or_several_in_order(config, written, wishes) -> None:
    config.company("x").write_text(WISHES % (written, ", vouched: we know them"))
    company = config.load().company("x")
    assert (company.wishes, company.vouched) == (wishes, "we know them")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("[]", "the list is empty"),
        ("[alias, own-domain]", "nothing is tried after alias"),
        ("[own-domain, own-domain]", "an identity stands here twice"),
        ("[own-domain, own-servr]", "'own-servr' is not one of alias, own-domain, own-server. Did you mean"),
        ("[own-domain, [alias]]", "a list is not one of"),
        ("{own-domain: alias}", "a mapping is not one of"),
        ("7", "the number 7 is not one of"),
    ],
)
def test_wrong_wishes_are_explained(config, written, message) -> None:
    config.company("x").write_text(WISHES % (written, ""))
    (error,) = config.errors()
    assert error.startswith("companies/x.yaml:4:22: outgoing.identity: ")
    assert message in error


def test_what_few_companies_have_takes_no_room_with_the_others() -> None:
    plain = Company("x", "X", Address("x", "x.example"), "x")
    assert len(pack(plain)) < 70
    assert unpack("x", pack(plain)) == plain


def test_a_delegated_selector_is_of_one_key(config) -> None:
    key = f"  - {{domain: %s, selector: d1, key: {{file: {config.file('dkim')}}}, delegated: true}}\n"
    config.replace("secrets:", f"{key % 'my.relay.example'}{key % 'other.example'}secrets:")
    assert any("d1 is delegated twice" in error for error in config.errors())


def test_a_directory_that_goes_away_between_two_looks(config) -> None:
    tree = start(config)
    config.file("companies").rename(config.file("old"))
    assert tree.look_at({"garage"}) == set()
    with pytest.raises(ConfigErrors, match="companies: the file does not exist"):
        tree.snapshot()


def test_sealed_secrets_are_tried_once(config, monkeypatch) -> None:
    config.file("sealing").write_text("a sealing secret of many letters")
    config.replace("secrets:\n", f"secrets:\n  sealing: [{{file: {config.file('sealing')}}}]\n")
    keys = SealingKeys([b"a sealing secret of many letters"])
    sealed = keys.seal(b"geheim", place_of("studio", "outgoing.server.password"))
    config.company("studio").write_text(STUDIO.replace("{env: STUDIO_PASSWORD}", f"{{sealed: {sealed}}}"))
    opened = []
    monkeypatch.setattr(SealingKeys, "open", lambda _, text, place: opened.append((text, place)))
    tree = Tree(config.path)
    tree.look_at_settings()
    tree.look_at_all()
    reference = tree.snapshot().company("studio").server.password
    assert reference == SecretRef(SecretKind.SEALED, sealed, "studio/outgoing.server.password")
    tree.snapshot()
    assert opened == [(sealed, "studio/outgoing.server.password")]
    config.file("sealing").write_text("another sealing secret of many letters")
    tree.look_at_settings()
    tree.snapshot()
    assert len(opened) == 2


@pytest.mark.parametrize(
    ("webhook", "message"),
    [
        ('{url: "http://app.example/x", secret: {file: SIGNING}}', "webhook.url: without TLS everybody on the way"),
        ('{url: "ftp://app.example/x", secret: {file: SIGNING}}', "webhook.url: this is not a URL"),
        ('{url: "https://u:p@app.example/", secret: {file: SIGNING}}', "webhook.url: a URL here has no login"),
        ('{url: "https://app.example/#x", secret: {file: SIGNING}}', "webhook.url: a URL here has no login and no fr"),
        ('{url: "https://[app/", secret: {file: SIGNING}}', "webhook.url: this is not a URL"),
        ('{url: "https://app.example/", secret: {env: NOWHERE}}', "webhook.secret: env:NOWHERE: the environment var"),
        ('{url: "https://app.example/", secret: hunter2}', "webhook.secret: a secret is not written here"),
        (
            '{url: "https://app.example/", secret: {file: SIGNING}, events: [opened]}',
            "'opened' is not one of received,",
        ),
        ('{url: "https://app.example/", secret: {file: SIGNING}, events: []}', "webhook.events: the list is empty"),
    ],
)
def test_a_webhook_that_cannot_be(config, webhook, message) -> None:
    config.replace("    companies: [bakkerij, garage]\n", f"    companies: all\n    webhook: {webhook}\n")
    (error,) = config.errors()
    assert message in error
    assert error.startswith("relay.yaml:13:")
    assert "hunter2" not in error


def test_a_webhook_secret_may_be_sealed_and_a_changed_one_is_another_configuration(config) -> None:
    config.file("sealing").write_text("a sealing secret of many letters")
    config.replace("secrets:\n", f"secrets:\n  sealing: [{{file: {config.file('sealing')}}}]\n")
    keys = SealingKeys([b"a sealing secret of many letters"])
    good = keys.seal(b"a secret of some letters", place_of("", "apps.web.webhook.secret"))
    short = keys.seal(b"short", place_of("", "apps.web.webhook.secret"))
    moved = keys.seal(b"a secret of some letters", place_of("", "apps.shop.webhook.secret"))
    hook = "    webhook: {url: 'https://app.example/', allow_private: true, events: [held], secret: {sealed: TOKEN}}\n"
    config.replace("    companies: [bakkerij, garage]\n", "    companies: all\n" + hook.replace("TOKEN", good))
    webhook = config.load().settings.apps["web"].webhook
    assert (webhook.secret.place, webhook.events) == ("/apps.web.webhook.secret", (EventType.HELD,))
    config.replace(good, short)
    assert "shorter than 16 characters" in config.errors()[0]
    config.replace(short, moved)
    assert "sealed for another place" in config.errors()[0]
