"""DANE: hosts whose certificates must be those that the DNS vouches for."""

import datetime as dt
import hashlib
import inspect
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from relay.delivery.dane import check_chain
from relay.dns import Resolver
from relay.facts.sts import Sts
from relay.policy.dane import read_tlsa
from relay.policy.outcome import Action, Phase, Scope
from relay.policy.sts import StsMode, StsPolicy
from relay.policy.trust import Basis, TlsFailure
from relay.sandbox.dns_server import DnsServer
from relay.sandbox.scripted_peer import Say, Script, ScriptedPeer
from relay.sandbox.zones import FaultKind
from relay.store.spool import State

from .house import House

NAME = "mx0.customer.example"
STARTTLS = Say("250-peer.example\r\n250-STARTTLS\r\n250 PIPELINING")
NOW = dt.datetime.now(dt.UTC)


@dataclass(frozen=True)
class Made:
    """A certificate with its key, and who issued it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    chain: tuple["Made", ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def spki(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def shown(self) -> list[bytes]:
        return [self.der, *(each.der for each in self.chain)]


@dataclass(frozen=True)
class Make:
    """How to make a certificate."""

    names: tuple[str, ...] = ()
    common: str = "somebody"
    ca: bool = False
    path_length: int | None = None
    days: tuple[int, int] = (-1, 30)
    eku: tuple[x509.ObjectIdentifier, ...] = ()
    signs: bool | None = None
    constrained: bool = False

    def by(self, issuer: Made | None = None) -> Made:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.common)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.certificate.subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + dt.timedelta(days=self.days[0]))
            .not_valid_after(NOW + dt.timedelta(days=self.days[1]))
        )
        if self.ca or self.path_length is not None:
            constraints = x509.BasicConstraints(ca=self.ca, path_length=self.path_length)
            builder = builder.add_extension(constraints, critical=True)
        if self.names:
            names = x509.SubjectAlternativeName([x509.DNSName(name) for name in self.names])
            builder = builder.add_extension(names, critical=False)
        if self.eku:
            builder = builder.add_extension(x509.ExtendedKeyUsage(self.eku), critical=False)
        if self.signs is not None:
            words = inspect.signature(x509.KeyUsage).parameters
            usage = x509.KeyUsage(**dict.fromkeys(words, False) | {"crl_sign": True, "key_cert_sign": self.signs})
            builder = builder.add_extension(usage, critical=True)
        if self.constrained:
            allowed = x509.NameConstraints([x509.DNSName("elsewhere.example")], None)
            builder = builder.add_extension(allowed, critical=True)
        certificate = builder.sign(issuer.key if issuer else key, hashes.SHA256())
        return Made(certificate, key, () if issuer is None else (issuer, *issuer.chain))


ROOT = Make(common="root", ca=True).by()
MIDDLE = Make(common="middle", ca=True, path_length=0, signs=True).by(ROOT)
LEAF = Make(names=(NAME,), eku=(ExtendedKeyUsageOID.SERVER_AUTH,)).by(MIDDLE)
SELF = Make(common="unnamed", days=(-30, -1)).by()


def tlsa(made: Made, usage: int, selector: int = 1, matching: int = 1) -> str:
    data = made.spki if selector else made.der
    digest = {
        0: lambda octets: octets,
        1: lambda o: hashlib.sha256(o).digest(),
        2: lambda o: hashlib.sha512(o).digest(),
    }
    return f"{usage} {selector} {matching} {digest[matching](data).hex()}"


def check(made: Made, *records: str, shown: list[bytes] | None = None, names: tuple[str, ...] = (NAME,)):
    return check_chain(made.shown if shown is None else shown, read_tlsa(records), names)


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
def test_every_way_to_name_a_certificate_counts(selector, matching):
    assert check(SELF, tlsa(SELF, 3, selector, matching)) is None
    for anchor in (MIDDLE, ROOT):
        assert check(LEAF, tlsa(anchor, 2, selector, matching)) is None
    for usage in (2, 3):
        assert check(LEAF, tlsa(SELF, usage, selector, matching)) is TlsFailure.NOT_TRUSTED


def test_of_several_records_one_is_enough():
    assert check(LEAF, tlsa(SELF, 3), tlsa(SELF, 2), tlsa(LEAF, 3)) is None


def test_a_record_for_the_host_asks_for_no_name_and_no_time():
    assert check(SELF, tlsa(SELF, 3), names=("other.example",)) is None


def test_a_record_for_an_authority_says_nothing_of_the_hosts_own_certificate():
    assert check(LEAF, tlsa(LEAF, 2)) is TlsFailure.NOT_TRUSTED
    assert check(LEAF, tlsa(ROOT, 3)) is TlsFailure.NOT_TRUSTED


def test_an_authority_that_the_record_holds_need_not_be_shown():
    assert check(LEAF, tlsa(ROOT, 2, 0, 0), shown=[LEAF.der, MIDDLE.der]) is None
    assert check(LEAF, tlsa(ROOT, 2), shown=[LEAF.der, MIDDLE.der]) is TlsFailure.NOT_TRUSTED


@pytest.mark.parametrize(
    ("names", "wanted", "fine"),
    [
        ((NAME,), (NAME,), True),
        ((NAME.upper(),), (NAME,), True),
        (("*.customer.example",), (NAME,), True),
        (("*.example",), (NAME,), False),
        (("other.example",), (NAME, "other.example"), True),
        (("other.example",), (NAME,), False),
        ((), ("somebody",), True),
        ((), (NAME,), False),
        ((NAME,), ("somebody",), False),
    ],
)
def test_below_an_authority_the_name_counts(names, wanted, fine):
    leaf = Make(names=names).by(ROOT)
    assert check(leaf, tlsa(ROOT, 2), names=wanted) is (None if fine else TlsFailure.OTHER_NAME)


@pytest.mark.parametrize(
    ("made", "failure"),
    [
        (Make(names=(NAME,), days=(-30, -1)).by(ROOT), TlsFailure.EXPIRED),
        (Make(names=(NAME,), days=(1, 30)).by(ROOT), TlsFailure.EXPIRED),
        (Make(names=(NAME,)).by(Make(ca=True, days=(-9, -1)).by(ROOT)), TlsFailure.EXPIRED),
        (Make(names=(NAME,), eku=(ExtendedKeyUsageOID.CLIENT_AUTH,)).by(ROOT), TlsFailure.OTHER),
        (Make(names=(NAME,)).by(Make(ca=True, constrained=True).by(ROOT)), TlsFailure.OTHER),
        (Make(names=(NAME,)).by(Make().by(ROOT)), TlsFailure.NOT_TRUSTED),
        (Make(names=(NAME,)).by(Make(ca=True, signs=False).by(ROOT)), TlsFailure.NOT_TRUSTED),
        (Make(names=(NAME,)).by(Make(ca=True).by(MIDDLE)), TlsFailure.NOT_TRUSTED),
    ],
)
def test_a_chain_that_does_not_hold_is_no_proof(made, failure):
    assert check(made, tlsa(ROOT, 2)) is failure


def test_a_chain_of_strangers_with_the_right_names_is_no_proof():
    root = Make(common="root", ca=True).by()
    forged = Make(names=(NAME,)).by(root)
    assert check(forged, tlsa(ROOT, 2), shown=[forged.der, root.der, ROOT.der]) is TlsFailure.NOT_TRUSTED


def test_chains_that_nobody_can_read_are_no_proof():
    assert check(LEAF, tlsa(ROOT, 2), shown=[]) is TlsFailure.NOT_TRUSTED
    assert check(LEAF, tlsa(ROOT, 2), shown=[b"\x30\x00"]) is TlsFailure.OTHER
    assert check(LEAF, tlsa(ROOT, 2), shown=[LEAF.der, b"?"]) is TlsFailure.OTHER


@given(st.lists(st.one_of(st.binary(max_size=50), st.sampled_from([LEAF.der, MIDDLE.der, ROOT.der])), max_size=12))
def test_any_octets_for_a_chain_are_proof_or_not(chain):
    if check_chain(chain, read_tlsa([tlsa(ROOT, 2)]), (NAME,)) is None:
        assert chain[0] == LEAF.der
        assert {MIDDLE.der, ROOT.der} <= set(chain)


# Over SMTP


def server_context(made: Made, folder) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pem = made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for each in (made, *made.chain):
        pem += each.certificate.public_bytes(Encoding.PEM)
    path = folder / "server.pem"
    path.write_bytes(pem)
    context.load_cert_chain(path)
    return context


@dataclass
class Signed:
    """A house whose resolver checks DNSSEC, and a host with a certificate."""

    house: House
    peer: ScriptedPeer
    dns: DnsServer
    asked: list[str] = field(default_factory=list)

    def publish(self, *records: str, host: str = NAME) -> None:
        self.house.zones.publish(f"_{self.peer.port}._tcp.{host}", "TLSA", *records)

    def tlsa_questions(self) -> list[str]:
        return [question.name for question in self.dns.questions if question.rdtype == "TLSA"]


@pytest.fixture
async def signed(house, tmp_path) -> AsyncIterator[Signed]:
    async with DnsServer(house.zones, authenticated=True) as dns:
        house.resolver = Resolver([dns.address], 5.0, clock=house.clock)
        async with ScriptedPeer(Script(ehlo=STARTTLS), tls=server_context(LEAF, tmp_path)) as peer:
            house.configure(delivery={"port": peer.port})
            yield Signed(house, peer, dns)


ALLOWING = {
    "its key": tlsa(LEAF, 3),
    "its certificate": tlsa(LEAF, 3, 0, 2),
    "an authority's key": tlsa(ROOT, 2),
    "an authority": tlsa(MIDDLE, 2, 0, 1),
}


@pytest.mark.parametrize("named", ALLOWING)
async def test_a_host_that_its_records_allow_gets_mail(signed, named):
    signed.publish(ALLOWING[named])
    result = await signed.house.attempt()
    assert (result.outcomes[0].action, result.trust) == (Action.DELIVERED, Basis.DANE)


@pytest.mark.parametrize("usage", [2, 3])
async def test_a_host_that_its_records_do_not_allow_hears_nothing_of_the_mail(signed, usage):
    signed.publish(tlsa(SELF, usage))
    (outcome,) = (await signed.house.attempt()).outcomes
    assert (outcome.action, outcome.scope, outcome.phase) == (Action.DEFER, Scope.TARGET, Phase.TLS)
    assert "TLSA" in outcome.text
    (record,) = signed.peer.records
    assert [line.split()[0] for line in record.lines if line] == ["EHLO", "STARTTLS"]


async def test_dane_goes_before_an_enforced_policy(signed):
    signed.publish(tlsa(LEAF, 3))
    policy = StsPolicy(StsMode.ENFORCE, 86_400, ("other.example",))
    signed.house.policies["customer.example"] = Sts(policy)
    assert (await signed.house.attempt()).trust is Basis.DANE


async def test_records_that_cannot_be_used_still_force_tls(signed):
    signed.publish("1 1 1 " + "00" * 32)
    result = await signed.house.attempt()
    assert (result.outcomes[0].action, result.trust, result.tls) == (Action.DELIVERED, Basis.NONE, "TLSv1.3")
    async with ScriptedPeer() as plain:
        signed.house.configure(delivery={"port": plain.port})
        signed.house.zones.publish(f"_{plain.port}._tcp.{NAME}", "TLSA", "1 1 1 " + "00" * 32)
        assert (await signed.house.attempt()).outcomes[0].action is Action.DEFER
        assert not any(line.startswith("MAIL") for record in plain.records for line in record.lines)


async def test_no_records_that_the_dns_vouches_for_are_no_records(signed):
    result = await signed.house.attempt()
    assert (result.outcomes[0].action, result.trust) == (Action.DELIVERED, Basis.NONE)
    assert len(signed.tlsa_questions()) == 1


@pytest.mark.parametrize("fault", [FaultKind.SERVFAIL, FaultKind.DROP])
async def test_a_host_whose_records_cannot_be_had_is_passed_by(signed, fault):
    house = signed.house
    house.resolver = Resolver([signed.dns.address], 0.2, clock=house.clock)
    house.host("customer.example", "127.0.0.1", "127.0.0.1")
    house.zones.break_name(f"_{signed.peer.port}._tcp.{NAME}", fault)
    signed.publish(tlsa(LEAF, 3), host="mx1.customer.example")
    result = await house.attempt()
    assert (result.target.host, result.trust) == ("mx1.customer.example", Basis.DANE)
    house.zones.break_name(f"_{signed.peer.port}._tcp.mx1.customer.example", fault)
    house.clock.at += 10
    (outcome,) = (await house.attempt()).outcomes
    assert (outcome.action, outcome.scope, outcome.status) == (Action.DEFER, Scope.TARGET, "4.4.3")


async def test_records_count_where_an_alias_leads_and_then_where_it_stands(signed):
    house = signed.house
    house.zones.withdraw(NAME)
    house.zones.publish(NAME, "CNAME", "real.provider.example.")
    house.zones.publish("real.provider.example", "A", "127.0.0.1")
    signed.publish(tlsa(LEAF, 3))
    assert (await house.attempt()).trust is Basis.DANE
    assert signed.tlsa_questions() == [f"_{signed.peer.port}._tcp.{each}" for each in ("real.provider.example", NAME)]
    signed.publish(tlsa(SELF, 3), host="real.provider.example")
    house.clock.at += 10
    assert (await house.attempt()).outcomes[0].action is Action.DEFER


async def test_records_that_nobody_vouches_for_are_not_even_asked_for(signed):
    signed.publish(tlsa(SELF, 3))
    signed.dns.authenticated = False
    assert (await signed.house.attempt()).outcomes[0].action is Action.DELIVERED
    assert signed.tlsa_questions() == []


async def test_mail_waits_for_a_repaired_record_and_then_goes(signed):
    signed.publish(tlsa(SELF, 3))
    house = signed.house
    house.dispatcher = house.make_dispatcher()
    queue_id = await house.deliver()
    assert (await house.delivery(queue_id)).state is State.QUEUED
    signed.publish(tlsa(LEAF, 3))
    house.clock.at += 3600
    assert await house.lease() == 1
    assert (await house.delivery(queue_id)).state is State.DELIVERED
    (delivered,) = [event for event in house.sink.events if event.type == "delivered"]
    assert delivered.data["trust"] == "dane"
