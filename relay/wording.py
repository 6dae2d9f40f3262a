"""Texts and pages from templates. Only importer of jinja2.

In charge of filling in templates: a name that is missing is an error, and on pages everything filled in is escaped.
"""

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


class Wording:
    """The templates of one folder. `pages`: they are HTML."""

    def __init__(self, folder: Path, *, pages: bool) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(folder),
            undefined=StrictUndefined,
            autoescape=pages,  # noqa: S701 -- mail is plain text
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            auto_reload=False,
        )

    def fill(self, name: str, values: Mapping[str, object]) -> str:
        """The template of that name, filled in."""
        return self._environment.get_template(name).render(values)
