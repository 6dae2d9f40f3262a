"""What DMARC comes to, next to what Mail::DMARC makes of the same: RFC 7489 with the public suffix list."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from relay.policy.authentication import Result
from relay.policy.dmarc import DmarcRecord, apply_dmarc, organization, parse_dmarc, walk
from relay.policy.dmarc_result import Vouchers, evaluate
from tests.peers.programs import program, run

JUDGE = Path(__file__).parents[2] / "peers" / "dmarc.pl"
ORGANIZATION = "a.co.uk"
AUTHORS = (ORGANIZATION, "mail.a.co.uk", "x.mail.a.co.uk")
DOMAINS = ("", *AUTHORS, "other.a.co.uk", "b.co.uk", "aa.co.uk")
POLICIES = ("none", "quarantine", "reject")


@dataclass(frozen=True, slots=True)
class Mail:
    """`record` is the organization's; `dkim` and `spf` are domains that the mail has the word of."""

    author: str
    record: str
    dkim: str
    spf: str


def all_mails() -> Iterator[Mail]:
    for author, dkim, spf, adkim, aspf, policy, below in product(
        AUTHORS, DOMAINS, DOMAINS, "rs", "rs", POLICIES, ("", *POLICIES)
    ):
        subdomains = f"; sp={below}" if below else ""
        yield Mail(author, f"v=DMARC1; p={policy}{subdomains}; adkim={adkim}; aspf={aspf}", dkim, spf)


def ours(mail: Mail) -> str:
    record, other = parse_dmarc(mail.record), parse_dmarc("v=DMARC1; p=none")
    assert record is not None
    assert other is not None
    published = {ORGANIZATION: record, "b.co.uk": other, "aa.co.uk": other}

    def found(domain: str) -> dict[str, DmarcRecord]:
        return {name: published[name] for name in walk(domain) if name in published}

    vouchers = Vouchers(
        (mail.dkim,) if mail.dkim else (),
        (mail.spf,) if mail.spf else (),
        organizations={each: organization(each, found(each)) for each in (mail.author, mail.dkim, mail.spf) if each},
    )
    judged = evaluate(mail.author, apply_dmarc(mail.author, found(mail.author), exists=True), vouchers)
    assert judged.result in (Result.PASS, Result.FAIL)
    return "pass" if judged.result is Result.PASS else judged.policy.value


async def test_every_mix_of_author_voucher_and_policy_is_judged_alike():
    mails = list(all_mails())
    assert len(mails) == 3 * 7 * 7 * 2 * 2 * 3 * 4
    lines = "".join(f"{each.author}\t{each.record}\t{each.dkim}\t{each.spf}\n" for each in mails)
    code, said = await run(program("perl", "perl"), str(JUDGE), stdin=lines.encode())
    assert code == 0, said
    theirs = said.split()
    assert len(theirs) == len(mails)
    assert [(mail, said) for mail, said in zip(mails, theirs, strict=True) if ours(mail) != said] == []
