"""A small deterministic mail world: names, receiving hosts with temperaments, a customer's own server, odd peers.

In charge of: everything a relay meets outside, on loopback, for the demo, for users' own checks and for our tests.
Never does: reach anything beyond loopback, or know how the relay works inside;
it shares only the words of `relay.mail`.
"""
