"""``python -m rating_harness`` is the command ``rating-harness``."""

from rating_harness.cli.main import main

main(prog_name="rating-harness")
