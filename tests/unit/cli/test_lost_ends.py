"""The ends in a log that are to be billed by hand."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from rating_harness.cli.lost_ends import records
from rating_harness.cli.main import main

LOST = (
    "Nov 26 04:00:00 sip kamailio[7]: ALERT: <script>: rating: end lost: call=a@b error=HTTP status 500 "
    'record={"transaction_tag":"a@b","account_tag":"1000","timestamp_begin":1,"timestamp_end":3}\n'
)
UNCONFIRMED = LOST.replace("end lost", "end unconfirmed").replace("a@b", "c@d")


def test_a_lost_end_is_a_body_of_record_transaction() -> None:
    (record,) = records([LOST])
    assert record == {"transaction_tag": "a@b", "account_tag": "1000", "timestamp_begin": 1, "timestamp_end": 3}


def test_of_a_call_there_is_one() -> None:
    assert len(list(records([LOST, LOST]))) == 1


def test_what_the_engine_may_have_is_left_out_unless_it_is_wanted() -> None:
    assert [each["transaction_tag"] for each in records([UNCONFIRMED, LOST])] == ["a@b"]
    assert [each["transaction_tag"] for each in records([UNCONFIRMED, LOST], unconfirmed=True)] == ["c@d", "a@b"]


def test_braces_in_a_call_s_name_and_lines_that_are_cut_off() -> None:
    odd = LOST.replace("a@b", "{x}record={y}")
    assert [each["transaction_tag"] for each in records([odd])] == ["{x}record={y}"]
    assert list(records([LOST[:150], "rating: end tried again in 1 s: call=a error=x\n", "\n"])) == []


def test_the_command_prints_one_on_each_line(tmp_path: Path) -> None:
    log = tmp_path / "kamailio.log"
    log.write_text(LOST + UNCONFIRMED)
    result = CliRunner().invoke(main, ["lost-ends", str(log)])
    assert result.exit_code == 0
    assert [json.loads(line)["transaction_tag"] for line in result.output.splitlines()] == ["a@b"]
