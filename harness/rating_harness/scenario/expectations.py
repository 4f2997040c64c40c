"""What is expected, of each call and of the whole scenario."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rating_harness.scenario.fields import (
    CallRef,
    CountOrPercentMatch,
    DurationMatch,
    ExchangePath,
    Flag,
    FlagMatch,
    HeaderMatches,
    Int32,
    MethodName,
    Model,
    NumberMatch,
    PartMatch,
    PercentMatch,
    Positive,
    Provisional,
    Seconds,
    StatusMatch,
    StatusName,
    Text,
    TextMatch,
    ValueMatch,
    WholeSecondsMatch,
    key,
)

__all__ = [
    "AccountExpectation",
    "CallExpectation",
    "CarrierExpectation",
    "DialogExpectation",
    "Expectations",
    "LogExpectation",
    "Percentiles",
    "Received",
    "Reply",
    "RequestExpectation",
    "Routes",
    "RpcExpectation",
    "SdpExpectation",
    "TransactionExpectation",
]


class Reply(Model):
    """A reply that is expected."""

    meanings = (
        ("status response reply answer", "the status is 'code'"),
        ("text phrase reason_phrase message", "the reason phrase is 'reason'"),
    )

    shorthand = "code"
    code: Annotated[StatusMatch, key("Its status: a code, a class, or several of them.", 200, "4xx", [486, 600])]
    reason: Annotated[TextMatch | None, key("Its reason phrase.", "Forbidden -- insufficient balance")] = None


class SdpExpectation(Model):
    """A session description (RFC 8866) as it arrived."""

    media: Annotated[tuple[Text, ...] | None, key("Media, in order.", ["audio"], ["audio", "video"])] = None
    direction: Annotated[
        Literal["sendrecv", "sendonly", "recvonly", "inactive"] | None,
        key("Direction of the first medium; sendrecv where nothing is said.", "sendonly"),
    ] = None
    codecs: Annotated[
        tuple[TextMatch, ...] | None,
        key("Codecs of the first medium, in order, without clock rate.", ["PCMA", "PCMU"]),
    ] = None
    address: Annotated[TextMatch | None, key("Connection address of the first medium.", "10.0.0.1")] = None
    port: Annotated[NumberMatch | None, key("Port of the first medium; 0: it was refused.", 6000)] = None
    lines: Annotated[
        tuple[TextMatch, ...], key("Lines that are there, anywhere.", ["a=ptime:20", "/^a=rtpmap:8 /"])
    ] = ()


class Received(Model):
    """A message that arrived, or didn't, at one of the ends."""

    meanings = (
        ("at where end side host to", "where it arrives is 'by'"),
        ("status code response", "a reply's status is 'reply'"),
        ("request", "its method is 'method'"),
        ("content payload", "its body is 'body'"),
        ("times number", "how many of them is 'count'"),
    )

    call: Annotated[CallRef | None, key("Of which call; in a call's own `expect` it's that one.", "ana")] = None
    by: Annotated[Text, key("Where: caller, callee, or a carrier's or phone's host.", "callee", "carrier")] = "callee"
    method: Annotated[MethodName, key("A request of this method, or a reply to one.", "BYE")] = "INVITE"
    reply: Annotated[StatusMatch | None, key("It's a reply, with this status.", 183)] = None
    reason: Annotated[TextMatch | None, key("Reason phrase of the reply.", "Session Progress")] = None
    nth: Annotated[Positive | None, key("Only the nth of them; every one of them when not given.", 2)] = None
    uri: Annotated[TextMatch | None, key("Its Request-URI.", "/^sip:39040123456@/")] = None
    headers: Annotated[
        HeaderMatches,
        key(
            "Its headers. A single value is of every header of the name, a list of all, in order.",
            {"P-Asserted-Identity": "absent", "Record-Route": ["/did=/"]},
        ),
    ] = Field(default_factory=dict)
    sdp: Annotated[
        Literal["unchanged", "any", "absent"] | SdpExpectation | None,
        key(
            "Its session description; unchanged: as the other end sent it.",
            "unchanged",
            {"direction": "sendonly"},
        ),
    ] = None
    body: Annotated[TextMatch | None, key("Its body; lines end with a line feed alone.", "/hello/", "absent")] = None
    count: Annotated[
        NumberMatch | None,
        key("How many such messages, retransmissions not counted; at least one when not given.", 1),
    ] = None
    absent: Annotated[Flag, key("There is no such message.", True)] = False


