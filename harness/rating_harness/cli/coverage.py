"""The command ``rating-harness coverage``, and what ``run`` says of coverage in the end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rating_harness.cli.options import FAILED, PASSED, command

if TYPE_CHECKING:
    from rating_harness.coverage.data import Coverage

__all__ = ["coverage", "report_coverage"]


@command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--output", "-o", metavar="DIR", type=click.Path(path_type=Path), help="Write the reports of all there."
)
@click.option("--fail-under", metavar="N", type=click.FloatRange(0, 100), help="Fail below N % of coverage.")
@click.option("--line", metavar="FILE:LINE", help="Only say which scenarios ran this line.")
@click.pass_context
def coverage(
    context: click.Context, paths: tuple[Path, ...], output: Path | None, fail_under: float | None, line: str | None
) -> None:
    """Show coverage of a Kamailio configuration, put together from several runs.

    PATHS are directories that `run --cov-kamailio` or pytest's --rating-cov wrote: the shards of a pipeline, say.

    The exit status is 0; 1 when coverage is below --fail-under, or nobody ran the --line; 2 for wrong options.
    """
    from rating_harness.coverage.data import Coverage
    from rating_harness.coverage.reports import read_data

    whole = Coverage.merged(read_data(path) for path in paths)
    if line is not None:
        context.exit(_say_who(whole, line))
    context.exit(PASSED if report_coverage(whole, output, fail_under=fail_under) else FAILED)


def _say_who(coverage: Coverage, where: str) -> int:
    from rating_harness.errors import UsageError

    file, _, number = where.rpartition(":")
    found = [
        each
        for each in coverage.lines.values()
        if number.isdigit() and each.line <= int(number) <= each.end_line and each.file in (file, f"./{file}")
    ]
    if not found:
        raise UsageError("no statement begins there", found=where, expected="FILE:LINE as the reports have it")
    contexts = dict.fromkeys(context for each in found for context in coverage.who(each.probe))
    click.echo("\n".join(contexts) or "nobody")
    return PASSED if contexts else FAILED


def report_coverage(coverage: Coverage, directory: Path | None, *, fail_under: float | None) -> bool:
    """Write the reports and print the summary; False where coverage is below ``fail_under`` percent."""
    from rating_harness.coverage.reports import coverage_text

    click.echo(coverage_text(coverage, directory))
    shortfall = None if fail_under is None else coverage.shortfall(fail_under)
    if shortfall is not None:
        click.echo(shortfall, err=True)
    return shortfall is None
