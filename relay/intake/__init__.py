"""What `250` promises, for every way in: who may send, to whom, how much, and the durable commit."""