class CallExpectation(Model):
    """What is expected of one call; of each, when it is repeated."""

    meanings = (
        ("status code response result final_reply", "the final reply is 'reply'"),
        ("hold length", "how long it lasts is 'duration'"),
        ("hangup hangup_by hung_up released_by bye_by", "who sends the BYE is 'ended_by'"),
        ("routed_to gateway trunk", "the carrier that answers is 'carrier'"),
        ("fee cost charge billed price paid", "what it costs is in 'expect.transactions' of the file"),
        ("sdp arrived receives", "what arrives at an end is 'received'"),
        ("pdd post_dial_delay ring ring_time", "the time to the first ringing is 'ringing'"),
        ("latency response_time", "the time to the final reply is 'setup'"),
        (
            "answered connected success refused rejected busy no_answer unanswered cancelled",
            "whether it's answered is in its 'reply': 200, or 486",
        ),
        (
            "carrier_headers invite_headers callee_headers at_carrier at_callee callee_sees caller_id",
            "what arrives at an end is 'received': [{by: callee, headers: {X-Account: any}}]",
        ),
        (
            "rtp audio media mos voice_quality speech",
            "no media are looked at; the session descriptions of both sides are, in 'received'",
        ),
        ("reply_headers response_headers", "headers of the final reply are 'headers'"),
        ("early progress", "replies before the final one are 'provisional'"),
        ("limit max_duration cut_after", "the limit that Kamailio sets is in 'expect.dialogs' of the file: timeout"),
        ("record cdr billsec transaction", "its record is in 'expect.transactions' of the file"),
        ("hung_up_by terminated_by disconnected_by", "who sends the BYE is 'ended_by'"),
    )

    reply: Annotated[
        Reply | None, key("The final reply to the caller.", 200, {"code": 403, "reason": "/insufficient/"})
    ] = None
    reason: Annotated[
        TextMatch | None, key("The reason phrase of the final reply.", "Forbidden -- insufficient balance")
    ] = None
    provisional: Annotated[
        tuple[Provisional, ...] | None,
        key(
            "The provisional replies, in order; one twice in a row counts once, 100 only if named.",
            [180, 183],
        ),
    ] = None
    headers: Annotated[
        HeaderMatches,
        key(
            "Headers of the final reply. A single value is of every header of the name, a list of all, in order.",
            {"Contact": "any", "Retry-After": "absent"},
        ),
    ] = Field(default_factory=dict)
    ended_by: Annotated[
        Literal["caller", "callee", "kamailio", "nobody"] | None, key("Who sent the BYE.", "kamailio")
    ] = None
    duration: Annotated[DurationMatch | None, key("From answer to BYE.", "3s ± 1s")] = None
    carrier: Annotated[TextMatch | None, key("The carrier that answered, by host name.", "carrier")] = None
    carriers: Annotated[
        tuple[Text, ...] | None,
        key("The carriers that got the INVITE, in order, by host name; [] for none.", ["first", "second"]),
    ] = None
    received: Annotated[
        tuple[Received, ...],
        key(
            "What arrived at an end of the call, or didn't.",
            [{"by": "callee", "method": "INVITE", "headers": {"P-Asserted-Identity": "absent"}}],
        ),
    ] = ()
    setup: Annotated[DurationMatch | None, key("From INVITE to the final reply.", "below 500ms")] = None
    ringing: Annotated[
        DurationMatch | None,
        key("Post-dial delay: from INVITE to the first provisional reply but 100.", "below 1s"),
    ] = None
    bye_reason: Annotated[TextMatch | None, key("The Reason header of the BYE.", "/cause=500/")] = None
    bye_reply: Annotated[StatusMatch | None, key("The reply to the BYE.", 200)] = None
    reinvite_reply: Annotated[StatusMatch | None, key("The reply to each re-INVITE or UPDATE.", 200)] = None
    source: Annotated[TextMatch | None, key("From URI as it reached the carrier.", "/^sip:1000@/")] = None
    destination: Annotated[TextMatch | None, key("Request URI as it reached the carrier.", "/^sip:39/")] = None


