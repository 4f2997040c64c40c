"""What a canyan-tester file says, as immutable values. Keys and their meanings are those of canyan-tester 1.2.

Of ``delay`` a SIPp worker counts milliseconds, everything else seconds. A count given as a range is sampled with the
seed, in canyan-tester's order: the same seed draws the same numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, PlainValidator, Tag

from rating_harness.canyan.placeholders import built_in
from rating_harness.scenario.fields import Flag, Model, Raw, Takes, Text, Whole, key
from rating_harness.scenario.model import Kamailio, Origin, Scenario
from rating_harness.scenario.values import CountRange, Unfit, parse_range

__all__ = ["CanyanFile", "CanyanScenario", "Range", "Request", "SippWorker", "Step", "Worker", "XhttpRequest"]


def _whole(lowest: int) -> Any:
    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
            raise Unfit("this is no such number")
        return value

    return PlainValidator(lambda value: parse_range(value, parse, CountRange))


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 10**6:
        raise Unfit("these are no seconds")
    return float(value)


def _json(text: str) -> str:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise Unfit(f"it isn't JSON: {error}", "a text that holds the whole answer, as the API sends it") from None
    return text


_RANGE = "or {min: 10, max: 20} to draw one"

WholeRange = Annotated[CountRange, _whole(0), Takes(f"a whole number, 0 or more, {_RANGE}")]
PositiveRange = Annotated[CountRange, _whole(1), Takes(f"a whole number, 1 or more, {_RANGE}")]
Seconds = Annotated[float, PlainValidator(_seconds), Takes("a number of seconds")]
JsonText = Annotated[Text, AfterValidator(_json), Takes("JSON, as a text")]


class Range(Model):
    """A range to sample a number from, both ends included."""

    min: Annotated[Whole, key("The least.", 1000)]
    max: Annotated[Whole, key("The most.", 2000)]


Value = Raw | Flag | Whole | Range | tuple[Raw | Whole, ...]


class Request(Model):
    """What all HTTP requests have."""

    delay: Annotated[Seconds, key("Seconds to wait before it is sent.", 2)] = 0.0


class Step(Request):
    """A request to the engine's API."""

    type: Annotated[Literal["api"], key("What kind of step it is.", "api")] = "api"
    host: Annotated[Text | None, key("Where the API is, for this step and those after it.", "http://api:8000")] = None
    uri: Annotated[Raw, key("The path below that.", "/graphql")] = "/"
    method: Annotated[Literal["POST", "GET", "DELETE"], key("The HTTP method.", "POST")] = "POST"
    payload: Annotated[dict[Text, Any] | None, key("The JSON body.", {"query": "{ allAccounts { id } }"})] = None
    store_response: Annotated[
        Text | None, key("A name for the answer, to be used as {name.path} further on.", "tenant")
    ] = None
    expected_response: Annotated[
        JsonText | None, key("The answer, all of it, as JSON.", '{"data": {"Account": null}}')
    ] = None


class XhttpRequest(Request):
    """A request to Kamailio's own HTTP."""

    type: Annotated[Literal["kamailio_xhttp"], key("What kind of request it is.", "kamailio_xhttp")]
    uri: Annotated[Text, key("Where it goes; in a lab its path counts.", "http://kamailio:8000/RPC")]
    method: Annotated[Literal["POST"], key("The HTTP method.", "POST")] = "POST"
    payload: Annotated[dict[Text, Any], key("The JSON body.", {"jsonrpc": "2.0", "method": "core.uptime"})] = Field(
        default_factory=dict
    )
    number: Annotated[PositiveRange, key("How many of them are sent.", 1)] = CountRange(1, 1)


