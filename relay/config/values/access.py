"""Who logs in, and where the secrets for that are kept."""

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import PlainValidator, WithJsonSchema

from relay.config.sealing import key_id_of
from relay.config.values.writing import Json, shown, written, wrong
from relay.policy.company import SecretKind, SecretRef

_SECRET_NAMES: dict[SecretKind, tuple[re.Pattern[str], str]] = {
    SecretKind.ENV: (re.compile(r"[A-Za-z_][A-Za-z0-9_]*"), "RELAY_SECRET"),
    SecretKind.FILE: (re.compile(r"[^\0\r\n]+"), "/etc/relay/secret"),
    SecretKind.CREDENTIAL: (re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*"), "signing-secret"),
}
_WHERE_KEPT = "Write {env: NAME}, {file: path} or {credential: name}."
_OR_SEALED = "Write {env: NAME}, {file: path}, {credential: name}, or what `relay seal` prints."


def parse_secret(value: object) -> SecretRef:
    """A reference to a secret. A secret written in place is refused without being repeated in the message."""
    if not isinstance(value, dict) or len(value) != 1:
        raise wrong("a secret is not written here: say where it is kept", _WHERE_KEPT)
    ((kind, name),) = value.items()
    if kind not in [known.value for known in _SECRET_NAMES]:
        raise wrong(f"{shown(kind)} is not one of env, file, credential", _WHERE_KEPT)
    pattern, example = _SECRET_NAMES[SecretKind(kind)]
    if not isinstance(name, str) or not pattern.fullmatch(name):
        raise wrong(f"this is not a name for '{kind}'", f"For example {{{kind}: {example}}}.")
    return SecretRef(SecretKind(kind), name)


def parse_sealable(value: object) -> SecretRef:
    """As `parse_secret`, for secrets that may also be sealed in place. Whether one opens is not asked here."""
    if not isinstance(value, dict) or list(value) != [SecretKind.SEALED.value]:
        if not isinstance(value, dict) or len(value) != 1:
            raise wrong("a secret is not written here: say where it is kept", _OR_SEALED)
        return parse_secret(value)
    sealed = value[SecretKind.SEALED.value]
    if not isinstance(sealed, str) or key_id_of(sealed) is None:
        raise wrong("this is not what `relay seal` prints", "Seal the secret again, and paste the whole line.")
    return SecretRef(SecretKind.SEALED, sealed)


def _secret_schema(*, sealable: bool) -> Json:
    sealed = {"type": "string", "description": "What `relay seal` prints for this company and key."}
    return {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
        "properties": {
            "env": {"type": "string", "description": "Name of an environment variable."},
            "file": {"type": "string", "description": "Path of a file; the last line break is left off."},
            "credential": {"type": "string", "description": "Name of a systemd credential (LoadCredential=)."},
            **({"sealed": sealed} if sealable else {}),
        },
    }


def parse_password_hash(text: str) -> str:
    """An argon2 hash in PHC format. The message never repeats what stands in the file: it may be a password."""
    if not re.fullmatch(r"\$argon2(id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+", text):
        raise wrong("this is not an argon2 hash", "`relay app password` prints one.")
    return text


_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*", re.ASCII)


def parse_tenant(text: str) -> str:
    """A directory of an issuer of tokens, by its id or a domain of its own; it becomes part of a URL."""
    if len(text) > 255 or not _TENANT.fullmatch(text):
        raise wrong(f"{shown(text)} is not a directory", "Write its id, or a domain such as studio-noord.example.")
    return text


def parse_app_name(text: str) -> str:
    """The name an app logs in with."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", text):
        raise wrong(f"{shown(text)} is not a name for an app", "Use up to 64 letters, digits, '.', '_', '@' and '-'.")
    return text


def parse_companies(value: object) -> Literal["all"] | frozenset[str]:
    """Either "all" or a list of slugs."""
    hint = "Write all, or a list of companies' file names without .yaml: [one-company, other-company]."
    if value == "all":
        return "all"
    if not isinstance(value, list):
        raise wrong(f"{shown(value)} is not a list of companies", hint)
    for slug in value:
        if not isinstance(slug, str):
            raise wrong(f"{shown(slug)} is not the name of a company", hint)
    if not value:
        raise wrong("the list of companies is empty", hint)
    return frozenset(value)


Secret: TypeAlias = Annotated[SecretRef, PlainValidator(parse_secret), WithJsonSchema(_secret_schema(sealable=False))]

SealableSecret: TypeAlias = Annotated[
    SecretRef, PlainValidator(parse_sealable), WithJsonSchema(_secret_schema(sealable=True))
]

PasswordHash: TypeAlias = Annotated[str, *written(parse_password_hash, "$argon2id$…", {"pattern": r"^\$argon2"})]

Tenant: TypeAlias = Annotated[str, *written(parse_tenant, "studio-noord.example", {"maxLength": 255})]

AppName: TypeAlias = Annotated[str, *written(parse_app_name, "billit-web", {"maxLength": 64})]

Companies: TypeAlias = Annotated[
    Literal["all"] | frozenset[str],
    PlainValidator(parse_companies),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": "all"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
            ]
        }
    ),
]
