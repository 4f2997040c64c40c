"""Consumers of events and verdicts. What runs scenarios knows none of them."""
