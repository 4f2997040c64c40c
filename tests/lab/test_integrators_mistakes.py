"""What an integrator's configuration or machine has wrong is told, and costs no other scenario anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.lab

CHECKOUT = Path(__file__).parents[2]

REFUSED = """
scenario: The call of an account that there isn't
given: {carriers: [{carrier_tag: carrier, host: carrier}]}
calls: [{id: ana, from: "9999", to: "39040123456", expect: {reply: 403}}]
"""

UNRATED = """
scenario: A number that goes out past the rating
kamailio: {config: unrated}
given: {carriers: [{carrier_tag: carrier, host: carrier}]}
calls: [{id: ana, from: "2000", to: "112", hold: 1s, expect: {reply: 200, ended_by: caller, carrier: carrier}}]
invariants: {begin_and_end: not rated, carriers: not rated}
"""
PAST_THE_RATING = """#!KAMAILIO
children=1
use_dns_cache=off
loadmodule "jsonrpcs.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "dialog.so"
request_route {
	if (has_totag()) {
		if (!is_method("ACK")) sl_send_reply("481", "Call/Transaction Does Not Exist");
		exit;
	}
	$du = "sip:carrier:5060";
	t_relay();
}
"""
"""No record_route(): the call is set up, and what comes later in its dialog goes nowhere."""

GUARDED = f"{REFUSED}kamailio: {{defines: {{FR_TIMER: 900, RATING_HTTP_TIMEOUT: 1000}}}}\n"
"""As texts, 900 is greater than 1000."""


READ_ONLY_AND_FULL = """
set -eu
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount -t tmpfs -o size=64k tmpfs "$2"
cat /dev/zero >"$2/fill" 2>/dev/null || true
cd "$1"
if touch written 2>/dev/null; then echo "the checkout can be written to"; exit 99; fi
shift 2
exec "$@"
"""


@pytest.mark.namespaces
def test_each_is_told_although_nothing_can_be_written_and_the_last_scenario_passes(tmp_path: Path) -> None:
    """The checkout is read-only, there is no HOME, and the disk for evidence is full."""
    (tmp_path / "unrated").mkdir()
    (tmp_path / "unrated/kamailio.cfg").write_text(PAST_THE_RATING, "utf-8")
    files = []
    for name, text in (("guarded", GUARDED), ("unrated", UNRATED), ("refused", REFUSED)):
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(text, "utf-8")
    full = tmp_path / "full"
    full.mkdir()
    environment = {**os.environ, "XDG_STATE_HOME": str(full)}
    environment.pop("HOME", None)
    command = [
        "unshare",
        "--mount",
        *(() if os.geteuid() == 0 else ("--map-root-user",)),  # which a chroot refuses
        "sh",
        "-c",
        READ_ONLY_AND_FULL,
        "sh",
        str(CHECKOUT),
        str(full),
    ]
    command += [sys.executable, "-m", "rating_harness", "run", "--lab", "local", "--persistent-lab", "no", "-j", "1"]
    command += map(str, files)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "1 passed, 1 failed, 0 skipped, 1 not run in " in said
    assert "next:     RATING_HTTP_TIMEOUT must be shorter than FR_TIMER" in said
    assert "call ana: the ACK to the answer" in said
    assert "seen | it never arrived; its sender got 481 Call/Transaction Does Not Exist" in said
    assert said.count("evidence can't be written to") == 1, said
    assert f"{full}/rating-harness/evidence: No space left on device" in said
