"""Where things are kept on this machine."""

from typing import Annotated, TypeAlias

from relay.config.values.writing import shown, written, wrong


def parse_store(text: str) -> str:
    """Where state is kept: "sqlite:" and a path."""
    scheme, _, path = text.partition(":")
    if scheme != "sqlite" or not path or "\0" in path:
        raise wrong(f"{shown(text)} is not a store", "Write sqlite: and a path, for example sqlite:var/relay.db.")
    return text


def parse_file(text: str) -> str:
    """Path of a file, relative to the working directory unless it is absolute."""
    if not text.strip() or "\0" in text:
        raise wrong("this is not the path of a file")
    return text


StoreUrl: TypeAlias = Annotated[str, *written(parse_store, "sqlite:var/relay.db", {"pattern": "^sqlite:.+"})]

FilePath: TypeAlias = Annotated[str, *written(parse_file, "/etc/relay/tls/fullchain.pem", {"minLength": 1})]
