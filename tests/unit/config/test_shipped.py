"""What is shipped: the example configuration, the JSON Schemas, the page that explains every key."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from relay.config.company_file import CompanyFile
from relay.config.compiler import compile_company, compile_settings
from relay.config.expectations import Expectations, check_expectations
from relay.config.reader import read
from relay.config.schema import HOME, MODELS, rendered, schema
from relay.config.settings import Settings
from relay.config.snapshot import Snapshot
from relay.config.values.measures import parse_duration, parse_size
from relay.policy.company import IdentityKind

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "config" / "relay.yaml"
EXPECTED = ROOT / "config" / "expectations.yaml"
COMPANIES = sorted((ROOT / "config" / "companies").glob("*.yaml"))


def test_the_schema_files_equal_what_the_code_says() -> None:
    for name, text in rendered().items():
        assert (HOME / name).read_text() == text, "run python -m relay.config.schema"
    assert {path.name for path in HOME.glob("*.json")} == set(rendered())


def test_the_example_is_what_it_says() -> None:
    settings = compile_settings("relay.yaml", EXAMPLE.read_bytes()).settings
    listeners = settings.listeners
    assert [str(listeners.submission.address), str(listeners.submissions.address)] == [
        "127.0.0.1:2587",
        "127.0.0.1:2465",
    ]
    assert [str(listeners.mx.address), str(listeners.web.address)] == ["127.0.0.1:2525", "127.0.0.1:8025"]
    assert [str(server) for server in settings.dns.servers] == ["127.0.0.1:2053"]
    assert settings.delivery.port == 2625
    assert PasswordHasher().verify(settings.apps["billit-web"].password.hash, "demo-only-password")


def test_the_example_companies_show_every_identity() -> None:
    companies = [compile_company(path.name, path.stem, path.read_bytes()) for path in COMPANIES]
    assert {company.slug: company.identity for company in companies} == {
        "atelier-vos": IdentityKind.OWN_DOMAIN,
        "bakkerij-peeters": IdentityKind.ALIAS,
        "garage-lambert": IdentityKind.OWN_DOMAIN,
        "studio-noord": IdentityKind.OWN_SERVER,
    }


def test_the_example_expects_what_holds() -> None:
    settings = compile_settings("relay.yaml", EXAMPLE.read_bytes()).settings
    companies = [compile_company(path.name, path.stem, path.read_bytes()) for path in COMPANIES]
    assert check_expectations(EXAMPLE, Snapshot.of(settings, companies)) == 4


@pytest.mark.parametrize("path", [EXAMPLE, EXPECTED, *COMPANIES], ids=lambda path: path.name)
def test_editors_find_the_schema(path: Path) -> None:
    match = re.match(r"# yaml-language-server: \$schema=(\S+)\n", path.read_text())
    assert match
    assert (path.parent / match[1]).resolve().parent == HOME


def keys(root: dict[str, Any], node: dict[str, Any], above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key a file may hold, as dotted text, with its schema."""
    for choice in (*node.get("anyOf", ()), node):
        if "$ref" in choice:
            yield from keys(root, root["$defs"][choice["$ref"].rpartition("/")[2]], above)
    for name, key in node.get("properties", {}).items():
        yield f"{above}{name}", key
        yield from keys(root, key, f"{above}{name}.")
    if isinstance(items := node.get("items"), dict):
        yield from keys(root, items, f"{above.removesuffix('.')}[].")
    if isinstance(more := node.get("additionalProperties"), dict):
        yield from keys(root, more, f"{above}<name>.")


def every_key() -> Iterator[tuple[str, dict[str, Any]]]:
    for _, model, title in MODELS:
        root = schema(model, title)
        for key, node in keys(root, root):
            if not key.endswith((".env", ".file", ".credential", ".sealed")):
                yield key, node


def test_every_key_is_explained_with_its_default() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    rows = {match[1]: match[0] for match in re.finditer(r"^\| `([^`]+)` \|.*$", page, re.MULTILINE)}
    assert set(rows) == {key for key, _ in every_key()}
    for key, node in every_key():
        if (default := node.get("default")) not in (None, [], False):
            written = json.dumps(default).replace('"', "")
            assert f"| `{written}` |" in rows[key], f"{key}: default {written}"


def test_examples_on_that_page_are_right() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    blocks = re.findall(r"```yaml\n# (\S+)\n(.*?)```", page, re.DOTALL)
    assert {file.partition("/")[0] for file, _ in blocks} == {"relay.yaml", "companies", "expectations.yaml"}
    for file, text in blocks:
        if file == "relay.yaml":
            compile_settings(file, text.encode())
        elif file == "expectations.yaml":
            Expectations.model_validate(read(file, text.encode()).data)
        else:
            compile_company(file, Path(file).stem, text.encode())


def test_defaults_in_the_schema_are_those_of_the_code() -> None:
    for model in (Settings, CompanyFile):
        definitions = model.model_json_schema()["$defs"]
        for name, definition in definitions.items():
            for key, node in definition.get("properties", {}).items():
                if isinstance(node.get("default"), str) and "pattern" in node and node.get("format") != "uri":
                    parse = parse_size if "KiB" in node["pattern"] else parse_duration
                    assert parse(node["default"]), f"{name}.{key}"
