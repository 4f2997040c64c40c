"""What the harness knows of Kamailio: its JSON-RPC, its log, its configuration."""