class DialogExpectation(Model):
    """A dialog as Kamailio has it."""

    meanings = (("limit duration max_duration lifetime", "the limit that Kamailio sets is 'timeout'"),)

    call: Annotated[CallRef, key("Which call.", "ana")]
    timeout: Annotated[WholeSecondsMatch | None, key("The timeout set on the dialog.", "3s")] = None
    state: Annotated[
        Literal["early", "confirmed_na", "confirmed", "deleted"] | None,
        key("The furthest state it was seen in.", "confirmed"),
    ] = None
    gone: Annotated[Flag | None, key("Whether it is gone in the end.", True)] = None
    absent: Annotated[Flag, key("No dialog was ever seen.", True)] = False


class RequestExpectation(Model):
    """Requests from Kamailio to the agent."""

    meanings = (
        ("url endpoint kind request method", "which of them is 'path'"),
        ("body json payload content", "what they carry is 'fields'"),
        ("code http_status answer", "the HTTP status is 'status'"),
        ("times number", "how many of them is 'count'"),
    )

    path: Annotated[ExchangePath | None, key("Which kind; all when not given.", "authorization")] = None
    call: Annotated[CallRef | None, key("Those of one call.", "ana")] = None
    count: Annotated[NumberMatch | None, key("How many; at least one when not given.", 1, "at most 3")] = None
    order: Annotated[
        tuple[ExchangePath, ...] | None,
        key("The requests of the call, in this order and no others.", ["authorization", "begin", "end"]),
    ] = None
    fields: Annotated[
        dict[Text, ValueMatch],
        key("Fields of each of them; others may be there.", {"account_tag": "1000", "timestamp_begin": "any"}),
    ] = Field(default_factory=dict)
    status: Annotated[StatusMatch | None, key("The HTTP status that Kamailio got.", 200)] = None
    absent: Annotated[Flag, key("There is no request that is as all the rest says.", True)] = False


class TransactionExpectation(Model):
    """A record in the engine: a subset of its fields."""

    meanings = (
        ("cost charge price amount", "what was charged is 'fee'"),
        ("billsec billed seconds length hold", "the seconds that were billed are 'duration'"),
        ("account from caller", "who pays is 'account_tag'"),
        ("call_id id", "which call is 'call'"),
        ("begin start", "when it began is 'timestamp_begin'"),
        ("end stop", "when it ended is 'timestamp_end'"),
        ("number to callee", "who was called is 'destination'"),
    )

    call: Annotated[CallRef | None, key("Which call; matched by its Call-ID.", "ana")] = None
    transaction_tag: Annotated[
        TextMatch | None, key("The Call-ID itself, for records of no call of this file.", "any")
    ] = None
    account_tag: Annotated[TextMatch | None, key("The account it was booked on.", "1000")] = None
    primary: Annotated[FlagMatch | None, key("true for the account of the call, false for a linked one.", True)] = (
        None
    )
    inbound: Annotated[FlagMatch | None, key("true for the account that was called.", False)] = None
    authorized: Annotated[FlagMatch | None, key("Whether the engine authorised it.", True)] = None
    unauthorized_reason: Annotated[
        TextMatch | None, key("Why not. The published engine always stores an empty text.", "/.*/")
    ] = None
    duration: Annotated[WholeSecondsMatch | None, key("Seconds that were billed.", "3s ± 1s")] = None
    fee: Annotated[NumberMatch | None, key("What was charged.", "3 ± 1")] = None
    source: Annotated[TextMatch | None, key("From URI.", "/^sip:1000@/")] = None
    source_ip: Annotated[TextMatch | None, key("Address of the source.", "any")] = None
    destination: Annotated[TextMatch | None, key("To URI.", "/^sip:39040123456@/")] = None
    carrier_ip: Annotated[TextMatch | None, key("Address of the carrier.", "any")] = None
    tags: Annotated[tuple[Text, ...] | None, key("Tags it has, at least.", ["vip"])] = None
    timestamp_auth: Annotated[TextMatch | None, key("When it was authorised.", "any")] = None
    timestamp_begin: Annotated[TextMatch | None, key("When it began.", "any")] = None
    timestamp_end: Annotated[TextMatch | None, key("When it ended.", "absent")] = None
    destination_rate: Annotated[
        dict[Text, ValueMatch] | None, key("The rate it was charged at.", {"prefix": "sip:39", "rate": 1})
    ] = None
    count: Annotated[NumberMatch | None, key("How many such records; one for each call made when not given.", 1)] = (
        None
    )
    absent: Annotated[Flag, key("There is no such record.", True)] = False


