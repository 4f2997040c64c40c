"""Whose messages are captured, and what Kamailio's configuration has for that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rating_harness.deadline import Deadline
from rating_harness.errors import ServiceDied
from rating_harness.kamailio.siptrace import CAPTURE, LISTENING
from rating_harness.lab.protocol import Service
from rating_harness.run.stack import Stack
from tests.unit.plan.test_planner import planned
from tests.unit.run.fake_lab import FakeLab, fake_stack

CALL = 'calls: [{id: ana, from: "1000", to: "39040123456"}]\nkamailio: {config: own}\n'
LOADS = 'loadmodule "siptrace.so"\n'
SENDS = b'modparam("siptrace", "duplicate_uri", "sip:198.18.0.'


class Started:
    """A fake lab that keeps how services were started."""

    def __init__(self, dies: Callable[[Service], str | None] = lambda service: None) -> None:
        self.services: list[Service] = []

        def note(service: Service) -> str | None:
            self.services.append(service)
            return dies(service)

        self.lab = FakeLab(dies=note)
        self.stack = fake_stack(self.lab)
        self.services.clear()

    def with_listener(self) -> Stack:
        self.lab.start_service(Service(CAPTURE, "harness", ("true",)), Deadline(1.0))
        self.stack.capture.find()
        self.services.clear()
        return self.stack


ROUTE = "request_route { exit; }\n"


def own(directory: Path, text: str) -> Path:
    (directory / "own").mkdir()
    (directory / "own" / "kamailio.cfg").write_text(text + ROUTE)
    return directory


def sends(service: Service) -> bool:
    return any(SENDS in content for content in service.files.values())


def test_a_configuration_of_the_users_sends_its_messages_to_the_listener(tmp_path: Path) -> None:
    started = Started()
    started.with_listener().prepare(planned(own(tmp_path, 'loadmodule "tm.so"\n'), CALL))
    assert [sends(service) for service in started.services] == [True]
    assert started.stack.capture.off is None
    around = started.services[0].files["/etc/kamailio/around-kamailio.cfg"]
    assert around.index(b"include_file") < around.index(b"siptrace.so"), "the module comes after tm"


def test_nothing_is_sent_where_nobody_listens(tmp_path: Path) -> None:
    started = Started()
    started.stack.prepare(planned(own(tmp_path, 'loadmodule "tm.so"\n'), CALL))
    assert [sends(service) for service in started.services] == [False]
    assert started.stack.capture.off == "no listener was started"
    assert started.stack.capture.messages([], 0, has_replied=False) is None


@pytest.mark.parametrize(
    ("text", "off"),
    [
        ('loadmodule "siptrace.so"\n', True),
        ('loadmodule "/usr/lib/kamailio/modules/siptrace.so"\n', True),
        ('#!define X\n#!ifdef X\nloadmodule("siptrace")\n#!endif\n', True),
        ('# loadmodule "siptrace.so"\n', False),
        ('/* loadmodule "siptrace.so" */\n', False),
        ('#!ifdef X\nloadmodule "siptrace.so"\n#!endif\n', False),
    ],
)
def test_a_configuration_that_uses_siptrace_itself_is_left_alone(tmp_path: Path, text: str, off: bool) -> None:
    started = Started()
    started.with_listener().prepare(planned(own(tmp_path, text), CALL))
    assert [sends(service) for service in started.services] == [not off]
    assert started.stack.capture.off == ("the configuration loads siptrace itself" if off else None)


@pytest.mark.parametrize(
    ("files", "off"),
    [
        ({"kamailio.cfg": 'include_file "a.cfg"\n', "a.cfg": LOADS}, True),
        ({"kamailio.cfg": 'import_file "a.cfg"\n', "a.cfg": 'include_file "b.cfg"\n', "b.cfg": LOADS}, True),
        ({"kamailio.cfg": "# fine\n", "a.cfg": LOADS}, False),
    ],
)
def test_only_files_that_are_included_count(tmp_path: Path, files: dict[str, str], off: bool) -> None:
    own(tmp_path, "")
    for name, text in files.items():
        (tmp_path / "own" / name).write_text(text + ROUTE * (name == "kamailio.cfg"))
    started = Started()
    started.with_listener().prepare(planned(tmp_path, CALL))
    assert [sends(service) for service in started.services] == [not off]


def test_a_kamailio_without_the_module_is_started_without_it(tmp_path: Path) -> None:
    def dies(service: Service) -> str | None:
        return "CRITICAL: could not find module <siptrace.so>\n" if sends(service) else None

    started = Started(dies)
    stack = started.with_listener()
    own(tmp_path, "#!trydef A 0\n")
    for defines in ("", ", defines: {A: '1'}"):
        stack.prepare(planned(tmp_path, CALL.replace("own}", f"own{defines}}}")))
    assert [sends(service) for service in started.services] == [True, False, False], "it's tried once"
    assert stack.capture.off == "this Kamailio has no module siptrace"
    assert started.lab.service("kamailio").poll() is None


def test_a_kamailio_that_dies_of_something_else_is_not_tried_again(tmp_path: Path) -> None:
    started = Started(
        lambda service: "CRITICAL: syntax error\n" if service.name == "kamailio" and sends(service) else None
    )
    stack = started.with_listener()
    with pytest.raises(ServiceDied):
        stack.prepare(planned(own(tmp_path, "# fine\n"), CALL))
    assert len(started.services) == 1


@pytest.mark.parametrize("status", [None, -9])
def test_a_listener_that_is_lost_is_reported_and_another_one_started(tmp_path: Path, status: int | None) -> None:
    """It was killed, or was stopped and took nothing of what Kamailio sent."""
    started = Started()
    stack = started.with_listener()
    listener = started.lab.service(CAPTURE)
    listener.log, listener.status = f"{LISTENING}\n", status
    assert stack.capture.messages([], 0, has_replied=True) is None
    assert "the listener of Kamailio's own messages" in stack.unobserved["capture"]
    said = listener.output
    started.lab.done.clear()

    def output() -> str:
        return said() + (f"{LISTENING}\n" if f"restart {CAPTURE}" in started.lab.done else "")

    listener.output = output  # type: ignore[method-assign]
    stack.prepare(planned(tmp_path, CALL.partition("kamailio")[0]))
    assert f"restart {CAPTURE}" in started.lab.done
    assert "capture" not in stack.unobserved


def test_a_listener_of_a_run_in_which_kamailio_said_nothing_is_not_lost() -> None:
    stack = Started().with_listener()
    assert stack.capture.messages([], 0, has_replied=False) == ()
    assert stack.capture.lost == ""
