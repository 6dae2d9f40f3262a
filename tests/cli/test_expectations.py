"""What an admin expects of companies' mail is written in YAML, and checked without looking anything up."""

import pytest

GARAGE = """\
name: Garage Lambert
address: info@garage-lambert.example
alias: garage-lambert
outgoing:
  identity: own-domain
  from: facturen@garage-lambert.example
"""
STUDIO = """\
name: Studio Noord
address: hallo@studio-noord.example
alias: studio-noord
outgoing:
  identity: own-server
  server: {host: smtp.studio-noord.example, username: hallo, password: {env: NEVER_READ}}
"""


@pytest.fixture
def expect(place):
    """Writes expectations, one a line in flow style, and checks."""
    place.write("companies/garage-lambert.yaml", GARAGE)
    place.write("companies/studio-noord.yaml", STUDIO)

    def check(*expectations: str):
        lines = "".join(f"  - {{{expectation}}}\n" for expectation in expectations)
        place.write("expectations.yaml", f"expectations:\n{lines}")
        return place.run("check")

    return check


def test_what_holds_is_counted(expect):
    ended = expect(
        "company: bakkerij-peeters, identity: alias, from: bakkerij-peeters@my.relay.example, route: mail-hosts",
        "company: bakkerij-peeters, when: {domain: fails}, goes: out",
        "company: garage-lambert, when: {domain: passes}, identity: own-domain, from: facturen@garage-lambert.example",
        "company: garage-lambert, when: {domain: fails}, identity: alias",
        "company: garage-lambert, when: {domain: unknown}, goes: waits",
        "company: studio-noord, route: own-server, host: smtp.studio-noord.example",
    )
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "ok: 3 companies, 1 app, 0 DKIM keys, 6 expectations hold\n"


@pytest.mark.parametrize(
    ("expectation", "said"),
    [
        (
            "company: garage-lambert, when: {domain: fails}, identity: own-domain",
            (
                ":2:64: expectations[0].identity: expected own-domain, but mail of garage-lambert goes out as alias "
                "(garage-lambert@my.relay.example) while its domain fails. Because: "
            ),
        ),
        (
            "company: garage-lambert, identity: own-domain",
            ":2:41: expectations[0].identity: expected own-domain, but mail of garage-lambert goes out as alias",
        ),
        (
            "company: garage-lambert, goes: out",
            (
                ":2:37: expectations[0].goes: expected it to go out, but mail of garage-lambert waits while its domain "
                "cannot be looked up"
            ),
        ),
        (
            "company: garage-lambert, when: {domain: unknown}",
            "expectations[0].goes: expected it to go out, but mail of garage-lambert waits",
        ),
        ("company: bakkerij-peeters, goes: held", "expected it to be held, but mail of bakkerij-peeters goes out"),
        ("company: studio-noord, route: mail-hosts", "expectations[0].route: expected mail-hosts, but"),
        ("company: studio-noord, host: other.example", "expectations[0].host: expected other.example, but"),
        ("company: studio-noord", ":2:5: expectations[0]: this expects nothing"),
        ("company: studio-nord, goes: out", ":2:15: expectations[0].company: there is no company 'studio-nord'. Did "),
        ("company: studio-noord, identitie: alias", ":2:29: expectations[0].identitie: unknown key"),
        ("company: studio-noord, when: {domain: no-idea}", "is not one of passes, fails, unknown"),
    ],
)
def test_what_does_not_hold_has_a_place_and_a_reason(expect, expectation, said):
    ended = expect(expectation)
    assert ended.code == 78
    assert "config/expectations.yaml" in ended.err
    assert said in ended.err


def test_held_by_choice_is_never_alias(place, expect):
    place.write("companies/garage-lambert.yaml", GARAGE + "  otherwise: hold\n")
    assert expect("company: garage-lambert, identity: own-domain").code == 0
    assert expect("company: garage-lambert, when: {domain: fails}, goes: held").code == 0


def test_machines_get_the_same(expect, place):
    expect("company: bakkerij-peeters, identity: own-domain")
    told = place.run("check", "--json").json
    assert [(error["line"], error["key"]) for error in told["errors"]] == [(2, "expectations[0].identity")]


def test_expectations_that_cannot_be_read(place, expect):
    (place.path / "config/expectations.yaml").mkdir()
    assert "this is a directory" in place.run("check").err


def test_a_running_relay_does_not_care(place, expect):
    expect("company: bakkerij-peeters, identity: own-domain")
    assert place.run("explain", "bakkerij-peeters", "a@b.example").code in (0, 1)
