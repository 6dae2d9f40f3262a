"""Peers that refuse, hang, vanish or talk nonsense, at every phase: what an attempt makes of them."""

from dataclasses import replace

import pytest

from relay.policy.outcome import Action, Phase, Scope
from relay.sandbox.scripted_peer import Drop, Garbage, Hang, Reset, Say, Script, ScriptedPeer, Stall, long_reply

from .house import QUICK

WITHOUT_PIPELINING = Say("250-peer.example\r\n250-8BITMIME\r\n250-SIZE 50000000\r\n250-DSN\r\n250 SMTPUTF8")

# The part of a script, and the phase in which the relay meets it.
PHASES = {
    "banner": Phase.GREETING,
    "ehlo": Phase.HELLO,
    "mail": Phase.MAIL,
    "rcpt": Phase.RCPT,
    "data": Phase.DATA,
    "end": Phase.FINAL,
}
PATIENT = {"connect": "10s", "greeting": "10s", "command": "10s", "data": "10s", "final": "10s"}
TIMEOUT_OF = {"banner": "greeting", "end": "final"}

ENDLESS = Garbage(b"250-" + b"x" * 100 + b"\r\n250-" * 10_000)
DISTURBANCES = {
    "hang": Hang(),
    "drop": Drop(),
    "reset": Reset(),
    "garbage": Garbage(b"Hello, is this the web?\r\n"),
    "binary": Garbage(b"\x16\x03\x01\x00\xff\r\n\0\0\r\n"),
    "short code": Say("25 OK"),
    "code out of range": Say("999 Bye"),
    "endless line": Garbage(b"250 " + b"x" * 100_000),
    "endless reply": ENDLESS,
    "half a line": (Garbage(b"250"), Drop()),
    "half a reply": (Garbage(b"250-more\r\n"), Drop()),
    "closing": (Say("421 4.3.2 Closing"), Drop()),
    "closing, but not": Say("421 4.3.2 Closing"),
    "closing, and hanging": (Say("421 4.3.2 Closing"), Hang()),
}


@pytest.mark.parametrize("ehlo", [Script().ehlo, WITHOUT_PIPELINING], ids=["pipelining", "without"])
@pytest.mark.parametrize("disturbance", DISTURBANCES)
@pytest.mark.parametrize("part", PHASES)
async def test_what_is_no_answer_defers_the_mail_and_says_nothing_about_it(house, part, disturbance, ehlo):
    script = replace(Script(ehlo=ehlo), **{part: DISTURBANCES[disturbance]})
    async with ScriptedPeer(script) as peer:
        timeouts = PATIENT | ({TIMEOUT_OF.get(part, "command"): QUICK} if disturbance == "hang" else {})
        house.configure(delivery={"port": peer.port}, timeouts=timeouts)
        result = await house.attempt()
        (outcome,) = result.outcomes
        assert (outcome.action, outcome.scope) == (Action.DEFER, Scope.TARGET)
        assert outcome.phase is PHASES[part]
        # Silence after the final dot: it may have arrived. An answer, whatever it says, is not silence.
        assert outcome.unknown is (part == "end" and not disturbance.startswith("closing"))
        assert outcome.status[0] == "4"
        if disturbance.startswith("closing"):
            assert str(outcome.reply) == "421 4.3.2 Closing"


@pytest.mark.parametrize("ehlo", [Script().ehlo, WITHOUT_PIPELINING], ids=["pipelining", "without"])
@pytest.mark.parametrize(
    ("part", "reply", "wanted"),
    [
        ("banner", "450 4.3.2 Busy", (Action.DEFER, Scope.TARGET)),
        ("banner", "554 5.7.1 Go away", (Action.DEFER, Scope.TARGET)),
        ("ehlo", "450 4.3.2 Busy", (Action.DEFER, Scope.TARGET)),
        ("mail", "451 4.7.1 Greylisted", (Action.DEFER, Scope.MESSAGE)),
        ("mail", "550 5.7.1 Go away", (Action.FAIL, Scope.MESSAGE)),
        ("mail", "354 What?", (Action.DEFER, Scope.TARGET)),
        ("rcpt", "450 4.2.1 Busy", (Action.DEFER, Scope.RECIPIENT)),
        ("rcpt", "550 5.1.1 Nobody", (Action.FAIL, Scope.RECIPIENT)),
        ("rcpt", "552 Too many", (Action.DEFER, Scope.RECIPIENT)),
        ("data", "451 4.3.0 Later", (Action.DEFER, Scope.MESSAGE)),
        ("data", "554 5.5.1 No", (Action.FAIL, Scope.MESSAGE)),
        ("data", "250 2.0.0 What?", (Action.DEFER, Scope.TARGET)),
        ("end", "451 4.3.0 Later", (Action.DEFER, Scope.MESSAGE)),
        ("end", "550 5.7.1 Spam", (Action.FAIL, Scope.MESSAGE)),
        ("end", "250-2.0.0 Taken\r\n250 2.0.0 as 4711", (Action.DELIVERED, Scope.RECIPIENT)),
    ],
)
async def test_answers_are_kept_with_their_phase(house, part, reply, wanted, ehlo):
    async with ScriptedPeer(replace(Script(ehlo=ehlo), **{part: Say(reply)})) as peer:
        house.configure(delivery={"port": peer.port}, timeouts=PATIENT)
        (outcome,) = (await house.attempt()).outcomes
        assert (outcome.action, outcome.scope) == wanted
        assert outcome.phase is PHASES[part]
        assert outcome.reply is not None
        assert outcome.reply.code == int(reply[:3])


