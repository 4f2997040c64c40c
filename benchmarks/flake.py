"""The scenarios, many times over: one that passes now and fails then is a flake, and a flake is a failure.

    python -m benchmarks.flake [--runs 50] [-- PYTEST_OPTIONS]

Every third run has all cores kept busy by something else. What each run came to is a line of ``.flake/``, in a file
of its own for each commit and each set of options: interrupted, it goes on where it was left. Exits with 1 when a run
failed; the evidence of failed scenarios is kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

BUSY_EVERY = 3
_TOTALS = re.compile(r"(\d+) (passed|failed|errors?|skipped)")
_AGAIN = re.compile(r"^rating-harness: (RUN AGAIN .*)$", re.MULTILINE)
_FAILED = re.compile(r"^(?:FAILED|ERROR) (.*)$", re.MULTILINE)


@contextmanager
def busy_cores(busy: bool) -> Iterator[None]:
    """As many processes that do nothing but compute as there are cores."""
    spinning = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range((os.cpu_count() or 1) if busy else 0)
    ]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


_WITHOUT = ("-p", "no:schemathesis", "-p", "no:hypothesispytest")
"""As in the Makefile: plugins of libraries that scenarios don't use."""


def _pytest(arguments: Sequence[str]) -> tuple[int, str, str]:
    """Exit status, standard output and standard error.

    An interrupt is pytest's too, and it needs a while to take its labs away; `subprocess.run` would kill it after a
    quarter of a second.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        output, errors = process.communicate()
    except KeyboardInterrupt:
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.communicate(timeout=60)
        raise
    return process.returncode, output, errors


def run_once(options: Sequence[str], number: int) -> dict[str, Any]:
    busy = number % BUSY_EVERY == 0
    started = time.monotonic()
    with busy_cores(busy):
        status, output, errors = _pytest(["scenarios", "-q", *_WITHOUT, *options])
    totals = {what.rstrip("s"): int(count) for count, what in _TOTALS.findall(output.strip().rpartition("\n")[2])}
    result = {
        "run": number,
        "busy": busy,
        "seconds": round(time.monotonic() - started, 1),
        "status": status,
        **totals,
        "failures": _FAILED.findall(output),
        "again": _AGAIN.findall(output),
    }
    if status != 0:
        result["output"] = output[-20_000:] + errors[-2_000:]
    return result


def told(result: Mapping[str, Any]) -> str:
    totals = ", ".join(
        f"{result[what]} {what}" for what in ("passed", "failed", "error", "skipped") if what in result
    )
    line = f"run {result['run']:3}{' busy' if result['busy'] else '     '}  {result['seconds']:6.1f} s  {totals}"
    return "\n".join([line, *(f"         {each}" for each in (*result["failures"], *result.get("again", ())))])


def results_file(options: Sequence[str]) -> Path:
    """Of this commit and these options."""
    git = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    directory = Path(".flake")
    directory.mkdir(exist_ok=True)
    return directory / f"{commit}-{hashlib.sha256(repr(options).encode()).hexdigest()[:8]}.jsonl"


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--runs", type=click.IntRange(1), default=50, show_default=True, help="How many runs there are to be.")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def main(runs: int, options: tuple[str, ...]) -> None:
    """Run all scenarios many times. OPTIONS are pytest's."""
    file = results_file(options)
    results = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    for result in results:
        click.echo(told(result))
    with file.open("a", encoding="utf-8") as log:
        for number in range(len(results) + 1, runs + 1):
            results.append(run_once(options, number))
            log.write(json.dumps(results[-1]) + "\n")
            log.flush()
            click.echo(told(results[-1]))
    failed = sum(result["status"] != 0 for result in results)
    passed = sum(result.get("passed", 0) for result in results)
    again = sum(len(result.get("again", ())) for result in results)
    click.echo(f"{len(results)} runs, {passed} scenarios passed, {again} run again, {failed} runs failed; {file}")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
