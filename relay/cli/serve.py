"""`relay serve`: the relay itself."""

import asyncio

from relay.cli.options import DEFAULT_CONFIG, ConfigOption
from relay.cli.trouble import ExitCode, Failure


def serve(*, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Run the relay until SIGTERM or Ctrl-C.

    SIGHUP looks at the configuration at once.
    """
    from relay.cli.reading import cache_of
    from relay.config.load import load
    from relay.journal import set_up_log
    from relay.supervisor import StartError, Supervisor

    settings = load(config, cache_of(config)).settings
    set_up_log(settings.log.level, settings.log.format)
    try:
        code = asyncio.run(Supervisor(config, settings).run())
    except StartError as error:
        raise Failure(ExitCode.UNAVAILABLE, f"relay: {error}") from None
    raise SystemExit(code)
