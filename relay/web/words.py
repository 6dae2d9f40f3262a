"""What the page that confirms an address says, in every language. `{address}` and `{company}` are filled in."""

from collections.abc import Mapping
from dataclasses import dataclass

from relay.policy.company import Language


@dataclass(frozen=True, slots=True)
class Said:
    """A title and what stands below it."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class ConfirmWords:
    """All states of the page, its buttons and what goes wrong."""

    ask: Said
    yes: str
    done: Said
    already: Said
    expired: Said
    again: str
    sent: Said
    wrong: Said
    type_code: Said
    code: str
    confirm: str
    wrong_code: str
    slow: Said


CONFIRM: Mapping[Language, ConfirmWords] = {
    Language.EN: ConfirmWords(
        ask=Said(
            "Is this your address?",
            "{company} wants to send documents by e-mail, and gave {address} as its own address. Press the "
            "button if that "
            "is right. Otherwise close this page: then nothing is sent in your name.",
        ),
        yes="Yes, confirm this address",
        done=Said(
            "Thank you, your address is confirmed",
            "Mail of {company} goes out from now on. What was waiting is on its way. You can close this page.",
        ),
        already=Said(
            "This address is confirmed already", "There is nothing left to do for {address}. You can close this page."
        ),
        expired=Said("This link is too old", "Have a new mail sent to {address}, and follow the link in that one."),
        again="Send a new mail",
        sent=Said(
            "A new mail is on its way",
            "Look into the mailbox of {address}, also among unwanted mail. It can take a few minutes.",
        ),
        wrong=Said(
            "This link is not valid",
            "Maybe it was cut off: copy the whole address from the mail. Or the address that it was sent to "
            "is no longer "
            "that of the company, and a newer mail has gone to the new one.",
        ),
        type_code=Said("Confirm your address", "Type the code that stands in the mail we have sent you."),
        code="Code",
        confirm="Confirm",
        wrong_code="This code is not right, too old, or was typed wrongly too often. Follow the link in the newest "
        "mail that we have sent you.",
        slow=Said("A little slower, please", "There were many tries within a short time. Try again in a minute."),
    ),
    Language.NL: ConfirmWords(
        ask=Said(
            "Is dit uw adres?",
            "{company} wil documenten per e-mail versturen en gaf {address} op als eigen adres. Druk op de "
            "knop als dat "
            "klopt. Sluit anders deze pagina: dan wordt er niets in uw naam verstuurd.",
        ),
        yes="Ja, bevestig dit adres",
        done=Said(
            "Dank u, uw adres is bevestigd",
            "Vanaf nu vertrekt de mail van {company}. Wat wachtte, is onderweg. U mag deze pagina sluiten.",
        ),
        already=Said(
            "Dit adres is al bevestigd", "Voor {address} hoeft u niets meer te doen. U mag deze pagina sluiten."
        ),
        expired=Said("Deze link is te oud", "Laat een nieuwe mail sturen naar {address} en volg de link in die mail."),
        again="Stuur een nieuwe mail",
        sent=Said(
            "Er is een nieuwe mail onderweg",
            "Kijk in de mailbox van {address}, ook bij ongewenste mail. Het kan enkele minuten duren.",
        ),
        wrong=Said(
            "Deze link is niet geldig",
            "Misschien werd hij afgebroken: kopieer het hele adres uit de mail. Of het adres waarnaar hij "
            "gestuurd werd, is "
            "niet langer dat van het bedrijf, en er ging een nieuwere mail naar het nieuwe adres.",
        ),
        type_code=Said("Bevestig uw adres", "Typ de code die in de mail staat die we u gestuurd hebben."),
        code="Code",
        confirm="Bevestig",
        wrong_code="Deze code klopt niet, is te oud, of werd te vaak fout ingetypt. Volg de link in de nieuwste mail "
        "die we u gestuurd hebben.",
        slow=Said("Iets trager, alstublieft", "Er waren veel pogingen op korte tijd. Probeer over een minuut opnieuw."),
    ),
    Language.FR: ConfirmWords(
        ask=Said(
            "Est-ce votre adresse ?",
            "{company} souhaite envoyer des documents par e-mail et a indiqué {address} comme sa propre "
            "adresse. Appuyez "
            "sur le bouton si c'est exact. Sinon, fermez cette page : rien ne sera envoyé en votre nom.",
        ),
        yes="Oui, confirmer cette adresse",
        done=Said(
            "Merci, votre adresse est confirmée",
            "Le courrier de {company} part désormais. Celui qui attendait est en route. Vous pouvez fermer cette page.",
        ),
        already=Said(
            "Cette adresse est déjà confirmée",
            "Il n'y a plus rien à faire pour {address}. Vous pouvez fermer cette page.",
        ),
        expired=Said(
            "Ce lien est trop ancien",
            "Faites envoyer un nouveau message à {address} et suivez le lien qu'il contient.",
        ),
        again="Envoyer un nouveau message",
        sent=Said(
            "Un nouveau message est en route",
            "Regardez dans la boîte de {address}, aussi parmi les indésirables. Cela peut prendre quelques minutes.",
        ),
        wrong=Said(
            "Ce lien n'est pas valable",
            "Il a peut-être été coupé : copiez l'adresse entière depuis le message. Ou bien l'adresse à "
            "laquelle il a été "
            "envoyé n'est plus celle de l'entreprise, et un message plus récent est parti vers la nouvelle.",
        ),
        type_code=Said(
            "Confirmez votre adresse", "Saisissez le code qui figure dans le message que nous vous avons envoyé."
        ),
        code="Code",
        confirm="Confirmer",
        wrong_code="Ce code n'est pas correct, est trop ancien ou a été mal saisi trop souvent. Suivez le lien dans le "
        "message le plus récent que nous vous avons envoyé.",
        slow=Said("Un peu plus lentement", "Il y a eu beaucoup d'essais en peu de temps. Réessayez dans une minute."),
    ),
    Language.DE: ConfirmWords(
        ask=Said(
            "Ist das Ihre Adresse?",
            "{company} möchte Dokumente per E-Mail versenden und hat {address} als eigene Adresse "
            "angegeben. Drücken Sie "
            "auf den Knopf, wenn das stimmt. Sonst schließen Sie diese Seite: dann wird nichts in Ihrem "
            "Namen versandt.",
        ),
        yes="Ja, diese Adresse bestätigen",
        done=Said(
            "Danke, Ihre Adresse ist bestätigt",
            "Die Mail von {company} geht von nun an hinaus. Was wartete, ist unterwegs. Sie können diese "
            "Seite schließen.",
        ),
        already=Said(
            "Diese Adresse ist schon bestätigt",
            "Für {address} ist nichts mehr zu tun. Sie können diese Seite schließen.",
        ),
        expired=Said(
            "Dieser Link ist zu alt", "Lassen Sie eine neue Mail an {address} senden, und folgen Sie dem Link darin."
        ),
        again="Neue Mail senden",
        sent=Said(
            "Eine neue Mail ist unterwegs",
            "Sehen Sie im Postfach von {address} nach, auch bei unerwünschter Mail. Es kann einige Minuten dauern.",
        ),
        wrong=Said(
            "Dieser Link ist nicht gültig",
            "Vielleicht wurde er abgeschnitten: Kopieren Sie die ganze Adresse aus der Mail. Oder die "
            "Adresse, an die er "
            "ging, ist nicht mehr die der Firma, und eine neuere Mail ging an die neue.",
        ),
        type_code=Said(
            "Bestätigen Sie Ihre Adresse", "Geben Sie den Code aus der Mail ein, die wir Ihnen gesandt haben."
        ),
        code="Code",
        confirm="Bestätigen",
        wrong_code="Dieser Code stimmt nicht, ist zu alt oder wurde zu oft falsch eingegeben. Folgen Sie dem Link in "
        "der neuesten Mail, die wir gesandt haben.",
        slow=Said(
            "Etwas langsamer, bitte", "Es gab viele Versuche in kurzer Zeit. Versuchen Sie es in einer Minute wieder."
        ),
    ),
}
