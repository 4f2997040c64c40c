"""What a scenario says, as immutable values. The JSON Schema for editors is made from this very model.

Durations are seconds (float); what is drawn is a ``DrawnSeconds`` or ``DrawnCount``, what is expected is a ``Matcher``, both of
:mod:`harness.scenario.values`. Field names are those of the YAML file, except ``from`` (here ``from_``); those of
accounts, carriers, pricelists, rates, customers and transactions are the rating engine's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainValidator,
    PrivateAttr,
    Strict,
    WithJsonSchema,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from harness.errors import Location
from harness.scenario import values
from harness.scenario.values import DrawnCount, DrawnSeconds, Matcher, Moment

__all__ = [
    "INVARIANTS",
    "Account",
    "AccountExpectation",
    "Behaviour",
    "Call",
    "CallExpectation",
    "Carrier",
    "CarrierBehaviour",
    "CarrierExpectation",
    "Credentials",
    "Customer",
    "DialogExpectation",
    "Expectations",
    "Fault",
    "Given",
    "Kamailio",
    "Load",
    "LogExpectation",
    "Origin",
    "Percentiles",
    "Pricelist",
    "Rate",
    "Refusal",
    "Reinvite",
    "Reply",
    "RequestExpectation",
    "Requires",
    "Routes",
    "Running",
    "Scenario",
    "SippFile",
    "TransactionExpectation",
    "ValuePath",
    "Vanish",
]

INVARIANTS: dict[str, str] = {
    "calls": "every call was made; zero calls are a failure",
    "begin_and_end": "each answered call has exactly one begin and one end, no other call has any",
    "balances": "balances move by exactly the fees",
    "running": "no running transaction is left",
    "dialogs": "no dialog is active at the end",
    "carriers": "nothing unexpected reached a carrier",
    "final_reply": "the caller gets exactly one final reply",
    "kamailio": "Kamailio neither restarts nor logs at critical level",
}
"""The checks that are always on, by the name that switches one off."""


def key(description: str, *examples: object, **constraints: Any) -> FieldInfo:
    """What an editor shows for a key."""
    info: FieldInfo = Field(description=description, examples=list(examples), **constraints)
    return info


def _json(schema: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema(schema)


_DURATION_SCHEMA: dict[str, Any] = {"type": "string", "pattern": values.DURATION_PATTERN}
_COUNT_SCHEMA: dict[str, Any] = {"type": "integer", "minimum": 1}


def _drawn_schema(bound: dict[str, Any]) -> dict[str, Any]:
    both = {"min": bound, "max": bound}
    drawn = {"type": "object", "properties": both, "required": ["min", "max"], "additionalProperties": False}
    return {"anyOf": [bound, drawn]}


def _json_matcher(*types: str) -> WithJsonSchema:
    return _json({"type": list(types)})


Text = Annotated[str, Strict(), Field(min_length=1)]
Whole = Annotated[int, Strict(), Field(ge=-(2**53), le=2**53)]
Int32 = Annotated[int, Strict(), Field(ge=-(2**31), lt=2**31)]
Count = Annotated[int, Strict(), Field(ge=0, lt=2**31)]
Port = Annotated[int, Strict(), Field(ge=1, le=65535)]
Code = Annotated[int, Strict(), Field(ge=100, le=699)]
Flag = Annotated[bool, Strict()]
CallId = Annotated[str, Strict(), Field(pattern=rf"^{values.CALL_ID}$")]
HeaderValues = dict[Text, Annotated[str, Strict()]]

Seconds = Annotated[float, PlainValidator(values.parse_duration), _json(_DURATION_SCHEMA)]
DrawnDuration = Annotated[
    DrawnSeconds,
    PlainValidator(lambda value: values.parse_drawn(value, values.parse_duration, DrawnSeconds)),
    _json(_drawn_schema(_DURATION_SCHEMA)),
]
Repeat = Annotated[
    DrawnCount,
    PlainValidator(lambda value: values.parse_drawn(value, values.parse_count, DrawnCount)),
    _json(_drawn_schema(_COUNT_SCHEMA)),
]
PerSecond = Annotated[float, PlainValidator(values.parse_rate), _json({"type": "number", "exclusiveMinimum": 0})]
FromStart = Annotated[Moment, PlainValidator(lambda v: values.parse_moment(v, "started")), _json({"type": "string"})]
FromAnswer = Annotated[
    Moment, PlainValidator(lambda v: values.parse_moment(v, "answered")), _json({"type": "string"})
]
When = Annotated[Moment, PlainValidator(values.parse_other_moment), _json({"type": ["string", "object"]})]
TextMatch = Annotated[Matcher, PlainValidator(values.parse_text_matcher), _json_matcher("string")]
NumberMatch = Annotated[Matcher, PlainValidator(values.parse_number_matcher), _json_matcher("number", "string")]
DurationMatch = Annotated[Matcher, PlainValidator(values.parse_duration_matcher), _json_matcher("string")]
StatusMatch = Annotated[
    Matcher, PlainValidator(values.parse_status_matcher), _json_matcher("integer", "string", "array")
]
ValueMatch = Annotated[Matcher, PlainValidator(values.parse_any_matcher), _json({})]
FlagMatch = Annotated[Matcher, PlainValidator(values.parse_flag_matcher), _json_matcher("boolean", "string")]
VersionText = Annotated[str, PlainValidator(values.parse_version), _json({"type": "string"})]


class Model(BaseModel):
    """Base of all: immutable, and nothing but the named keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shorthand: ClassVar[str] = ""
    """The key that is meant when the author writes a plain value in place of a mapping."""

    @model_validator(mode="before")
    @classmethod
    def _from_shorthand(cls, value: Any) -> Any:
        return {cls.shorthand: value} if cls.shorthand and not isinstance(value, dict) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        if not cls.shorthand:
            return schema
        mapping = handler.resolve_ref_schema(schema)
        short = {name: value for name, value in mapping["properties"][cls.shorthand].items() if name != "default"}
        body = dict(mapping)
        mapping.clear()
        mapping.update(anyOf=[short, body], description=body.get("description", ""))
        return schema


