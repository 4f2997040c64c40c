"""What the scenarios would catch: a Kamailio configuration, and an agent's answers, broken in one place at a time."""
