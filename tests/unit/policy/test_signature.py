"""What is posted is signed."""

import hashlib
import hmac

from relay.policy.signature import sign


def test_a_signature_covers_time_and_body() -> None:
    expected = hmac.new(b"secret", b'7.{"a":1}', hashlib.sha256).hexdigest()
    assert sign("secret", b'{"a":1}', at=7) == f"t=7,v1={expected}"
    assert sign("secret", b'{"a":1}', at=8) != sign("secret", b'{"a":1}', at=7)
