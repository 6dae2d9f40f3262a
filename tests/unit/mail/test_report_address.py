import pytest

from relay.mail.report_address import report_address, reported_alias


@pytest.mark.parametrize(
    ("local", "alias"),
    [("reports", ""), ("Reports+Shop", "shop"), ("reports+", None), ("report", None), ("reportsx+shop", None)],
)
def test_an_address_says_whose_reports_it_takes(local: str, alias: str | None) -> None:
    assert reported_alias(local) == alias


@pytest.mark.parametrize("alias", ["", "shop"])
def test_the_address_for_reports_is_known_again(alias: str) -> None:
    assert reported_alias(report_address(alias, "my.relay.example").local) == alias