# What the engine knows before the calls


class Running(Model):
    """Calls that an account has running before the scenario's first one."""

    shorthand = "outbound"
    outbound: Annotated[Count, key("How many outbound calls are already running.", 2)] = 0
    inbound: Annotated[Count, key("How many inbound calls are already running.", 1)] = 0


class Account(Model):
    """An account of the rating engine."""

    account_tag: Annotated[Text, key("The account's name: the user part of From in its calls.", "1000")]
    type: Annotated[
        Literal["PREPAID", "POSTPAID"], key("PREPAID is cut at the balance, POSTPAID is billed later.", "PREPAID")
    ]
    balance: Annotated[Whole, key("Balance before the calls, in the unit of the rates.", 100)]
    active: Annotated[Flag, key("An inactive account may not call.", True)] = True
    name: Annotated[Text | None, key("A name for people.", "Ana's phone")] = None
    max_concurrent_transactions: Annotated[Count | None, key("Most calls at once, both directions.", 10)] = None
    max_inbound_transactions: Annotated[Count | None, key("Most inbound calls at once.", 5)] = None
    max_outbound_transactions: Annotated[Count | None, key("Most outbound calls at once.", 5)] = None
    pricelist_tags: Annotated[tuple[Text, ...], key("Pricelists that apply; none given: all.", ["retail"])] = ()
    carrier_tags: Annotated[tuple[Text, ...] | None, key("Carriers it may use; not given: all.", ["carrier"])] = None
    carrier_tags_override: Annotated[
        tuple[Text, ...] | None, key("Stored by the engine, which never looks at it.", ["carrier"])
    ] = None
    linked_accounts: Annotated[tuple[Text, ...], key("Accounts charged together with this one.", ["company"])] = ()
    customer_tag: Annotated[Text | None, key("The customer it belongs to, one of `customers`.", "acme")] = None
    tags: Annotated[tuple[Text, ...], key("Tags that are copied to its transactions.", ["vip"])] = ()
    notification_email: Annotated[Text | None, key("Where the engine would write to.", "ana@example.org")] = None
    notification_mobile: Annotated[Text | None, key("Where the engine would text to.", "+39333000000")] = None
    running: Annotated[
        Running, key("Calls already running: a number of outbound ones, or both directions.", 2, {"inbound": 1})
    ] = Running()


class Carrier(Model):
    """A carrier of the rating engine: where calls can be sent to."""

    carrier_tag: Annotated[Text, key("The carrier's name, as rates refer to it.", "carrier")]
    host: Annotated[Text, key("Its host name in the lab, or an address.", "carrier")]
    port: Annotated[Port, key("Its SIP port.", 5060)] = 5060
    protocol: Annotated[
        Literal["UDP", "TCP", "TLS"], key("Its transport. The engine's API knows UDP and TCP.", "UDP")
    ] = "UDP"
    active: Annotated[Flag, key("The engine stores it, and offers inactive carriers too.", True)] = True


class Rate(Model):
    """A price for a carrier and a prefix."""

    carrier_tag: Annotated[Text, key("One of `carriers`.", "carrier")]
    prefix: Annotated[Text, key("Beginning of the destination URI, 9 characters at most.", "sip:39")]
    rate: Annotated[Int32, key("Price of each started `rate_increment`.", 1)]
    rate_increment: Annotated[Count, key("Seconds that one `rate` pays for.", 60)] = 1
    connect_fee: Annotated[Int32, key("Price of the connection itself.", 0)] = 0
    interval_start: Annotated[Count, key("Increments that are free at the beginning.", 0)] = 0
    active: Annotated[Flag, key("An inactive rate is never used.", True)] = True
    description: Annotated[Text | None, key("A note.", "Italy, mobile")] = None
    datetime_start: Annotated[
        Text | None, key("Stored by the engine, which never looks at it.", "2026-01-01T00:00:00")
    ] = None
    datetime_end: Annotated[
        Text | None, key("Stored by the engine, which never looks at it.", "2027-01-01T00:00:00")
    ] = None


