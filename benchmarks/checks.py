"""What the checks cost, as a part of the time of the runs that they judge: stored runs are judged anew.

``python -m benchmarks.checks FOLDER...``, folders of evidence (``rating-harness run scenarios --evidence DIR``).
"""

from __future__ import annotations

import time
from pathlib import Path

import click

from rating_harness.session import dialects
from rating_harness.session.stored_runs import judge_stored

_TIMES = 5
"""How often each is judged; the quickest counts, as the one that the machine disturbed least."""


@click.command()
@click.argument("folders", type=click.Path(exists=True, file_okay=False, path_type=Path), nargs=-1, required=True)
def main(folders: tuple[Path, ...]) -> None:
    """Judge what is in FOLDERS, and say how long that takes beside the runs."""
    runs = judged = longest = 0.0
    number, slowest = 0, ""
    for folder in folders:
        stored = judge_stored(folder)
        scenario, evidence = stored.scenario, stored.evidence
        spent = []
        for _ in range(_TIMES):
            begun = time.process_time()
            dialects.judge(scenario, evidence)
            spent.append(time.process_time() - begun)
        number += 1
        runs += evidence.ended - evidence.started
        judged += min(spent)
        if min(spent) / (evidence.ended - evidence.started) > longest:
            longest, slowest = min(spent) / (evidence.ended - evidence.started), folder.name
    click.echo(f"{number} runs of {runs:.1f} s, judged in {judged:.2f} s: {judged / runs:.2%}")
    click.echo(f"most of one: {longest:.2%}, {slowest}")


if __name__ == "__main__":
    main()
