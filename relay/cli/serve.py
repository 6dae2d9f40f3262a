"""`relay serve`: the relay itself."""

from typing import TYPE_CHECKING

from relay.cli.options import DEFAULT_CONFIG, ConfigOption
from relay.cli.trouble import ExitCode, Failure

if TYPE_CHECKING:
    from relay.start import Work


def serve(*, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Run the relay until SIGTERM or Ctrl-C.

    SIGHUP looks at the configuration at once.
    """
    from relay.config.load import cache_of, load
    from relay.log import set_up_log
    from relay.start import StartError, start

    settings = load(config, cache_of(config)).settings
    set_up_log(settings.log.level, settings.log.format)
    try:
        start(config, settings, _load_worker)
    except StartError as error:
        raise Failure(ExitCode.UNAVAILABLE, f"relay: {error}") from None


def _load_worker() -> "Work":
    from relay.worker import work

    return work
