"""Everything about the rating engine: the embedded one, the client for any of them, and the tap in front."""