async def test_a_long_reply_is_still_a_reply(house):
    async with ScriptedPeer(Script(end=long_reply(250, 10_000))) as peer:
        house.configure(delivery={"port": peer.port})
        assert (await house.attempt()).outcomes[0].action is Action.DELIVERED


async def test_a_host_that_knows_no_ehlo_is_greeted_the_old_way(house):
    async with ScriptedPeer(Script(ehlo=Say("502 What?"))) as peer:
        house.configure(delivery={"port": peer.port})
        assert (await house.attempt()).outcomes[0].action is Action.DELIVERED
        await peer.wait_for(lambda peer: peer.records[0].closed)
        assert [line.split(" ")[0] for line in peer.records[0].lines] == [
            "EHLO",
            "HELO",
            "MAIL",
            "RCPT",
            "DATA",
            "QUIT",
        ]
        assert peer.records[0].lines[2:4] == ["MAIL FROM:<>", "RCPT TO:<anna@customer.example>"]


@pytest.mark.parametrize("act", [Hang(), Drop(), Reset(), Garbage(b"?\r\n"), Say("554 Never")])
async def test_how_a_session_ends_does_not_matter_to_what_was_delivered(house, act):
    async with ScriptedPeer(Script(quit=act)) as peer:
        house.configure(delivery={"port": peer.port})
        assert (await house.attempt()).outcomes[0].action is Action.DELIVERED
        await peer.wait_for(lambda peer: peer.records[0].lines[-1] == "QUIT")


THREE = ("anna@customer.example", "bert@customer.example", "carl@customer.example")


@pytest.mark.parametrize("ehlo", [Script().ehlo, WITHOUT_PIPELINING], ids=["pipelining", "without"])
async def test_every_recipient_gets_an_answer_of_its_own(house, ehlo):
    refusals = {THREE[0]: Say("550 5.1.1 Nobody"), THREE[1]: Say("450 4.2.1 Busy")}
    async with ScriptedPeer(Script(ehlo=ehlo, recipients=refusals)) as peer:
        house.configure(delivery={"port": peer.port})
        outcomes = (await house.attempt(*THREE)).outcomes
        assert [outcome.action for outcome in outcomes] == [Action.FAIL, Action.DEFER, Action.DELIVERED]
        assert [outcome.phase for outcome in outcomes] == [Phase.RCPT, Phase.RCPT, Phase.FINAL]
        assert len(peer.messages) == 1


@pytest.mark.parametrize("ehlo", [Script().ehlo, WITHOUT_PIPELINING], ids=["pipelining", "without"])
async def test_who_was_refused_stays_refused_when_the_message_is_lost(house, ehlo):
    refusals = {THREE[1]: Say("550 5.1.1 Nobody")}
    async with ScriptedPeer(Script(ehlo=ehlo, recipients=refusals, end=Drop())) as peer:
        house.configure(delivery={"port": peer.port})
        outcomes = (await house.attempt(*THREE)).outcomes
        assert [outcome.action for outcome in outcomes] == [Action.DEFER, Action.FAIL, Action.DEFER]
        assert [outcome.unknown for outcome in outcomes] == [True, False, True]


@pytest.mark.parametrize("ehlo", [Script().ehlo, WITHOUT_PIPELINING], ids=["pipelining", "without"])
@pytest.mark.parametrize("act", [Drop(), (Say("421 4.3.2 Closing"), Drop()), Garbage(b"?\r\n")])
async def test_a_session_that_ends_among_the_recipients_spares_those_who_were_heard(house, ehlo, act):
    refusals = {THREE[0]: Say("550 5.1.1 Nobody"), THREE[1]: act}
    async with ScriptedPeer(Script(ehlo=ehlo, recipients=refusals)) as peer:
        house.configure(delivery={"port": peer.port})
        outcomes = (await house.attempt(*THREE)).outcomes
        assert [outcome.action for outcome in outcomes] == [Action.FAIL, Action.DEFER, Action.DEFER]
        assert peer.messages == []


@pytest.mark.parametrize("act", [Drop(), Reset(), Garbage(b"?\r\n"), (Say("503 5.5.1 No MAIL"), Drop())])
async def test_a_refused_sender_stays_refused_whatever_follows(house, act):
    """With PIPELINING, the answers to RCPT and DATA still come, or do not."""
    async with ScriptedPeer(Script(mail=Say("550 5.7.1 Go away"), rcpt=act)) as peer:
        house.configure(delivery={"port": peer.port})
        outcomes = (await house.attempt(*THREE)).outcomes
        assert [(outcome.action, outcome.phase) for outcome in outcomes] == [(Action.FAIL, Phase.MAIL)] * 3


