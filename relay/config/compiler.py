"""From the octets of one file to what a snapshot keeps of it.

In charge of one file at a time: reading, validating, and the rules between keys of the same file. Everything that is
wrong with a file is found in one go. What depends on other files is checked in `relay.config.checks`.
"""

from dataclasses import dataclass, replace
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from relay.config.company_file import SLUG, CompanyFile, Mailbox, OAuth2, Server, username_of
from relay.config.errors import ConfigError, ConfigErrors, KeyPath, key_text
from relay.config.explain import explain
from relay.config.reader import Document, read
from relay.config.sealing import place_of
from relay.config.settings import Settings
from relay.policy.company import After, Company, IdentityKind, SecretKind, SecretRef, SinkKind

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class CompiledSettings:
    """relay.yaml, and the document it was, for messages about cross-references."""

    settings: Settings
    document: Document


def compile_settings(file: str, raw: bytes) -> CompiledSettings:
    """The settings in `raw`. Raises ConfigErrors."""
    document = read(file, raw)
    return CompiledSettings(_validate(Settings, document, company=""), document)


def compile_company(file: str, slug: str, raw: bytes) -> Company:
    """The company in `raw`. Raises ConfigErrors."""
    if not SLUG.fullmatch(slug):
        message = "a company's file is named with up to 100 small letters, digits, '-', '_' and '.'"
        raise ConfigErrors([ConfigError(file, 0, 0, "", message, "For example bakkerij-peeters.yaml.")])
    document = read(file, raw)
    parsed = _validate(CompanyFile, document, company=slug)
    if IdentityKind.OWN_SERVER in parsed.outgoing.identity and parsed.outgoing.server is None:
        path = ("outgoing", "identity")
        raise ConfigErrors(
            [document.error(path, "own-server needs a server", "Write outgoing.server: {host, username, password}.")]
        )
    server = parsed.outgoing.server
    if server is not None and (server.password is None) is (server.oauth2 is None):
        hint = "Write one of outgoing.server.password and outgoing.server.oauth2."
        raise ConfigErrors([document.error(("outgoing", "server"), "a server has either a password or oauth2", hint)])
    mailbox = parsed.incoming.mailbox
    if mailbox is None and parsed.incoming.answers == "mailbox":
        hint = "Write incoming.mailbox: {username, password}, or leave `answers` out."
        raise ConfigErrors(
            [document.error(("incoming", "answers"), "the company has no mailbox to lay mail into", hint)]
        )
    if mailbox is not None and (mailbox.after is After.MOVE) != (mailbox.move_to is not None):
        message = "`after: move` and `move_to` go together"
        raise ConfigErrors([document.error(("incoming", "mailbox", "after"), message, "Write both, or neither.")])
    if mailbox is not None and (mailbox.password is None) is (mailbox.oauth2 is None):
        hint = "Write one of incoming.mailbox.password and incoming.mailbox.oauth2."
        raise ConfigErrors([document.error(("incoming", "mailbox"), "a mailbox has either a password or oauth2", hint)])
    alone = {"port", "tls"} & mailbox.model_fields_set if mailbox is not None and mailbox.host is None else set()
    if alone:
        hint = "Write host, too, or leave them out: host, port and tls are found together."
        place = ("incoming", "mailbox", min(alone))
        raise ConfigErrors([document.error(place, "port and tls are those of a host that is written", hint)])
    if _contradict(server, mailbox, parsed):
        message = "the account has other oauth2 settings under outgoing.server"
        hint = "One account has one token for both: write the same here and there."
        raise ConfigErrors([document.error(("incoming", "mailbox", "oauth2"), message, hint)])
    company = parsed.company(slug)
    about = company.fast_input
    if about.sink is SinkKind.MAIL and about.mail_address is None:
        key = "split_address" if about.split else "address"
        hint = f"Write incoming.fast_input.{key}: {{file: …}}, or seal it with `relay seal`."
        place = ("incoming", "fast_input", "sink")
        raise ConfigErrors([document.error(place, f"documents cannot go by mail without {key}", hint)])
    return company


def _contradict(server: Server | None, mailbox: Mailbox | None, parsed: CompanyFile) -> bool:
    """Whether tokens of the same account would be had in two ways: either would put an end to the other's."""
    if server is None or mailbox is None or server.oauth2 is None or mailbox.oauth2 is None:
        return False
    is_same = server.username == username_of(mailbox, parsed.address)
    return is_same and _unplaced(server.oauth2) != _unplaced(mailbox.oauth2)


def _unplaced(oauth2: OAuth2) -> OAuth2:
    """A sealed token is another one in every place; it is the company's own business whether that is the same."""
    token = oauth2.refresh_token
    return oauth2 if token is None or not token.place else oauth2.model_copy(update={"refresh_token": None})


def _validate(model: type[M], document: Document, *, company: str) -> M:
    try:
        value = model.model_validate(document.data)
    except ValidationError as refusal:
        raise ConfigErrors([*document.errors, *explain(refusal, document, model)]) from None
    if document.errors:
        raise ConfigErrors(document.errors)
    return _placed(value, company) if document.sealed() else value


def _placed(model: M, company: str, above: KeyPath = ()) -> M:
    """`model` with every sealed secret in it knowing its place."""
    known: dict[str, object] = {}
    for name, info in type(model).model_fields.items():
        value = getattr(model, name)
        placed = _placed_value(value, company, (*above, info.alias or name))
        if placed is not value:
            known[name] = placed
    return model.model_copy(update=known) if known else model


def _placed_value(value: object, company: str, path: KeyPath) -> object:
    match value:
        case SecretRef(kind=SecretKind.SEALED):
            return replace(value, place=place_of(company, key_text(path)))
        case BaseModel():
            return _placed(value, company, path)
        case dict():
            return {key: _placed_value(item, company, (*path, key)) for key, item in value.items()}
        case _:
            return value
