"""Reads as much of the configuration as a command needs, and leaves nothing behind."""

from pathlib import Path

from relay.config.compiler import compile_settings
from relay.config.errors import ConfigError, ConfigErrors
from relay.config.files import read_file
from relay.config.load import cache_of
from relay.config.secrets import reason
from relay.config.settings import Settings
from relay.config.snapshot import Snapshot
from relay.config.tree import Tree


def read_settings(config: Path) -> Settings:
    """The settings alone, each for itself; companies and the files that settings name are left alone.

    Raises ConfigErrors.
    """
    try:
        return compile_settings(str(config), read_file(config).raw).settings
    except OSError as error:
        raise ConfigErrors([ConfigError(str(config), 0, 0, "", reason(error))]) from None


def read_all(config: Path) -> Snapshot:
    """The whole configuration; what the relay knows already is not parsed again. Raises ConfigErrors."""
    tree = Tree(config, cache_of(config))
    tree.look_at_settings()
    tree.look_at_all()
    return tree.snapshot()
