"""docs/cli.md names every command and every exit code."""

import re
from pathlib import Path

import pytest

from relay.cli.program import program
from relay.cli.trouble import ExitCode

REFERENCE = (Path(__file__).parents[2] / "docs/cli.md").read_text()


def _commands():
    for command in program.registered_commands:
        yield command.name
    for group in program.registered_groups:
        for command in group.typer_instance.registered_commands:
            yield f"{group.name} {command.name}"


def test_every_command_is_explained():
    shown = re.findall(r"^\| `(.*?)` \|", REFERENCE, re.MULTILINE)
    missing = [name for name in _commands() if not any(name.split()[-1] in line for line in shown if line)]
    assert list(_commands())
    assert missing == []


@pytest.mark.parametrize("code", ExitCode)
def test_every_exit_code_is_explained(code):
    assert f"\n| {code.value} | " in REFERENCE


def test_every_command_has_help_and_short_words_for_the_list(place):
    ended = place.run("--help")
    assert ended.code == 0
    assert "..." not in ended.out.partition("Commands:")[2]
    for name in _commands():
        assert place.run(*name.split(), "--help").code == 0
    for group in program.registered_groups:
        assert "..." not in place.run(group.name, "--help").out.partition("Commands:")[2]
