"""The log: one line an entry, and never the values that a traceback could show."""

import io
import json
import logging

import pytest
import structlog

from relay.log import set_up_log


@pytest.fixture(autouse=True)
def restored():
    """Leave the process's logging as it was found."""
    root = logging.getLogger()
    handlers, level, mail = list(root.handlers), root.level, logging.getLogger("mail").level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("mail").setLevel(mail)


def fail(content: str) -> None:
    raise ValueError(f"{len(content)} octets are too many")


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_no_values_of_variables(form):
    out = io.StringIO()
    set_up_log("info", form, out)

    try:
        fail("a customer's letter")
    except ValueError:
        structlog.get_logger("test").exception("it failed", queue_id="q1")

    assert "ValueError: 19 octets are too many" in out.getvalue()
    assert "q1" in out.getvalue()
    assert "letter" not in out.getvalue().replace('fail("a customer\'s letter")', "").replace(
        'fail(\\"a customer\'s letter\\")', ""
    )


def test_an_entry_is_one_line_of_json(capsys):
    out = io.StringIO()
    set_up_log("info", "json", out)

    structlog.get_logger("test").info("received", queue_id="q1", recipients=["a@b.example"], text="two\nlines")

    (line,) = out.getvalue().splitlines()
    entry = json.loads(line)
    assert (entry["event"], entry["queue_id"], entry["recipients"]) == ("received", "q1", ["a@b.example"])
    assert entry["text"] == "two\nlines"


def test_less_than_the_level_is_not_logged():
    out = io.StringIO()
    set_up_log("warning", "json", out)

    structlog.get_logger("test").info("received")
    structlog.get_logger("test").warning("held")

    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["held"]
