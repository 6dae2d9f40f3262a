"""`relay check`, and how the program as a whole speaks and ends."""

import subprocess
import sys
from pathlib import Path

import pytest

import relay.config.load

RELAY = Path(sys.executable).with_name("relay")


def test_a_good_configuration_is_counted(place):
    ended = place.run("check")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "ok: 1 company, 1 app, 0 DKIM keys\n"


def test_all_errors_come_in_one_go_with_their_places(place):
    place.write("companies/second.yaml", "name: Second\naddress: not an address\nalias: second\nmor: e\n")
    place.write("companies/third.yaml", "name: Third\naddress: a@third.example\nalias: bakkerij-peeters\n")
    ended = place.run("check")
    assert (ended.code, ended.out) == (78, "")
    places = [line.split(" ")[0] for line in ended.err.splitlines()]
    assert places == [
        "config/companies/second.yaml:2:10:",
        "config/companies/second.yaml:4:1:",
        "config/companies/third.yaml:3:8:",
    ]


def test_machines_get_the_same_as_json(place):
    place.write("companies/second.yaml", "name: Second\naddress: not an address\nalias: second\n")
    ended = place.run("check", "--json")
    assert (ended.code, ended.err) == (78, "")
    assert ended.json["ok"] is False
    (error,) = ended.json["errors"]
    assert (error["file"], error["line"], error["key"]) == ("config/companies/second.yaml", 2, "address")


def test_a_good_configuration_as_json(place):
    told = place.run("check", "--json").json
    assert (told["ok"], told["errors"], told["companies"], told["apps"]) == (True, [], 1, 1)
    assert told["generation"]


def test_checking_leaves_no_traces(place):
    place.run("check")
    assert [file.name for file in (place.path / "var").iterdir()] == ["signing-secret"]


def test_a_missing_file_is_an_error_of_the_configuration(place):
    ended = place.run("check", "--config", "nowhere/relay.yaml")
    assert ended.code == 78
    assert "nowhere/relay.yaml: the file does not exist" in ended.err


def test_unknown_commands_are_wrong_usage(place):
    ended = place.run("sevre")
    assert ended.code == 2
    assert "No such command 'sevre'" in ended.err


def test_unexpected_trouble_is_one_line(place, monkeypatch):
    def load(path):
        raise RuntimeError("the sky fell")

    monkeypatch.setattr(relay.config.load, "load", load)
    ended = place.run("check")
    assert ended.code == 70
    assert ended.err.splitlines() == [
        "relay: unexpected trouble: RuntimeError: the sky fell (RELAY_DEBUG=1 tells more)"
    ]


def test_unexpected_trouble_is_told_whole_on_request(place, monkeypatch):
    def load(path):
        raise RuntimeError("the sky fell")

    monkeypatch.setattr(relay.config.load, "load", load)
    monkeypatch.setenv("RELAY_DEBUG", "1")
    with pytest.raises(RuntimeError, match="the sky fell"):
        place.run("check")


def test_the_installed_program_and_the_module_are_the_same(place):
    for program in ([str(RELAY)], [sys.executable, "-m", "relay.cli"]):
        ended = subprocess.run([*program, "check"], cwd=place.path, capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "ok: 1 company, 1 app, 0 DKIM keys\n", "")


def test_help_needs_nothing_heavy(place):
    script = "import sys; from relay.cli import main\ntry: main(['--help'])\nfinally: print(sorted(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", script], cwd=place.path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0
    for heavy in ("apsw", "cryptography", "dns", "structlog", "uvicorn", "relay.app", "relay.config.settings"):
        assert f"'{heavy}'" not in ended.stdout


def test_completion_can_be_shown(place):
    ended = subprocess.run(
        [str(RELAY)],
        env={"_RELAY_COMPLETE": "complete_bash", "COMP_WORDS": "relay che", "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.split() == ["check"]
