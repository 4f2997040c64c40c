"""How far a load is, while it is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from rating_harness.evidence.statistics import LoadProgress
from rating_harness.kamailio.rpc import KamailioClient, RpcError
from rating_harness.run.sipp_processes import SippProcess
from rating_harness.run.watch import LoadWatch
from rating_harness.sipp.agent import STATISTICS

MEGABYTE = 1024 * 1024


@dataclass
class FakeKamailio:
    memory: dict[str, int] | None = None
    asked: int = 0

    def statistics(self, *names: str) -> dict[str, int]:
        self.asked += 1
        if self.memory is None:
            raise RpcError("Kamailio refused stats.get_statistics", code=500)
        return self.memory


@dataclass
class FakeSipp:
    """Its statistics file, as SIPp writes it."""

    rows: list[tuple[int, int, int]] = field(default_factory=list)

    @property
    def process(self) -> FakeSipp:
        return self

    def read_file(self, name: str) -> bytes | None:
        assert name == STATISTICS
        head = "CurrentTime;TotalCallCreated;SuccessfulCall(P);SuccessfulCall(C);FailedCall(C);\n"
        return (head + "".join(f"now;{made};1;{over};{failed};\n" for made, over, failed in self.rows)).encode()


def watched(kamailio: Any, *callers: FakeSipp, seconds: int = 3) -> list[LoadProgress]:
    told: list[LoadProgress] = []
    watch = LoadWatch(90, cast("KamailioClient", kamailio), told.append)
    for tick in range(seconds * 10):
        watch.advance(100 + tick / 10, cast("list[SippProcess]", callers))
        for caller in callers:
            made, over, failed = caller.rows[-1] if caller.rows else (0, 0, 0)
            caller.rows.append((made + 2, over + 1, failed))
    return told


def test_once_a_second_all_callers_together_are_told() -> None:
    kamailio = FakeKamailio({"shmem:total_size": 256 * MEGABYTE, "shmem:real_used_size": 31 * MEGABYTE})
    told = watched(kamailio, FakeSipp(), FakeSipp())
    assert [(each.made, each.over, each.up, each.failed) for each in told] == [
        (0, 0, 0, 0),
        (40, 20, 20, 0),
        (80, 40, 40, 0),
    ]
    assert kamailio.asked == 3
    assert str(told[0]) == "0 of 90 calls, 0 up, 0 failed, Kamailio's memory 31 of 256 MB"
    assert str(told[2]) == "80 of 90 calls, 40.0/s, 40 up, 0 failed, Kamailio's memory 31 of 256 MB"


def test_a_kamailio_that_does_not_say_is_left_out() -> None:
    told = watched(FakeKamailio(), FakeSipp())
    assert str(told[-1]) == "40 of 90 calls, 20.0/s, 20 up, 0 failed"


def test_where_nobody_looks_on_nothing_is_read() -> None:
    kamailio = FakeKamailio()
    watch = LoadWatch(90, cast("KamailioClient", kamailio), None)
    watch.advance(100, cast("list[SippProcess]", [FakeSipp()]))
    assert kamailio.asked == 0
