from relay.mail.address import Address
from relay.policy.assumption import Assumed, assumptions, choose_assuming
from relay.policy.company import Company, IdentityKind, Otherwise
from relay.policy.decision import Decision, Hold, Name, Wait

DOMAIN = "my.relay.example"
BAKKERIJ = Company("bakkerij", "Bakkerij", Address("info", "bakkerij.example"), "bakkerij")
GARAGE = Company(
    "garage", "Garage", Address("info", "garage.example"), "garage", IdentityKind.OWN_DOMAIN, otherwise=Otherwise.HOLD
)


def test_a_company_that_sends_as_its_alias_depends_on_nothing() -> None:
    assert assumptions(BAKKERIJ) == ()
    choice = choose_assuming(BAKKERIJ, domain=DOMAIN, assumed=None)
    assert isinstance(choice, Decision)
    assert choice.name is Name.ALIAS


def test_a_company_that_sends_as_itself_depends_on_its_domain() -> None:
    assert assumptions(GARAGE) == (Assumed.PASSES, Assumed.FAILS, Assumed.UNKNOWN)
    passes, fails, unknown = (
        choose_assuming(GARAGE, domain=DOMAIN, assumed=assumed) for assumed in assumptions(GARAGE)
    )
    assert isinstance(passes, Decision)
    assert passes.name is Name.OWN_DOMAIN
    assert isinstance(fails, Hold)
    assert "receivers do not believe mail of garage.example, it is assumed" in fails.reason
    assert isinstance(unknown, Wait)
