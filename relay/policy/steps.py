"""What people must do at a provider before its server takes mail from a program, in plain words.

In charge of the words, in Dutch, French, English and German. Each step is one sentence for the company, not for us.
"""

from typing import Literal

from relay.policy.providers import GOOGLE, ICLOUD, MICROSOFT, OUTLOOK

Language = Literal["nl", "fr", "en", "de"]

_GOOGLE: dict[Language, tuple[str, ...]] = {
    "en": (
        "Google takes no ordinary password from programs: give consent with OAuth2, or make an app password.",
        "For an app password: switch on 2-Step Verification, then open myaccount.google.com/apppasswords.",
        (
            "Use its 16 letters as password. Changing your Google password deletes all app passwords: make a new "
            "one then."
        ),
        "In a company account (Workspace) the administrator may have forbidden app passwords: use OAuth2 there.",
        (
            "To send from another address, add it under Settings > Accounts > Send mail as, or Gmail replaces it "
            "by yours."
        ),
    ),
    "nl": (
        "Google aanvaardt van programma's geen gewoon wachtwoord: stem toe via OAuth2 of maak een app-wachtwoord.",
        "Voor een app-wachtwoord: zet verificatie in 2 stappen aan en open daarna myaccount.google.com/apppasswords.",
        "Gebruik de 16 letters als wachtwoord. Wie zijn Google-wachtwoord wijzigt, verliest alle app-wachtwoorden.",
        "In een bedrijfsaccount (Workspace) kan de beheerder app-wachtwoorden verboden hebben: gebruik dan OAuth2.",
        (
            "Voor een ander afzenderadres: voeg het toe onder Instellingen > Accounts > Mail verzenden als, "
            "anders vervangt Gmail het door het uwe."
        ),
    ),
    "fr": (
        (
            "Google n'accepte pas le mot de passe ordinaire d'un programme : donnez votre accord par OAuth2, ou "
            "créez un mot de passe d'application."
        ),
        "Pour celui-ci : activez la validation en deux étapes, puis ouvrez myaccount.google.com/apppasswords.",
        "Utilisez ses 16 lettres comme mot de passe. Changer le mot de passe Google les supprime tous.",
        "Dans un compte d'entreprise (Workspace), l'administrateur peut les avoir interdits : utilisez alors OAuth2.",
        (
            "Pour envoyer d'une autre adresse, ajoutez-la sous Paramètres > Comptes > Envoyer des e-mails en tant "
            "que, sinon Gmail la remplace par la vôtre."
        ),
    ),
    "de": (
        (
            "Google nimmt von Programmen kein gewöhnliches Passwort: stimmen Sie per OAuth2 zu, oder legen Sie "
            "ein App-Passwort an."
        ),
        "Dafür: Bestätigung in zwei Schritten einschalten, dann myaccount.google.com/apppasswords öffnen.",
        "Die 16 Buchstaben sind das Passwort. Wer sein Google-Passwort ändert, verliert alle App-Passwörter.",
        "In einem Firmenkonto (Workspace) kann der Administrator sie verboten haben: dann OAuth2.",
        (
            "Für eine andere Absenderadresse: unter Einstellungen > Konten > Senden als eintragen, sonst ersetzt "
            "Gmail sie durch Ihre."
        ),
    ),
}
_MICROSOFT: dict[Language, tuple[str, ...]] = {
    "en": (
        (
            "Microsoft 365 lets programs send by OAuth2 (SMTP.Send, or SMTP.SendAsApp for an application). Prefer "
            "it: a password is off by default in new organisations, and in all others from the end of December "
            "2026."
        ),
        (
            "The administrator allows sending per mailbox: admin.microsoft.com > Users > Active users > Mail > "
            "Manage email apps > Authenticated SMTP. It may take an hour."
        ),
        "With security defaults or Conditional Access a password is refused even then (535 5.7.139): use OAuth2.",
        (
            "A shared mailbox has no login of its own: log in as a user who has the permission 'Send as' on it, "
            "and put the shared address into `from`. Exchange admin center > Mailboxes > Delegation. It may take "
            "an hour."
        ),
        "A mailbox sends at most 30 messages a minute and to 10,000 recipients a day; we keep to it.",
    ),
    "nl": (
        (
            "Microsoft 365 laat programma's verzenden via OAuth2 (SMTP.Send, of SMTP.SendAsApp voor een "
            "toepassing). Kies dat: een wachtwoord staat standaard uit bij nieuwe organisaties, en bij alle "
            "andere vanaf eind december 2026."
        ),
        (
            "De beheerder laat verzenden toe per postvak: admin.microsoft.com > Gebruikers > Actieve gebruikers > "
            "E-mail > E-mail-apps beheren > Geverifieerde SMTP. Het kan een uur duren."
        ),
        (
            "Met standaardinstellingen voor beveiliging of voorwaardelijke toegang wordt een wachtwoord dan nog "
            "geweigerd (535 5.7.139): gebruik OAuth2."
        ),
        (
            "Een gedeeld postvak heeft geen eigen aanmelding: meld u aan als een gebruiker met het recht "
            "'Verzenden als' erop, en zet het gedeelde adres in `from`. Exchange-beheercentrum > Postvakken > "
            "Delegering."
        ),
        "Een postvak verzendt hoogstens 30 berichten per minuut en naar 10.000 geadresseerden per dag.",
    ),
    "fr": (
        (
            "Microsoft 365 laisse un programme envoyer par OAuth2 (SMTP.Send, ou SMTP.SendAsApp pour une "
            "application). Préférez-le : le mot de passe est désactivé d'office dans les nouvelles organisations, "
            "et dans toutes les autres dès fin décembre 2026."
        ),
        (
            "L'administrateur l'autorise par boîte : admin.microsoft.com > Utilisateurs > Utilisateurs actifs > "
            "Courrier > Gérer les applications de messagerie > SMTP authentifié. Cela peut prendre une heure."
        ),
        (
            "Avec les paramètres de sécurité par défaut ou l'accès conditionnel, un mot de passe reste refusé "
            "(535 5.7.139) : utilisez OAuth2."
        ),
        (
            "Une boîte partagée n'a pas de connexion propre : connectez-vous comme un utilisateur qui a le droit "
            "'Envoyer en tant que', et mettez l'adresse partagée dans `from`."
        ),
        "Une boîte envoie au plus 30 messages par minute et à 10 000 destinataires par jour.",
    ),
    "de": (
        (
            "Microsoft 365 lässt Programme per OAuth2 senden (SMTP.Send, oder SMTP.SendAsApp für eine Anwendung). "
            "Am besten so: ein Passwort ist in neuen Organisationen von Anfang an aus, in allen anderen ab Ende "
            "Dezember 2026."
        ),
        (
            "Der Administrator erlaubt es je Postfach: admin.microsoft.com > Benutzer > Aktive Benutzer > E-Mail "
            "> E-Mail-Apps verwalten > Authentifiziertes SMTP. Es kann eine Stunde dauern."
        ),
        "Mit Sicherheitsstandards oder bedingtem Zugriff wird ein Passwort auch dann abgelehnt (535 5.7.139): OAuth2.",
        (
            "Ein freigegebenes Postfach hat keine eigene Anmeldung: melden Sie sich als Benutzer mit dem Recht "
            "'Senden als' an, und setzen Sie die freigegebene Adresse in `from`."
        ),
        "Ein Postfach sendet höchstens 30 Nachrichten in der Minute und an 10.000 Empfänger am Tag.",
    ),
}
_OUTLOOK: dict[Language, tuple[str, ...]] = {
    "en": ("Outlook.com and Hotmail take no password from programs: give consent with OAuth2.",),
    "nl": ("Outlook.com en Hotmail aanvaarden van programma's geen wachtwoord: geef toestemming via OAuth2.",),
    "fr": ("Outlook.com et Hotmail n'acceptent pas de mot de passe d'un programme : donnez votre accord par OAuth2.",),
    "de": ("Outlook.com und Hotmail nehmen von Programmen kein Passwort: stimmen Sie per OAuth2 zu.",),
}
_ICLOUD: dict[Language, tuple[str, ...]] = {
    "en": (
        "iCloud wants an app-specific password: account.apple.com > Sign-In and Security > App-Specific Passwords.",
        (
            "Two-factor authentication must be on. Changing your Apple Account password deletes all app-specific "
            "passwords."
        ),
        "The user name is the iCloud address; `from` must be an address or alias of the same account.",
    ),
    "nl": (
        (
            "iCloud wil een appspecifiek wachtwoord: account.apple.com > Inloggen en beveiliging > Appspecifieke "
            "wachtwoorden."
        ),
        "Tweefactorauthenticatie moet aan staan. Wie het wachtwoord van zijn Apple Account wijzigt, verliest ze alle.",
        "De gebruikersnaam is het iCloud-adres; `from` moet een adres of alias van dezelfde account zijn.",
    ),
    "fr": (
        (
            "iCloud demande un mot de passe pour application : account.apple.com > Connexion et sécurité > Mots "
            "de passe pour applications."
        ),
        "L'identification à deux facteurs doit être activée. Changer celui du compte Apple les supprime tous.",
        "Le nom d'utilisateur est l'adresse iCloud ; `from` doit être une adresse ou un alias du même compte.",
    ),
    "de": (
        (
            "iCloud verlangt ein anwendungsspezifisches Passwort: account.apple.com > Anmelden und Sicherheit > "
            "Anwendungsspezifische Passwörter."
        ),
        "Zwei-Faktor-Authentifizierung muss an sein. Wer das Passwort des Apple Accounts ändert, verliert sie alle.",
        "Der Benutzername ist die iCloud-Adresse; `from` muss eine Adresse oder ein Alias desselben Kontos sein.",
    ),
}
_STEPS = {GOOGLE: _GOOGLE, MICROSOFT: _MICROSOFT, OUTLOOK: _OUTLOOK, ICLOUD: _ICLOUD}


def steps_at(provider: str, language: Language = "en") -> tuple[str, ...]:
    """What to do at a provider before the first mail; nothing where its ordinary password is enough."""
    steps = _STEPS.get(provider)
    return () if steps is None else steps[language]
