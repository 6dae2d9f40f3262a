import json

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from relay.config import reader
from relay.config.errors import ConfigErrors
from relay.config.reader import MAX_OCTETS, Place, read


@pytest.fixture(params=["libyaml", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both parsers of PyYAML: the one in C, and the one that is there without it."""
    if request.param == "python":
        monkeypatch.setattr(reader, "_Loader", yaml.SafeLoader)


def faults(text: str | bytes) -> list[str]:
    """Everything that `read` finds wrong, as text."""
    raw = text if isinstance(text, bytes) else text.encode()
    try:
        return [str(error) for error in read("x.yaml", raw).errors]
    except ConfigErrors as errors:
        return [str(error) for error in errors.errors]


@pytest.mark.usefixtures("parser")
def test_what_the_core_schema_means() -> None:
    document = read(
        "x.yaml",
        b"text: Bakkerij Peeters BV\naddress: 127.0.0.1\nendpoint: 127.0.0.1:25\nv6: 2001:db8::1\nword: none\n"
        b"quoted: 'no'\ndouble: \"22:30\"\nfolded: |\n  012\nempty:\nword_null: null\ntilde: ~\n"
        b"yes_: true\nnot: False\n"
        b"int: 42\nnegative: -7\nhex: 0x1F\noctal: 0o17\nfloat: 1.5\nexponent: 1e3\nlist: [1, a, []]\nmap: {a: {}}\n"
        b"dots: ...a\nplus: +x\n",
    )
    assert document.errors == []
    assert document.data == {
        "text": "Bakkerij Peeters BV",
        "address": "127.0.0.1",
        "endpoint": "127.0.0.1:25",
        "v6": "2001:db8::1",
        "word": "none",
        "quoted": "no",
        "double": "22:30",
        "folded": "012\n",
        "empty": None,
        "word_null": None,
        "tilde": None,
        "yes_": True,
        "not": False,
        "int": 42,
        "negative": -7,
        "hex": 31,
        "octal": 15,
        "float": 1.5,
        "exponent": 1000.0,
        "list": [1, "a", []],
        "map": {"a": {}},
        "dots": "...a",
        "plus": "+x",
    }


@pytest.mark.parametrize("word", ["y", "N", "yes", "No", "ON", "off", "Off"])
def test_old_truth_values_are_refused(word: str) -> None:
    (fault,) = faults(f"a: {word}")
    assert fault == (
        f"x.yaml:1:4: a: '{word}' is text or a truth value, depending on the reader. "
        f'Write true or false, or put it in quotes: "{word}".'
    )


@pytest.mark.parametrize(
    ("scalar", "meaning"),
    [
        ("22:30", "a number to base 60 or text"),
        ("1:20:30.5", "a number to base 60 or text"),
        ("2024-01-31", "a date or text"),
        ("2024-01-31T10:00:00Z", "a date or text"),
        ("1_000", "a number or text"),
        ("01.5", "a number or text"),
        ("0x_1", "a number or text"),
        ("1e", "a number or text"),
        ("99999999999999999999", "a number or text"),
        ("0b101", "a binary number or text"),
        (".inf", "a special value or text"),
        (".NaN", "a special value or text"),
        ("=", "a special value or text"),
    ],
)
def test_what_readers_understand_differently_is_refused(scalar: str, meaning: str) -> None:
    (fault,) = faults(f"a: {scalar}")
    assert fault == f"x.yaml:1:4: a: '{scalar}' is {meaning}, depending on the reader. Put it in quotes: \"{scalar}\"."


@pytest.mark.parametrize(("scalar", "instead"), [("012", "12"), ("00", "0"), ("-007", "7"), ("0_1", "1")])
def test_octal_numbers_are_refused(scalar: str, instead: str) -> None:
    (fault,) = faults(f"a: {scalar}")
    assert fault.endswith(f'depending on the reader. Write {instead}, or put it in quotes: "{scalar}".')


@pytest.mark.usefixtures("parser")
def test_duplicate_keys_are_refused_and_the_first_one_is_kept() -> None:
    document = read("x.yaml", b"a: {b: 1}\nc: 2\na: {b: 3, d: 4}\n")
    assert document.data == {"a": {"b": 1}, "c": 2}
    assert [str(error) for error in document.errors] == [
        "x.yaml:3:1: a: this key is already on line 1. Keep one of them."
    ]
    assert document.values["a", "b"] == Place(1, 8)


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "a: &x 1\nb: 2\n",
            ["x.yaml:1:4: a: an anchor (&) is not allowed. Write each value out, or put the text in quotes."],
        ),
        (
            "a: &x 1\nb: *x\n",
            [
                "x.yaml:1:4: a: an anchor (&) is not allowed. Write each value out, or put the text in quotes.",
                "x.yaml:2:4: b: an alias (*) is not allowed. Write the value out, or put the text in quotes.",
            ],
        ),
        ("a: !!str 1\n", ["x.yaml:1:4: a: a tag (!) is not allowed. Leave it off, or put the text in quotes."]),
        ("a: !!python/object/apply:os.system [ls]\n", None),
        ("a: {<<: {b: 1}}", ["x.yaml:1:5: a: the merge key << is not allowed. Write the values out."]),
        ("&x a: 1", ["x.yaml:1:1: anchors and tags are not allowed"]),
        ("[a]: 1", ["x.yaml:1:1: a key must be text"]),
        ("1: 2\nno: 3", ["x.yaml:1:1: the key '1' is not text. Put it in quotes.", None]),
        ("", ["x.yaml:1:1: the file is empty"]),
        ("# nothing\n", None),
        ("---\n", ["x.yaml:1:1: the file is empty"]),
        ("- a\n", ["x.yaml:1:1: the file must hold keys and values. For example `name: value`."]),
        ("a: 1\n---\nb: 2\n", ["x.yaml:2:1: a second document begins here. Keep one document in a file."]),
        ("%YAML 1.1\n---\na: 1\n", ["x.yaml:1:1: directives (%YAML, %TAG) are not used here"]),
        ("a: 1\n\tb: 2\n", ["x.yaml:2:1: a tab stands here. Indent with spaces; inside double quotes write \\t."]),
        ("a: 1\nb: \0\n", ["x.yaml:2:4: the character U+0000 is not allowed"]),
        ("a: \x85", ["x.yaml:1:4: the character U+0085 is not allowed"]),
        ('a: "\\0"', ["x.yaml:1:4: a: NUL and surrogates are not allowed in text"]),
        (b"a: 1\nb: caf\xe9\n", ["x.yaml:2:7: this is not UTF-8"]),
        ("a: [1, 2", None),
        ("a: b: c", None),
        ("a: 'b", None),
        ("a: 1\n b: 2", None),
        ('a: "\\ud800"', None),
        ('a: "\\UFFFFFFFF"', None),
        ("%YAML 1." + "9" * 5000 + "\n---\na: 1", None),
    ],
)
def test_what_is_refused(text: str | bytes, expected: list[str | None] | None) -> None:
    found = faults(text)
    assert found
    if expected is not None:
        assert len(found) == len(expected)
        assert all(want is None or want == got for want, got in zip(expected, found, strict=True))


def test_nesting_and_size_have_limits() -> None:
    assert "nested more than 16 levels deep" in faults("a: " + "[" * 5000)[0]
    assert faults("a: " + "[" * 15 + "]" * 15) == []
    assert faults(b"#" * (MAX_OCTETS + 1)) == ["x.yaml: the file is larger than 4 MiB"]


def test_a_byte_order_mark_is_left_off() -> None:
    assert read("x.yaml", b"\xef\xbb\xbfa: 1").data == {"a": 1}


def test_errors_are_placed_at_the_nearest_thing_in_the_file() -> None:
    document = read("x.yaml", b"a:\n  b: [1, 2]\n")
    assert str(document.error(("a", "b", 1), "wrong")) == "x.yaml:2:10: a.b[1]: wrong"
    assert str(document.error(("a", "b"), "wrong", at_key=True)) == "x.yaml:2:3: a.b: wrong"
    assert str(document.error(("a", "z", "y"), "wrong")) == "x.yaml:1:1: a.z.y: wrong"
    assert str(document.error(("q",), "wrong")) == "x.yaml:1:1: q: wrong"


@pytest.mark.parametrize("secret", ["012345", "yes", "2024-01-01", "*hunter2", "&hunter2 x", "!hunter2 x"])
def test_what_may_be_a_secret_is_not_repeated(secret: str) -> None:
    (fault,) = faults(f"password: {secret}")
    assert "012345" not in fault
    assert "'yes'" not in fault
    assert "2024" not in fault
    assert "hunter2" not in fault


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"], max_codepoint=0xFFFF), max_size=20)
scalars = st.none() | st.booleans() | st.integers(-(10**15), 10**15) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)


@given(st.dictionaries(texts, values, min_size=1, max_size=5))
def test_what_is_written_comes_back(data: dict[str, object]) -> None:
    document = read("x.yaml", json.dumps(data).encode())
    assert document.data == data
    assert document.errors == []


YAMLISH = st.text(st.sampled_from(list("ab01:- \n'\"[]{}&*!|>%#?,.~<=_\\\t\u00e9\U0001f600")), max_size=60)


@given(st.binary(max_size=80) | YAMLISH.map(str.encode) | st.text(max_size=60).map(lambda text: text.encode()))
@example(b"? ? ? ?")
@example(b"a: !<tag:yaml.org,2002:int> 3")
@example(b"*a")
def test_nothing_but_config_errors_is_ever_raised(raw: bytes) -> None:
    for loader in (yaml.CSafeLoader, yaml.SafeLoader):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reader, "_Loader", loader)
            try:
                document = read("x.yaml", raw)
            except ConfigErrors:
                continue
            assert isinstance(document.data, dict)
