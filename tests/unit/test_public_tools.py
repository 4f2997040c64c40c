"""What `make public-tools` says of the tools' output, and of what the engine was asked."""

from __future__ import annotations

import pytest

from benchmarks.public_tools import PASSWORD, TOOLS, Tool, asked_about_others, learned
from tests.builders import CALL_ID, answered_call, evidence_of, exchange


def tool(*words: str, finds: bool = False) -> Tool:
    return next(each for each in TOOLS if each.finds == finds and all(word in each.argv for word in words))


def rows(heading: tuple[str, str], *cells: tuple[str, str]) -> str:
    """As sipvicious prints them."""
    wide = [max(len(row[column]) for row in (heading, *cells)) for column in (0, 1)]
    line = "+" + "+".join("-" * (width + 2) for width in wide) + "+"
    printed = [
        "|" + "|".join(f" {text:{width}} " for text, width in zip(row, wide, strict=True)) + "|" for row in cells
    ]
    named = "|" + "|".join(f" {text:{width}} " for text, width in zip(heading, wide, strict=True)) + "|"
    return "\n".join(["INFO:root:we have 1 devices", line, named, line.replace("-", "="), *printed, line, ""])


@pytest.mark.parametrize(
    ("words", "output", "says"),
    [
        (("svmap", "{target}"), rows(("SIP Device", "User Agent"), ("198.18.0.12:5060", "unknown")), []),
        (
            ("svmap",),
            rows(("SIP Device", "User Agent"), ("198.18.0.12:5060", "kamailio (6.0.1 (x86_64/linux))")),
            ["svmap has learned what 198.18.0.12:5060 is: kamailio (6.0.1 (x86_64/linux))"],
        ),
        (("svmap",), "WARNING:root:found nothing\n", ["svmap reached nobody: what it finds says nothing"]),
        (("svwar", "REGISTER"), "ERROR:TakeASip: ...\nWARNING:root:found nothing\n", []),
        (
            ("svwar", "REGISTER"),
            rows(("Extension", "Authentication"), ("2000", "reqauth"), ("2001", "noauth")),
            ["svwar has found the number 2000 (reqauth)", "svwar has found the number 2001 (noauth)"],
        ),
        (("svwar", "INVITE"), "Traceback", ["svwar came to no end: 'Traceback'"]),
        (("svcrack", "2000"), "INFO:ASipOfRedWine:no more passwords\nWARNING:root:found nothing\n", []),
        (
            ("svcrack", "2000"),
            rows(("Extension", "Password"), ("2000", PASSWORD)),
            [f"svcrack has found the password of 2000: {PASSWORD}"],
        ),
        (("sipsak", "-F"), "flood end reached\n", []),
        (("sipsak", "-F"), "error: ", ["sipsak came to no end: 'error: '"]),
        (("sipsak", "-R"), "give up further retransmissions...\n", []),
    ],
)
def test_what_a_tool_has_learned(words: tuple[str, ...], output: str, says: list[str]) -> None:
    assert list(learned(tool(*words), output)) == says


def test_who_exists_may_not_be_told() -> None:
    output = "WARNING:ASipOfRedWine:User not found\nWARNING:root:found nothing\n"
    (said,) = learned(tool("svcrack", "2099"), output)
    assert said.startswith("svcrack has learned who exists, and who doesn't: svcrack ")


def test_a_password_that_was_given_has_to_be_found() -> None:
    given = tool("svcrack", finds=True)
    assert list(learned(given, rows(("Extension", "Password"), ("1000", PASSWORD)))) == []
    (said,) = learned(given, "WARNING:root:found nothing\n")
    assert said == "svcrack didn't find a password that it was given: what it finds otherwise says nothing"


def test_the_engine_is_asked_about_honest_calls_alone() -> None:
    honest = {"transaction_tag": CALL_ID, "account_tag": "1000"}
    seen = evidence_of(answered_call(), [exchange(0.0, "authorization")])
    assert list(asked_about_others(seen, [honest])) == []
    other = evidence_of(answered_call(), [exchange(0.0, "authorization", call_id="scan")])
    assert list(asked_about_others(other, [honest, {**honest, "transaction_tag": "scan"}])) == [
        "the agent was asked about 'scan', which is no honest call: /v1/authorization",
        "1000 is charged for 'scan', which is no honest call",
    ]
