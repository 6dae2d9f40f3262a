"""What strangers publish: SPF, DMARC, MTA-STS, TLSA, TLSRPT. It is read, or as if it were not there."""

from contextlib import suppress

from fuzz.pieces import Pieces
from relay.authn.spf import _Evaluation
from relay.dns import Answer, Status
from relay.mail.dkim_record import publishes
from relay.mail.tls_report import read_rua
from relay.policy.dane import read_tlsa
from relay.policy.dmarc import Policy, apply_dmarc, ends_walk, organization, parse_dmarc, pick_record, walk
from relay.policy.spf_reading import read_record, spf_like
from relay.policy.sts import StsMode, read_sts_id, read_sts_policy

SEEDS = (
    b"\x00v=DMARC1; p=reject; sp=quarantine; np=none; psd=n; t=y; adkim=s; rua=mailto:a@b.example!10m,mailto:c@d.ex",
    b"\x01v=spf1 ip4:192.0.2.0/24 include:_spf.b.example a mx:b.example exists:%{i}.%{d2r+-}.b.example redirect=c.ex",
    b'\x01"v=spf1 include: spf.my.relay.example ip4 : 192.0.2.1 ~al"',
    b"\x02version: STSv1\nmode: enforce\nmx: *.b.example\nmx: mx.b.example\nmax_age: 604800\n",
    b"\x033 1 1 " + b"ab" * 32,
    b"\x03" + b"9" * 5000 + b" 1 1 00",
    b"\x04v=STSv1; id=20260101;",
    b"\x04v=TLSRPTv1; rua=mailto:a@b.example,https://b.example/x",
)


def check(data: bytes) -> None:
    pieces = Pieces(data)
    read = pieces.choice((_dmarc, _spf, _sts, _tlsa, _texts))
    read(pieces.rest())


def _dmarc(octets: bytes) -> None:
    text = octets.decode("utf-8", "replace")
    record = parse_dmarc(text)
    assert pick_record([text, "v=spf1 -all"]) == record
    domain = text[:60].lower().encode("ascii", "replace").decode() or "x"
    names = walk(domain)
    assert 1 <= len(names) <= 8
    assert all(domain.endswith(name) for name in names)
    if record is not None:
        ends_walk(record)
        found = dict.fromkeys(names, record)
        assert domain.endswith(organization(domain, found))
        applied = apply_dmarc(domain, found, exists=True)
        assert applied.policy in Policy
        if record.testing:
            assert applied.policy is not Policy.REJECT


def _spf(octets: bytes) -> None:
    text = octets.decode("latin-1")
    for record in spf_like([text]):
        reading = read_record(record, "spf.my.relay.example")
        assert len(reading.terms) <= len(record)
        mended = "v=spf1 " + " ".join(term.text for term in reading.terms)
        again = read_record(mended, "spf.my.relay.example")
        assert [term.text for term in again.terms] == [term.text for term in reading.terms]
    evaluation = _Evaluation("192.0.2.1", "a@b.example", "b.example", "b.example")
    answers = evaluation._answers  # noqa: SLF001 -- what the resolver would have found
    answers["b.example", "TXT"] = Answer(Status.OK, (octets,), 1.0)
    for _ in range(20):
        _, reason, missing = evaluation._pass()  # noqa: SLF001 -- as above
        if not missing:
            reason.encode()
            break
        for question in missing:
            # Everything else that is asked for has the same text, or nothing.
            known = Answer(Status.OK, (octets,), 1.0) if question[1] == "TXT" else Answer(Status.NXDOMAIN, (), 1.0)
            answers[question] = known
    else:
        raise AssertionError("an evaluation without end")


def _sts(octets: bytes) -> None:
    with suppress(ValueError):
        policy = read_sts_policy(octets)
        assert policy.hosts or policy.mode is StsMode.NONE
        assert read_sts_policy("\n".join(policy.lines).encode()) == policy
        for host in policy.hosts:
            assert policy.allows(host.replace("*", "x"))
        policy.allows(octets[:50].decode("latin-1"))


def _tlsa(octets: bytes) -> None:
    for record in read_tlsa(octets.decode("latin-1").split("\n")):
        assert read_tlsa([str(record)]) == (record,)
        record.allows(b"certificate", b"key")


def _texts(octets: bytes) -> None:
    records = octets.split(b"\n")
    said = read_sts_id(records)
    assert said is None or said.isalnum()
    assert len(read_rua(records)) <= 5
    assert all(uri.isascii() and uri.isprintable() for uri in read_rua(records))
    publishes([octets.decode("latin-1")], "v=DKIM1; k=rsa; p=abc")
