"""Evidence about mail and domains: what can be checked, not what to do about it."""