class Pricelist(Model):
    """A list of rates under one name and currency."""

    pricelist_tag: Annotated[Text, key("The list's name, as accounts refer to it.", "retail")]
    currency: Annotated[Literal["EUR", "USD"], key("Currency of its rates.", "EUR")] = "EUR"
    name: Annotated[Text | None, key("A name for people.", "Retail 2026")] = None
    rates: Annotated[
        tuple[Rate, ...],
        key("Prices, one for each carrier and prefix.", [{"carrier_tag": "carrier", "prefix": "sip:39", "rate": 1}]),
    ] = ()


class Customer(Model):
    """A customer of the rating engine: whom accounts belong to."""

    customer_tag: Annotated[Text, key("The customer's name, as accounts refer to it.", "acme")]
    active: Annotated[Flag, key("Whether the customer is active.", True)] = True
    company_name: Annotated[Text | None, key("Company.", "Acme Ltd")] = None
    firstname: Annotated[Text | None, key("First name.", "Ana")] = None
    lastname: Annotated[Text | None, key("Last name.", "Rossi")] = None
    address: Annotated[Text | None, key("Street and number.", "Via Roma 1")] = None
    zipcode: Annotated[Text | None, key("Post code, in quotes.", "00100")] = None
    city: Annotated[Text | None, key("City.", "Roma")] = None
    province: Annotated[Text | None, key("Province.", "RM")] = None
    country: Annotated[Text | None, key("Country.", "IT")] = None
    email: Annotated[Text | None, key("E-mail.", "info@example.org")] = None
    tax_number: Annotated[Text | None, key("Tax number, in quotes.", "01234567890")] = None
    vat_number: Annotated[Text | None, key("VAT number, in quotes.", "IT01234567890")] = None
    vat_policy: Annotated[
        Literal["EXEMPT", "VAT_INCLUDED", "VAT_EXCLUDED"] | None, key("How VAT is applied.", "EXEMPT")
    ] = None


class Given(Model):
    """What the rating engine knows before the first call. It is removed after the last."""

    accounts: Annotated[
        tuple[Account, ...], key("Accounts.", [{"account_tag": "1000", "type": "PREPAID", "balance": 3}])
    ] = ()
    carriers: Annotated[tuple[Carrier, ...], key("Carriers.", [{"carrier_tag": "carrier", "host": "carrier"}])] = ()
    pricelists: Annotated[
        tuple[Pricelist, ...], key("Pricelists with their rates.", [{"pricelist_tag": "retail", "rates": []}])
    ] = ()
    customers: Annotated[tuple[Customer, ...], key("Customers.", [{"customer_tag": "acme"}])] = ()
    graphql: Annotated[
        tuple[Text, ...],
        key(
            "Requests to the engine's API as they are, after all the rest.",
            ['mutation {deleteAccount(account_tag: "x") {id}}'],
        ),
    ] = ()


# The calls


class Credentials(Model):
    """Digest credentials of the caller."""

    username: Annotated[Text, key("User name, also the account where digest is on.", "1000")]
    password: Annotated[Text, key("Password, in quotes when it is a number.", "secret")]


class SippFile(Model):
    """A SIPp scenario written by hand."""

    shorthand = "file"
    file: Annotated[Text, key("The XML file, relative to this one.", "odd-invite.xml")]
    variables: Annotated[HeaderValues, key("Values for SIPp's `[name]` keywords.", {"service": "39040123456"})] = (
        Field(default_factory=dict)
    )


class Reinvite(Model):
    """A request inside the dialog that renews the session."""

    shorthand = "at"
    at: Annotated[FromAnswer, key("When: a duration after the answer, or a moment.", "after 1s")]
    by: Annotated[Literal["caller", "callee"], key("Who sends it.", "caller")] = "caller"
    method: Annotated[Literal["INVITE", "UPDATE"], key("How.", "UPDATE")] = "INVITE"


class Vanish(Model):
    """A side that falls silent: it sends nothing more and answers nothing."""

    who: Annotated[Literal["caller", "callee"], key("Who vanishes.", "callee")]
    at: Annotated[FromAnswer, key("When.", "after 1s", "while ringing")] = Moment("answered")


class Reply(Model):
    """A reply that is expected."""

    shorthand = "code"
    code: Annotated[StatusMatch, key("Its status: a code, a class, or several of them.", 200, "4xx", [486, 600])]
    reason: Annotated[TextMatch | None, key("Its reason phrase.", "Forbidden -- insufficient balance")] = None


