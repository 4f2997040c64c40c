"""The scenario language: what a file can say, and how it is read."""
