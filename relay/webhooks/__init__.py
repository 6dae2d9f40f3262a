"""Events to apps: each app's own, in their order, until it has taken them."""
