"""The form of this process's log: one line an entry, JSON for machines or coloured text for people."""

import json
import logging
import sys
from typing import Literal, TextIO

import structlog


def set_up_log(level: str, form: Literal["json", "console"], stream: TextIO | None = None) -> None:
    """Send this process's log to `stream`, standard error when None; lines are JSON, or coloured text for people."""
    threshold = getattr(logging, level.upper())
    out = stream or sys.stderr
    renderer = (
        structlog.processors.JSONRenderer(serializer=_dump)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=out.isatty())
    )
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )
    # Libraries speak up when something is wrong; what they say of every command stays unheard.
    logging.basicConfig(level=logging.WARNING, stream=out, format="%(levelname)s %(name)s %(message)s")
    logging.getLogger("mail").setLevel(logging.ERROR)


def _dump(value: object, **_: object) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)
