"""Durable state: the spool with its deliveries, leases and timelines, behind one protocol."""
