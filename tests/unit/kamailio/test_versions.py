"""Versions of programs."""

from __future__ import annotations

import pytest

from rating_harness.kamailio.versions import loses_sockets, satisfies


@pytest.mark.parametrize(
    ("version", "required", "expected"),
    [
        ("6.0.1", "6.0", True),
        ("6.0.1", "at least 6.1", False),
        ("6.1.5", "at least 6.1", True),
        ("6.0.10", "at least 6.0.7", True),
        ("6.0.1", "below 6.0.7", True),
        ("SIPp v3.7.3-TLS", "at least 3.7", True),
        ("no number", "6.0", False),
        ("6.0.1", "newer than 5", False),
    ],
)
def test_a_version_is_as_required_or_not(version: str, required: str, expected: bool) -> None:
    assert satisfies(version, required) is expected


@pytest.mark.parametrize(
    ("version", "loses"), [("6.0.1", True), ("6.0.7", False), ("6.1.0", True), ("6.1.2", False), ("6.1.5", False)]
)
def test_versions_that_lose_sockets_are_known(version: str, loses: bool) -> None:
    assert loses_sockets(version) is loses
