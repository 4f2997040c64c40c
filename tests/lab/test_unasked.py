"""The configuration, broken where nothing in a scenario asks: what always holds tells it, the cause alone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from rating_harness.lab.files import data_directory
from rating_harness.plugin import RunScenario
from rating_harness.run.kamailio import LAB_DEFINES
from tests.builders import scenario_of

pytestmark = pytest.mark.lab

RATING, DIALOG, PROXY, CALLERS = "rating.cfg", "rating-dialog.cfg", "kamailio.cfg", "callers.cfg"
PLAIN = 'calls: [{id: ana, from: "1000", to: "39040123456", hold: HOLDMORE}]\nexpect: {within: 3s}\n'


@dataclass(frozen=True)
class Broken:
    """What is changed, file by file, and the one finding that says so.

    :param more: said of the call.
    """

    changes: Sequence[tuple[str, str, str]]
    check: str
    message: str
    seen: str
    more: str = ""
    hold: str = "2s"


def _returns_at_once(route: str) -> tuple[str, str, str]:
    return RATING, f"route[{route}] {{\n", f"route[{route}] {{\n\treturn;\n"


def _answers_itself(status: int) -> tuple[str, str, str]:
    """Kamailio refuses whatever one end asks the other, but for the ACK and the BYE."""
    refusal = f'{{ sl_send_reply("{status}", "Broken"); exit; }}'
    return (
        PROXY,
        "\troute(TURN_AWAY);\n",
        f'\tif (has_totag() && !is_method("ACK|BYE")) {refusal}\n\troute(TURN_AWAY);\n',
    )


def _spoils_replies(which: str, how: str) -> tuple[str, str, str]:
    """What is done to replies of the callee's on their way back."""
    return PROXY, "\troute(RATING_REPLY);\n}", f"\troute(RATING_REPLY);\n\tif ({which}) {how}\n}}"


def _spoils_invites(how: str) -> tuple[str, str, str]:
    """What is done to the first INVITE on its way out."""
    return (
        RATING,
        '\t\tt_on_failure("RATING_CARRIER_FAILED");\n',
        f'\t\t{how}\n\t\tt_on_failure("RATING_CARRIER_FAILED");\n',
    )


_ANSWER = 'is_method("INVITE") && status == "200"'
_RINGING = 'is_method("INVITE") && status == "180"'
_RENEWAL = r"it never arrived; its sender got {} Broken"

