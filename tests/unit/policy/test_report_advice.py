"""The records that have receivers' reports sent to us."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.address import Address
from relay.policy.dmarc import parse_dmarc
from relay.policy.dns_advice import Need
from relay.policy.evidence import Finding
from relay.policy.report_advice import (
    ReportsSeen,
    advise_reports,
    permission_name,
    takes_reports,
    wants_dmarc_reports,
    wants_tls_reports,
)

HERE = Address("reports+Shop", "my.relay.example")
MAILTO = "mailto:reports+shop@my.relay.example"
YES, NO, OPEN = Finding(holds=True), Finding(holds=False, reason="no"), Finding(holds=None, reason="silent")


def dmarc_text(*texts: str) -> str:
    return "".join(advise_reports("shop.example", HERE, ReportsSeen(texts, NO, NO, NO))[0].publish)


def test_every_record_is_named_with_what_to_write() -> None:
    found = advise_reports("shop.example", HERE, ReportsSeen((), YES, NO, OPEN))
    assert [(each.name, each.type, each.need, each.publish) for each in found] == [
        ("_dmarc.shop.example", "TXT", Need.OK, (f"v=DMARC1; p=none; rua={MAILTO}",)),
        ("_smtp._tls.shop.example", "TXT", Need.OPTIONAL, (f"v=TLSRPTv1; rua={MAILTO}",)),
        ("shop.example._report._dmarc.my.relay.example", "TXT", Need.UNKNOWN, ("v=DMARC1",)),
    ]
    assert [each.remarks[:1] for each in found] == [(), ("no",), ("silent",)]
    assert "ours to publish" in found[2].remarks[1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("v=DMARC1; p=reject", f"v=DMARC1; p=reject; rua={MAILTO}"),
        ("v=DMARC1; p=reject; ", f"v=DMARC1; p=reject; rua={MAILTO}"),
        ("v=DMARC1;RUA=mailto:a@b.example ;p=none", f"v=DMARC1;RUA=mailto:a@b.example,{MAILTO};p=none"),
        ("v=DMARC1; rua=; p=none", f"v=DMARC1; rua={MAILTO}; p=none"),
        ("v=DMARC1; p=none; ruf=mailto:a@b.example", f"v=DMARC1; p=none; ruf=mailto:a@b.example; rua={MAILTO}"),
        ("v=spf1 -all", f"v=DMARC1; p=none; rua={MAILTO}"),
    ],
)
def test_what_a_record_says_already_is_kept(before: str, after: str) -> None:
    assert dmarc_text(before) == after


@given(st.text(alphabet="rua=;, \tp:@xv", max_size=60).map(lambda rest: f"v=DMARC1;{rest}"))
def test_publishing_the_advice_has_reports_sent_to_us(text: str) -> None:
    advised = dmarc_text(text)
    assert wants_dmarc_reports([advised], HERE)
    before, after = parse_dmarc(text), parse_dmarc(advised)
    assert before is None or (after is not None and (before.policy, before.testing) == (after.policy, after.testing))


def test_a_long_record_is_cut_as_the_dns_wants_it() -> None:
    uris = ",".join(f"mailto:a{number}@b.example" for number in range(20))
    (advice, *_) = advise_reports("b.example", HERE, ReportsSeen((f"v=DMARC1; rua={uris}",), NO, NO, NO))
    assert [len(each) for each in advice.publish][:1] == [255]
    assert "".join(advice.publish).endswith(MAILTO)


def test_records_are_read() -> None:
    assert wants_dmarc_reports([f"v=DMARC1; p=none; rua={MAILTO.upper().replace('MAILTO', 'mailto')}!10m"], HERE)
    assert not wants_dmarc_reports(["v=DMARC1; p=none"], HERE)
    assert not wants_dmarc_reports([], HERE)
    assert wants_tls_reports([f"v=TLSRPTv1; rua={MAILTO}".encode()], HERE)
    assert not wants_tls_reports([], HERE)
    assert takes_reports(["v=DMARC1"])
    assert not takes_reports(["hello"])
    assert permission_name("shop.example", Address("x", "bücher.example")) == (
        "shop.example._report._dmarc.xn--bcher-kva.example"
    )
