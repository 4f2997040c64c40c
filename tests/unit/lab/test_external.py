from __future__ import annotations

import signal
from typing import cast

import pytest

from rating_harness.deadline import Deadline
from rating_harness.errors import LabError, UsageError
from rating_harness.lab.external import ExternalLab, Target
from rating_harness.lab.local import LocalLab
from rating_harness.lab.protocol import Host

ELSEWHERE = Target("192.0.2.9", local=False, facing="192.0.2.1")
HERE = Target("127.0.0.1", local=True, facing="127.0.0.1")


class Inner:
    """The part of a local lab in the machine's network that gives addresses."""

    id = "inner"

    def host(self, name: str, *aliases: str) -> Host:
        return Host(name, f"127.1.1.{len(name)}", None, aliases)

    def release(self, name: str) -> None: ...


def lab(target: Target, *addresses: str) -> ExternalLab:
    return ExternalLab(target, cast(LocalLab, Inner()), addresses)


@pytest.mark.parametrize("text", ["127.0.0.1", "127.0.0.1:5060", "localhost"])
def test_a_target_on_this_machine(text: str) -> None:
    assert Target.parse(text) == HERE


@pytest.mark.parametrize("text", ["", ":5060", "127.0.0.1:", "127.0.0.1:5070", "127.0.0.1:sip", "::1"])
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(UsageError, match="the target isn't one") as caught:
        Target.parse(text)
    assert caught.value.found == text
    assert "callers call that port" in str(caught.value)


def test_a_name_that_nobody_knows() -> None:
    with pytest.raises(UsageError, match="can't be reached") as caught:
        Target.parse("nobody.invalid")
    assert "nobody.invalid" in str(caught.value)


def test_a_target_elsewhere_finds_each_host_at_an_address_of_this_machine() -> None:
    external = lab(ELSEWHERE, "192.0.2.1", "192.0.2.2")
    assert external.host("kamailio").address == "192.0.2.9"
    assert external.host("rating-agent").address == "192.0.2.1"
    assert external.host("rating-engine").address.startswith("127.")
    assert [external.host(name).address for name in ("caller", "carrier", "caller")] == [
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.1",
    ]
    with pytest.raises(LabError, match="no address left for the host second") as caught:
        external.host("second")
    assert "192.0.2.2 is carrier's" in str(caught.value)
    external.release("carrier")
    assert external.host("second", "alias") == Host("second", "192.0.2.2", None, ("alias",))


def test_a_target_on_this_machine_finds_each_host_on_loopback() -> None:
    external = lab(HERE, "127.0.0.1")
    assert {external.host(name).address for name in ("a", "bc", "def")} == {"127.1.1.1", "127.1.1.2", "127.1.1.3"}


def test_what_can_not_be_done_has_a_reason_and_is_refused_with_it() -> None:
    external = lab(ELSEWHERE, "192.0.2.1")
    capabilities = external.capabilities
    for name in ("names", "isolated", "unplug", "restart", "ipv6"):
        assert not getattr(capabilities, name)
        assert capabilities.why[name]
    deadline = Deadline(1)
    for refused in (
        lambda: external.restart_service("kamailio", deadline),
        lambda: external.stop_service("kamailio", deadline),
        lambda: external.pause("kamailio"),
        lambda: external.resume("kamailio"),
        lambda: external.service("kamailio").signal(signal.SIGTERM),
        lambda: external.service("kamailio").wait(deadline),
    ):
        with pytest.raises(LabError) as caught:
            refused()
        assert caught.value.found == capabilities.why["restart"]
    for refused in (lambda: external.disconnect("carrier"), lambda: external.reconnect("carrier")):
        with pytest.raises(LabError) as caught:
            refused()
        assert caught.value.found == capabilities.why["unplug"]


def test_the_target_runs_and_nothing_more_is_known_of_it() -> None:
    external = lab(ELSEWHERE, "192.0.2.1")
    kamailio = external.service("kamailio")
    assert kamailio.poll() is None
    assert (kamailio.output(), kamailio.read_file("/etc/x"), kamailio.list_files()) == ("", None, ())
    assert external.endpoint("kamailio", 5060).url == "http://192.0.2.9:5060"
    assert external.run_directory("kamailio") is None
