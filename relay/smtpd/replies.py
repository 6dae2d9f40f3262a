"""What the receiving edge says by itself, without asking the gate.

In charge of the words; RFC 5321 4.2 for the basic codes, RFC 3463 and RFC 5248 for the enhanced ones.
"""

from relay.mail.reply import Reply

OK = Reply(250, "2.0.0", "Ok")
GOODBYE = Reply(221, "2.0.0", "Goodbye")
CANNOT_VERIFY = Reply(252, "2.0.0", "Cannot verify, send mail and see")
READY_FOR_TLS = Reply(220, "2.0.0", "Ready to start TLS")

SERVICE_STOPS = Reply(421, "4.3.2", "Service is stopping, come back later")
INTERNAL_CLOSE = Reply(421, "4.3.0", "Internal trouble, come back later")
IDLE_TOO_LONG = Reply(421, "4.4.2", "Waited too long")
TOO_MANY_ERRORS = Reply(421, "4.7.0", "Too many errors")
TOO_MANY_COMMANDS = Reply(421, "4.7.0", "Too many commands without a message")

INTERNAL_TROUBLE = Reply(451, "4.3.0", "Internal trouble, try again later")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients, send the others in another message")
TLS_UNAVAILABLE = Reply(454, "4.7.0", "TLS is not available now")
HANDSHAKE_FAILED = Reply(454, "4.7.5", "TLS handshake failed")

EMPTY_COMMAND = Reply(500, "5.5.2", "Empty command")
LINE_TOO_LONG = Reply(500, "5.5.2", "Line too long")
BARE_LF = Reply(500, "5.5.2", "Lines end in CRLF")
BAD_CHARACTER = Reply(500, "5.5.2", "Character not allowed in a command")
UNKNOWN_COMMAND = Reply(500, "5.5.1", "Unknown command")
FOREIGN_PROTOCOL = Reply(500, "5.5.1", "This is SMTP")
AUTH_LINE_TOO_LONG = Reply(500, "5.5.6", "Authentication line too long")

NO_ARGUMENT = Reply(501, "5.5.4", "No argument allowed")
HELLO_SYNTAX = Reply(501, "5.5.4", "Say EHLO and a host name")
MAIL_SYNTAX = Reply(501, "5.5.4", "Say MAIL FROM:<address>")
RCPT_SYNTAX = Reply(501, "5.5.4", "Say RCPT TO:<address>")
BDAT_SYNTAX = Reply(501, "5.5.4", "Say BDAT and a size")
AUTH_SYNTAX = Reply(501, "5.5.4", "Say AUTH and a mechanism")
VRFY_SYNTAX = Reply(501, "5.5.4", "Say VRFY and an address")

NO_EXPN = Reply(502, "5.5.1", "EXPN is not available")
NO_TLS = Reply(502, "5.5.1", "STARTTLS is not available")
NO_AUTH = Reply(502, "5.5.1", "AUTH is not available")
HELLO_FIRST = Reply(503, "5.5.1", "Say EHLO first")
MAIL_FIRST = Reply(503, "5.5.1", "Say MAIL first")
NESTED_MAIL = Reply(503, "5.5.1", "A transaction is open already")
CHUNKS_BEGUN = Reply(503, "5.5.1", "Chunks have begun, send BDAT or RSET")
IN_TRANSACTION = Reply(503, "5.5.1", "Not inside a transaction")
TLS_ALREADY = Reply(503, "5.5.1", "TLS is on already")
AUTH_ALREADY = Reply(503, "5.5.1", "Authenticated already")
UNKNOWN_MECHANISM = Reply(504, "5.5.4", "Unknown authentication mechanism")
TLS_FIRST = Reply(538, "5.7.11", "Encryption is required, say STARTTLS first")
TLS_NEEDED = Reply(530, "5.7.10", "REQUIRETLS is for sessions under TLS")
NON_ASCII_ADDRESS = Reply(553, "5.6.7", "This address needs SMTPUTF8")
NO_RECIPIENTS = Reply(554, "5.5.1", "No valid recipients")
SPOKE_FIRST = Reply(554, "5.5.1", "Wait for the greeting before you speak")
DID_NOT_WAIT = Reply(554, "5.5.1", "Wait for the answer to this command")
INJECTION = Reply(554, "5.5.1", "Nothing may follow STARTTLS before TLS is on")


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not an error
    """What a command raises to be answered with a refusal of ours."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply
