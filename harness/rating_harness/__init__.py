"""Integration tests for Kamailio and a rating engine, told in YAML."""

__version__ = "0.1.0"