async def test_a_message_without_recipients_is_never_sent(house):
    """The peer asks for the content although it refused everyone."""
    async with ScriptedPeer(Script(rcpt=Say("550 5.1.1 Nobody"))) as peer:
        house.configure(delivery={"port": peer.port})
        outcomes = (await house.attempt(*THREE)).outcomes
        assert [outcome.action for outcome in outcomes] == [Action.FAIL] * 3
        await peer.wait_for(lambda peer: peer.records[0].closed)
        assert peer.messages == []


@pytest.mark.parametrize("rset", [Say("250 OK"), Say("554 No"), Drop(), Hang()])
async def test_a_refused_transaction_is_forgotten_before_the_next(house, rset):
    """Where that fails, the next mail has a session of its own."""
    script = Script(mail=Say("550 5.7.1 Go away"), rcpt=Say("503 No"), data=Say("503 No"), rset=rset)
    async with ScriptedPeer(script, Script()) as peer:
        house.configure(delivery={"port": peer.port}, timeouts=PATIENT | {"command": QUICK})
        attempts = house.attempts()
        first = await attempts.attempt(await house.batch())
        assert first.outcomes[0].action is Action.FAIL
        second = await attempts.attempt(await house.batch())
        attempts.close()
        kept = rset == Say("250 OK")
        assert second.outcomes[0].action is (Action.FAIL if kept else Action.DELIVERED)
        assert len(peer.records) == (1 if kept else 2)


@pytest.mark.parametrize(("surplus", "sessions"), [("", 1), ("\r\n250 2.0.0 And more", 2)])
async def test_an_answer_too_many_is_never_taken_for_the_next_one(house, surplus, sessions):
    async with ScriptedPeer(Script(end=Say("250 2.0.0 Taken" + surplus))) as peer:
        house.configure(delivery={"port": peer.port})
        attempts = house.attempts()
        for _ in range(2):
            assert (await attempts.attempt(await house.batch())).outcomes[0].action is Action.DELIVERED
        attempts.close()
        assert len(peer.records) == sessions


@pytest.mark.parametrize("part", ["mail", "rcpt", "data"])
async def test_answers_ahead_of_their_commands_end_the_session(house, part):
    """A peer that promises too early is not believed: 354 and 250 together, then a refusal."""
    early = Say("250 2.0.0 Fine\r\n250 2.0.0 Fine\r\n354 Go on\r\n250 2.0.0 Taken\r\n250 2.0.0 Taken")
    async with ScriptedPeer(replace(Script(ehlo=WITHOUT_PIPELINING), **{part: early})) as peer:
        house.configure(delivery={"port": peer.port})
        (outcome,) = (await house.attempt()).outcomes
        assert outcome.action is Action.DEFER
        assert not outcome.unknown


BODY = b"x" * 76 + b"\r\n"
LARGE = b"From: a@b.example\r\n\r\n" + BODY * 200_000


@pytest.mark.parametrize(
    ("reply", "action"),
    [("552 5.3.4 Too large", Action.FAIL), ("452 4.3.1 Full", Action.DEFER), ("250 2.0.0 Enough", Action.DEFER)],
)
async def test_an_answer_in_the_middle_of_the_content_counts(house, reply, action):
    async with ScriptedPeer(Script(data=(Say("354 Go ahead"), Say(reply), Hang()))) as peer:
        house.configure(delivery={"port": peer.port})
        (outcome,) = (await house.attempt(octets=LARGE)).outcomes
        assert (outcome.action, outcome.unknown) == (action, False)
        assert outcome.reply is not None


async def test_a_peer_that_stops_reading_is_given_up(house):
    async with ScriptedPeer(Script(data=(Say("354 Go ahead"), Stall()))) as peer:
        house.configure(delivery={"port": peer.port}, timeouts=PATIENT | {"data": QUICK})
        (outcome,) = (await house.attempt(octets=LARGE)).outcomes
        assert (outcome.action, outcome.scope, outcome.phase) == (Action.DEFER, Scope.TARGET, Phase.CONTENT)
        assert not outcome.unknown


@pytest.mark.parametrize("act", [Drop(), Reset()])
async def test_a_connection_lost_in_the_content_is_not_unknown(house, act):
    async with ScriptedPeer(Script(data=(Say("354 Go ahead"), act))) as peer:
        house.configure(delivery={"port": peer.port})
        (outcome,) = (await house.attempt(octets=LARGE)).outcomes
        assert (outcome.action, outcome.scope) == (Action.DEFER, Scope.TARGET)
        assert outcome.phase in (Phase.CONTENT, Phase.DATA)
        assert not outcome.unknown
