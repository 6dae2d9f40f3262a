"""Signatures of others: the published sets, a second verifier on every mail, hostile keys and hostile signatures."""

import base64
import json
import os
import re
from itertools import count
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.authn.dkim import ask_key, judge_all
from relay.authn.settled import settled
from relay.dns import Answer, Resolver, Status
from relay.mail.body_forms import BodyHashes
from relay.mail.dkim import BodyHash, dns_record
from relay.mail.dkim_signature import Signature, SignedText, choose
from relay.mail.message import header_size, parse_header
from relay.policy.authentication import DkimFinding, Result
from relay.sandbox.dns_server import DnsServer
from relay.sandbox.zones import FaultKind, Zones

RSA_KEY = rsa.generate_private_key(65537, 2048)
WEAK_KEY = rsa.RSAPublicNumbers(65537, (1 << 767) + 12345).public_key()
ED_KEY = ed25519.Ed25519PrivateKey.generate()
RSA_PEM = RSA_KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
)
ED_BASE64 = base64.b64encode(ED_KEY.private_bytes_raw())
RECORDS = {
    "r1._domainkey.a.example": (dns_record(RSA_KEY).encode(),),
    "e1._domainkey.a.example": (dns_record(ED_KEY).encode(),),
}
HEADER = (
    b"From: Jan <jan@a.example>\r\nTo: piet@b.example\r\nSubject: An  invoice\r\n\tfor you\r\nMessage-ID: <1@a>\r\n"
)
BODY = b"Hello  there \r\n\r\nBye\r\n\r\n\r\n"


def findings(message: bytes, records: dict, *, now: float = 0.0, authors=("a.example",)) -> tuple[DkimFinding, ...]:
    """All verdicts; `records` are TXT records by name, or a status for names that have none."""
    size = header_size(message) or len(message)
    header = parse_header(message[:size])
    chosen = choose(header, authors)
    bodies = BodyHashes(each.body_form for each in chosen if isinstance(each, Signature))
    ours = BodyHash()
    bodies.update(message[size:])
    ours.update(message[size:])
    keys = {}
    for each in chosen:
        if isinstance(each, Signature):
            found = records.get(each.key_name, Status.NXDOMAIN)
            keys[each.key_name] = (
                Answer(found, (), 0.0) if isinstance(found, Status) else Answer(Status.OK, tuple(found), 0.0)
            )
    return judge_all(chosen, SignedText(header), bodies.seen(ours.digest()), keys, now)


def results(message: bytes, records: dict = RECORDS, **more) -> list[str]:
    return [each.result.value for each in findings(message, records, **more)]


def signed(
    form: bytes = b"relaxed/relaxed", *, kind: str = "rsa", length: bool = False, header=HEADER, body=BODY
) -> bytes:
    """Signed by dkimpy."""
    return (
        dkim.sign(
            HEADER + b"\r\n" + BODY,
            b"r1" if kind == "rsa" else b"e1",
            b"a.example",
            RSA_PEM if kind == "rsa" else ED_BASE64,
            canonicalize=tuple(form.split(b"/")),
            include_headers=[b"From", b"To", b"Subject"],
            signature_algorithm=b"rsa-sha256" if kind == "rsa" else b"ed25519-sha256",
            length=length,
        )
        + HEADER
        + b"\r\n"
        + BODY
    )


def made(tags: str, *, header: bytes = HEADER, body: bytes = BODY, key=RSA_KEY) -> bytes:
    """Signed by hand over From alone, in relaxed form, whatever the tags say."""
    ours = BodyHash()
    ours.update(body)
    hashed = "" if "bh=" in tags else f" bh={ours.digest()};"
    field = f"DKIM-Signature: v=1; d=a.example; s=r1; c=relaxed/relaxed; h=from; {tags};{hashed} b=".encode()
    text = b"from:Jan <jan@a.example>\r\ndkim-signature:" + re.sub(rb" +", b" ", field[15:].strip())
    signature = key.sign(text, padding.PKCS1v15(), hashes.SHA256())
    return field + base64.b64encode(signature) + b"\r\n" + header + b"\r\n" + body


FORMS = [b"simple/simple", b"simple/relaxed", b"relaxed/simple", b"relaxed/relaxed"]


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
@pytest.mark.parametrize("form", FORMS)
def test_signatures_of_another_program_pass_in_every_form(form, kind):
    mail = signed(form, kind=kind)
    found = findings(mail, RECORDS)[0]
    assert (found.result, found.reason, found.domain) == (Result.PASS, "", "a.example")
    assert results(mail.replace(b"Bye", b"bye")) == ["fail"]
    assert results(mail.replace(b"piet@", b"jan@")) == ["fail"]