class CallExpectation(Model):
    """What is expected of one call; of each, when it is repeated."""

    reply: Annotated[
        Reply | None, key("The final reply to the caller.", 200, {"code": 403, "reason": "/insufficient/"})
    ] = None
    reason: Annotated[
        TextMatch | None, key("The reason phrase of the final reply.", "Forbidden -- insufficient balance")
    ] = None
    provisional: Annotated[
        tuple[Code, ...] | None, key("The provisional replies, in order; 100 isn't counted unless named.", [180, 183])
    ] = None
    headers: Annotated[
        dict[Text, TextMatch], key("Headers of the final reply.", {"Contact": "any", "Retry-After": "absent"})
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
    setup: Annotated[DurationMatch | None, key("From INVITE to the final reply.", "< 500ms")] = None
    bye_reason: Annotated[TextMatch | None, key("The Reason header of the BYE.", "/cause=500/")] = None
    bye_reply: Annotated[StatusMatch | None, key("The reply to the BYE.", 200)] = None
    reinvite_reply: Annotated[StatusMatch | None, key("The reply to each re-INVITE or UPDATE.", 200)] = None
    source: Annotated[TextMatch | None, key("From URI as it reached the carrier.", "/^sip:1000@/")] = None
    destination: Annotated[TextMatch | None, key("Request URI as it reached the carrier.", "/^sip:39/")] = None


class Call(Model):
    """A call, or many of the same kind."""

    id: Annotated[CallId, key("A name for this call, used by the rest of the file.", "ana")]
    from_: Annotated[Text, key("User part of From: the account that pays. In quotes.", "1000")] = Field(alias="from")
    to: Annotated[Text, key("User part of To: the number dialled. In quotes.", "39040123456")]
    domain: Annotated[Text | None, key("Domain of both URIs; the lab's when not given.", "example.org")] = None
    method: Annotated[
        Literal["INVITE", "OPTIONS", "REGISTER", "MESSAGE", "SUBSCRIBE", "BYE"],
        key("Anything but INVITE is a single request.", "OPTIONS"),
    ] = "INVITE"
    headers: Annotated[
        HeaderValues, key("Headers to add to the INVITE, or to replace.", {"User-Agent": "friendly-scanner"})
    ] = Field(default_factory=dict)
    transport: Annotated[Literal["udp", "tcp", "tls"], key("The caller's transport.", "tcp")] = "udp"
    ipv6: Annotated[Flag, key("Call over IPv6.", True)] = False
    auth: Annotated[Credentials | None, key("Digest credentials.", {"username": "1000", "password": "secret"})] = None
    sdp: Annotated[Flag | Text, key("false for an INVITE without a body, or the SDP itself.", False)] = True
    repeat: Annotated[Repeat, key("How many such calls, or a number that is drawn.", 50, {"min": 10, "max": 20})] = (
        DrawnCount(1, 1)
    )
    rate: Annotated[
        PerSecond | None,
        key("New calls per second; not given: one after another has begun, as fast as possible.", 10),
    ] = None
    concurrency: Annotated[Annotated[int, Strict(), Field(ge=1, lt=2**31)] | None, key("Most calls at once.", 5)] = (
        None
    )
    start: Annotated[
        When,
        key(
            "When: a delay, or after an event of another call.",
            "2s",
            "ana is answered",
            {"after": "ana.answered", "delay": "1s"},
        ),
    ] = Moment(None)
    ring: Annotated[
        DrawnDuration | None,
        key(
            "How long the callee rings before it answers; overrides the carrier's.", "2s", {"min": "1s", "max": "3s"}
        ),
    ] = None
    hold: Annotated[
        DrawnDuration | None,
        key("How long the call lasts once answered; 1s when not given.", "5s", {"min": "1s", "max": "9s"}),
    ] = None
    hangup: Annotated[Literal["caller", "callee", "never"], key("Who hangs up after `hold`.", "callee")] = "caller"
    cancel: Annotated[
        FromStart | None, key("The caller gives up: when.", "while ringing", "after 200ms", "at once")
    ] = None
    reinvite: Annotated[
        tuple[Reinvite, ...],
        key("Re-INVITEs or UPDATEs during the call.", ["after 1s", {"at": "after 2s", "method": "UPDATE"}]),
    ] = ()
    vanish: Annotated[Vanish | None, key("A side falls silent.", {"who": "callee", "at": "after 1s"})] = None
    no_ack: Annotated[Flag, key("The caller never sends the ACK.", True)] = False
    retransmit: Annotated[
        tuple[Literal["INVITE", "ACK", "BYE"], ...],
        key("Requests that the caller sends twice, as if the first were lost.", ["BYE"]),
    ] = ()
    bye: Annotated[
        Literal["normal", "wrong_cseq", "wrong_tag", "both"],
        key("An odd BYE: an old CSeq, an unknown tag, or both sides at once.", "wrong_cseq"),
    ] = "normal"
    sipp: Annotated[
        SippFile | None,
        key(
            "A SIPp scenario written by hand for the caller's side.",
            "odd-invite.xml",
            {"file": "odd-invite.xml", "variables": {"service": "39"}},
        ),
    ] = None
    expect: Annotated[
        CallExpectation, key("What is expected of this call.", {"reply": 200, "ended_by": "kamailio"})
    ] = CallExpectation()


class Refusal(Model):
    """A final reply that refuses."""

    shorthand = "code"
    code: Annotated[Annotated[int, Strict(), Field(ge=300, le=699)], key("Its status.", 503)]
    reason: Annotated[Text | None, key("Its reason phrase; the usual one when not given.", "Busy Here")] = None


class Behaviour(Model):
    """How a carrier treats a call. With no key at all it rings shortly and answers."""

    provisional: Annotated[
        tuple[Annotated[int, Strict(), Field(ge=100, le=199)], ...],
        key("Provisional replies it sends, in order.", [100, 183]),
    ] = (180,)
    answer_after: Annotated[
        DrawnDuration | None,
        key("Slow from the start: nothing at all, not even a provisional reply, for so long.", "1s"),
    ] = None
    ring: Annotated[DrawnDuration | None, key("How long it rings before it answers or refuses.", "2s")] = None
    refuse: Annotated[Refusal | None, key("Refuse with this reply.", 486, {"code": 503, "reason": "Maintenance"})] = (
        None
    )
    silent: Annotated[Flag, key("It gets the INVITE and never replies.", True)] = False
    absent: Annotated[Flag, key("Nobody listens at its address.", True)] = False
    hang_up_after: Annotated[DrawnDuration | None, key("It hangs up so long after the answer.", "2s")] = None
    vanish: Annotated[FromAnswer | None, key("It falls silent in mid-call: when.", "after 1s", "while ringing")] = (
        None
    )
    retransmit_answer: Annotated[Count, key("How many times more it sends the 200, whatever the ACK.", 2)] = 0
    answer_cancelled: Annotated[
        Flag, key("It answers 200 to the INVITE although a CANCEL came: the two cross.", True)
    ] = False
    headers: Annotated[HeaderValues, key("Headers it adds to its final reply.", {"Retry-After": "30"})] = Field(
        default_factory=dict
    )
    sipp: Annotated[
        SippFile | None, key("A SIPp scenario written by hand for the callee's side.", "odd-answer.xml")
    ] = None


class CarrierBehaviour(Behaviour):
    """How a carrier treats calls; differently by call, or by attempt, where that is said."""

    calls: Annotated[
        dict[CallId, Behaviour], key("A different behaviour for one call.", {"ana": {"refuse": 486}})
    ] = Field(default_factory=dict)
    attempts: Annotated[
        tuple[Behaviour, ...],
        key(
            "A behaviour for the 1st INVITE, the 2nd, and so on; after the last, the carrier's own.",
            [{"refuse": 503}, {}],
        ),
    ] = ()

    def of(self, call: str, attempt: int) -> Behaviour:
        """What to do with ``call`` at this carrier's INVITE number ``attempt``, from 0: a call's own word goes first."""
        if call in self.calls:
            return self.calls[call]
        return self.attempts[attempt] if attempt < len(self.attempts) else self


# What goes wrong

ExchangePath = Literal["authorization", "begin", "end"]
Outage = Annotated[Literal[True] | Seconds, _json({"anyOf": [{"const": True}, _DURATION_SCHEMA]})]


class Fault(Model):
    """Something that goes wrong: either in the agent's answers, or with a whole service."""

    ANSWERS: ClassVar[tuple[str, ...]] = (
        *("delay", "late", "lost", "silent", "refuse", "reset", "status", "body", "malformed", "partial", "drip"),
        *("garbage", "duplicate", "set", "remove"),
    )
    OUTAGES: ClassVar[tuple[str, ...]] = ("kill", "restart", "stop", "pause", "unplug")

    on: Annotated[Text, key("Where: agent, engine, kamailio, or a carrier's host name.", "agent")]

    path: Annotated[ExchangePath | None, key("Only requests of this kind; all when not given.", "begin")] = None
    call: Annotated[CallId | None, key("Only requests for this call.", "ana")] = None
    nth: Annotated[Annotated[int, Strict(), Field(ge=1)], key("From the nth such request on.", 2)] = 1
    times: Annotated[
        Annotated[int, Strict(), Field(ge=1)] | None, key("For so many requests; all when not given.", 1)
    ] = None

    delay: Annotated[
        DrawnDuration | None, key("The engine works at once, its answer arrives so much later.", "3s")
    ] = None
    late: Annotated[DrawnDuration | None, key("The request reaches the engine so much later.", "3s")] = None
    lost: Annotated[
        Literal["request", "answer"] | None,
        key("The request never reaches the engine, or its answer never comes back; the connection closes.", "answer"),
    ] = None
    silent: Annotated[Literal[True] | None, key("The connection is taken, nothing is ever answered.", True)] = None
    refuse: Annotated[Literal[True] | None, key("The connection is refused.", True)] = None
    reset: Annotated[Literal[True] | None, key("The connection is reset instead of an answer.", True)] = None
    status: Annotated[
        Annotated[int, Strict(), Field(ge=100, le=599)] | None, key("Answer with this HTTP status.", 500)
    ] = None
    body: Annotated[Annotated[str, Strict()] | None, key("Answer with this body.", "not json")] = None
    malformed: Annotated[Literal[True] | None, key("Answer with JSON that is broken in the middle.", True)] = None
    partial: Annotated[
        Annotated[int, Strict(), Field(ge=0)] | None, key("Send so many bytes of the body, then close.", 20)
    ] = None
    drip: Annotated[Seconds | None, key("Send the answer byte by byte, with this pause.", "50ms")] = None
    garbage: Annotated[Literal[True] | None, key("Answer with bytes that aren't HTTP.", True)] = None
    duplicate: Annotated[Literal[True] | None, key("The engine gets the request twice.", True)] = None
    set: Annotated[
        dict[Text, Any] | None, key("Change or add fields of the engine's answer.", {"max_available_units": "ten"})
    ] = None
    remove: Annotated[tuple[Text, ...] | None, key("Remove fields of the engine's answer.", ["carriers"])] = None

    kill: Annotated[Outage | None, key("Kill the service; for a time, or for good (true).", "2s", True)] = None
    restart: Annotated[Literal[True] | None, key("Stop the service properly and start it again.", True)] = None
    stop: Annotated[Outage | None, key("Stop the service properly; for a time, or for good (true).", "2s", True)] = (
        None
    )
    pause: Annotated[Outage | None, key("Freeze the service; for a time, or for good (true).", "2s", True)] = None
    unplug: Annotated[
        Outage | None, key("Take the service off the network; for a time, or for good (true).", "2s", True)
    ] = None

    when: Annotated[
        When | None,
        key(
            "Not before: an event of a call, or a time from the start.", "ana is answered", "2s after ana is answered"
        ),
    ] = None
    until: Annotated[When | None, key("Not after.", "ana is ended")] = None

    @property
    def actions(self) -> dict[str, Any]:
        """What the author asked for, by key: several for an answer (a delay and a status), one for an outage."""
        asked = {name: getattr(self, name) for name in (*self.ANSWERS, *self.OUTAGES)}
        return {name: value for name, value in asked.items() if value is not None}

    @property
    def is_outage(self) -> bool:
        """Whether it befalls a whole service, not the agent's answers."""
        return any(getattr(self, name) is not None for name in self.OUTAGES)


class Load(Model):
    """The same calls, in numbers. It applies to every call of the scenario."""

    rate: Annotated[PerSecond, key("New calls per second, all calls of the file together.", 50)]
    duration: Annotated[Seconds, key("How long new calls are made.", "1m")]
    ramp: Annotated[Seconds | None, key("Time in which the rate grows from 0 to `rate`.", "10s")] = None
    hold: Annotated[
        DrawnDuration | None, key("How long each call lasts; overrides the calls' own.", {"min": "1s", "max": "9s"})
    ] = None
    concurrency: Annotated[
        Annotated[int, Strict(), Field(ge=1, lt=2**31)] | None, key("Most calls at once.", 500)
    ] = None


# What is expected


class DialogExpectation(Model):
    """A dialog as Kamailio has it."""

    call: Annotated[CallId, key("Which call.", "ana")]
    timeout: Annotated[DurationMatch | None, key("The timeout set on the dialog.", "3s")] = None
    state: Annotated[
        Literal["early", "confirmed_na", "confirmed", "deleted"] | None,
        key("The furthest state it was seen in.", "confirmed"),
    ] = None
    gone: Annotated[Flag | None, key("Whether it is gone in the end.", True)] = None
    absent: Annotated[Flag, key("No dialog was ever seen.", True)] = False


class RequestExpectation(Model):
    """Requests from Kamailio to the agent."""

    path: Annotated[ExchangePath | None, key("Which kind; all when not given.", "authorization")] = None
    call: Annotated[CallId | None, key("Those of one call.", "ana")] = None
    count: Annotated[NumberMatch | None, key("How many; at least one when not given.", 1, "<= 3")] = None
    order: Annotated[
        tuple[ExchangePath, ...] | None,
        key("The requests of the call, in this order and no others.", ["authorization", "begin", "end"]),
    ] = None
    fields: Annotated[
        dict[Text, ValueMatch],
        key("Fields of each of them; others may be there.", {"account_tag": "1000", "timestamp_begin": "any"}),
    ] = Field(default_factory=dict)
    status: Annotated[StatusMatch | None, key("The HTTP status that Kamailio got.", 200)] = None
    absent: Annotated[Flag, key("There is no such request.", True)] = False


class TransactionExpectation(Model):
    """A record in the engine: a subset of its fields."""

    call: Annotated[CallId | None, key("Which call; matched by its Call-ID.", "ana")] = None
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
    duration: Annotated[DurationMatch | None, key("Seconds that were billed.", "3s ± 1s")] = None
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

    account_tag: Annotated[Text, key("Which account.", "1000")]
    balance: Annotated[NumberMatch | None, key("Its balance.", "0 ± 1")] = None
    running: Annotated[NumberMatch | None, key("How many transactions it has running.", 0)] = None


class CarrierExpectation(Model):
    """What reached a carrier, all calls together."""

    host: Annotated[Text, key("Its host name.", "carrier")]
    invites: Annotated[NumberMatch, key("How many INVITEs reached it, retransmissions not counted.", 0)]


class LogExpectation(Model):
    """A line of Kamailio's log."""

    shorthand = "line"
    line: Annotated[TextMatch, key("A text that the line contains, or a regular expression.", "/timeout/")]
    level: Annotated[
        Literal["critical", "alert", "error", "warning", "notice", "info", "debug"] | None, key("Its level.", "alert")
    ] = None
    call: Annotated[CallId | None, key("Only lines with the Call-ID of this call.", "ana")] = None
    count: Annotated[NumberMatch | None, key("How many such lines; at least one when not given.", 1)] = None
    absent: Annotated[Flag, key("There must be no such line.", True)] = False


class Routes(Model):
    """Routes of kamailio.cfg, from the trace."""

    run: Annotated[tuple[Text, ...], key("Routes that ran.", ["RATING_AUTHORIZATION"])] = ()
    not_run: Annotated[tuple[Text, ...], key("Routes that did not run.", ["RATING_BEGIN_TRANSACTION"])] = ()


class Percentiles(Model):
    """Times of many calls, from INVITE to the final reply."""

    p50: Annotated[DurationMatch | None, key("Half of the calls.", "< 100ms")] = None
    p90: Annotated[DurationMatch | None, key("Nine of ten.", "< 200ms")] = None
    p95: Annotated[DurationMatch | None, key("95 of a hundred.", "< 200ms")] = None
    p99: Annotated[DurationMatch | None, key("99 of a hundred.", "< 500ms")] = None
    max: Annotated[DurationMatch | None, key("All.", "< 2s")] = None


class Expectations(Model):
    """What is expected of the scenario as a whole. Records are awaited: the engine stores them in its own time."""

    dialogs: Annotated[
        tuple[DialogExpectation, ...], key("Dialogs in Kamailio.", [{"call": "ana", "timeout": "3s"}])
    ] = ()
    requests: Annotated[
        tuple[RequestExpectation, ...],
        key("Requests from Kamailio to the agent.", [{"path": "end", "call": "ana", "count": 1}]),
    ] = ()
    begun: Annotated[tuple[CallId, ...], key("Calls whose begin is in the engine.", ["ana"])] = ()
    not_begun: Annotated[tuple[CallId, ...], key("Calls that have no begin.", ["bob"])] = ()
    ended: Annotated[tuple[CallId, ...], key("Calls whose end is in the engine.", ["ana"])] = ()
    not_ended: Annotated[tuple[CallId, ...], key("Calls that have no end.", ["bob"])] = ()
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
    log: Annotated[
        tuple[LogExpectation, ...],
        key(
            "Lines of Kamailio's log that must, or must not, be there.",
            ["/rating timeout/", {"line": "/lost/", "absent": True}],
        ),
    ] = ()
    routes: Annotated[Routes | None, key("Routes that ran, and that did not.", {"run": ["SIPOUT"]})] = None
    setup: Annotated[Percentiles | None, key("Set-up time of all calls.", {"p95": "< 200ms"})] = None
    failures: Annotated[
        NumberMatch | None, key("Calls that did not go as `calls` says; 0 when not given.", 0, "<= 5")
    ] = None
    within: Annotated[Seconds, key("How long records are awaited.", "10s")] = 5.0


# The scenario


class Requires(Model):
    """What this scenario needs; where the lab lacks it, it is skipped and the report says why."""

    tls: Annotated[Flag, key("TLS in Kamailio and SIPp.", True)] = False
    ipv6: Annotated[Flag, key("IPv6 in the lab.", True)] = False
    isolated: Annotated[Flag, key("A network of its own.", True)] = False
    docker: Annotated[Flag, key("A Docker engine.", True)] = False
    kamailio: Annotated[VersionText | None, key("A version of Kamailio.", ">= 6.1")] = None
    sipp: Annotated[VersionText | None, key("A version of SIPp.", ">= 3.7")] = None
    engine: Annotated[Literal["embedded", "canyan"] | None, key("This rating engine.", "embedded")] = None


class Kamailio(Model):
    """How Kamailio is started for this scenario."""

    defines: Annotated[
        dict[Text, Text | Int32], key("Values for the configuration's `#!trydef`.", {"RATING_HTTP_TIMEOUT": 500})
    ] = Field(default_factory=dict)
    config: Annotated[Text | None, key("A configuration of your own, relative to this file.", "own.cfg")] = None


ValuePath = tuple[str | int, ...]
"""The way to a value: keys and indexes, ("calls", 0, "expect", "reply")."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a scenario comes from."""

    file: Path
    row: str = ""
    places: Mapping[ValuePath, Location] = field(default_factory=dict)


class Scenario(Model):
    """A scenario: given these accounts and prices, when these calls are made, expect this."""

    scenario: Annotated[
        Text, key("What it proves, in one sentence.", "A prepaid call is cut when the balance runs out")
    ]
    description: Annotated[
        Text | None, key("Why, and what is worth knowing.", "The timeout comes from max_available_units.")
    ] = None
    tags: Annotated[tuple[Text, ...], key("Words to select scenarios by.", ["dialog", "prepaid"])] = ()
    use: Annotated[
        tuple[Text, ...],
        key("Files with shared `given`, `carriers` and `variables`, relative to this one.", ["_retail.yaml"]),
    ] = ()
    variables: Annotated[dict[Text, Any], key("Values for `${name}` anywhere in the file.", {"account": "1000"})] = (
        Field(default_factory=dict)
    )
    matrix: Annotated[
        dict[Text, tuple[Any, ...]] | tuple[dict[Text, Any], ...],
        key(
            "One test for each row of variables, or for each combination.",
            [{"id": "busy", "code": 486}],
            {"transport": ["udp", "tcp"]},
        ),
    ] = ()
    seed: Annotated[
        Count | None, key("Seed of what is drawn; printed, and new for each run, when not given.", 42)
    ] = None
    requires: Annotated[Requires, key("What it needs.", {"tls": True})] = Requires()
    skip: Annotated[Text | None, key("A reason not to run it.", "waits for Kamailio 6.2")] = None
    timeout: Annotated[Seconds | None, key("Most time the whole scenario may take.", "1m")] = None
    kamailio: Annotated[
        Kamailio, key("How Kamailio is started for it.", {"defines": {"RATING_HTTP_TIMEOUT": 500}})
    ] = Kamailio()
    given: Annotated[Given, key("What the engine knows before the calls.", {"accounts": []})] = Given()
    carriers: Annotated[
        dict[Text, CarrierBehaviour],
        key(
            "How carriers behave, by host name; one that isn't named rings shortly and answers.",
            {"carrier": {"refuse": 486}},
        ),
    ] = Field(default_factory=dict)
    calls: Annotated[
        tuple[Call, ...], key("The calls.", [{"id": "ana", "from": "1000", "to": "39040123456"}], min_length=1)
    ]
    faults: Annotated[
        tuple[Fault, ...], key("What goes wrong.", [{"on": "agent", "path": "begin", "status": 500}])
    ] = ()
    load: Annotated[Load | None, key("The same calls in numbers.", {"rate": 50, "duration": "1m"})] = None
    expect: Annotated[
        Expectations, key("What is expected of it all.", {"accounts": [{"account_tag": "1000", "balance": 0}]})
    ] = Expectations()
    invariants: Annotated[
        dict[Text, Text],
        key(
            "Checks that are otherwise always on, switched off with a reason.",
            {"balances": "the engine is killed in mid-call"},
        ),
    ] = Field(default_factory=dict)

    _origin: Origin = PrivateAttr(default=Origin(Path("-")))

    @property
    def origin(self) -> Origin:
        return self._origin

    @property
    def id(self) -> str:
        """Unique among the scenarios of one run: the file's path, and the row of its matrix."""
        name = self._origin.file.as_posix()
        return f"{name}[{self._origin.row}]" if self._origin.row else name

    def where(self, *path: str | int) -> Location:
        """The place of a value in its file; of the nearest one around it, when the author didn't write that one."""
        places = self._origin.places
        for end in range(len(path), -1, -1):
            if path[:end] in places:
                return places[path[:end]]
        return Location(self._origin.file.as_posix(), 1, 1)

    def call(self, call_id: str) -> Call:
        """:raises KeyError: of a call that the scenario doesn't have."""
        for call in self.calls:
            if call.id == call_id:
                return call
        raise KeyError(call_id)

    def located(self, origin: Origin) -> Scenario:
        """The same scenario, knowing its origin."""
        copy = self.model_copy()
        copy._origin = origin
        return copy
