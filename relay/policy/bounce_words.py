"""What is wrong when a mail does not arrive, and who has to do what, in every language: the place for these words."""

from collections.abc import Mapping
from dataclasses import dataclass

from relay.policy.bounce_class import BounceClass
from relay.policy.company import Language


@dataclass(frozen=True, slots=True)
class Explained:
    """What is wrong, and what to do about it: each a sentence or two for whoever sent the mail."""

    explanation: str
    advice: str


COMPLAINT = "complaint"

_WORDS: Mapping[str, Mapping[Language, Explained]] = {
    BounceClass.ADDRESS_GONE: {
        Language.EN: Explained(
            "This address does not exist (any more).",
            "Ask your customer for the right address, and correct it before you send again.",
        ),
        Language.NL: Explained(
            "Dit adres bestaat niet (meer).",
            "Vraag uw klant naar het juiste adres, en verbeter het voor u opnieuw verzendt.",
        ),
        Language.FR: Explained(
            "Cette adresse n'existe pas (ou plus).",
            "Demandez la bonne adresse à votre client, et corrigez-la avant de renvoyer le message.",
        ),
        Language.DE: Explained(
            "Diese Adresse gibt es nicht (mehr).",
            "Fragen Sie Ihren Kunden nach der richtigen Adresse, und berichtigen Sie sie vor dem nächsten Versand.",
        ),
    },
    BounceClass.MAILBOX_FULL: {
        Language.EN: Explained(
            "The recipient's mailbox is full.",
            "Tell your customer in another way; only they can make room. Then send again.",
        ),
        Language.NL: Explained(
            "De mailbox van de ontvanger is vol.",
            "Laat het uw klant op een andere manier weten; alleen die kan plaats maken. Verzend daarna opnieuw.",
        ),
        Language.FR: Explained(
            "La boîte aux lettres du destinataire est pleine.",
            "Prévenez votre client par un autre moyen; lui seul peut faire de la place. Renvoyez ensuite le message.",
        ),
        Language.DE: Explained(
            "Das Postfach des Empfängers ist voll.",
            "Sagen Sie es Ihrem Kunden auf anderem Weg; nur er kann Platz schaffen. Senden Sie danach noch einmal.",
        ),
    },
    BounceClass.POLICY: {
        Language.EN: Explained(
            "The recipient's mail server does not accept mail from this sender.",
            "Ask your administrator to look at the server's answer. Your customer can ask theirs to let you through.",
        ),
        Language.NL: Explained(
            "De mailserver van de ontvanger aanvaardt geen mail van deze afzender.",
            "Laat uw beheerder naar het antwoord van de server kijken. Uw klant kan de zijne vragen u door te laten.",
        ),
        Language.FR: Explained(
            "Le serveur du destinataire n'accepte pas les messages de cet expéditeur.",
            "Faites examiner la réponse du serveur par votre administrateur. Votre client peut demander au sien de "
            "vous laisser passer.",
        ),
        Language.DE: Explained(
            "Der Mailserver des Empfängers nimmt keine Mail von diesem Absender an.",
            "Lassen Sie Ihren Administrator die Antwort des Servers ansehen. Ihr Kunde kann seinen bitten, Sie "
            "durchzulassen.",
        ),
    },
    BounceClass.CONTENT: {
        Language.EN: Explained(
            "The recipient's mail server does not accept this message: too large, or taken for spam or a virus.",
            "Send a smaller message or another kind of file, or give your customer the document in another way.",
        ),
        Language.NL: Explained(
            "De mailserver van de ontvanger aanvaardt dit bericht niet: te groot, of voor spam of een virus gehouden.",
            "Verzend een kleiner bericht of een ander soort bestand, of bezorg uw klant het document op een andere "
            "manier.",
        ),
        Language.FR: Explained(
            "Le serveur du destinataire n'accepte pas ce message: trop grand, ou pris pour du spam ou un virus.",
            "Envoyez un message plus petit ou un autre type de fichier, ou remettez le document à votre client par un "
            "autre moyen.",
        ),
        Language.DE: Explained(
            "Der Mailserver des Empfängers nimmt diese Nachricht nicht an: zu groß, oder für Spam oder einen Virus "
            "gehalten.",
            "Senden Sie eine kleinere Nachricht oder eine andere Art Datei, oder geben Sie Ihrem Kunden das Dokument "
            "auf anderem Weg.",
        ),
    },
    BounceClass.NETWORK: {
        Language.EN: Explained(
            "The recipient's mail server cannot be found or reached.",
            "Check the part of the address behind the @. If it is right, your customer's administrator has to act.",
        ),
        Language.NL: Explained(
            "De mailserver van de ontvanger is niet te vinden of niet bereikbaar.",
            "Kijk het deel van het adres achter de @ na. Klopt het, dan is de beheerder van uw klant aan zet.",
        ),
        Language.FR: Explained(
            "Le serveur du destinataire est introuvable ou injoignable.",
            "Vérifiez la partie de l'adresse après le @. Si elle est juste, c'est à l'administrateur de votre client "
            "d'agir.",
        ),
        Language.DE: Explained(
            "Der Mailserver des Empfängers ist nicht zu finden oder nicht zu erreichen.",
            "Prüfen Sie den Teil der Adresse hinter dem @. Stimmt er, muss der Administrator Ihres Kunden handeln.",
        ),
    },
    BounceClass.HOST: {
        Language.EN: Explained(
            "The recipient's mail server has a trouble of its own.",
            "Try again later. If it stays, your customer's administrator has to act.",
        ),
        Language.NL: Explained(
            "De mailserver van de ontvanger heeft zelf een storing.",
            "Probeer het later opnieuw. Blijft het duren, dan is de beheerder van uw klant aan zet.",
        ),
        Language.FR: Explained(
            "Le serveur du destinataire est lui-même en panne.",
            "Réessayez plus tard. Si cela dure, c'est à l'administrateur de votre client d'agir.",
        ),
        Language.DE: Explained(
            "Der Mailserver des Empfängers hat selbst eine Störung.",
            "Versuchen Sie es später wieder. Bleibt es dabei, muss der Administrator Ihres Kunden handeln.",
        ),
    },
    BounceClass.UNKNOWN: {
        Language.EN: Explained(
            "The recipient's mail server did not deliver this message, and did not say why in words that we know.",
            "Read the server's answer, or ask your customer whether the address is right.",
        ),
        Language.NL: Explained(
            "De mailserver van de ontvanger heeft dit bericht niet bezorgd, en de reden herkennen we niet.",
            "Lees het antwoord van de server, of vraag uw klant of het adres klopt.",
        ),
        Language.FR: Explained(
            "Le serveur du destinataire n'a pas remis ce message, et nous ne reconnaissons pas sa raison.",
            "Lisez la réponse du serveur, ou demandez à votre client si l'adresse est juste.",
        ),
        Language.DE: Explained(
            "Der Mailserver des Empfängers hat diese Nachricht nicht zugestellt, den Grund erkennen wir nicht.",
            "Lesen Sie die Antwort des Servers, oder fragen Sie Ihren Kunden, ob die Adresse stimmt.",
        ),
    },
    COMPLAINT: {
        Language.EN: Explained(
            "The recipient has marked this message as unwanted.",
            "Ask your customer in another way whether they want your documents by e-mail before you send again.",
        ),
        Language.NL: Explained(
            "De ontvanger heeft dit bericht als ongewenst gemeld.",
            "Vraag uw klant op een andere manier of die uw documenten per e-mail wil, voor u opnieuw verzendt.",
        ),
        Language.FR: Explained(
            "Le destinataire a signalé ce message comme indésirable.",
            "Demandez à votre client, par un autre moyen, s'il veut vos documents par e-mail avant d'en renvoyer.",
        ),
        Language.DE: Explained(
            "Der Empfänger hat diese Nachricht als unerwünscht gemeldet.",
            "Fragen Sie Ihren Kunden auf anderem Weg, ob er Ihre Dokumente per E-Mail will, bevor Sie wieder senden.",
        ),
    },
}


def explain_bounce(meant: str) -> Mapping[Language, Explained]:
    """The words for a class of bounces, or for `COMPLAINT`, in every language."""
    return _WORDS.get(meant, _WORDS[BounceClass.UNKNOWN])
