"""From scenarios to verdicts: runs them, one after another or in parallel, and keeps their evidence."""
