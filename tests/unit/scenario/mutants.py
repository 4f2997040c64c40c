"""Mutated scenario files: whatever is in them, the loader ends in scenarios or in mistakes.

``python -m tests.unit.scenario.mutants 100000`` tries so many, and says how many loaded, how many were refused, and
which took longest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import click

from rating_harness.errors import ScenarioError
from rating_harness.scenario.loader import load

HERE = Path(__file__).parent
GOOD = [path.read_bytes() for path in sorted((HERE / "good").glob("[!_]*.yaml"))]
BROKEN = [path.read_bytes() for path in sorted((HERE / "broken").glob("*.yaml"))]
COMPANIONS = ("_retail.yaml", "odd.xml", "own.cfg")

TOKENS = (
    *(b"[", b"]", b"{", b"}", b":", b": ", b"- ", b",", b"#", b"&a", b"*a", b"<<: *a", b"? ", b"|", b">", b"!!int "),
    *(b"\n", b"\r\n", b"\t", b"    ", b'"', b"'", b"\\", b"${a}", b"${", b"$${", b"---\n", b"...\n", b"%YAML 1.1\n"),
    *(b"\x00", b"\xff", b"\xef\xbb\xbf", "±".encode(), "日本".encode(), "\u2028".encode(), b"\xc2\x85", b"\x1b[31m"),
    *(b"no", b"null", b"~", b"0x1f", b"0123", b"1e999", b".nan", b"-1", b"9" * 40, b"3s", b"200", b"any", b"absent"),
    *(b"id: ana", b"min", b"max", b"calls:", b"expect:", b"use: [a]", b"matrix: {a: [1, 2]}", b"variables: {a: b}"),
)


def _insert(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice(TOKENS) * random.choice((1, 1, 1, 2, 60)) + data[at:]


def _delete(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + data[at + random.randrange(1, 20) :]


def _flip(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + bytes([random.randrange(256)]) + data[at + 1 :]


def _replace_word(data: bytes, random: Random) -> bytes:
    words = data.split(b" ")
    words[random.randrange(len(words))] = random.choice(TOKENS)
    return b" ".join(words)


def _swap_lines(data: bytes, random: Random) -> bytes:
    lines = data.split(b"\n")
    first, second = random.randrange(len(lines)), random.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return b"\n".join(lines)


def _repeat_line(data: bytes, random: Random) -> bytes:
    lines = data.split(b"\n")
    at = random.randrange(len(lines))
    return b"\n".join([*lines[:at], lines[at], *lines[at:]])


def _splice(data: bytes, random: Random) -> bytes:
    other = random.choice(GOOD)
    return data[: random.randrange(len(data) + 1)] + other[random.randrange(len(other) + 1) :]


MUTATIONS: tuple[Callable[[bytes, Random], bytes], ...] = (
    *(_insert, _delete, _flip, _replace_word, _swap_lines, _repeat_line, _splice),
)


def mutants(count: int, seed: int) -> Iterator[bytes]:
    """So many mutants of the files of the corpus, the same for the same seed."""
    random = Random(seed)
    for _ in range(count):
        data = random.choice(random.choice((GOOD, GOOD, BROKEN)))
        for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
            data = random.choice(MUTATIONS)(data, random)
        yield data


def prepare(folder: Path) -> Path:
    """The path for mutants in ``folder``, beside the files that the good ones use."""
    for name in COMPANIONS:
        (folder / name).write_bytes((HERE / "good" / name).read_bytes())
    return folder / "mutant.yaml"


def is_accepted(data: bytes, path: Path) -> bool:
    """Whether the loader accepts ``data`` as the file ``path``; anything but a ScenarioError passes through."""
    path.write_bytes(data)
    try:
        scenarios = load(path)
    except ScenarioError as error:
        if not error.mistakes or not str(error).encode("utf-8", "surrogatepass"):
            raise AssertionError("refused without a reason") from error
        return False
    if not scenarios:
        raise AssertionError("neither scenarios nor mistakes")
    return True


@click.command()
@click.argument("count", type=int)
@click.option("--seed", type=int, default=1)
def main(count: int, seed: int) -> None:
    accepted, slowest = 0, 0.0
    with TemporaryDirectory() as folder:
        path = prepare(Path(folder))
        for data in mutants(count, seed):
            start = time.perf_counter()
            try:
                accepted += is_accepted(data, path)
            except BaseException:
                Path("mutant.yaml").write_bytes(data)
                click.echo("this one broke the loader: mutant.yaml", err=True)
                raise
            slowest = max(slowest, time.perf_counter() - start)
    click.echo(f"{count} files: {accepted} loaded, {count - accepted} refused, the slowest in {slowest:.2f} s")


if __name__ == "__main__":
    main()