class SippWorker(Model):
    """A SIPp that is run, ``number`` times at once, and ``repeat`` times one after the other."""

    type: Annotated[Literal["sipp"], key("What kind of worker it is.", "sipp")] = "sipp"
    scenario: Annotated[Text | None, key("The SIPp scenario; a call with digest by default.", "basic.xml")] = None
    number: Annotated[PositiveRange, key("How many run side by side.", 1)] = CountRange(1, 1)
    repeat: Annotated[PositiveRange, key("How often each of them is run.", 1)] = CountRange(1, 1)
    timeout: Annotated[Seconds | None, key("Seconds after which a run is killed.", 600)] = None
    delay: Annotated[WholeRange, key("Milliseconds before the first run.", 500)] = CountRange(0, 0)
    call_limit: Annotated[PositiveRange, key("Calls at once.", 1)] = CountRange(1, 1)
    call_number: Annotated[PositiveRange, key("Calls in all, of one run.", 1)] = CountRange(1, 1)
    call_rate: Annotated[PositiveRange, key("New calls in each period.", 1)] = CountRange(1, 1)
    call_rate_period: Annotated[PositiveRange, key("The period, in milliseconds.", 1000)] = CountRange(1000, 1000)
    values: Annotated[
        dict[Text, Value],
        key("Values for %(name)s in the SIPp scenario. Of a list each worker takes one.", {"to_user": "39040123456"}),
    ] = Field(default_factory=dict)
    extra_args: Annotated[
        tuple[Raw | Whole, ...] | Raw, key("Further options of SIPp.", ["-cid_str", "one"], "-inf users.csv")
    ] = ()
    max_errors: Annotated[int, Field(ge=0), Takes("a whole number, 0 or more"), key("Runs that may fail.", 0)] = 0

    @property
    def options(self) -> tuple[str, ...]:
        """``extra_args`` as words."""
        return tuple(self.extra_args.split() if isinstance(self.extra_args, str) else map(str, self.extra_args))


_DEFINES: Mapping[str, str] = {"RATING_CALLED": '"any"'}
"""The published SIPp scenarios put the number that is dialled into To alone; the Request-URI says ``service``."""


def _kind(value: Any) -> str:
    found = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
    return "kamailio_xhttp" if found == "kamailio_xhttp" else "other"


_Xhttp = Annotated[XhttpRequest, Tag("kamailio_xhttp")]
Worker = Annotated[Annotated[SippWorker, Tag("other")] | _Xhttp, Discriminator(_kind)]
LastStep = Annotated[Annotated[Step, Tag("other")] | _Xhttp, Discriminator(_kind)]


class CanyanFile(Model):
    """What is written in the file."""

    basedir: Annotated[Text | None, key("Where SIPp scenarios are; beside the file by default.", "/tests")] = None
    setup: Annotated[tuple[Step, ...], key("Requests before the calls.", [{"uri": "/graphql"}])] = ()
    workers: Annotated[tuple[Worker, ...], key("What makes the calls.", [{"scenario": "basic.xml"}])]
    check: Annotated[tuple[Step, ...], key("Requests after the calls, with the answers expected.", [])] = ()
    teardown: Annotated[tuple[LastStep, ...], key("Requests that clean up.", [])] = ()


class CanyanScenario(Scenario):
    """A canyan-tester file as the rest of the harness sees it: a scenario whose calls are SIPp's.

    :param lenient: what canyan-tester passes silently passes here too.
    """

    canyan: CanyanFile
    lenient: bool = False

    @classmethod
    def of(cls, file: CanyanFile, origin: Origin, *, lenient: bool = False) -> CanyanScenario:
        """Its title is the file's name: such a file has no other."""
        made = cls(
            scenario=origin.file.stem,
            tags=("canyan-tester",),
            kamailio=Kamailio(defines=dict(_DEFINES)),
            calls=(),
            canyan=file,
            lenient=lenient,
        )
        made._origin = origin
        return made

    @property
    def optional_defines(self) -> frozenset[str]:
        return frozenset(_DEFINES)

    @property
    def directory(self) -> Path:
        """Where its SIPp scenarios are. A relative ``basedir`` is looked for from here, then beside the file."""
        beside = self._origin.file.parent
        if self.canyan.basedir is None:
            return beside
        here = Path(self.canyan.basedir)
        return here if here.is_dir() else beside / here

    def template(self, worker: SippWorker) -> str:
        """A worker's SIPp scenario, its placeholders still in it.

        :raises OSError: it can't be read.
        :raises UnicodeDecodeError: it isn't UTF-8.
        """
        if worker.scenario is None:
            return built_in()
        return (self.directory / worker.scenario).read_text(encoding="utf-8")

    def sipp_files(self) -> tuple[Path, ...]:
        """The SIPp scenarios of its workers."""
        workers = (worker for worker in self.canyan.workers if isinstance(worker, SippWorker))
        return tuple(self.directory / worker.scenario for worker in workers if worker.scenario)

    def without(self, *sections: str) -> CanyanScenario:
        """The same, with nothing in these sections."""
        file = self.canyan.model_copy(update=dict.fromkeys(sections, ()))
        return self.of(file, self._origin, lenient=self.lenient)
