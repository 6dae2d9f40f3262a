"""Reads as much of the configuration as a command needs, and leaves nothing behind."""

from pathlib import Path
from typing import TYPE_CHECKING

from relay.cli.trouble import ExitCode, Failure
from relay.config.compiler import compile_settings
from relay.config.errors import ConfigError, ConfigErrors
from relay.config.files import read_file
from relay.config.load import cache_of
from relay.config.secrets import reason
from relay.config.settings import Settings
from relay.config.snapshot import Snapshot
from relay.config.tree import Tree
from relay.policy.company import Company

if TYPE_CHECKING:
    from relay.dns import Resolver


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
    return _judged(Tree(config, cache_of(config)))


def read_both(running: Path, edited: Path) -> tuple[Snapshot, Snapshot]:
    """Two configurations; files that are alike in both are parsed once at most. Raises ConfigErrors."""
    tree = Tree(running, cache_of(running))
    before = _judged(tree)
    return before, _judged(Tree(edited, known=tree.compiled))


def _judged(tree: Tree) -> Snapshot:
    tree.look_at_settings()
    tree.look_at_all()
    return tree.snapshot()


def company_in(snapshot: Snapshot, slug: str) -> Company:
    """The company of that slug; raises Failure when there is none."""
    company = snapshot.company(slug)
    if company is None:
        raise Failure(ExitCode.USAGE, f"relay: there is no company {slug}")
    return company


def resolver_of(settings: Settings) -> "Resolver":
    """Asks the DNS as the workers do."""
    from relay.dns import Resolver

    servers = [str(server) for server in settings.dns.servers]
    return Resolver(servers, settings.dns.timeout, validating=settings.dns.validating)
