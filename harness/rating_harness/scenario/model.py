"""What a scenario says, as immutable values. The JSON Schema for editors is made from this very model.

Durations are seconds (float); a random value is a ``SecondsRange`` or ``CountRange`` of
:mod:`rating_harness.scenario.values`, what is expected is a ``Matcher`` of :mod:`rating_harness.scenario.matchers`.
Field names are those of the YAML file, except ``from`` (here ``from_``); those of accounts, carriers, pricelists,
rates, customers and transactions are the rating engine's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr

from rating_harness.errors import Location
from rating_harness.scenario.behaviour import (
    Behaviour,
    CarrierBehaviour,
    Fork,
    Phone,
    Refusal,
    Registration,
    SippFile,
)
from rating_harness.scenario.calls import Call, Credentials, Load, Reinvite, Request, Transfer, Vanish
from rating_harness.scenario.clock import Clock
from rating_harness.scenario.expectations import (
    AccountExpectation,
    CallExpectation,
    CarrierExpectation,
    DialogExpectation,
    Expectations,
    LogExpectation,
    Percentiles,
    Received,
    Reply,
    RequestExpectation,
    Routes,
    RpcExpectation,
    SdpExpectation,
    TransactionExpectation,
)
from rating_harness.scenario.faults import Fault
from rating_harness.scenario.fields import (
    Count,
    Flag,
    HostName,
    Int32,
    Memory,
    Model,
    Reason,
    Seconds,
    Takes,
    Text,
    VersionText,
    key,
)
from rating_harness.scenario.given import Account, Carrier, Customer, Given, Pricelist, Rate, Running
from rating_harness.scenario.nodes import ValuePath
from rating_harness.scenario.sdp import Sdp

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
    "Clock",
    "Credentials",
    "Customer",
    "DialogExpectation",
    "Expectations",
    "Fault",
    "Fork",
    "Given",
    "Kamailio",
    "Load",
    "LogExpectation",
    "Origin",
    "Percentiles",
    "Phone",
    "Pricelist",
    "Rate",
    "Received",
    "Refusal",
    "Registration",
    "Reinvite",
    "Reply",
    "Request",
    "RequestExpectation",
    "Requires",
    "Routes",
    "RpcExpectation",
    "Running",
    "Scenario",
    "Sdp",
    "SdpExpectation",
    "SippFile",
    "TransactionExpectation",
    "Transfer",
    "ValuePath",
    "Vanish",
]

INVARIANTS: dict[str, str] = {
    "calls": "every call was made; zero calls are a failure",
    "begin_and_end": "each answered call has exactly one begin and one end, no other call has any",
    "limit": "no call lasts longer than the engine allowed, nor would one by the timeout of its dialog",
    "record": "each record begins with the answer, ends with the BYE, and is of a call that was made and answered",
    "fee": "each fee is what a call of the recorded length costs by `given`",
    "both_ends": "ACK, BYE and requests within a call reach the other side, which accepts ACK and BYE; what ended in "
    "the engine is over for both",
    "forwarding": "what is passed on has the Vias, the Max-Forwards and the Record-Routes that a proxy gives it",
    "strict_peer": "nothing reaches an end that a peer after RFC 3261 would refuse",
    "requests": "requests to the agent are as agreed, and name the call's own caller and answer",
    "balances": "balances move by exactly the fees; where records are wrong, these alone are reported",
    "running": "no running transaction is left",
    "dialogs": "no dialog is active at the end",
    "tables": "Kamailio waits for nothing, and keeps no more of a call than is documented",
    "carriers": "nothing unexpected reached a carrier",
    "final_reply": "the caller gets exactly one final reply, and no other request two different ones",
    "kamailio": "Kamailio neither restarts, nor runs out of shared memory, nor logs at critical level",
    "alarms": "no module of Kamailio's reports that it's misused; where nothing is broken on purpose none reports an "
    "error, and rating.cfg no alarm",
}
"""The checks that are always on, by the name that switches one off."""


class Requires(Model):
    """What this scenario needs; where the lab lacks it, it is skipped and the report says why."""

    tls: Annotated[Flag, key("TLS in Kamailio and SIPp.", True)] = False
    ipv6: Annotated[Flag, key("IPv6 in the lab.", True)] = False
    isolated: Annotated[Flag, key("A network of its own.", True)] = False
    docker: Annotated[Flag, key("A Docker engine.", True)] = False
    kamailio: Annotated[VersionText | None, key("A version of Kamailio.", "at least 6.1")] = None
    sipp: Annotated[VersionText | None, key("A version of SIPp.", "at least 3.7")] = None
    engine: Annotated[Literal["embedded", "canyan"] | None, key("This rating engine.", "embedded")] = None
    timers: Annotated[Flag, key("tm's fr_timer at most 2 s, fr_inv_timer at most 8 s.", True)] = False
    policy: Annotated[
        Text | None,
        key(
            "What it proves of the project's own `kamailio.cfg`, and of no other configuration.",
            "OPTIONS is answered with 200",
        ),
    ] = None


class Kamailio(Model):
    """How Kamailio is started for this scenario."""

    meanings = (
        ("file cfg configuration path", "a configuration of your own is 'config'"),
        ("options modparams parameters variables", "what the configuration lets be chosen are 'defines'"),
        ("password passwords auth subscribers", "users with their passwords are 'users'"),
        ("htable htables", "entries of htables are 'tables'"),
        ("version", "a version that it needs is said by 'requires' of the file: {kamailio: at least 6.1}"),
    )

    defines: Annotated[
        dict[Text, Text | Int32], key("Values for the configuration's `#!trydef`.", {"RATING_HTTP_TIMEOUT": 500})
    ] = Field(default_factory=dict)
    config: Annotated[
        Text | None, key("A configuration of your own: a file, or a directory with a kamailio.cfg.", "own.cfg")
    ] = None
    memory: Annotated[
        Memory | None, key("Its shared memory (`-m`), in which all calls are; the lab's 256m if not given.", "1g")
    ] = None
    package_memory: Annotated[
        Memory | None, key("Private memory of each of its processes (`-M`); the lab's 16m if not given.", "32m")
    ] = None
    users: Annotated[
        dict[Text, Text], key("Users and passwords for digest authentication (WITH_AUTH).", {"1000": "secret"})
    ] = Field(default_factory=dict)
    tables: Annotated[
        dict[Text, dict[Text, Text | Int32]],
        key(
            "Entries of htables; a call's id or a host in braces is the address that it calls from.",
            {"trunk": {"{carrier}": 1}, "source": {"{ana}": " 1000 "}},
        ),
    ] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a scenario comes from."""

    file: Path
    row: str = ""
    places: Mapping[ValuePath, Location] = field(default_factory=dict)

    def where(self, path: ValuePath) -> Location:
        """The place of a value in its file; of the nearest one around it, when the author didn't write that one."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        return Location(self.file.as_posix(), 1, 1)


class Scenario(Model):
    """A scenario: given these accounts and prices, when these calls are made, expect this."""

    meanings = (
        ("name title test", "what it proves is said by 'scenario'"),
        ("rows examples cases table parameters params parametrize data", "one test for each row is 'matrix'"),
        ("include includes import imports extends base", "files that it shares with others are 'use'"),
        ("vars define constants", "values for ${name} are 'variables'"),
        ("then assert asserts assertions check checks verify", "what must come of it is 'expect'"),
        ("when steps actions scenario_steps", "what is done is 'calls'"),
        ("setup preconditions before", "what the engine knows before the calls is 'given'"),
        ("company companies", "a company is an account that others are linked to, in 'given.accounts'"),
        ("trunk trunks gateway gateways callee callees", "how the called side behaves is 'carriers'"),
        ("phone telephones registrations users subscribers", "telephones that register are 'phones'"),
        ("failures errors chaos inject outage", "what goes wrong is 'faults'"),
        ("time sleep", "time that is skipped is 'clock'"),
        ("needs need requirements prerequisites", "what the lab has to have is 'requires'"),
        ("disabled ignore", "a scenario that isn't run has 'skip': the reason"),
    )

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
        Takes("a list of rows, or lists of values by name"),
        key(
            "One test for each row of variables, or for each combination; a row's `requires` is added to the file's.",
            [{"id": "busy", "code": 486}],
            {"transport": ["udp", "tcp"]},
        ),
    ] = ()
    seed: Annotated[
        Count | None, key("Seed of the random values; printed, and new for each run, when not given.", 42)
    ] = None
    requires: Annotated[Requires, key("What it needs.", {"tls": True})] = Requires()
    skip: Annotated[Reason | None, key("A reason not to run it.", "waits for Kamailio 6.2")] = None
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
    phones: Annotated[
        dict[HostName, Phone],
        key(
            "Telephones that register with Kamailio before the calls, by host name.",
            {"desk": {"user": "2000", "auth": {"username": "2000", "password": "secret"}}},
        ),
    ] = Field(default_factory=dict)
    calls: Annotated[
        tuple[Call, ...],
        key(
            "The calls, each with an id, from and to.",
            [{"id": "ana", "from": "1000", "to": "39040123456"}],
            json_schema_extra={"minItems": 1},
        ),
    ]
    faults: Annotated[
        tuple[Fault, ...], key("What goes wrong.", [{"on": "agent", "path": "begin", "status": 500}])
    ] = ()
    clock: Annotated[
        Clock | tuple[Clock, ...] | None,
        key(
            "Time that is skipped while the calls go on, at once or in several skips.",
            {"skip": "9m50s", "when": "ana is answered"},
            [{"skip": "4m", "when": "ana is answered"}, {"skip": "5m", "when": "5m after ana is answered"}],
        ),
    ] = None
    load: Annotated[Load | None, key("The same calls in numbers.", {"rate": 50, "duration": "1m"})] = None
    expect: Annotated[
        Expectations, key("What is expected of it all.", {"accounts": [{"account_tag": "1000", "balance": 0}]})
    ] = Expectations()
    invariants: Annotated[
        dict[Text, Reason],
        key(
            "Checks that are otherwise always on, switched off with a reason.",
            {"balances": "the engine is killed in mid-call"},
            json_schema_extra={"propertyNames": {"enum": list(INVARIANTS)}},
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
        """The place of a value in its file, as `Origin.where` finds it."""
        return self._origin.where(path)

    def call(self, call_id: str) -> Call:
        """:raises KeyError: of a call that the scenario doesn't have."""
        for call in self.calls:
            if call.id == call_id:
                return call
        raise KeyError(call_id)

    @property
    def optional_defines(self) -> frozenset[str]:
        """Defines that its author didn't ask for: a configuration without them does."""
        return frozenset()

    def located(self, origin: Origin) -> Scenario:
        """The same scenario, knowing its origin."""
        copy = self.model_copy()
        copy._origin = origin
        return copy
