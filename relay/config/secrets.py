"""Secrets, looked up where they are kept at the moment they are needed.

In charge of environment variables, files and systemd credentials, and of opening what is sealed. Nothing is
remembered: reading a small file costs less than keeping its secret around, and a new password counts from its next
use. Never logs a secret, and never puts one into a message.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from relay.config.sealing import SealingError, SealingKeys
from relay.policy.company import SecretKind, SecretRef

_MAX_OCTETS = 64 * 1024


class SecretError(Exception):
    """The secret is not to be had; says which one and why, never what it is."""


def sealing_keys(references: Sequence[SecretRef]) -> SealingKeys:
    """The keys made of these secrets. Raises SecretError."""
    return SealingKeys([resolve_bytes(reference) for reference in references])


def resolve(
    reference: SecretRef, environment: Mapping[str, str] = os.environ, *, sealing: SealingKeys | None = None
) -> str:
    """The secret as text, without the line break at a file's end; `sealing` opens sealed ones. Raises SecretError."""
    try:
        return resolve_bytes(reference, environment, sealing=sealing).decode()
    except UnicodeDecodeError:
        raise SecretError(f"{reference}: this is not UTF-8 text") from None


def resolve_bytes(
    reference: SecretRef, environment: Mapping[str, str] = os.environ, *, sealing: SealingKeys | None = None
) -> bytes:
    """As `resolve`, for keys. Raises SecretError."""
    if reference.kind is SecretKind.SEALED:
        try:
            return (sealing or SealingKeys()).open(reference.name, reference.place)
        except SealingError as error:
            raise SecretError(f"{reference}: {error}") from None
    path = secret_path(reference, environment)
    if path is None:
        value = environment.get(reference.name)
        if not value:
            raise SecretError(f"{reference}: the environment variable is not set")
        return os.fsencode(value)
    try:
        with path.open("rb") as file:
            secret = file.read(_MAX_OCTETS + 1)
    except OSError as error:
        raise SecretError(f"{reference}: {reason(error)}") from None
    if len(secret) > _MAX_OCTETS:
        raise SecretError(f"{reference}: the file is larger than {_MAX_OCTETS // 1024} KiB")
    secret = secret.removesuffix(b"\n").removesuffix(b"\r")
    if not secret:
        raise SecretError(f"{reference}: the file is empty")
    return secret


def secret_path(reference: SecretRef, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The file that holds a secret; None for one that is in no file. Raises SecretError."""
    match reference.kind:
        case SecretKind.ENV | SecretKind.SEALED:
            return None
        case SecretKind.FILE:
            return Path(reference.name)
        case SecretKind.CREDENTIAL:
            directory = environment.get("CREDENTIALS_DIRECTORY")
            if not directory:
                raise SecretError(f"{reference}: CREDENTIALS_DIRECTORY is not set: there are no systemd credentials")
            return Path(directory) / reference.name


def reason(error: OSError) -> str:
    """Why a file cannot be read, in a few words."""
    match error:
        case FileNotFoundError():
            return "the file does not exist"
        case PermissionError():
            return "there is no permission to read the file"
        case IsADirectoryError():
            return "this is a directory"
        case _:
            return f"the file cannot be read ({os.strerror(error.errno or 0)})"
