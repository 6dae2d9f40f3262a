"""Mail to people: written here from templates, and put through the same queue as all mail."""
