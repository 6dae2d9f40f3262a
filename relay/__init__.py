"""relay: a self-hosted mail relay for software that sends documents in other companies' names."""
