"""``python -m harness`` is the command ``rating-harness``."""

from harness.cli import main

main(prog_name="rating-harness")
