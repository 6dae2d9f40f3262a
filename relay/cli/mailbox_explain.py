"""`relay mailbox explain`: which documents of a mail would be taken, and why the rest would not."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from relay.cli.output import octets, print_json, print_table, say
from relay.cli.trouble import ExitCode, Failure
from relay.events import Json

if TYPE_CHECKING:
    from relay.fetch.frames import Contents
    from relay.policy.invoice.facts import Part
    from relay.policy.invoice.judge import Judgement


def explain(
    file: Annotated[Path, typer.Argument(help="A mail as it was received (.eml).")],
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Explain what of a mail would be taken for an invoice.

    Nothing is sent anywhere. The exit code is 1 when nothing would be taken.
    """
    from relay.cli.reading import read_settings
    from relay.config.secrets import reason
    from relay.policy.invoice.judge import judge
    from relay.policy.invoice.score import Taste

    try:
        mail = file.read_bytes()
    except OSError as error:
        raise Failure(ExitCode.USAGE, f"relay: {file}: {reason(error)}") from None
    contents = asyncio.run(_read(mail))
    settings = read_settings(config).mailboxes if config.exists() else None
    taste = Taste() if settings is None else Taste(settings.words, settings.enough)
    judgement = judge(contents.facts, taste)
    if as_json:
        print_json(_as_json(contents, judgement))
    else:
        _print(contents, judgement)
    if not judgement.documents:
        raise typer.Exit(ExitCode.ATTENTION)


async def _read(mail: bytes) -> "Contents":
    from relay.fetch.reader import one_reader

    async with one_reader() as reader:
        return await reader.read(mail)


def _print(contents: "Contents", judgement: "Judgement") -> None:
    from relay.incoming.returned import describe

    parts = contents.facts.parts
    say(f"subject: {contents.facts.subject}")
    rows: list[tuple[Json, ...]] = []
    for document in judgement.documents:
        rows.append((*_row(parts[document.part]), "taken", list(document.reasons)))
        if document.companion is not None:
            rows.append((*_row(parts[document.companion]), "taken", [f"the same invoice as part {document.part}"]))
    rows += [(*_row(parts[each.part]), each.fate.value, [each.reason]) for each in judgement.left]
    if rows:
        print_table(("part", "in", "kind", "size", "name", "fate", "because"), rows)
    if contents.bounce is not None:
        say(f"{describe(contents.bounce)}: nothing is taken when that mail was sent from here")
    count = len(judgement.documents)
    say(f"documents: {count}" if count else f"nothing would be taken: {judgement.reason}")


def _row(part: "Part") -> tuple[Json, ...]:
    return part.number, part.parent, part.kind.value, octets(part.size), part.name


def _as_json(contents: "Contents", judgement: "Judgement") -> dict[str, object]:
    from dataclasses import asdict

    from relay.incoming.returned import describe

    return {
        "subject": contents.facts.subject,
        "message_id": contents.facts.message_id,
        "parts": [asdict(part) for part in contents.facts.parts],
        "documents": [asdict(document) for document in judgement.documents],
        "left": [asdict(left) for left in judgement.left],
        "parked": judgement.is_parked,
        "reason": judgement.reason,
        "bounce": "" if contents.bounce is None else describe(contents.bounce),
    }
