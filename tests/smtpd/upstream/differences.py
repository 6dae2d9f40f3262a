"""Cases of aiosmtpd's suite that fail against our sessions, and why that is meant. Keys are searched in test ids."""

STRICT = "paths are RFC 5321 mailboxes: no comments, no obsolete quoting, no source routes, no overlong parts"
HOOKS = "the suite looks into aiosmtpd's hooks and records; our sessions ask a gate"
OPTIONS = "a switch of aiosmtpd's class; whether a session may go on is the gate's decision"
INSIDE = "the suite watches how aiosmtpd closes its writer; that the connection ends is shown by our own tests"
LONG_LINES = "lines over 998 octets are accepted: real senders make them"
WORDS = "compares aiosmtpd's words"

DIFFERENCES: dict[str, str] = {
    r"TestProtocol::": "counts the writes to a transport that is none; and one message has bare CR and LF in it",
    r"TestSMTP::test_ehlo$|TestAuthMechanisms::test_ehlo$": "more extensions are offered",
    r"test_help_bad_arg": "HELP answers 214 whatever is asked",
    r"test_(mail|rcpt)_valid_address\[(14|15|16|17|18|19|20|28|29|30|31|37|38|39)\]": STRICT,
    r"test_rcpt_valid_address\[(41|42)\]": STRICT,
    r"test_limitlocalpart": STRICT,
    r"test_mail_smtp_errsyntax\[params_noesmtp\]": "parameters are understood after HELO too",
    r"test_vrfy_not_address": "VRFY tells nothing, whatever it is asked",
    r"test_auth_loginteract_warning|test_custom_mechanism|TestAuthMechanisms::test_NONE": HOOKS,
    r"TestAuthenticator::test_success|TestResetCommands::": HOOKS,
    r"test_plain1_goodcreds_sanitized_log": "no command is ever logged, so none has to be sanitized",
    r"TestRequiredAuthentication::test_(help|vrfy|mail)_unauthenticated": OPTIONS,
    r"test_data_authenticated": "503 is meant and given, but only classes of replies are compared",
    r"test_esmtp_no_size_limit": "there is always a limit of size",
    r"test_bad_encodings": "a command is UTF-8 or refused",
    r"test_data_line_too_long|test_long_line_double_count|test_long_line_leak|test_too_long_line_delay": LONG_LINES,
    r"test_too_long_body_delay_error": WORDS,
    r"TestClientCrash::test_connection_reset_during_(DATA|command)": INSIDE,
    r"TestClientCrash::test_(close_in_command_2|close_in_data|sockclose_after_helo)": INSIDE,
    r"TestStrictASCII::test_(ehlo|mail_param)": "SMTPUTF8 is always offered",
    r"TestSleepingHandler::test_close_after_helo": "a client that half-closes is still answered",
    r"TestTimeout::test_timeout": "a client that waited too long is told so (421) before the connection ends",
    r"TestAuthArgs::test_warn|TestTLSContext::test_(certreq|nocertreq)": "warnings about switches not used here",
    r"TestLimits::": "commands without a message are counted together, and limits come from the gate",
    r"TestNoTLS::test_disabled_tls": "502 says better than 454 that STARTTLS will not be available later either",
    r"TestTLSEnding::": HOOKS,
    r"TestRequireTLS::test_(helo|help|mail|vrfy)_fails": OPTIONS,
    r"TestSmuggling::": "the smuggled message is not only kept whole, it is refused",
}
