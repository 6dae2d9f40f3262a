"""Carries the batches of one lane, one after the other, within the breaker and the pace of their accounts."""

from typing import Protocol

import structlog

from relay.delivery.accounts import Accounts, key_of
from relay.delivery.attempt import AttemptResult, Attempts, Batch
from relay.events import Json
from relay.policy.company import Company

log = structlog.get_logger("relay.delivery")


class Owner(Protocol):
    """Whose batches are carried, and who hears what came of it."""

    accounts: Accounts

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def is_current(self, batch: Batch) -> bool:
        """Whether the configuration is still the one that `batch` was decided with."""
        ...

    def decide_again(self, batch: Batch) -> None:
        """Decide anew: no mail goes out by a configuration that is gone."""
        ...

    def settle_batch(self, batch: Batch, result: AttemptResult, account: str) -> None:
        """Write down what an attempt came to, while its carrier goes on."""
        ...

    def pace(self, batch: Batch, wait: float) -> None:
        """Let a batch wait for its account's pace: no attempt, so nothing that expires or has to be told."""
        ...

    def hold_batch(self, batch: Batch, fault: Exception) -> None:
        """Put what nobody can make sense of before a person: trying again might deliver it twice."""
        ...


class Carrier:
    """Carries the batches of one lane."""

    def __init__(self, owner: Owner, attempts: Attempts) -> None:
        self._owner = owner
        self._attempts = attempts

    async def carry(self, job: Batch) -> None:
        """See lanes.Carrier.carry."""
        owner = self._owner
        if not owner.is_current(job):
            owner.decide_again(job)
            return
        try:
            # Before the attempt: if the settings change meanwhile, the refusal was about these.
            account = key_of(job.decision, job.active.keyring)
            result = await (self._attempt_with(account, job) if account else self._attempts.attempt(job))
            if result is not None:
                owner.settle_batch(job, result, account)
        except Exception as error:
            log.exception("an attempt cannot be settled", queue_id=job.message.queue_id)
            owner.hold_batch(job, error)

    async def _attempt_with(self, account: str, job: Batch) -> AttemptResult | None:
        """Attempt within the breaker and the pace of an account; None when the mail is decided anew, or has to wait."""
        accounts = self._owner.accounts
        async with accounts.turn(account):
            if not self._owner.is_current(job):
                # Its turn came late: who waited with an old password must not try it.
                self._owner.decide_again(job)
                return None
            result = await accounts.refused(account, job)
            if result is None:
                began = self._owner.now()
                wait = await accounts.wait(job)
                if wait:
                    self._owner.pace(job, wait)
                    return None
                result = await self._attempts.attempt(job)
                await accounts.give_back(job, result, began)
                await accounts.note(account, job, result)
            return result

    def close(self) -> None:
        """See lanes.Carrier.close."""
        self._attempts.close()


def describe(batch: Batch, result: AttemptResult) -> dict[str, Json]:
    """What events say of an attempt beside its outcome."""
    decision = batch.decision
    data: dict[str, Json] = {
        "company": batch.company,
        "identity": decision.name,
        "reasons": list(decision.reasons),
        "reverse_path": result.reverse_path,
    }
    if decision.wanted is not None:
        data["wanted"] = decision.wanted
        data["fallback"] = decision.is_fallback
    if decision.author is not None:
        data["author"] = str(decision.author)
    if decision.recipient is not None and not decision.secret:
        data["forwarded_to"] = str(decision.recipient)
    if result.target is not None:
        data["host"] = result.target.host
        data["ip"] = result.target.ip
        data["tls"] = result.tls
        data["trust"] = result.trust
    return data


def home_of(batch: Batch) -> Company | None:
    """The company whose own address a batch goes to, by the hosts of its domain."""
    company = batch.active.snapshot.company(batch.company) if batch.company else None
    if company is None or batch.route.server is not None or batch.route.mailbox is not None:
        return None
    recipient = batch.decision.recipient or batch.deliveries[0].recipient.address
    return company if recipient == company.address else None
