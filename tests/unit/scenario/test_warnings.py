"""What is most likely not meant, and what only looks like it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from rating_harness.cli.main import main
from rating_harness.errors import ScenarioError
from rating_harness.session.dialects import load_with_warnings

PROJECT = Path(__file__).parents[3]
GIVEN = """\
given:
  accounts: [{account_tag: "2000", type: POSTPAID, balance: 0}, {account_tag: "2001", type: PREPAID, balance: 10}]
  carriers: [{carrier_tag: carrier, host: carrier}]
  pricelists: [{pricelist_tag: retail, rates: [{carrier_tag: carrier, prefix: "sip:39", rate: 1}]}]
"""
ANA = '  - {id: ana, from: "2000", to: "39040123456"%s}\n'


def warned(tmp_path: Path, rest: str, given: str = GIVEN, configuration: Path | None = None) -> list[tuple[int, str]]:
    """Line and message of each warning."""
    path = tmp_path / "it.yaml"
    path.write_text(f"scenario: It\n{given}{rest}", "utf-8")
    found = load_with_warnings(path, configuration=configuration)[1]
    assert all(warning.hint and warning.excerpt for warning in found)
    return [(warning.where.line, warning.message) for warning in found]


@pytest.mark.parametrize(
    ("rest", "line", "message"),
    [
        (
            'calls: [{id: ana, from: "2009", to: "39", expect: {reply: 200}}]\n',
            6,
            "no account '2009', and an answer is expected",
        ),
        (
            'calls: [{id: ana, from: "2009", to: "39", expect: {ended_by: caller}}]\n',
            6,
            "no account '2009', and an answer is expected",
        ),
        (
            'calls: [{id: ana, from: "2000", to: "39", auth: {username: u, password: p}, expect: {reply: 2xx}}]\n',
            6,
            "no account 'u', and an answer is expected",
        ),
        (
            "calls:\n" + ANA % ", expect: {reply: 480}" + ANA.replace("ana", "bob") % ", start: ana is answered",
            8,
            "this waits in vain for the answer to 'ana': its reply is expected to be 480",
        ),
        (
            "calls:\n"
            + ANA % ", method: OPTIONS"
            + "faults: [{on: kamailio, restart: true, when: ana is answered}]\n",
            8,
            "this waits in vain for the answer to 'ana': OPTIONS makes no call",
        ),
        (
            "calls:\n" + ANA % ", expect: {reply: [403, 480]}, requests: [{at: after 1s, method: BYE}]",
            7,
            "this waits in vain for the answer to 'ana': its reply is expected to be 403 or 480",
        ),
        (
            "calls:\n" + ANA % "" + "clock: []\n",
            8,
            "an empty list skips nothing",
        ),
        (
            "calls:\n" + ANA % ", cancel: while ringing, expect: {reply: 200, duration: 2s ± 1s}",
            7,
            "a call that is cancelled isn't answered, and an answer is expected",
        ),
        (
            "calls:\n" + ANA % ", ring: 1s, cancel: 2s after ringing, expect: {reply: 487}",
            7,
            "the CANCEL is sent after 2s, the answer after 1s",
        ),
        (
            "calls:\n" + ANA % ", cancel: after 2s" + "carriers: {carrier: {ring: 1s, answer_after: 500ms}}\n",
            7,
            "the CANCEL is sent after 2s, the answer after 1.5s",
        ),
        (
            "calls:\n" + ANA % ", expect: {carriers: [], reply: 200}",
            7,
            "no carrier is to get the INVITE, and an answer is expected",
        ),
        ("calls:\n" + ANA % ", hangup: never, expect: {reply: 200}", 7, "nothing ever ends this call"),
        ("calls:\n" + ANA % ", hangup: never", 7, "nothing ever ends this call"),
        (
            "calls:\n" + ANA % ', uri: "sip:39040123456;phone-context=x;npdi@a", expect: {reply: 200}',
            7,
            "kamailio.cfg refuses 'npdi' in a number with 403, and an answer is expected",
        ),
        (
            "calls:\n" + ANA % ', uri: "sip:39040123456@a;user=phone;maddr=b", expect: {reply: 200}',
            7,
            "kamailio.cfg refuses 'maddr' in a number with 403, and an answer is expected",
        ),
        (
            "calls:\n" + ANA % ', uri: "sips:39040123456@a", expect: {reply: 200}',
            7,
            "kamailio.cfg refuses sips: with 416, and an answer is expected",
        ),
        (
            "calls:\n"
            + ANA % ", reinvite: [{at: after 500ms, refuse: 488}], expect: {reply: 200, reinvite_reply: 200}",
            7,
            "the other side refuses reinvite[0] with 488",
        ),
        (
            "calls:\n"
            + ANA % ""
            + ANA.replace("ana", "bob") % ", start: 1s after ana is answered"
            + "carriers: {carrier: {calls: {ana: {refuse: 486}}}}\n",
            8,
            "this waits in vain for the answer to 'ana': no carrier answers it",
        ),
        (
            "calls:\n" + ANA % ", requests: [{at: after 1s, method: INFO}]" + "carriers: {carrier: {silent: true}}\n",
            7,
            "this waits in vain for the answer to 'ana': no carrier answers it",
        ),
        (
            "calls:\n" + ANA.replace("39040", "44040") % ", expect: {reply: 200}",
            7,
            "no rate is for sip:44040123456, and an answer is expected",
        ),
        (
            "calls:\n" + ANA % ", hangup: callee, expect: {ended_by: caller}",
            7,
            "the callee hangs up, and the caller is expected to",
        ),
        (
            "calls:\n" + ANA % ", hold: 2s, expect: {reply: 200, ended_by: callee}",
            7,
            "the caller hangs up, and the callee is expected to",
        ),
    ],
)
def test_what_is_most_likely_not_meant(tmp_path: Path, rest: str, line: int, message: str) -> None:
    assert warned(tmp_path, rest) == [(line, message)]


@pytest.mark.parametrize("prefix", ["39", "+39", "S", "ip:39"])
def test_a_prefix_that_begins_no_uri(tmp_path: Path, prefix: str) -> None:
    given = GIVEN.replace('"sip:39"', f'"{prefix}"')
    assert warned(tmp_path, "calls:\n" + ANA % "", given) == [
        (5, f"no destination begins with {prefix!r}: it is a URI")
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("balance: 0}", "balance: 0, active: false}", "account '2000' is inactive, and an answer is expected"),
        (
            "POSTPAID, balance: 0",
            "PREPAID, balance: 0",
            "account '2000' has a balance of 0, and an answer is expected",
        ),
        (
            "POSTPAID, balance: 0",
            "PREPAID, balance: -5",
            "account '2000' has a balance of -5, and an answer is expected",
        ),
        ('"sip:39"', '"sip:390401"', "a prefix of 10 characters is never found: the engine looks at 9"),
        ('"sip:39"', '"SIP:39"', "no destination begins with 'SIP:39': it is a URI"),
        ("rate: 1", "rate: 1, active: false", "no rate is for sip:39040123456, and an answer is expected"),
        (
            "POSTPAID, balance: 0",
            "PREPAID, balance: 0, linked_accounts: ['2001']",
            "account '2000' has a balance of 0, and an answer is expected",
        ),
        (
            'balance: 0}, {account_tag: "2001", type: PREPAID, balance: 10}',
            "balance: 0, linked_accounts: ['2001']}, {account_tag: \"2001\", type: PREPAID, balance: 0}",
            "account '2000' is linked to '2001', which has a balance of 0, and an answer is expected",
        ),
        (
            "POSTPAID, balance: 0}",
            "PREPAID, balance: 3}",
            "",
        ),
        (
            "balance: 0}",
            "balance: 0, max_concurrent_transactions: 2, running: 2}",
            "account '2000' may have 2 calls at once, and has 2, and an answer is expected",
        ),
        (
            "balance: 0}",
            "balance: 0, max_outbound_transactions: 0}",
            "account '2000' may have 0 calls at once, and has 0, and an answer is expected",
        ),
        ("balance: 0}", "balance: 0, max_inbound_transactions: 1, running: 2}", ""),
    ],
)
def test_what_the_engine_would_refuse(tmp_path: Path, old: str, new: str, message: str) -> None:
    given = GIVEN.replace(old, new)
    found = [each for _, each in warned(tmp_path, "calls:\n" + ANA % ", expect: {reply: 200}", given)]
    assert found == ([message] if message else [])


def test_a_free_call_of_a_prepaid_account_has_no_limit(tmp_path: Path) -> None:
    given = GIVEN.replace("POSTPAID, balance: 0", "PREPAID, balance: 9").replace("rate: 1", "rate: 0")
    assert warned(tmp_path, "calls:\n" + ANA % ", hangup: never", given) == [(7, "nothing ever ends this call")]


@pytest.mark.parametrize(
    "rest",
    [
        'calls: [{id: ana, from: "2000", to: "44", uri: "sip:39@sip.test", expect: {reply: 200}}]\n',
        'calls: [{id: ana, from: "2000", to: "44", headers: {To: "<sip:39@x>"}, expect: {reply: 200}}]\n',
        'calls: [{id: ana, from: "2000", to: "44", expect: {reply: 403}}]\n',
        "calls:\n" + ANA % ", hangup: callee, requests: [{at: after 200ms, method: BYE}], expect: {ended_by: caller}",
        "calls:\n" + ANA % ", expect: {ended_by: callee}" + "carriers: {carrier: {hang_up_after: 200ms}}\n",
        "calls:\n"
        + ANA % ""
        + ANA.replace("ana", "bob") % ", start: ana is answered"
        + "carriers: {carrier: {attempts: [{refuse: 503}, {}]}}\n",
        'calls: [{id: ana, from: "2009", to: "39", expect: {reply: 403}}]\n',
        'calls: [{id: ana, from: "2009", to: "39", expect: {reply: any}}]\n',
        'calls: [{id: ana, from: "2009", to: "39"}]\n',
        'calls: [{id: ana, from: "2009", to: "39", headers: {From: "<sip:2000@x>;tag=a"}, expect: {reply: 200}}]\n',
        'calls: [{id: ana, from: "%32000", to: "39", expect: {reply: 200}}]\n',
        'calls: [{id: ana, host: carrier, from: "2009", to: "2000", expect: {reply: 200}}]\n',
        'calls: [{id: a, from: "2009", to: "39", expect: {reply: 200}}]\n'
        "faults: [{on: agent, path: authorization, set: {authorized: true}}]\n",
        "calls:\n" + ANA % ", expect: {reply: 480}" + ANA.replace("ana", "bob") % ", start: ana has ended",
        "calls:\n" + ANA % ", expect: {reply: [200, 486]}" + ANA.replace("ana", "bob") % ", start: ana is answered",
        "calls:\n" + ANA % ", ring: 2s, cancel: 1s after ringing, expect: {reply: 487}",
        "calls:\n" + ANA % ", cancel: 2s after ringing, expect: {reply: 487}",
        "calls:\n"
        + ANA % ", cancel: while ringing, expect: {reply: 200}"
        + "carriers: {carrier: {answer_cancelled: true}}\n",
        "calls:\n" + ANA.replace("2000", "2001") % ", hangup: never, expect: {reply: 200}",
        "calls:\n" + ANA % ", hangup: never, expect: {reply: 403}",
        "calls:\n" + ANA % ", hangup: never, expect: {reply: 200, ended_by: nobody}",
        "calls:\n" + ANA % ", hangup: never, requests: [{at: after 1s, method: BYE}]",
        "calls:\n" + ANA % ", hangup: never" + "carriers: {carrier: {hang_up_after: 2s}}\n",
        "calls:\n" + ANA % ", hangup: never" + "faults: [{on: kamailio, restart: true, when: ana is answered}]\n",
        "calls:\n"
        + ANA % ", hangup: never"
        + "faults: [{on: agent, path: authorization, set: {max_available_units: 2}}]\n",
    ],
)
def test_what_only_looks_like_it(tmp_path: Path, rest: str) -> None:
    assert warned(tmp_path, rest) == []


@pytest.mark.parametrize(
    ("call", "rest", "line", "message"),
    [
        ('from: "2009"', "expect: {failures: 0}", 6, "no account '2009', and an answer is expected"),
        ('from: "2009"', "load: {rate: 5, duration: 2s}", 6, "no account '2009', and an answer is expected"),
        ('from: "2009"', "expect: {begun: [ana]}", 6, "no account '2009', and an answer is expected"),
        (
            'from: "2009"',
            "expect: {transactions: [{call: ana, fee: 2 ± 1}]}",
            6,
            "no account '2009', and an answer is expected",
        ),
        (
            'from: "2000", headers: {From: "<sip:2009@x>"}, expect: {reply: 200}',
            "",
            6,
            "no account '2009', and an answer is expected",
        ),
        (
            'from: "%32009;x=y", expect: {reply: 200}',
            "",
            6,
            "no account '2009', and an answer is expected",
        ),
        (
            'from: "2000", to: "+39040123456", expect: {reply: 200}',
            "",
            6,
            "no rate is for sip:+39040123456, and an answer is expected",
        ),
    ],
)
def test_an_answer_is_expected_in_other_words(tmp_path: Path, call: str, rest: str, line: int, message: str) -> None:
    to = "" if "to:" in call else ', to: "39040123456"'
    assert warned(tmp_path, f"calls: [{{id: ana, {call}{to}}}]\n{rest}\n") == [(line, message)]


@pytest.mark.parametrize(
    ("account", "message"),
    [
        ("carrier_tags: [other]", "account '2000' has no rate for this number, and an answer is expected"),
        ("pricelist_tags: [other]", "account '2000' has no rate for this number, and an answer is expected"),
        ("carrier_tags: [carrier, other]", None),
        ("pricelist_tags: []", None),
    ],
)
def test_an_account_without_a_rate_of_its_own(tmp_path: Path, account: str, message: str | None) -> None:
    given = GIVEN.replace("balance: 0}", f"balance: 0, {account}}}")
    given = given.replace("host: carrier}", "host: carrier}, {carrier_tag: other, host: other}")
    given = given.replace(
        "rate: 1}]}", 'rate: 1}]}, {pricelist_tag: other, rates: [{carrier_tag: other, prefix: "sip:44", rate: 1}]}'
    )
    found = [each for _, each in warned(tmp_path, "calls:\n" + ANA % ", expect: {reply: 200}", given)]
    assert found == ([message] if message else [])


BOB = '  - {id: bob, from: "2000", to: "39"%s}\n'


@pytest.mark.parametrize(
    ("ana", "bob", "rest", "message"),
    [
        (", cancel: while ringing", ", start: ana is answered", "", "the answer to 'ana': it is cancelled"),
        ("", ", start: ana is transferred", "", "until 'ana' is transferred: it has no 'transfer'"),
        (
            "",
            ", start: ana is ringing",
            "carriers: {carrier: {provisional: [100]}}\n",
            "until 'ana' rings: no carrier says that it does",
        ),
        (
            "",
            ", start: ana is answered",
            "faults: [{on: agent, path: authorization, set: {authorized: false}}]\n",
            "the answer to 'ana': the agent doesn't authorise it",
        ),
        ("", ", start: ana is ringing", "", None),
        ("", ", start: ana is ringing", "carriers: {carrier: {provisional: [], forks: [{}]}}\n", False),
        (
            "",
            ", start: ana is answered",
            "faults: [{on: agent, path: authorization, set: {authorized: false}, times: 1}]\n",
            None,
        ),
        (
            ", cancel: while ringing",
            ", start: ana is answered",
            "carriers: {carrier: {answer_cancelled: true}}\n",
            None,
        ),
    ],
)
def test_a_moment_that_never_comes(tmp_path: Path, ana: str, bob: str, rest: str, message: str | None) -> None:
    found = [each for _, each in warned(tmp_path, f"calls:\n{ANA % ana}{BOB % bob}{rest}")]
    assert found == (
        [f"this waits in vain {message}" if message.startswith("until") else f"this waits in vain for {message}"]
        if message
        else []
    )


@pytest.mark.parametrize(
    ("call", "rest", "message"),
    [
        (
            "expect: {reply: 200}",
            "carriers: {carrier: {refuse: 486}}",
            "no carrier answers this call, and an answer is expected",
        ),
        ("expect: {reply: 200}", "carriers: {carrier: {attempts: [{refuse: 486}]}}", None),
        ("expect: {reply: 487}", "", "487 ends a call that is cancelled, and this one isn't"),
        ("expect: {reply: 487}", "carriers: {carrier: {refuse: 487}}", None),
        (
            "expect: {reply: 200, ended_by: kamailio}",
            "",
            "nothing makes Kamailio end this call: the caller hangs up after 1s",
        ),
        ("no_ack: true, expect: {reply: 200, ended_by: kamailio}", "", None),
        (
            "expect: {reply: 200, ended_by: nobody}",
            "",
            "the caller hangs up after 1s, and nobody is expected to",
        ),
        (
            "hold: 5s, expect: {reply: 200, duration: 2s ± 1s}",
            "",
            "the caller hangs up after 5s, and the duration is expected to be 2s ± 1s",
        ),
        (
            "hold: 2s, hangup: callee, expect: {reply: 200, duration: at least 4s}",
            "",
            "the callee hangs up after 2s, and the duration is expected to be at least 4s",
        ),
        ("hold: {min: 1s, max: 3s}, expect: {reply: 200, duration: below 4s}", "", None),
        ("hold: 5s, expect: {duration: 2s ± 1s}", "faults: [{on: agent, path: begin, status: 500}]", None),
        ("expect: {reply: 200, provisional: [183]}", "", "no carrier sends 183"),
        ("expect: {provisional: [180, 183]}", "carriers: {carrier: {forks: [{provisional: [183]}]}}", None),
        ("expect: {reply: 200, reinvite_reply: 200}", "", "no re-INVITE and no UPDATE is sent"),
        (
            "expect: {carrier: carrier, carriers: [other]}",
            "",
            "carrier is to answer, and isn't among the carriers that are to get the INVITE",
        ),
        (
            "expect: {reply: 200}",
            "expect: {carriers: [{host: carrier, invites: 0}, {host: other, invites: 0}]}",
            "no carrier is to get an INVITE, and an answer is expected",
        ),
        ("expect: {reply: 200}", "expect: {carriers: [{host: other, invites: 0}]}", None),
        (
            "expect: {reply: 480}",
            "expect: {begun: [ana]}",
            "'ana' isn't answered, and never begun: its reply is expected to be 480",
        ),
        (
            "expect: {reply: 200}",
            "expect: {not_ended: [ana]}",
            "'ana' is expected to be answered, and so it is ended",
        ),
        (
            "expect: {reply: 200}",
            "expect: {transactions: [{call: ana, absent: true}]}",
            "'ana' is expected to be answered, and so it has a record",
        ),
        ("expect: {reply: 200}", "expect: {transactions: [{call: ana, account_tag: '2001', absent: true}]}", None),
        ("expect: {reply: 480}", "expect: {replies: {200: 100%}}", "no call is expected to end with 200"),
        ("expect: {reply: [200, 486]}", "expect: {replies: {2xx: 1}}", None),
        ("hold: 30s, expect: {reply: 200}", "timeout: 5s", "this is 30s, and the scenario may take 5s"),
        (
            "cancel: while ringing",
            "carriers: {carrier: {provisional: [100]}, other: {provisional: []}}",
            "the CANCEL waits until it rings, and no carrier says that it does",
        ),
        *(
            (
                "expect: {reply: 200}",
                f"faults: [{{on: agent, path: authorization, {fault}}}]",
                "a fault leaves this call without an authorization, and an answer is expected",
            )
            for fault in (
                *("status: 500", "silent: true", "garbage: true", "set: {authorized: false}", "set: {carriers: []}"),
                *("remove: [max_available_units]", "reset: true, call: ana"),
            )
        ),
        *(
            ("expect: {reply: 200}", f"faults: [{{on: agent, {fault}}}]", None)
            for fault in (
                *("status: 500, path: begin", "status: 500, times: 1", "status: 200, body: x", "status: 500, nth: 2"),
                *("status: 500, until: 1s", "set: {authorized: true}", "set: {carriers: ['UDP:carrier']}"),
            )
        ),
        ("expect: {reply: 500}", "faults: [{on: agent, path: authorization, status: 500}]", None),
        ("expect: {reply: 486}", "", "no carrier refuses with 486"),
        ("expect: {reply: 603}", "carriers: {carrier: {refuse: 486}}", "no carrier refuses with 603"),
        ("expect: {reply: 603}", "carriers: {carrier: {attempts: [{refuse: 603}]}}", None),
        ("expect: {reply: [486, 603]}", "", None),
        ("headers: {Require: x}, expect: {reply: 488}", "", None),
        (
            "expect: {reply: 503}",
            "carriers: {carrier: {refuse: 503}}",
            "a carrier's 503 reaches the caller as 500 (RFC 3261 section 16.7)",
        ),
        ("expect: {reply: 500}", "carriers: {carrier: {refuse: 503}}", None),
        (
            "expect: {reply: 480}",
            "expect: {transactions: [{call: ana, duration: 3s}]}",
            "'ana' isn't answered: its reply is expected to be 480",
        ),
        (
            "expect: {reply: 480}",
            "expect: {transactions: [{call: ana, fee: at least 1}]}",
            "'ana' isn't answered: its reply is expected to be 480",
        ),
        ("expect: {reply: 480}", "expect: {transactions: [{call: ana, duration: 0s, fee: 0}]}", None),
        ("expect: {reply: 480}", "expect: {transactions: [{call: ana, fee: at most 3}]}", None),
    ],
)
def test_what_other_words_of_the_file_leave_no_way_to(
    tmp_path: Path, call: str, rest: str, message: str | None
) -> None:
    given = GIVEN
    if "other" in call + rest:
        given = given.replace("host: carrier}", "host: carrier}, {carrier_tag: other, host: other}")
    found = [each for _, each in warned(tmp_path, f"calls:\n{ANA % (', ' + call)}{rest}\n", given)]
    assert found == ([message] if message else [])


def test_a_prepaid_call_may_be_cut_before_it_is_hung_up(tmp_path: Path) -> None:
    rest = "calls:\n" + ANA.replace("2000", "2001") % ", hold: %s, expect: {reply: 200, duration: 10s ± 1s}"
    assert warned(tmp_path, rest % "20s") == []
    assert [message for _, message in warned(tmp_path, rest % "5s")] == [
        "the caller hangs up after 5s, and the duration is expected to be 10s ± 1s"
    ]
    ended = "calls:\n" + ANA.replace("2000", "2001") % ", hold: %s, expect: {reply: 200, ended_by: kamailio}"
    assert warned(tmp_path, ended % "20s") == []
    assert len(warned(tmp_path, ended % "5s")) == 1


@pytest.mark.parametrize(
    ("rate", "expected", "message"),
    [
        ("rate: 1", "20s ± 1s", "the account pays for 10s, and the duration is expected to be 20s ± 1s"),
        ("rate: 1, rate_increment: 60", "20s ± 1s", None),
        ("rate: 1, interval_start: 10", "20s ± 1s", None),
        ("rate: 1, connect_fee: 5", "8s ± 1s", "the account pays for 5s, and the duration is expected to be 8s ± 1s"),
        ("rate: 0", "20s ± 1s", None),
        ("rate: 1", "11s", None),
    ],
)
def test_a_call_that_is_longer_than_its_account_pays_for(
    tmp_path: Path, rate: str, expected: str, message: str | None
) -> None:
    rest = "calls:\n" + ANA.replace("2000", "2001") % f", hold: 20s, expect: {{reply: 200, duration: {expected}}}"
    found = [each for _, each in warned(tmp_path, rest, GIVEN.replace("rate: 1", rate))]
    told = [each for each in found if each.startswith("the account pays")]
    assert told == ([message] if message else [])


def test_a_balance_that_pays_for_no_second(tmp_path: Path) -> None:
    given = GIVEN.replace("rate: 1", "rate: 1, connect_fee: 10")
    found = [
        each
        for _, each in warned(tmp_path, "calls:\n" + ANA.replace("2000", "2001") % ", expect: {reply: 200}", given)
    ]
    assert found == ["account '2001' can't pay for a second, with a balance of 10, and an answer is expected"]


def test_an_account_that_is_charged_with_a_prepaid_one_has_a_limit(tmp_path: Path) -> None:
    given = GIVEN.replace("balance: 0}", 'balance: 0, linked_accounts: ["2001"]}')
    assert warned(tmp_path, "calls:\n" + ANA % ", hangup: never", given) == []


def test_of_a_configuration_of_ones_own_less_is_known(tmp_path: Path) -> None:
    (tmp_path / "own.cfg").write_text("#!trydef X 1\n")
    given = "kamailio: {config: own.cfg}\n" + GIVEN.replace("sip:39", "39")
    rest = "calls:\n" + ANA.replace("2000", "2009") % ", hangup: never, expect: {reply: 200}"
    assert warned(tmp_path, rest, given) == []


def test_a_file_with_a_mistake_has_no_warnings_besides(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        warned(tmp_path, "calls:\n" + ANA % ", hangup: never, holds: 1s")
    assert len(caught.value.mistakes) == 1


def test_a_warning_of_one_row_says_so(tmp_path: Path) -> None:
    rest = "matrix: {hangup: [never, caller]}\ncalls:\n" + ANA % ', hangup: "${hangup}"'
    assert warned(tmp_path, rest) == [(8, "nothing ever ends this call (row 'never' of the matrix)")]


@pytest.mark.parametrize(("word", "hint"), [("PCMA", "{codecs: [PCMA]}"), ("sendonly", "{direction: sendonly}")])
def test_a_word_is_no_session_description(word: str, hint: str, tmp_path: Path) -> None:
    path = tmp_path / "it.yaml"
    rest = "calls:\n" + ANA % f", sdp: {word}, reinvite: [{{at: after 500ms, sdp: {word}}}]"
    path.write_text(
        f"scenario: It\n{GIVEN}carriers: {{carrier: {{provisional: [183], early_sdp: {word}}}}}\n{rest}", "utf-8"
    )
    found = load_with_warnings(path)[1]
    assert [(each.message, each.hint) for each in found] == [
        (f"the whole session description is {word!r}", f"in words: {hint}")
    ] * 3


def test_the_projects_own_scenarios_have_none() -> None:
    for path in sorted((PROJECT / "scenarios").rglob("[!_]*.yaml")):
        assert load_with_warnings(path, configuration=PROJECT / "kamailio")[1] == [], path


def test_validate_shows_warnings_and_strict_takes_them_for_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "it.yaml"
    path.write_text(f"scenario: It\n{GIVEN}calls:\n" + ANA % ", hangup: never", "utf-8")
    result = CliRunner().invoke(main, ["validate", str(path)])
    assert result.exit_code == 0
    assert f"{path}:7:56: warning: nothing ever ends this call\n" in result.output
    assert result.output.endswith("1 file, 1 scenario, 0 mistakes, 1 warning\n")
    strict = CliRunner().invoke(main, ["validate", "--strict", str(path)])
    assert strict.exit_code == 2
    assert f"{path}:7:56: nothing ever ends this call\n" in strict.output
    assert strict.output.endswith("1 file, 1 scenario, 1 mistake\n")


# --- defines --------------------------------------------------------------------------------------------------------

CONFIGURATION = """\
#!KAMAILIO
# RATING_SECRET is for people
#!trydef RATING_CALLED "rated"   # why
#!define FR_TIMER 5000
#!trydef DNS_CACHE off
/* #!trydef GONE 1 */
#!ifdef WITH_TLS
loadmodule "tls.so"
#!endif
#!ifexp RATING_HTTP_TIMEOUT >= FR_TIMER
#!endif
modparam("x", "url", "http://a#b") modparam("x", "y", BARE) modparam("tm", "fr_timer", FR_TIMER)
xlog("$def(IN_TEXT)")
"""


@pytest.mark.parametrize(
    ("defines", "message"),
    [
        ("{RATING_CALLED: any}", "RATING_CALLED is a text to Kamailio, and 'any' lacks the quotes around it"),
        ("{RATING_CALLED: 3}", "RATING_CALLED is a text to Kamailio, and 3 is a number"),
        ("{RATING_CALED: 1}", "the configuration knows no define 'RATING_CALED'"),
        ("{GONE: 1}", "the configuration knows no define 'GONE'"),
        ("{RATING_SECRET: 1}", "the configuration knows no define 'RATING_SECRET'"),
        ("{fr_timer: 1}", "the configuration knows no define 'fr_timer'"),
        ("{FR_TIMER: fast}", "FR_TIMER is a number to Kamailio, and 'fast' is none"),
        ("{FR_TIMER: '\"5\"'}", "FR_TIMER is a number to Kamailio, and '\"5\"' is none"),
        ("{FR_TIMER: 5s}", "FR_TIMER is a number to Kamailio, and '5s' is none"),
        ("{RATING_CALLED: '\"any'}", "RATING_CALLED is a text to Kamailio, and '\"any' lacks the quotes around it"),
    ],
)
def test_a_define_that_the_configuration_does_not_take(tmp_path: Path, defines: str, message: str) -> None:
    (tmp_path / "kamailio.cfg").write_text(CONFIGURATION)
    rest = "calls:\n" + ANA % "" + f"kamailio: {{defines: {defines}}}\n"
    with pytest.raises(ScenarioError) as caught:
        warned(tmp_path, rest, configuration=tmp_path)
    (mistake,) = caught.value.mistakes
    assert (mistake.where.line, mistake.message) == (8, message)
    assert mistake.hint
    assert warned(tmp_path, rest) == []


def test_a_route_that_the_configuration_does_not_have(tmp_path: Path) -> None:
    (tmp_path / "kamailio.cfg").write_text("request_route {\n}\nroute[SIPOUT] {\n}\nevent_route[dialog:end] {\n}\n")
    rest = "calls:\n" + ANA % "" + "expect: {routes: {%s}}\n"
    known = "run: [SIPOUT, DEFAULT_ROUTE], not_run: ['dialog:end']"
    assert warned(tmp_path, rest % known, configuration=tmp_path) == []
    for words, message in (
        ("not_run: [SIPUOT]", "the configuration has no route 'SIPUOT'"),
        ("run: ['route[SIPOUT]']", "the configuration has no route 'route[SIPOUT]'"),
        ("run: ['route(SIPOUT)']", "the configuration has no route 'route(SIPOUT)'"),
        ("run: [SIPOUT], not_run: [SIPOUT]", "'SIPOUT' is in 'run' too"),
    ):
        assert warned(tmp_path, rest % words) == []
        with pytest.raises(ScenarioError) as caught:
            warned(tmp_path, rest % words, configuration=tmp_path)
        (mistake,) = caught.value.mistakes
        assert (mistake.where.line, mistake.message) == (8, message)
        assert "SIPOUT" in mistake.hint or "delete" in mistake.hint


@pytest.mark.parametrize("name", ["FR_TIMER", "DNS_CACHE", "WITH_TLS", "RATING_HTTP_TIMEOUT", "BARE", "IN_TEXT"])
def test_a_define_that_it_takes(tmp_path: Path, name: str) -> None:
    (tmp_path / "kamailio.cfg").write_text(CONFIGURATION)
    rest = "calls:\n" + ANA % "" + f"kamailio: {{defines: {{{name}: 1, RATING_CALLED: '\"any\"'}}}}\n"
    assert warned(tmp_path, rest, configuration=tmp_path) == []
    assert warned(tmp_path, rest, configuration=tmp_path / "kamailio.cfg") == []


def test_the_scenarios_own_configuration_goes_first(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "kamailio.cfg").write_text('#!trydef OWN 1\ninclude_file "more.inc"\n')
    (tmp_path / "own" / "more.inc").write_text("#!ifdef MORE\n#!endif\n")
    rest = "calls:\n" + ANA % "" + "kamailio: {config: own, defines: {%s: 1}}\n"
    assert warned(tmp_path, rest % "OWN", configuration=PROJECT / "kamailio") == []
    assert warned(tmp_path, rest % "MORE", configuration=PROJECT / "kamailio") == []
    with pytest.raises(ScenarioError, match="knows no define 'FR_TIMER'"):
        warned(tmp_path, rest % "FR_TIMER", configuration=PROJECT / "kamailio")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ('kamailio: {users: {"2000": secret}}', "without WITH_AUTH the configuration has no htable 'subscriber'"),
        ('kamailio: {defines: {WITH_AUTH: 1}, users: {"2000": secret}}', None),
        ('kamailio: {defines: {WITH_REGISTRAR: 1}, users: {"2000": secret}}', None),
        ('kamailio: {tables: {source: {"{ana}": " 2000 "}}}', "without WITH_SOURCES"),
        ('kamailio: {tables: {trunks: {"{carrier}": 1}}}', "the configuration has no htable 'trunks'"),
        ('kamailio: {tables: {trunk: {"{carrier}": 1}}}', None),
        ('phones: {desk: {user: "2000"}}', "without WITH_REGISTRAR the configuration takes no REGISTER"),
        ('phones: {desk: {user: "2000", registration: {expect: 405}}}', None),
        ('phones: {desk: {user: "2000", registration: false}}', None),
        ('kamailio: {defines: {WITH_REGISTRAR: 1}}\nphones: {desk: {user: "2000"}}', None),
    ],
)
def test_what_the_configuration_has_for_a_define_only(tmp_path: Path, words: str, found: str | None) -> None:
    rest = f"{words}\ncalls:\n{ANA % ', expect: {reply: any}'}"
    messages = [message for _, message in warned(tmp_path, rest, configuration=PROJECT / "kamailio")]
    assert len(messages) == (found is not None)
    assert all(found is not None and found in message for message in messages)
    assert warned(tmp_path, rest) == []


def test_a_configuration_of_ones_own_takes_registers_without_the_projects_define(tmp_path: Path) -> None:
    path = tmp_path / "it.yaml"
    path.write_text(
        'scenario: It\nphones: {desk: {user: "2000"}}\ncalls:\n' + ANA % ", expect: {reply: any}", "utf-8"
    )
    (tmp_path / "kamailio.cfg").write_text(
        '#!ifdef WITH_NAT\n#!endif\nrequest_route { save("location"); }\n', "utf-8"
    )
    assert load_with_warnings(path, configuration=tmp_path, besides=PROJECT / "kamailio")[1] == []
    (warning,) = load_with_warnings(path, configuration=PROJECT / "kamailio", besides=tmp_path)[1]
    assert warning.message == "without WITH_REGISTRAR the configuration takes no REGISTER"


@pytest.mark.parametrize(
    ("behaviour", "call", "found"),
    [
        ("hang_up_after: 5s", "", "this comes 5s after the answer, and each call is over after 1s"),
        ("vanish: after 5s", ", hold: 2s", "this comes 5s after the answer, and each call is over after 2s"),
        ("calls: {ana: {hang_up_after: 5s}}", "", "this comes 5s after the answer, and each call is over after 1s"),
        ("hang_up_after: 5s", ", hold: {min: 1s, max: 9s}", None),
        ("hang_up_after: 5s", ", hangup: never", None),
        ("hang_up_after: {min: 1s, max: 5s}", "", None),
        ("calls: {ana: {}}, hang_up_after: 5s", "", None),
        ("vanish: while ringing", "", None),
    ],
)
def test_a_carrier_that_acts_after_every_calls_end(
    tmp_path: Path, behaviour: str, call: str, found: str | None
) -> None:
    rest = f"calls:\n{ANA % call}carriers: {{carrier: {{{behaviour}}}}}\n"
    assert warned(tmp_path, rest) == ([] if found is None else [(8, found)])


def test_an_account_that_is_linked_to_itself(tmp_path: Path) -> None:
    given = GIVEN.replace("balance: 10}", 'balance: 10, linked_accounts: ["2001"]}')
    found = warned(tmp_path, f"calls:\n{ANA % ''}", given)
    assert found == [(3, "account '2001' is linked to itself: the engine can't end its calls")]


def test_other_conditions_of_a_configuration_are_not_guessed_at(tmp_path: Path) -> None:
    (tmp_path / "kamailio.cfg").write_text(
        "#!ifexp X > 1\nmodparam('htable', 'htable', 'one=>size=8;')\n#!endif\n"
        '#!ifdef MINE\n#!else\nmodparam("htable", "htable", "two=>size=8;")\n#!endif\n'
        '#!ifdef MINE\n#!ifndef OTHER\nmodparam("htable", "htable", "three=>size=8;")\n#!endif\n#!endif\n'
    )
    rest = f"kamailio: {{tables: {{one: {{a: 1}}, two: {{a: 1}}, three: {{a: 1}}}}}}\ncalls:\n{ANA % ''}"
    found = [message for _, message in warned(tmp_path, rest, configuration=tmp_path)]
    assert found == ["without MINE the configuration has no htable 'three'"]


ALWAYS = "this holds whatever happens"


@pytest.mark.parametrize(
    ("expect", "message"),
    [
        ("transactions: [{call: ana, count: at least 0}]", ALWAYS),
        ("transactions: [{call: ana, count: above -1}]", ALWAYS),
        ("requests: [{call: ana, path: end, count: any}]", ALWAYS),
        ("carriers: [{host: carrier, invites: at least 0}]", ALWAYS),
        ("accounts: [{account_tag: '2000', running: any}]", ALWAYS),
        ("replies: {200: at most 100%}", ALWAYS),
        ("asr: at least 0%", ALWAYS),
        ("failures: at least 0", ALWAYS),
        ("received: [{by: callee, count: any}]", ALWAYS),
        ("accounts: [{account_tag: '2000'}]", "nothing is expected of this account"),
        (
            "transactions: [{call: ana, destination_rate: {prfix: absent}}]",
            "'prfix' is absent whatever happens: nothing has that name",
        ),
        (
            "requests: [{call: ana, fields: {acount_tag: absent}}]",
            "'acount_tag' is absent whatever happens: nothing has that name",
        ),
        (
            "received: [{headers: {P-Aserted-Identity: absent}}]",
            "'P-Aserted-Identity' is absent whatever happens: nothing has that name",
        ),
        ("received: [{method: MESAGE, absent: true}]", "no message has the method 'MESAGE'"),
        ("received: [{method: MESAGE, count: 0}]", "no message has the method 'MESAGE'"),
    ],
)
def test_what_holds_whatever_happens_is_told(tmp_path: Path, expect: str, message: str) -> None:
    rest = "calls:\n" + ANA % "" + f"expect:\n  {expect}\n"
    assert warned(tmp_path, rest) == [(9, message)]


@pytest.mark.parametrize(
    "expect",
    [
        "transactions: [{call: ana, count: at least 0, fee: 1}]",
        "transactions: [{call: ana, count: at least 1}]",
        "transactions: [{call: ana, fee: at least 0}]",
        "transactions: [{call: ana, duration: at least 0s}]",
        "accounts: [{account_tag: '2000', balance: below 0}]",
        "failures: any",
        "asr: any",
        "replies: {200: at most 99%}",
        "requests: [{call: ana, fields: {vendor_tag: absent, account_tag: any}}]",
        "received: [{method: FOO, absent: true}, {headers: {X-Retry-After: absent, Retry-After: absent}}]",
    ],
)
def test_what_some_run_could_fail_is_not_told(tmp_path: Path, expect: str) -> None:
    assert warned(tmp_path, "calls:\n" + ANA % "" + f"expect:\n  {expect}\n") == []


@pytest.mark.parametrize(
    ("more", "is_told"),
    [
        ("", True),
        ("timeout: 1m\n", False),
        ("clock: {skip: 40s, when: 2s after ana is answered}\n", False),
        ("faults: [{on: agent, path: begin, status: 500}]\n", False),
        ("carriers: {carrier: {hang_up_after: 2s}}\n", False),
        ("carriers: {carrier: {vanish: after 2s}}\n", True),
        ("kamailio: {defines: {RATING_KEEPALIVE: 1}}\ncarriers: {carrier: {vanish: after 2s}}\n", False),
    ],
)
def test_a_call_is_to_end_while_the_scenario_waits(tmp_path: Path, more: str, is_told: bool) -> None:
    given = GIVEN.replace("POSTPAID, balance: 0", "PREPAID, balance: 50")
    said = ", hangup: never, vanish: {who: caller, at: after 1s}, expect: {reply: 200}"
    told = [(7, "nothing ends this call before its limit, after 49s")] if is_told else []
    assert warned(tmp_path, "calls:\n" + ANA % said + more, given) == told


def test_what_is_trusted_may_be_called_otherwise(tmp_path: Path) -> None:
    rest = "calls:\n" + ANA % ', uri: "sip:39040123456;npdi@a", expect: {reply: %s}'
    assert warned(tmp_path, rest % "403") == []
    trusting = "kamailio: {defines: {RATING_CALLED: '\"any\"'}}\n"
    assert warned(tmp_path, rest % "200" + trusting) == []


@pytest.mark.parametrize(
    ("call", "rest", "message"),
    [
        (
            ", hangup: never, expect: {duration: 30s ± 1s}",
            "",
            "the account pays for 10s, and the duration is expected to be 30s ± 1s",
        ),
        (", hangup: never, expect: {duration: 10s ± 1s, ended_by: kamailio}", "", None),
        (", hangup: never, expect: {ended_by: callee}", "", "nobody hangs up, and the callee is expected to"),
        (", hangup: never, expect: {ended_by: callee}", "carriers: {carrier: {hang_up_after: 2s}}\n", None),
        (", ring: 6s", "timeout: 3s\n", "this is 6s, and the scenario may take 3s"),
        (", ring: 6s, cancel: after 1s", "timeout: 3s\n", None),
        (
            "",
            "expect: {transactions: [{call: ana, account_tag: '2001', count: 3}]}\n",
            "'ana' has a record for each call and account: 1 at most",
        ),
        ("", "expect: {transactions: [{call: ana, count: 2}]}\n", None),
        (", repeat: 3", "expect: {transactions: [{call: ana, account_tag: '2001', count: 3}]}\n", None),
    ],
)
def test_what_a_limit_a_time_and_a_number_of_calls_rule_out(
    tmp_path: Path, call: str, rest: str, message: str | None
) -> None:
    found = warned(tmp_path, f"calls:\n{ANA.replace('2000', '2001') % call}{rest}")
    assert [said for _, said in found] == ([message] if message else [])
