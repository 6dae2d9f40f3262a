"""Sealed secrets: made for one key of one company, checked where they stand, given new keys without a trace."""

import io
import stat

import pytest

from relay.config import resealing

OLD, NEW = "an-old-sealing-secret-of-many-letters-only-a-test", "a-new-sealing-secret-of-many-letters-only-a-test"
PASSWORD = "een geheim: met 'tekens' # en zo"
STUDIO = """\
# Their own words, which nobody rewrites.
name:   "Studio Noord"   # odd spaces
address: hallo@studio-noord.example
alias: studio-noord
outgoing:
  identity: own-server
  server: { host: smtp.studio-noord.example, username: hallo,
            password: SECRET }
"""


@pytest.fixture
def sealing(place, monkeypatch):
    """A place whose relay.yaml names a key to seal with; gives a way to seal, and to name other keys."""
    (place.path / "var/old").write_text(OLD)
    (place.path / "var/new").write_text(NEW)
    settings = (place.path / "config/relay.yaml").read_text()

    def keys(*names: str) -> None:
        files = ", ".join(f"{{file: var/{name}}}" for name in names)
        place.write("relay.yaml", settings.replace("secret}]}", f"secret}}], sealing: [{files}]}}"))

    def seal(*arguments: str, secret: str = PASSWORD):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{secret}\n"))
        return place.run("seal", *arguments)

    keys("old")
    seal.keys = keys
    return seal


def studio(place, sealing, company: str = "studio-noord") -> str:
    ended = sealing("--company", company, "--field", "outgoing.server.password", "--json")
    assert ended.code == 0, ended.err
    place.write("companies/studio-noord.yaml", STUDIO.replace("SECRET", f'{{sealed: "{ended.json["sealed"]}"}}'))
    return ended.json["sealed"]


def test_what_is_printed_can_be_pasted(place, sealing):
    ended = sealing("--company", "studio-noord", "--field", "outgoing.server.password")
    lines = ended.out.splitlines()
    assert lines[:3] == ["# in companies/studio-noord.yaml", "outgoing:", "  server:"]
    head = "\n".join(STUDIO.splitlines()[1:4])
    rest = "    host: smtp.studio-noord.example\n    username: hallo\n  identity: own-server\n"
    place.write("companies/studio-noord.yaml", "\n".join([head, *lines[1:]]) + "\n" + rest)
    assert place.run("check").code == 0


def test_the_secret_is_shown_nowhere(place, sealing):
    studio(place, sealing)
    said = [sealing("--company", "studio-noord", "--field", "outgoing.server.password")]
    said += [place.run("check", "--json"), place.run("explain", "studio-noord", "a@b.example", "--json")]
    sealing.keys("new")
    said += [place.run("check"), place.run("seal", "--rotate")]
    for ended in said:
        for word in (PASSWORD, "geheim", OLD, NEW):
            assert word not in ended.out + ended.err
    written = [path.read_bytes() for path in place.path.rglob("*") if path.is_file() and path.parent.name != "var"]
    assert not any(b"geheim" in content or NEW.encode() in content for content in written)


def test_a_sealed_secret_serves_like_any_other(place, sealing):
    studio(place, sealing)
    assert place.run("check").code == 0
    ended = place.run("explain", "studio-noord", "a@b.example")
    assert "password cannot be had" not in ended.out


def test_what_was_moved_to_another_company_does_not_open(place, sealing):
    studio(place, sealing, company="garage-lambert")
    ended = place.run("check")
    assert ended.code == 78
    assert ended.err.strip() == (
        "config/companies/studio-noord.yaml:8:23: outgoing.server.password: it was sealed for another place, or is "
        "damaged. `relay seal --company studio-noord --field outgoing.server.password` seals the secret again."
    )


def test_a_key_that_went_away_is_named(place, sealing):
    key = studio(place, sealing).split(".")[1]
    sealing.keys("new")
    ended = place.run("check")
    assert ended.code == 78
    assert (
        f"studio-noord.yaml:8:23: outgoing.server.password: it was sealed with the key {key}, which is not" in ended.err
    )
    sealing.keys("new", "old")
    assert place.run("check").code == 0


