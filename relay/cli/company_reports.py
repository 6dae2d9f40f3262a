"""`relay company reports`: what receivers have reported about mail in a company's name."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from relay.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, StoreOption
from relay.cli.output import print_json, print_table, say
from relay.events import Json

_DAY = 86_400


def reports(
    slug: Annotated[str, typer.Argument(metavar="COMPANY", help="The name of its file.")],
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show what receivers reported.

    By day: mails from our addresses and from others', with DMARC passed or failed, and TLS to the company's hosts.
    """
    from relay.cli.reading import company_in, read_all
    from relay.cli.visit import visit
    from relay.facts.received_reports import Counts, days_of
    from relay.mail.report_address import report_address
    from relay.store.spool import Spool

    snapshot = read_all(config)
    company = company_in(snapshot, slug)

    async def look(spool: Spool) -> list[tuple[int, Counts]]:
        return await days_of(spool.facts, slug)

    days = [(_date(day), counts) for day, counts in visit(config, store or snapshot.settings.store, look)]
    if as_json:
        print_json([{"day": day} | asdict(counts) for day, counts in days])
        return
    titles = (
        "day",
        "ours passed",
        "ours failed",
        "others passed",
        "others failed",
        "rejected",
        "TLS good",
        "TLS failed",
    )
    rows: list[list[Json]] = [
        [day, c.ours_passed, c.ours_failed, c.others_passed, c.others_failed, c.rejected, c.tls_good, c.tls_failed]
        for day, c in days
    ]
    print_table(titles, rows)
    say(f"Reports about {company.own_author.ascii_domain} are taken at "
        f"{report_address(company.alias, snapshot.settings.domain)}.")  # fmt: skip


def _date(day: int) -> str:
    return datetime.fromtimestamp(day * _DAY, UTC).date().isoformat()