class AccountExpectation(Model):
    """An account after the calls."""

    meanings = (
        ("account tag id name", "which account is 'account_tag'"),
        ("credit amount money", "what it has is 'balance'"),
        ("calls running_calls", "how many calls it has going on is 'running'"),
    )

    account_tag: Annotated[Text, key("Which account.", "1000")]
    balance: Annotated[NumberMatch | None, key("Its balance.", "0 ± 1")] = None
    running: Annotated[NumberMatch | None, key("How many transactions it has running.", 0)] = None


class CarrierExpectation(Model):
    """What reached a carrier, all calls together."""

    meanings = (
        ("calls count attempts number", "how many calls reached it is 'invites'"),
        ("carrier name tag carrier_tag", "its host name is 'host'"),
    )

    host: Annotated[Text, key("Its host name.", "carrier")]
    invites: Annotated[NumberMatch, key("How many first INVITEs reached it; no retransmissions, no re-INVITEs.", 0)]


class LogExpectation(Model):
    """A line of Kamailio's log."""

    meanings = (
        ("text message contains match pattern", "what the line has is 'line'"),
        ("severity priority", "its level is 'level'"),
    )

    shorthand = "line"
    line: Annotated[TextMatch, key("A text that the line contains, or a regular expression.", "/timeout/")]
    level: Annotated[
        Literal["critical", "alert", "error", "warning", "notice", "info", "debug"] | None, key("Its level.", "alert")
    ] = None
    call: Annotated[CallRef | None, key("Only lines with the Call-ID of this call.", "ana")] = None
    count: Annotated[NumberMatch | None, key("How many such lines; at least one when not given.", 1)] = None
    absent: Annotated[Flag, key("There must be no such line.", True)] = False


class Routes(Model):
    """Routes of kamailio.cfg, from the trace."""

    run: Annotated[tuple[Text, ...], key("Routes that ran.", ["RATING_AUTHORIZATION"])] = ()
    not_run: Annotated[tuple[Text, ...], key("Routes that did not run.", ["RATING_BEGIN_TRANSACTION"])] = ()


class RpcExpectation(Model):
    """What Kamailio answers to a command of its RPC, once the calls are over: a setting, a table, a statistic."""

    command: Annotated[Text, key("The command, with its module.", "core.tcp_options", "htable.listTables")]
    parameters: Annotated[tuple[Text | Int32, ...], key("Its parameters.", ["rating_state"])] = ()
    result: Annotated[
        PartMatch | None,
        key(
            "What it answers: of a mapping the keys that are named, of a list items that are in it somewhere; "
            "{} and [] are empty. Without it, anything but an error.",
            {"connect_timeout": 3},
            [{"name": "rating_state", "expire": 2147483647}],
        ),
    ] = None
    error: Annotated[TextMatch | None, key("It is refused, with this.", "Not found", "/no such/")] = None


class Percentiles(Model):
    """Times of many calls, from INVITE to the final reply."""

    meanings = (
        ("avg average mean median", "what half of the calls take at most is 'p50'"),
        ("worst slowest p100", "the slowest is 'max'"),
    )

    p50: Annotated[DurationMatch | None, key("Half of the calls.", "below 100ms")] = None
    p90: Annotated[DurationMatch | None, key("Nine of ten.", "below 200ms")] = None
    p95: Annotated[DurationMatch | None, key("95 of a hundred.", "below 200ms")] = None
    p99: Annotated[DurationMatch | None, key("99 of a hundred.", "below 500ms")] = None
    max: Annotated[DurationMatch | None, key("All.", "below 2s")] = None