def test_a_signature_for_a_part_of_the_body_does_not_count():
    mail = signed(b"relaxed/simple", length=True)
    assert results(mail) == ["pass"]
    longer = findings(mail + b"Pay here instead\r\n", RECORDS)[0]
    assert (longer.result, longer.reason) == (Result.POLICY, "the signature does not cover the whole body")
    shorter = findings(mail.replace(b"Bye\r\n\r\n\r\n", b"\r\n"), RECORDS)[0]
    assert (shorter.result, shorter.reason) == (Result.FAIL, "the body is shorter than what was signed")


@pytest.mark.parametrize(
    ("tags", "result"),
    [
        ("a=rsa-sha256", "pass"),
        ("a=rsa-sha256; x=100; t=50", "pass"),
        ("a=rsa-sha256; x=99", "fail"),
        ("a=rsa-sha256; i=jan@sub.a.example", "pass"),
        ("a=rsa-sha256; i=jan@b.example", "permerror"),
        ("a=rsa-sha1", "permerror"),
        ("a=ed25519-sha256", "permerror"),
        ("a=rsa-sha256; bh=YmI=", "fail"),
    ],
)
def test_what_a_signature_says_of_itself_counts(tags, result):
    assert results(made(tags), now=100.0) == [result]


P = RECORDS["r1._domainkey.a.example"][0].rpartition(b"p=")[2]
WEAK = base64.b64encode(
    WEAK_KEY.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
)


@pytest.mark.parametrize(
    ("found", "result"),
    [
        (Status.TEMPORARY, "temperror"),
        (Status.NXDOMAIN, "permerror"),
        (Status.NODATA, "permerror"),
        ([b"v=DKIM1; p="], "permerror"),
        ([b"p=" + WEAK], "fail"),
        ([b"t=s; p=" + P], "permerror"),
        ([b"g=piet; p=" + P], "permerror"),
        ([b"h=sha1; p=" + P], "permerror"),
        ([b"k=ed25519; p=" + P], "permerror"),
        ([b"p=" + P], "pass"),
        ([b"v=spf1 -all", b"p=" + P], "pass"),
        ([b"junk", RECORDS["e1._domainkey.a.example"][0], b"p=" + P], "pass"),
        ([b"junk"] * 3 + [b"p=" + P], "permerror"),
    ],
    ids=count(),
)
def test_what_the_key_record_says_counts(found, result):
    mail = made("a=rsa-sha256; i=jan@sub.a.example")
    assert results(mail, {"r1._domainkey.a.example": found}) == [result]


def test_who_is_testing_is_told_so():
    mail = made("a=rsa-sha256").replace(b"Bye", b"bye")
    found = findings(mail, {"r1._domainkey.a.example": [b"t=y; p=" + P]})[0]
    assert (found.result, found.reason) == (Result.FAIL, "the body was changed; its owner is testing")


def test_of_more_ways_to_read_the_body_than_are_tried_the_rest_is_not_judged():
    parts = b"".join(made(f"a=rsa-sha256; l={size}; bh=YmI=").partition(b"\r\n")[0] + b"\r\n" for size in range(6))
    found = results(parts + HEADER + b"\r\n" + BODY)
    assert found == ["fail"] * 3 + ["policy"] * 3


async def test_trouble_with_a_key_is_a_temporary_error_and_a_known_one_is_not_asked_for():
    async with DnsServer(Zones(ttl=300)) as server:
        server.zones.publish("s1._domainkey.a.example", "TXT", "v=DKIM1; p=")
        server.zones.break_name("s2._domainkey.a.example", FaultKind.SERVFAIL)
        resolver = Resolver([f"127.0.0.1:{server.port}"])
        names = [f"s{number}._domainkey.a.example" for number in (1, 2, 3)]
        answers = await settled(ask_key(name, resolver, time_limit=5) for name in names)
        assert [answer.status for answer in answers] == [Status.OK, Status.TEMPORARY, Status.NXDOMAIN]
        assert ask_key(names[0], resolver, time_limit=5) is answers[0]
        (silent,) = await settled([ask_key(names[0], Resolver([f"127.0.0.1:{server.port}"]), time_limit=0)])
        assert silent.status is Status.TEMPORARY


