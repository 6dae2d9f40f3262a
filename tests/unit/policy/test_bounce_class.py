"""What hosts say about mail that does not arrive is known by their words, then by their codes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy.bounce_class import BounceClass, classify_bounce, is_dead
from relay.policy.bounce_words import COMPLAINT, explain_bounce
from relay.policy.company import Language


@pytest.mark.parametrize(
    ("status", "text", "meant"),
    [
        ("5.1.1", "The email account that you tried to reach does not exist. p=NoSuchUser", BounceClass.ADDRESS_GONE),
        ("5.1.10", "RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP lookup", BounceClass.ADDRESS_GONE),
        ("5.4.1", "Recipient address rejected: Access denied. AS(201806281)", BounceClass.ADDRESS_GONE),
        ("5.5.0", "Requested action not taken: mailbox unavailable (S2017062302).", BounceClass.ADDRESS_GONE),
        ("5.2.1", "The email account that you tried to reach is inactive.", BounceClass.ADDRESS_GONE),
        ("5.7.1", "<x@y>: Recipient address rejected: User unknown in relay table", BounceClass.ADDRESS_GONE),
        ("5.0.0", "this address doesn't exist", BounceClass.ADDRESS_GONE),
        ("5.0.0", "Adres bestaat niet", BounceClass.ADDRESS_GONE),
        ("5.0.0", "Onbekende gebruiker", BounceClass.ADDRESS_GONE),
        ("5.0.0", "Adresse d'au moins un destinataire invalide: utilisateur inconnu", BounceClass.ADDRESS_GONE),
        ("5.0.0", "L'adresse n'existe plus", BounceClass.ADDRESS_GONE),
        ("5.0.0", "Empfänger unbekannt", BounceClass.ADDRESS_GONE),
        ("5.2.2", "The email account that you tried to reach is over quota", BounceClass.MAILBOX_FULL),
        ("5.0.0", "mailbox is full", BounceClass.MAILBOX_FULL),
        ("4.3.0", "Quota exceeded", BounceClass.MAILBOX_FULL),
        ("5.0.0", "Het postvak van deze gebruiker is vol", BounceClass.MAILBOX_FULL),
        ("5.0.0", "La boîte aux lettres du destinataire est pleine", BounceClass.MAILBOX_FULL),
        ("5.0.0", "Das Postfach ist voll", BounceClass.MAILBOX_FULL),
        ("5.7.26", "This mail is unauthenticated: SPF and DKIM fail", BounceClass.POLICY),
        ("5.7.1", "Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", BounceClass.POLICY),
        ("5.7.511", "Access denied, banned sender", BounceClass.POLICY),
        ("5.0.0", "Absender wurde abgelehnt", BounceClass.POLICY),
        ("5.7.1", "Our system has detected that this message is likely unsolicited mail", BounceClass.CONTENT),
        ("5.3.4", "Message size exceeds fixed maximum message size", BounceClass.CONTENT),
        ("5.0.0", "Bericht is te groot", BounceClass.CONTENT),
        ("5.0.0", "Infected: Eicar-Signature", BounceClass.CONTENT),
        ("4.4.1", "connection timed out", BounceClass.NETWORK),
        ("5.4.4", "Host or domain name not found. Name service error", BounceClass.NETWORK),
        ("5.0.0", "Too many hops", BounceClass.HOST),
        ("5.1.2", "", BounceClass.ADDRESS_GONE),
        ("5.1.8", "", BounceClass.POLICY),
        ("5.2.1", "", BounceClass.ADDRESS_GONE),
        ("5.2.2", "", BounceClass.MAILBOX_FULL),
        ("5.2.3", "", BounceClass.CONTENT),
        ("5.6.3", "", BounceClass.CONTENT),
        ("5.3.2", "", BounceClass.HOST),
        ("5.4.6", "", BounceClass.HOST),
        ("4.4.7", "", BounceClass.NETWORK),
        ("5.7.1", "", BounceClass.POLICY),
        ("5.1.0", "", BounceClass.UNKNOWN),
        ("5.0.0", "No", BounceClass.UNKNOWN),
        ("", "", BounceClass.UNKNOWN),
    ],
)
def test_answers_of_hosts_have_a_class(status, text, meant):
    assert classify_bounce(status, text) is meant


@given(st.text(max_size=50), st.text(max_size=3000))
def test_whatever_they_say_has_one(status, text):
    assert classify_bounce(status, text) in BounceClass


def test_only_an_address_that_is_gone_for_good_is_dead():
    assert is_dead("5.1.1", BounceClass.ADDRESS_GONE)
    assert is_dead("", BounceClass.ADDRESS_GONE)
    assert not is_dead("4.1.1", BounceClass.ADDRESS_GONE)
    assert not is_dead("5.2.2", BounceClass.MAILBOX_FULL)


def test_every_class_has_words_in_every_language():
    seen = set()
    for meant in [*BounceClass, COMPLAINT]:
        words = explain_bounce(meant)
        assert set(words) == set(Language)
        for said in words.values():
            assert said.explanation.endswith(".")
            assert said.advice.endswith(".")
            seen |= {said.explanation, said.advice}
    assert len(seen) == 2 * 4 * 8
    assert explain_bounce("written by another version") == explain_bounce(BounceClass.UNKNOWN)
