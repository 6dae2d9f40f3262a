"""What decisions rest on and must be known beforehand: the standing of company domains, the state of accounts."""
