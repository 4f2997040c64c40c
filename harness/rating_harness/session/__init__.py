"""From scenarios to verdicts: runs them, one after another or in parallel, and stores their evidence."""
