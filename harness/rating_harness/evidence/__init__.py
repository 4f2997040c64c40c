"""What was observed in a run, on one clock, and its store."""
