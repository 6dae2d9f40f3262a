"""What the page of consents says, in every language. `{account}`, `{company}` and `{uses}` are filled in."""

from collections.abc import Mapping
from dataclasses import dataclass

from relay.policy.company import Language
from relay.web.words import Said


@dataclass(frozen=True, slots=True)
class ConsentWords:
    """All states of the page, its button, and what the account is for (`uses`)."""

    sends: str
    reads: str
    ask: Said
    yes: str
    on_the_way: Said
    done: Said
    refused: Said
    wrong: Said
    slow: Said


CONSENT: Mapping[Language, ConsentWords] = {
    Language.EN: ConsentWords(
        "Documents of {company} go out through {account}.",
        "Invoices for {company} are read from {account}.",
        Said(
            "May we use your account?",
            "{uses} Your provider asks you next.",
        ),
        "Go on to my provider",
        Said("One moment", "Your provider's page opens."),
        Said(
            "Thank you, all is set",
            "{uses} You can close this page.",
        ),
        Said(
            "Your provider said no",
            "Nothing was changed. Follow the link once more, or ask whoever sent it for a new one.",
        ),
        Said("This link does not count", "It was used already, or is too old. Ask whoever sent it for a new one."),
        Said("Not now", "Please try again in a minute."),
    ),
    Language.NL: ConsentWords(
        "Documenten van {company} gaan uit via {account}.",
        "Facturen voor {company} worden gelezen uit {account}.",
        Said(
            "Mogen wij uw account gebruiken?",
            "{uses} Uw provider vraagt het u hierna.",
        ),
        "Verder naar mijn provider",
        Said("Een ogenblik", "De pagina van uw provider gaat open."),
        Said(
            "Dank u, alles is in orde",
            "{uses} U kunt deze pagina sluiten.",
        ),
        Said(
            "Uw provider zei nee",
            "Er is niets gewijzigd. Volg de link nog eens, of vraag de afzender om een nieuwe.",
        ),
        Said("Deze link telt niet", "Hij is al gebruikt of te oud. Vraag de afzender om een nieuwe."),
        Said("Nu even niet", "Probeer het over een minuut opnieuw."),
    ),
    Language.FR: ConsentWords(
        "Les documents de {company} partent par {account}.",
        "Les factures pour {company} sont lues dans {account}.",
        Said(
            "Pouvons-nous utiliser votre compte ?",
            "{uses} Votre fournisseur vous le demande ensuite.",
        ),
        "Continuer chez mon fournisseur",
        Said("Un instant", "La page de votre fournisseur s'ouvre."),
        Said(
            "Merci, tout est en ordre",
            "{uses} Vous pouvez fermer cette page.",
        ),
        Said(
            "Votre fournisseur a dit non",
            "Rien n'a changé. Suivez le lien encore une fois, ou demandez-en un nouveau à l'expéditeur.",
        ),
        Said("Ce lien ne compte pas", "Il a déjà servi, ou il est trop ancien. Demandez-en un nouveau à l'expéditeur."),
        Said("Pas maintenant", "Réessayez dans une minute."),
    ),
    Language.DE: ConsentWords(
        "Dokumente von {company} gehen über {account} hinaus.",
        "Rechnungen an {company} werden aus {account} gelesen.",
        Said(
            "Dürfen wir Ihr Konto benutzen?",
            "{uses} Als Nächstes fragt Sie Ihr Anbieter.",
        ),
        "Weiter zu meinem Anbieter",
        Said("Einen Augenblick", "Die Seite Ihres Anbieters öffnet sich."),
        Said(
            "Danke, alles ist bereit",
            "{uses} Sie können diese Seite schließen.",
        ),
        Said(
            "Ihr Anbieter hat abgelehnt",
            "Nichts wurde geändert. Folgen Sie dem Link noch einmal, oder bitten Sie um einen neuen.",
        ),
        Said("Dieser Link gilt nicht", "Er wurde schon benutzt oder ist zu alt. Bitten Sie um einen neuen."),
        Said("Jetzt nicht", "Bitte versuchen Sie es in einer Minute noch einmal."),
    ),
}
