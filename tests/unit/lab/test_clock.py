"""The page that says how far a lab's clock is ahead, and the compiling of what reads it."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from rating_harness.errors import LabError
from rating_harness.lab.clock import COARSE, FINE, ClockPage, compiled
from rating_harness.lab.local.threads import LabThreads
from rating_harness.lab.protocol import Program
from tests.unit.run.fake_lab import FakeLab, FakeProcess


@pytest.fixture
def page(tmp_path: Path) -> Iterator[ClockPage]:
    page = ClockPage(tmp_path / "page", lambda: LabThreads(os.getpid()))
    yield page
    page.close()


def test_a_new_clock_is_the_machines(page: ClockPage) -> None:
    assert (page.ahead, page.ticks) == (0.0, 0)
    assert page.is_followed


def test_what_is_written_is_what_a_program_of_the_lab_maps(page: ClockPage, tmp_path: Path) -> None:
    page.move(595.25)
    page.move(0.5)
    page.look_every(FINE)
    ahead, longest, followed, ticks = struct.unpack_from("=4q", (tmp_path / "page").read_bytes())
    assert (ahead, longest, followed, ticks) == (595_750_000_000, 2_000_000, 0, 0)
    assert page.ahead == 595.75
    assert COARSE > FINE


def test_it_is_followed_once_the_timer_has_said_so(page: ClockPage, tmp_path: Path) -> None:
    page.move(2.0)
    assert not page.is_followed
    with (tmp_path / "page").open("r+b") as file:
        file.seek(16)
        file.write(struct.pack("=2q", 2_000_000_000, 32))
    assert page.is_followed
    assert page.ticks == 32


def test_the_library_is_compiled_where_kamailio_comes_from() -> None:
    seen: list[Program] = []

    def runs(program: Program) -> FakeProcess:
        seen.append(program)
        return FakeProcess(program.name, status=0, files={"clock.so": b"\x7fELF"})

    assert compiled(FakeLab(runs=runs)) == b"\x7fELF"
    (program,) = seen
    assert program.role == "kamailio"
    assert program.argv[0] == "tcc"
    assert b"int pause(void)" in program.files["moved_clock.c"]


def test_a_compiler_that_fails_says_why() -> None:
    lab = FakeLab(runs=lambda program: FakeProcess(program.name, status=1, log="tcc: error: no\n such file"))
    with pytest.raises(LabError) as caught:
        compiled(lab)
    assert "tcc: error: no such file" in str(caught.value)
