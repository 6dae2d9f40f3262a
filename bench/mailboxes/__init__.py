"""What a worker makes of many mailboxes: idle ones, polled ones, and full ones beside getmail."""
