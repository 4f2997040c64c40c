"""From a scenario to a plan: everything decided, nothing started."""
