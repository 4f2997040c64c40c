"""Coverage as data and as reports, of a small configuration whose execution is written down."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from rating_harness.coverage.annotated import annotated_source
from rating_harness.coverage.data import BETWEEN, Coverage, Share
from rating_harness.coverage.points import instrument
from rating_harness.coverage.reports import cobertura, lcov, read_data, summary, write_reports
from rating_harness.errors import UsageError
from tests.unit.kamailio_config.builders import configuration

TEXT = """\
request_route {
	a();
	if (b()) {
		c(); d();
	}
	switch ($x) {
		case 1:
		case 2:
			e();
			break;
	}
}

event_route[tm:local-request] {
	f();
	g();
}
"""
SOURCE = TEXT.splitlines()


def coverage(*places: str) -> Coverage:
    """:param places: ``LINE:KIND`` of each probe that was passed, in the context ``one``."""
    points = instrument(configuration(TEXT))
    found = Coverage()
    found.add_points(points)
    hits = [probe for place in places for probe in points.probes if f"{probe.line}:{probe.kind}" == place]
    found.add_hits("one", dict.fromkeys(hits, 2))
    return found


def source(file: str, line: int) -> str:
    return SOURCE[line - 1]


def test_shares() -> None:
    found = coverage("2:s", "3:s", "3:f", "6:s", "7:c", "9:s", "10:s")
    assert (str(found.statements), str(found.ways)) == ("5 of 9 (55.6 %)", "2 of 5 (40.0 %)")
    assert found.total == Share(7, 14)
    assert Share(0, 0).percent == 100.0


def test_a_case_that_another_one_falls_into_is_not_taken_by_that() -> None:
    found = coverage("2:s", "6:s", "7:c", "9:s")
    taken = {branch.way: branch.taken(found.hits) for branch in found.branches.values()}
    assert taken == {"true": 0, "false": 0, "case 1": 2, "case 2": 0, "no case": 0}


def test_the_summary_says_first_what_nothing_executes() -> None:
    found = coverage("2:s", "3:s", "3:f", "6:s", "7:c", "9:s", "10:s")
    assert summary(found, source).splitlines() == [
        "Lines no scenario executes",
        "  kamailio.cfg:4  request_route  c(); d();",
        "  kamailio.cfg:15-16  event_route[tm:local-request]  f();",
        "Branches no scenario takes",
        "  kamailio.cfg:3  request_route  never true  if (b()) {",
        "  kamailio.cfg:6  request_route  never case 2  switch ($x) {",
        "  kamailio.cfg:6  request_route  always a case  switch ($x) {",
        "Coverage of the configuration: statements 5 of 9 (55.6 %), branches 2 of 5 (40.0 %)",
    ]


def test_lcov() -> None:
    lines = lcov(coverage("2:s", "3:s", "3:f", "6:s", "7:c", "9:s", "10:s")).splitlines()
    assert lines[:3] == ["TN:", "SF:kamailio.cfg", "FN:2,request_route"]
    assert "FNDA:0,event_route[tm:local-request]" in lines
    assert [line for line in lines if line.startswith("BRDA:3,")] == ["BRDA:3,0,0,0", "BRDA:3,0,1,2"]
    assert [line for line in lines if line.startswith("BRDA:6,")] == ["BRDA:6,1,0,2", "BRDA:6,1,1,0", "BRDA:6,1,2,0"]
    assert "DA:4,0" in lines
    assert "DA:9,2" in lines
    assert lines[-3:] == ["LF:8", "LH:5", "end_of_record"]
    assert "BRDA:3,0,0,-" in lcov(coverage("2:s"))


def test_cobertura() -> None:
    text = cobertura(coverage("2:s", "3:s", "3:f", "6:s", "7:c", "9:s", "10:s"), at=12.5)
    root = ElementTree.fromstring(text)
    assert (root.get("lines-valid"), root.get("lines-covered"), root.get("timestamp")) == ("8", "5", "12")
    (line,) = root.findall(".//line[@number='3']")
    assert line.attrib == {"number": "3", "hits": "2", "branch": "true", "condition-coverage": "50% (1/2)"}
    assert root.find(".//class").get("filename") == "kamailio.cfg"  # type: ignore[union-attr]


def test_the_annotated_source() -> None:
    page = annotated_source(coverage("2:s", "3:s", "3:f", "6:s", "7:c", "9:s", "10:s"), lambda file: SOURCE)
    rows = [row for row in page.splitlines() if row.startswith("<tr")]
    assert len(rows) == len(SOURCE)
    states = [row.split('"')[1] for row in rows]
    assert states[:6] == ["", "ran", "partly", "never", "", "partly"]
    assert "never true" in rows[2]
    assert "never case 2, never no case" in rows[5]
    assert 'title="one"' in rows[1]


def test_reports_can_be_read_back_and_put_together(tmp_path: Path) -> None:
    first, second = coverage("2:s", "3:s", "3:f"), coverage("15:s")
    second.contexts = {"two": second.contexts["one"], BETWEEN: second.contexts["one"]}
    write_reports(first, tmp_path / "a", at=0)
    write_reports(second, tmp_path / "b", at=0)
    whole = Coverage.merged([read_data(tmp_path / "a"), read_data(tmp_path / "b")])
    assert str(whole.statements) == "3 of 9 (33.3 %)"
    (line,) = [line for line in whole.lines.values() if line.line == 15]
    assert whole.who(line.probe) == ("two", BETWEEN)
    by_line = json.loads((tmp_path / "a" / "coverage.json").read_text())["files"]["kamailio.cfg"]["lines"]
    assert by_line["3"] == {"hits": 2, "contexts": ["one"]}


def test_what_is_no_coverage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no coverage to be read"):
        read_data(tmp_path)
    (tmp_path / "coverage.json").write_text("{}")
    with pytest.raises(UsageError, match="no coverage to be read"):
        read_data(tmp_path)
