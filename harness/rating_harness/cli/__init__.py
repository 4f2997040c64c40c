"""The command ``rating-harness``: one module for each group of its commands."""
