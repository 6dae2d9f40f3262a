"""Rewrites the schema files: `python -m relay.config.schema`."""

from relay.config.schema import HOME, rendered

for name, text in rendered().items():
    (HOME / name).write_text(text, encoding="utf-8")
