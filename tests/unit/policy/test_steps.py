import pytest

from relay.policy.providers import GOOGLE, ICLOUD, MICROSOFT, OUTLOOK, by_name
from relay.policy.steps import Language, steps_at


@pytest.mark.parametrize("language", ["nl", "fr", "en", "de"])
@pytest.mark.parametrize("name", [GOOGLE, MICROSOFT, OUTLOOK, ICLOUD])
def test_providers_with_special_steps_have_them_in_every_language(name: str, language: Language) -> None:
    assert by_name(name) is not None
    assert len(steps_at(name, language)) == len(steps_at(name))
    assert all(step.endswith(".") and len(step) > 40 for step in steps_at(name, language))


def test_other_providers_have_none() -> None:
    assert steps_at("Proximus") == ()


def test_what_people_ask_most_is_answered() -> None:
    microsoft, google, apple = (" ".join(steps_at(name)) for name in (MICROSOFT, GOOGLE, ICLOUD))
    assert "Authenticated SMTP" in microsoft
    assert "shared mailbox" in microsoft
    assert "December 2026" in microsoft
    assert "app password" in google
    assert "app-specific password" in apple
