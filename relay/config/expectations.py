"""What an admin expects of companies' mail, written beside the configuration, and whether it holds.

In charge of `expectations.yaml`: its keys, and comparing them with what would be chosen. They are tests, not settings:
`relay check` tells of one that does not hold, a running relay reads none of them. Nothing is looked up: an expectation
says how the company's domain stands, or holds however it stands.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from relay.config.errors import ConfigError, ConfigErrors, KeyPath, did_you_mean
from relay.config.explain import explain
from relay.config.files import read_file
from relay.config.prospect import Prospect, Way, prospect, prospects
from relay.config.reader import Document, read
from relay.config.secrets import reason
from relay.config.settings import Model
from relay.config.snapshot import Snapshot
from relay.config.values.mail import Line, MailboxAddress
from relay.config.values.network import TargetHost
from relay.policy.assumption import Assumed, assumptions
from relay.policy.company import Company, IdentityKind

NAME = "expectations.yaml"
_ALIKE = 500
_GOES = {"out": "it to go out", "held": "it to be held", "waits": "it to wait"}


class When(Model):
    """The circumstances of one expectation."""

    domain: Annotated[Assumed, Field(strict=False)] = Field(
        description="How the company's domain stands: passes (receivers believe mail of it), fails, or unknown "
        "(it cannot be looked up)."
    )


class Expectation(Model):
    """What is expected of one company's mail. What is left out may be anything."""

    company: Line = Field(description="Whose mail: the name of the company's file, without .yaml.")
    when: When | None = Field(default=None, description="Under which circumstances. Left out: whatever happens.")
    goes: Literal["out", "held", "waits"] | None = Field(
        default=None,
        description="out: it goes out. held: it waits for a person or a change. waits: it is tried again by itself. "
        "Left out: out with `when`; without, mail that does not go out is passed over.",
    )
    identity: Annotated[IdentityKind | None, Field(strict=False)] = Field(
        default=None, description="In whose name it goes out: alias, own-domain or own-server."
    )
    author: MailboxAddress | None = Field(default=None, alias="from", description="The From address it goes out with.")
    route: Annotated[Way | None, Field(strict=False)] = Field(
        default=None, description="Which way it leaves: mail-hosts (of the recipient's domain), smarthost, own-server."
    )
    host: TargetHost | None = Field(default=None, description="The smarthost or own server that takes it.")


class Expectations(Model):
    """Everything in expectations.yaml."""

    expectations: tuple[Expectation, ...] = Field(strict=False, description="What must hold, each for itself.")


def check_expectations(config: Path, snapshot: Snapshot) -> int:
    """How many expectations stand beside `config`; all of them hold. Raises ConfigErrors about those that do not."""
    file = config.with_name(NAME)
    try:
        raw = read_file(file).raw
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise ConfigErrors([ConfigError(str(file), 0, 0, "", reason(error))]) from None
    document = read(str(file), raw)
    try:
        written = Expectations.model_validate(document.data).expectations
    except ValidationError as refusal:
        raise ConfigErrors([*document.errors, *explain(refusal, document, Expectations)]) from None
    errors = [*document.errors]
    for index, expectation in enumerate(written):
        errors += _judge(expectation, ("expectations", index), document, snapshot)
    if errors:
        raise ConfigErrors(errors)
    return len(written)


def _judge(expected: Expectation, path: KeyPath, document: Document, snapshot: Snapshot) -> Iterator[ConfigError]:
    company = snapshot.company(expected.company)
    if company is None:
        alike = [slug for slug in snapshot if slug[:2] == expected.company[:2]]
        hint = did_you_mean(expected.company, alike) if len(alike) <= _ALIKE else ""
        yield document.error((*path, "company"), f"there is no company '{expected.company}'", hint)
        return
    if not any((expected.when, expected.goes, expected.identity, expected.author, expected.route, expected.host)):
        yield document.error(path, "this expects nothing", "Write identity, from, route, host or goes.")
        return
    for found in _found(expected, company, snapshot):
        key, wanted = _disappointed(expected, found)
        if key:
            condition = f" {found.condition}" if found.condition else ""
            message = f"expected {wanted}, but mail of {company.slug} {found}{condition}"
            yield document.error((*path, key), message, f"Because: {'; '.join(found.reasons)}.")
            return


def _found(expected: Expectation, company: Company, snapshot: Snapshot) -> list[Prospect]:
    """What mail of `company` comes to, in all circumstances that the expectation is about."""
    if expected.when is None:
        return prospects(company, snapshot.settings)
    known = assumptions(company)
    return [prospect(company, snapshot.settings, expected.when.domain if known else None)]


def _disappointed(expected: Expectation, found: Prospect) -> tuple[str, str]:
    """The first key that does not hold, and what it wanted; two empty texts when all do."""
    goes = "out" if found.identity else "held" if found.held else "waits"
    if goes != "out" and expected.goes in (None, goes) and expected.when is None:
        return "", ""
    wishes = (
        ("goes", expected.goes or (expected.when and "out"), goes),
        ("identity", expected.identity and expected.identity.value, found.identity),
        ("from", expected.author and str(expected.author), found.author),
        ("route", expected.route and expected.route.value, found.way),
        ("host", expected.host, found.host.rpartition(":")[0]),
    )
    for key, wanted, got in wishes:
        if wanted and wanted != got:
            return key, _GOES.get(wanted, wanted)
    return "", ""