class Expectations(Model):
    """What is expected of the scenario as a whole. Records are awaited: the engine stores them in its own time."""

    meanings = (
        ("records record cdr cdrs billing charges", "the engine's records are 'transactions'"),
        ("balance balances", "a balance is one of 'accounts'"),
        ("answer_seizure_ratio answered success_rate", "the share of calls that are answered is 'asr'"),
        ("average_duration average_length mean_duration", "the average length of a call is 'acd'"),
        ("errors failed error_rate", "calls that fail are 'failures'"),
        ("cost costs charge total_cost revenue fee price", "what all calls cost together is 'fees'"),
        ("latency pdd response_time percentiles", "the time to the final reply is 'setup': {p95: below 200ms}"),
        (
            "reply status code response final_reply",
            "a call's reply is expected in its own 'expect'; of all, 'replies'",
        ),
        ("call calls", "what is expected of one call stands in its own 'expect'"),
        ("http agent", "what Kamailio asks the agent is 'requests'"),
        ("messages sip arrived", "what arrives at an end is 'received'"),
    )

    dialogs: Annotated[
        tuple[DialogExpectation, ...], key("Dialogs in Kamailio.", [{"call": "ana", "timeout": "3s"}])
    ] = ()
    requests: Annotated[
        tuple[RequestExpectation, ...],
        key("Requests from Kamailio to the agent.", [{"path": "end", "call": "ana", "count": 1}]),
    ] = ()
    begun: Annotated[tuple[CallRef, ...], key("Calls whose begin is in the engine.", ["ana"])] = ()
    not_begun: Annotated[tuple[CallRef, ...], key("Calls that have no begin.", ["bob"])] = ()
    ended: Annotated[tuple[CallRef, ...], key("Calls whose end is in the engine.", ["ana"])] = ()
    not_ended: Annotated[tuple[CallRef, ...], key("Calls that have no end.", ["bob"])] = ()
    transactions: Annotated[
        tuple[TransactionExpectation, ...], key("Records in the engine.", [{"call": "ana", "fee": "3 ± 1"}])
    ] = ()
    accounts: Annotated[
        tuple[AccountExpectation, ...],
        key("Accounts after the calls.", [{"account_tag": "1000", "balance": "0 ± 1"}]),
    ] = ()
    carriers: Annotated[
        tuple[CarrierExpectation, ...], key("What reached the carriers.", [{"host": "carrier", "invites": 0}])
    ] = ()
    received: Annotated[
        tuple[Received, ...],
        key(
            "What arrived at any end, all calls together, or didn't.",
            [{"by": "carrier", "method": "MESSAGE", "absent": True}],
        ),
    ] = ()
    log: Annotated[
        tuple[LogExpectation, ...],
        key(
            "Lines of Kamailio's log that must, or must not, be there.",
            ["/rating timeout/", {"line": "/lost/", "absent": True}],
        ),
    ] = ()
    rpc: Annotated[
        tuple[RpcExpectation, ...],
        key(
            "What Kamailio answers to commands of its RPC.",
            [{"command": "core.tcp_options", "result": {"connect_timeout": 3}}],
        ),
    ] = ()
    routes: Annotated[Routes | None, key("Routes that ran, and that did not.", {"run": ["SIPOUT"]})] = None
    setup: Annotated[Percentiles | None, key("Set-up time of all calls.", {"p95": "below 200ms"})] = None
    replies: Annotated[
        dict[StatusName, CountOrPercentMatch],
        key("Final replies of all calls, by status or class.", {"200": "60% ± 5%", "486": "at least 30%", "5xx": 0}),
    ] = Field(default_factory=dict)
    asr: Annotated[
        PercentMatch | None,
        key("Answer-seizure ratio: answered calls, of all.", "60% ± 5%", "at least 55%"),
    ] = None
    acd: Annotated[
        DurationMatch | None, key("Average duration of the answered calls, from answer to BYE.", "3s ± 200ms")
    ] = None
    fees: Annotated[
        NumberMatch | None,
        key("Sum of the fees of all calls' primary records.", "120 ± 6"),
    ] = None
    failures: Annotated[
        NumberMatch | None, key("Calls that did not go as `calls` says; 0 under load when not given.", 0, "at most 5")
    ] = None
    within: Annotated[
        Seconds | None,
        key(
            "How long records are awaited. When not given: 5 s, and 10 s more at most while Kamailio's tables say "
            "that it still has something to do for a call.",
            "10s",
        ),
    ] = None
