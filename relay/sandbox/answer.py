"""A customer answers a mail that arrived.

In charge of: composing the answer and sending it once, from the address of the host that took the mail.
Never does: retry, or find out by itself where the answer goes.
"""

import email.utils
from email.message import EmailMessage

import aiosmtplib

from relay.mail.date import format_date
from relay.sandbox.arrivals import Received


async def send_answer(
    received: Received, text: str, *, source: str, target: tuple[str, int], at: float
) -> tuple[int, str]:
    """Answer the author of a received mail, as its first recipient.

    `source` is the address to send from, `target` the host and port to send to, `at` the date. Returns code and text of
    the last reply.

    Raises:
        aiosmtplib.SMTPException: the answer was refused or could not be sent.
    """
    author = received.recipients[0]
    recipient = email.utils.parseaddr(received.header("Reply-To") or received.header("From"))[1]
    message = EmailMessage()
    message["From"] = author
    message["To"] = recipient
    message["Subject"] = f"Re: {received.header('Subject').removeprefix('Re: ')}"
    message["Date"] = format_date(at)
    message["Message-ID"] = f"<answer-{received.number}.{at:.0f}@{author.rpartition('@')[2]}>"
    message["In-Reply-To"] = received.header("Message-ID")
    message["References"] = f"{received.header('References')} {received.header('Message-ID')}".strip()
    message.set_content(text)
    client = aiosmtplib.SMTP(
        hostname=target[0],
        port=target[1],
        local_hostname=received.host,
        source_address=(source, 0),
        start_tls=False,
    )
    async with client:
        errors, reply = await client.send_message(message, sender=author, recipients=[recipient])
    return (errors[recipient].code, errors[recipient].message) if recipient in errors else (250, reply)