def test_text_that_seal_never_printed(place, sealing):
    place.write("companies/studio-noord.yaml", STUDIO.replace("SECRET", "{sealed: hunter2}"))
    ended = place.run("check")
    assert "studio-noord.yaml:8:23: outgoing.server.password: this is not what `relay seal` prints" in ended.err
    assert "hunter2" not in ended.err


def test_keys_of_the_relay_itself_cannot_be_sealed(place):
    settings = (place.path / "config/relay.yaml").read_text()
    place.write("relay.yaml", settings.replace("{file: var/signing-secret}", "{sealed: relay1.00000000.x}"))
    assert "'sealed' is not one of env, file, credential" in place.run("check").err


def test_new_keys_change_nothing_but_the_sealed_text(place, sealing):
    sealed = studio(place, sealing)
    file = place.path / "config/companies/studio-noord.yaml"
    file.chmod(0o640)
    before = file.read_text()
    sealing.keys("new", "old")

    dry = place.run("seal", "--rotate", "--dry-run")
    assert (dry.code, file.read_text()) == (0, before)
    assert "config/companies/studio-noord.yaml: 1 would be sealed again with the key" in dry.out
    ended = place.run("seal", "--rotate", "--json")
    after = file.read_text()
    again = after.partition('sealed: "')[2].partition('"')[0]
    assert ended.json["files"] == [{"file": "config/companies/studio-noord.yaml", "secrets": 1}]
    assert again != sealed
    assert after == before.replace(sealed, again)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [path.name for path in file.parent.iterdir() if path.name.startswith(".")] == []
    sealing.keys("new")
    assert place.run("check").code == 0
    assert "everything is sealed with the key" in place.run("seal", "--rotate").out


def test_nothing_is_written_while_something_does_not_open(place, sealing):
    studio(place, sealing)
    good = place.path / "config/companies/studio-noord.yaml"
    place.write("companies/zebra.yaml", good.read_text().replace("alias: studio-noord", "alias: zebra"))
    before = good.read_text()
    sealing.keys("new", "old")
    ended = place.run("seal", "--rotate")
    assert ended.code == 78
    assert "zebra.yaml:8:23: outgoing.server.password: it was sealed for another place" in ended.err
    assert good.read_text() == before


def test_a_file_that_somebody_is_editing_is_left_alone(place, sealing, monkeypatch):
    studio(place, sealing)
    sealing.keys("new", "old")
    file = place.path / "config/companies/studio-noord.yaml"
    found = resealing.reseal

    def then_somebody_saves(*arguments):
        changes = found(*arguments)
        file.write_text(file.read_text() + "# saved\n")
        return changes

    monkeypatch.setattr(resealing, "reseal", then_somebody_saves)
    ended = place.run("seal", "--rotate")
    assert ended.code == 1
    assert "somebody has just changed this file" in ended.err
    assert file.read_text().endswith("# saved\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--company", "x", "--field", "outgoing.server.user"), "Known there: "),
        (("--company", "../x", "--field", "outgoing.server.password"), "is not the name of a company's file"),
        (("--field", "outgoing.server.password"), "is no key of relay.yaml"),
        (("--rotate", "--company", "x"), "leave --company and --field out"),
    ],
)
def test_what_cannot_be_sealed_is_said(place, sealing, arguments, message):
    ended = sealing(*arguments)
    assert ended.code == 2
    assert message in ended.err


def test_without_a_key_it_says_how_to_make_one(place):
    ended = place.run("seal", "--company", "x", "--field", "outgoing.server.password")
    assert ended.code == 78
    assert "openssl rand -base64 32" in ended.err


def test_an_empty_secret_is_none(place, sealing):
    ended = sealing("--company", "x", "--field", "outgoing.server.password", secret="")
    assert ended.code == 2
