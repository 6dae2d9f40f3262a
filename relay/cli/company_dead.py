"""`relay company dead-addresses`: where a company's mail comes back from for good."""

from typing import Annotated

import typer

from relay.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, StoreOption
from relay.cli.output import clock_time, print_json, print_table, say
from relay.cli.trouble import ExitCode, Failure
from relay.store.spool import Spool


def dead_addresses(
    slug: Annotated[str, typer.Argument(metavar="COMPANY", help="The name of its file.")],
    *,
    forget: Annotated[str, typer.Option("--forget", metavar="ADDRESS", help="This one is alive.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show addresses that take no more mail.

    Their hosts said so for good, or the recipients complained, in the last 30 days.
    """
    from relay.cli.visit import visit
    from relay.clock import SystemClock
    from relay.facts.dead_addresses import DeadAddress, DeadAddresses

    async def look(spool: Spool) -> list[tuple[str, DeadAddress]]:
        dead = DeadAddresses(lambda: spool.facts, SystemClock())
        if forget and not await dead.forget(slug, forget):
            raise Failure(ExitCode.ATTENTION, f"nothing stands against {forget}")
        return [each async for each in dead.list(slug)]

    found = visit(config, store, look)
    if as_json:
        print_json(
            [
                {"address": address, "reason": each.reason, "status": each.status, "count": each.count}
                | {"first": each.first, "last": each.last}
                for address, each in found
            ]
        )
    elif not found:
        say("nothing there")
    else:
        rows = [
            (address, each.reason, each.status, each.count, clock_time(each.first), clock_time(each.last))
            for address, each in found
        ]
        print_table(("address", "reason", "status", "times", "first", "last"), rows)