# RFC 8463 appendix A.
FOOTBALL_P = (
    b"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3"
    b"FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
)
FOOTBALL = {
    "brisbane._domainkey.football.example.com": [b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="],
    "test._domainkey.football.example.com": [b"v=DKIM1; k=rsa; p=" + FOOTBALL_P],
}
DINNER = b"""\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
""".replace(b"\n", b"\r\n")


def test_the_examples_of_rfc_8463_pass():
    assert results(DINNER, FOOTBALL) == ["pass", "pass"]
    assert results(DINNER.replace(b"lost", b"won"), FOOTBALL) == ["fail", "fail"]


def verdict_of_dkimpy(message: bytes, index: int, records: dict) -> bool:
    def dnsfunc(name, timeout=5):
        found = records.get(name.decode().rstrip("."), ())
        return found[0] if not isinstance(found, Status) and found else None

    try:
        return dkim.DKIM(message, logger=None).verify(idx=index, dnsfunc=dnsfunc)
    except Exception:  # noqa: BLE001 -- it raises nearly anything for what it cannot read
        return False


mutations = st.lists(
    st.tuples(
        st.integers(0, 10_000), st.sampled_from([b"", b" ", b"\t", b"  ", b"x", b"\r\n", b"\r\n ", b";", b"=", b"A"])
    ),
    max_size=3,
)


@settings(max_examples=200)
@given(st.sampled_from(FORMS), mutations, st.booleans())
def test_a_second_verifier_agrees_on_mail_that_was_changed_on_the_way(form, changes, replace):
    mail = bytearray(MAILS[form])
    for place, text in changes:
        at = place % len(mail)
        mail[at : at + (len(text) if replace else 0)] = text
    mail = bytes(mail)
    # On the way in, half a line end is refused, and the last line has its own.
    if not mail.endswith(b"\r\n") or re.search(rb"\r(?!\n)|(?<!\r)\n", mail):
        return
    # dkimpy does not take away the blanks before a colon (RFC 6376 3.4.2).
    if header_size(mail) is None or re.search(rb"(?m)^[!-9;-~]+[ \t]+:", mail):
        return
    try:
        found = findings(mail, RECORDS)
    except ValueError:
        return  # a header that is none is refused before anybody looks at signatures
    for index, each in enumerate(found):
        if each.result is Result.PASS:
            assert verdict_of_dkimpy(mail, index, RECORDS)
        elif not replace and each.result is Result.FAIL:
            assert not verdict_of_dkimpy(mail, index, RECORDS)


MAILS = {form: signed(form) for form in FORMS}

SUITE = Path(os.environ.get("RELAY_SUITES") or os.devnull) / "dkim-chasquid"
CASES = [path.stem for path in sorted(SUITE.glob("*.msg"))]


def text_of(name: str) -> str:
    """A file of the suite; some hold only the name of another one."""
    text = (SUITE / name).read_text()
    return text_of(text.strip()) if re.fullmatch(r"[\w.-]+\s*", text) and (SUITE / text.strip()).exists() else text


def records_of(case: str) -> dict:
    records: dict = {}
    if (SUITE / f"{case}.dns").exists():
        for line in text_of(f"{case}.dns").replace("\\\n", "").splitlines():
            name, _, record = line.partition(":")
            match record.strip():
                case "":
                    continue
                case "TEMPERROR":
                    records[name] = Status.TEMPORARY
                case "PERMERROR":
                    records[name] = Status.NXDOMAIN
                case text:
                    records.setdefault(name, []).append(re.sub(r"\s+", " ", text).encode())
    return records


# It looks at the first 5 signatures, we at 8; it takes signatures that cover a part of the body for good.
MORE = {"02-too_many_headers": ["pass", "pass"]}
PARTS = {"09-limited_body": 0}
STATES = {"SUCCESS": "pass", "TEMPFAIL": "temperror"}


def test_the_set_of_chasquid():
    for case in CASES:
        check_case(case)


def check_case(case):
    message = text_of(f"{case}.msg").encode().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if not (SUITE / f"{case}.result").exists():
        # Not a message at all.
        with pytest.raises(ValueError, match="line 1"):
            findings(message, {})
        return
    records = records_of(case)
    wanted = [STATES.get(each["State"], "no") for each in json.loads(text_of(f"{case}.result"))["Results"]]
    wanted += MORE.get(case, [])
    if case in PARTS:
        wanted[PARTS[case]] = "no"
    found = results(message, records, authors=())
    assert [each if each in ("pass", "temperror") else "no" for each in found] == wanted
    for index, each in enumerate(found):
        # dkimpy takes the first of several records, knows no t=s and counts parts of a body.
        if case not in ("07-algo_mismatch", "11-strict_domain_check_fail", *PARTS):
            assert verdict_of_dkimpy(message, index, records) == (each == "pass")


def test_a_signature_that_leaves_out_a_from_field_does_not_count():
    mail = made("a=rsa-sha256")
    assert results(mail) == ["pass"]
    found = findings(b"From: The boss <boss@a.example>\r\n" + mail, RECORDS)[0]
    assert (found.result, found.reason) == (Result.POLICY, "the signature leaves out a From field")
