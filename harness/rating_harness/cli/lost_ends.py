"""The command ``lost-ends``: what Kamailio's log has to be billed by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

import click

from rating_harness.cli.options import command

__all__ = ["lost_ends", "records"]

_RECORD = re.compile(r"rating: end (?P<which>lost|unconfirmed): .*? record=(?P<body>\{.*)")
"""Source: the table of the log's lines in docs/integration.md."""


def records(lines: Iterable[str], *, unconfirmed: bool = False) -> Iterator[dict[str, Any]]:
    """Bodies for the agent's ``/v1/record_transaction``, one for each call, in the order of the log.

    :param unconfirmed: also of ends that the engine may have recorded already.
    """
    seen: set[str] = set()
    for line in lines:
        found = _RECORD.search(line)
        if found is None or (found["which"] == "unconfirmed" and not unconfirmed):
            continue
        try:
            record, _ = json.JSONDecoder().raw_decode(found["body"])
        except ValueError:
            continue  # a line that was cut off
        tag = str(record.get("transaction_tag"))
        if tag not in seen:
            seen.add(tag)
            yield record


@command("lost-ends")
@click.argument("log", type=click.File(encoding="utf-8", errors="replace", lazy=True), default="-")
@click.option("--unconfirmed", is_flag=True, help="Also the ends that the engine may have recorded already.")
def lost_ends(log: TextIO, unconfirmed: bool) -> None:
    """Print the ends that Kamailio's LOG reports as lost: bodies for the agent's /v1/record_transaction.

    One JSON document on each line, one for each call. LOG is a file, or standard input. Look into the engine first:
    an end that it took without saying so is among them, and it refuses a record that it has.

    Example: rating-harness lost-ends /var/log/kamailio.log > lost.jsonl
    """
    for record in records(log, unconfirmed=unconfirmed):
        click.echo(json.dumps(record, ensure_ascii=False))
