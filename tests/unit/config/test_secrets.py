import pytest

from relay.config.secrets import SecretError, reason, resolve, resolve_bytes
from relay.policy.company import SecretKind, SecretRef


def reference(kind: str, name: object) -> SecretRef:
    return SecretRef(SecretKind(kind), str(name))


def test_secrets_are_found_where_they_are_kept(tmp_path) -> None:
    (tmp_path / "secret").write_bytes(b"from a file\r\n")
    environment = {"NAME": "from the environment", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert resolve(reference("env", "NAME"), environment) == "from the environment"
    assert resolve(reference("file", tmp_path / "secret"), environment) == "from a file"
    assert resolve(reference("credential", "secret"), environment) == "from a file"


def test_a_changed_file_counts_from_the_next_use(tmp_path) -> None:
    file = tmp_path / "secret"
    file.write_text("old\n")
    assert resolve(reference("file", file)) == "old"
    file.write_text("new\n\n")
    assert resolve(reference("file", file)) == "new\n"


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("env", "NAME", "env:NAME: the environment variable is not set"),
        ("credential", "x", "credential:x: CREDENTIALS_DIRECTORY is not set"),
        ("file", "nowhere", "the file does not exist"),
        ("file", "directory", "this is a directory"),
        ("file", "empty", "the file is empty"),
        ("file", "large", "the file is larger than 64 KiB"),
        ("file", "latin", "this is not UTF-8 text"),
    ],
)
def test_what_is_missing_is_said_without_the_secret(tmp_path, kind, name, message) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    (tmp_path / "latin").write_bytes(b"g\xe9heim")
    with pytest.raises(SecretError, match=message) as caught:
        resolve(reference(kind, tmp_path / name if kind == "file" else name), {})
    assert "heim" not in str(caught.value)


def test_keys_are_octets(tmp_path) -> None:
    (tmp_path / "key").write_bytes(b"\xff\x00\n")
    assert resolve_bytes(reference("file", tmp_path / "key")) == b"\xff\x00"


def test_reasons_in_plain_words() -> None:
    assert reason(PermissionError(13, "x")) == "there is no permission to read the file"
    assert reason(OSError(40, "x")) == "the file cannot be read (Too many levels of symbolic links)"