BROKEN = {
    "no begin": Broken(
        [_returns_at_once("RATING_POST_BEGIN")], "begin_and_end", "call ana: begin_transaction", "no requests"
    ),
    "no end": Broken(
        [_returns_at_once("RATING_POST_END")],
        "begin_and_end",
        "call ana: end_transaction",
        "no request: an unbilled call",
    ),
    "a begin that comes late": Broken(
        [
            (
                RATING,
                "\troute(RATING_POST_BEGIN);\n}\n\nroute[RATING_POST_BEGIN]",
                "\t$sht(rating_later=>$var(call)) = $TV(sn) + 3;\n}\n\nroute[RATING_POST_BEGIN]",
            ),
            (
                RATING,
                'else if ($sht(rating_state=>$var(call)) == "unbegun") route(RATING_CUT);',
                'else if ($sht(rating_state=>$var(call)) == "beginning") route(RATING_POST_BEGIN);',
            ),
        ],
        "begin_and_end",
        "call ana: begin came late",
        r"\d.*s after the answer",
        hold="5s",
    ),
    "another account in the end": Broken(
        [
            (
                RATING,
                '\tjansson_set("integer", "timestamp_end", "$var(at)", "$var(body)");\n',
                '\tjansson_set("integer", "timestamp_end", "$var(at)", "$var(body)");\n'
                '\tjansson_set("string", "account_tag", "2000", "$var(body)");\n',
            )
        ],
        "begin_and_end",
        "call ana: account_tag in end_transaction",
        "2000",
    ),
    "an end that is sent again": Broken(
        [
            (
                RATING,
                "\troute(RATING_ANSWER);\n\troute(RATING_END_SETTLED);\n",
                '\troute(RATING_ANSWER);\n\tif ($var(error) == "") $var(error) = "once more";\n'
                "\troute(RATING_END_SETTLED);\n",
            )
        ],
        "begin_and_end",
        "call ana: an end beside the one that the agent took",
        "end_transaction once more",
    ),
    "no Record-Route": Broken(
        [(PROXY, "\trecord_route();\n", "")], "forwarding", "call ana: the INVITE", "go past Kamailio"
    ),
    "a Max-Forwards that stays as it is": Broken(
        [(CALLERS, 'if (!mf_process_maxfwd_header("10"))', 'if ($hdr(Max-Forwards) == "0")')],
        "forwarding",
        "call ana: Max-Forwards of the INVITE that carrier got",
        "70",
    ),
    "a BYE that is kept back": Broken(
        [
            (
                DIALOG,
                '\tif (!t_relay()) {\n\t\tif (is_method("BYE"))',
                '\tif (is_method("BYE")) {\n\t\tsend_reply("200", "OK");\n\t\troute(RATING_BYE_ACCEPTED);\n'
                '\t\texit;\n\t}\n\tif (!t_relay()) {\n\t\tif (is_method("BYE"))',
            )
        ],
        "both_ends",
        "call ana: the BYE of the caller",
        "it never arrived; its sender got 200 OK",
    ),
    "an ACK that is kept back": Broken(
        [(DIALOG, "\t\troute(RATING_ACK);\n", "\t\troute(RATING_ACK);\n\t\texit;\n")],
        "both_ends",
        "call ana: the ACK to the answer",
        "it never arrived",
    ),
    "a re-INVITE that is refused": Broken(
        [_answers_itself(500)],
        "both_ends",
        "call ana: the re-INVITE of the caller",
        _RENEWAL.format(500),
        ", reinvite: [after 500ms]",
    ),
    "a re-INVITE of the callee's that is refused": Broken(
        [_answers_itself(503)],
        "both_ends",
        "call ana: the re-INVITE of the callee",
        _RENEWAL.format(503),
        ", reinvite: [{at: after 500ms, by: callee}]",
    ),
    "an UPDATE that is refused": Broken(
        [_answers_itself(482)],
        "both_ends",
        "call ana: the UPDATE of the caller",
        _RENEWAL.format(482),
        ", reinvite: [{at: after 500ms, method: UPDATE}]",
    ),
    "an answer whose session description is spoilt": Broken(
        [_spoils_replies(_ANSWER, 'subst_body("/c=IN IP4 /c=IN IP4 9./");')],
        "both_ends",
        "call ana: the session description of the 200 to INVITE",
        "caller-ana got 'c=IN IP4 9",
    ),
    "an answer whose Content-Type is another": Broken(
        [_spoils_replies(_ANSWER, 'subst_hf("Content-Type", "/application.*/text\\/plain/", "f");')],
        "both_ends",
        "call ana: the session description of the 200 to INVITE",
        "caller-ana got Content-Type is text/plain",
    ),
    "an answer whose Content-Length is wrong": Broken(
        [_spoils_replies(_RINGING, 'subst_hf("Content-Length", "/[0-9]+/7/", "f");')],
        "strict_peer",
        "call ana: what caller-ana got: 180 Ringing to INVITE",
        "Content-Length is 7, its body has 0 bytes",
    ),
    "a reply with another From tag": Broken(
        [_spoils_replies(_RINGING, 'subst_hf("From", "/tag=/tag=x/", "f");')],
        "strict_peer",
        "call ana: what caller-ana got: 180 Ringing to INVITE",
        "the tag of From is x",
    ),
    "an answer without its Record-Route": Broken(
        [_spoils_replies(_ANSWER, 'remove_hf("Record-Route");')],
        "forwarding",
        "call ana: the Record-Routes of the 200 that caller-ana got",
        "the caller's requests go astray",
    ),
    "a reply with another branch": Broken(
        [_spoils_replies(_RINGING, 'subst_hf("Via", "/branch=[^;]+/branch=z9hG4bK-wrong/", "l");')],
        "strict_peer",
        "call ana: what caller-ana got: 180 Ringing to INVITE",
        "its branch is that of no INVITE",
    ),
    "a reply with a Via of somebody's": Broken(
        [_spoils_replies(_RINGING, 'append_hf("Via: SIP/2.0/UDP 198.18.0.99;branch=z9hG4bK-more\\r\\n", "Via");')],
        "strict_peer",
        "call ana: what caller-ana got: 180 Ringing to INVITE",
        "2 Vias",
    ),
    "a ringing that is made another": Broken(
        [
            (PROXY, 'loadmodule "textops.so"\n', 'loadmodule "textops.so"\nloadmodule "textopsx.so"\n'),
            _spoils_replies(_RINGING, 'change_reply_status(181, "Invented");'),
        ],
        "both_ends",
        "call ana: the 181 to INVITE that caller-ana got",
        "181 Invented",
    ),
    "an INVITE with another From tag": Broken(
        [_spoils_invites('subst_hf("From", "/tag=/tag=x/", "f");')],
        "forwarding",
        "call ana: the tag of From of the INVITE that carrier got",
        "x",
    ),
    "an INFO that is refused": Broken(
        [_answers_itself(500)],
        "both_ends",
        "call ana: the INFO of the caller",
        _RENEWAL.format(500),
        ", requests: [{method: INFO, at: after 500ms}]",
    ),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_what_no_scenario_asks_for_is_noticed_all_the_same(
    broken: Broken, tmp_path: Path, run_scenario: RunScenario
) -> None:
    directory = tmp_path / "kamailio"
    shutil.copytree(data_directory("kamailio"), directory)
    for name, old, new in broken.changes:
        text = (directory / name).read_text()
        assert text.count(old) == 1, old
        (directory / name).write_text(text.replace(old, new))
    scenario = scenario_of(tmp_path / "s.yaml", PLAIN.replace("MORE", broken.more).replace("HOLD", broken.hold))
    kamailio = scenario.kamailio.model_copy(update={"defines": LAB_DEFINES, "config": str(directory)})
    verdict = run_scenario(scenario.model_copy(update={"kamailio": kamailio}), check=False).verdict
    assert verdict is not None
    told = {(each.check, each.message) for each in verdict.findings}
    assert told == {(f"always: {broken.check}", broken.message)}, verdict.findings
    assert re.search(broken.seen, verdict.findings[0].seen), verdict.findings[0].seen
