"""The services under test, brought up in a lab: Kamailio, the tap, the rating engine; and the clients of each."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import urlsplit

from rating_harness.contract import CONTRACT
from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import EngineError, HarnessError, LabError, Location, ServiceDied, Timeout
from rating_harness.evidence.memory_shortage import MORE_THAN_THERE_IS, memory_shortages
from rating_harness.evidence.redaction import redacted_url
from rating_harness.evidence.statistics import LoadProgress
from rating_harness.kamailio.rpc import (
    RPC_PORT,
    DatagramTransport,
    HttpTransport,
    KamailioClient,
    RpcError,
    RpcRefused,
    Transport,
)
from rating_harness.kamailio.versions import loses_sockets
from rating_harness.lab import attach_lab, compose, open_lab
from rating_harness.lab.clock import compiled
from rating_harness.lab.files import data_directory
from rating_harness.lab.protocol import Driver, Endpoint, Lab, MovedClock, Role, Service
from rating_harness.lab.rootfs import ensure_stack, stack_version
from rating_harness.plan.model import Plan
from rating_harness.rating.client import EngineClient
from rating_harness.rating.seed import Operation
from rating_harness.rating.tls import carried_files, named_files, tls_context
from rating_harness.run.capture import Capture
from rating_harness.run.further_services import FurtherServices
from rating_harness.run.hash_tables import HashTables
from rating_harness.run.kamailio import (
    Variant,
    first_mistake,
    kamailio_service,
    own_siptrace,
    prepare_configuration,
    shown,
    user_files,
    user_paths,
    with_user_paths,
)
from rating_harness.run.lab_programs import LabPrograms
from rating_harness.run.options import Options
from rating_harness.run.requirements import unmet
from rating_harness.run.start_failure import has_failed_to_start, is_unreadable, remedy, unfilled, where_it_stands
from rating_harness.scenario.model import Scenario
from rating_harness.tap.client import TapClient
from rating_harness.useragent.agent import USER_AGENT, OtherStack

if TYPE_CHECKING:
    from rating_harness.coverage.points import Instrumented, Probe
    from rating_harness.kamailio_config.preparation import Findings, Prepared
    from rating_harness.rating.engine_file import EngineFile
    from rating_harness.rating.own_engine import RatingEngine
    from rating_harness.run.probes import Probes

__all__ = ["AGENT", "ENGINE", "KAMAILIO", "Stack"]

ENGINE, AGENT, KAMAILIO = CONTRACT.services.engine, CONTRACT.services.agent, CONTRACT.services.kamailio

_TARGET_ANSWERS = 5.0
"""Seconds that a Kamailio which runs already may take to answer JSON-RPC."""

_NO_AGENT = (
    "it asks no rating agent, since no URL is in it: docs/integration.md says how it includes rating.cfg; "
    "--engine none checks SIP alone"
)
_TRIED = 10.0
"""Seconds that a clock is put forward when it's tried."""

_COMMANDS = {"dialog": "dlg.list", "htable": "htable.stats"}
"""A command of JSON-RPC's that the module brings."""

_CERTIFICATES = "/etc/rating-agent"
"""Where a tap in a container finds the certificates that the environment names: those of the machine aren't in it."""

_START = 30.0
"""Seconds that a service may take to become ready."""
_LOOK_AT_LOG = 0.5
"""Seconds between two looks at the log of a Kamailio that doesn't answer yet."""
_IS_NEW = 5.0
"""Seconds after its first answer in which the log of a Kamailio is looked at while a scenario goes on."""


class Stack:
    """Brought up by `open`. One scenario after another runs on it; `prepare` makes it as new for each."""

    def __init__(self, lab: Lab, options: Options, further: FurtherServices | None = None) -> None:
        """:param further: those of the options, where they have been read already."""
        self.lab = lab
        self.options = options
        self._composition = compose.load(data_directory("compose") / "lab.yaml")
        self._further = further or FurtherServices(options.services)
        self._variant: Variant | None = _first_variant(options)
        self._last_variant = _first_variant(options)
        self._starts = 0
        self._commands: tuple[int, frozenset[str]] | None = None
        self._dirty: set[str] = set()
        self._logged = ""
        self._started_at = 0.0
        self._tables = HashTables()
        self.programs = LabPrograms(lab)
        self.capture = Capture(lab)
        self._paths: Mapping[str, Path] = {}
        self._prepared: Prepared | None = None
        self._probes: Probes | None = None
        self.clock: MovedClock | None = None
        """What moves the time of all that runs in the lab, where a scenario wants that."""
        self.tell_load: Callable[[LoadProgress], None] | None = None
        """Called once a second while a load is made, with how far it is."""
        self.is_interrupted: Callable[[], bool] = lambda: False
        """Whether the run under way is to be left: asked while its calls are made."""
        self.changes: Mapping[str, str] = {}
        """Texts in place of those of the configuration's files, by their names: from the next scenario on."""

    @classmethod
    def open(cls, options: Options, *, persistent: bool = False) -> Stack:
        """Bring everything up.

        :param persistent: for a person to play with: it outlives this process, with its services on loopback.
        :raises LabError: something could not be; nothing is left.
        """
        if options.ends != "own":
            ensure_stack(options.ends)
        if any((url or "").startswith("https:") for url in (options.agent_url, options.api_url)):
            tls_context()
        further = FurtherServices(options.services)
        lab = open_lab(
            "local" if options.ends != "own" else "docker" if options.generators else options.lab,
            release=options.kamailio,
            host_network=_on_loopback(options.agent_url) or _on_loopback(options.api_url),
            keep=persistent,
            target=options.target,
            packages=options.packages,
            images=further.images,
            swarm=options.generators > 0,
        )
        try:
            stack = cls(lab, options, further)
            stack._start(persistent)
        except BaseException:
            lab.stop()
            raise
        return stack

    @classmethod
    def attach(cls, driver: Driver, lab_id: str, options: Options) -> Stack:
        """The stack of a persistent lab (`open`).

        :raises LabError: there is none.
        """
        stack = cls(attach_lab(driver, lab_id), options)
        stack._connect()
        stack.capture.find()
        return stack

    @cached_property
    def other(self) -> OtherStack | None:
        """Whose SIP stack is at the ends of calls; None: they are the harness's own."""
        name = self.options.ends
        return None if name == "own" else OtherStack(name, ensure_stack(name))

    def close(self) -> None:
        for client in (self.tap, self.engine, self.kamailio):
            client.close()
        self.lab.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- bringing up ------------------------------------------------------------------------------------------------

    def _start(self, persistent: bool) -> None:
        for service in self._composition.services.values():
            self.lab.host(service.name, *service.aliases)
        self._further.start(self.lab, self.programs.output)
        deadline = Deadline(_START)
        if self.lab.driver == "external":
            self.capture.off = "the target runs already"
        else:
            self.capture.start(deadline)
        others = [self._tap_service()]
        if self.options.is_embedded:
            others.append(self._composition.services[ENGINE])

        def start(kamailio: Service) -> None:
            # Those that run already are there from a first try.
            wanted = [kamailio, *(each for each in others if not self._runs(each.name))]
            if persistent:
                wanted = [replace(each, published=self._composition.published[each.name]) for each in wanted]
            with ThreadPoolExecutor(len(wanted)) as pool:
                started = pool.map(lambda service: self.lab.start_service(service, deadline), wanted)
                self.lab.import_module(self.other.module if self.other else USER_AGENT)
                list(started)
            self._connect()

        if self.lab.driver == "external":
            deadline = Deadline(_TARGET_ANSWERS)
        self._start_kamailio(_first_variant(self.options), start, deadline)

    def _runs(self, name: str) -> bool:
        try:
            return self.lab.service(name).poll() is None
        except KeyError:
            return False

    def _start_kamailio(self, variant: Variant, start: Callable[[Service], object], deadline: Deadline) -> None:
        """Start it as it's wanted; without the capture where it lacks the module for that."""
        try:
            self._await_started(lambda: start(self._kamailio_service(variant)), deadline)
        except ServiceDied as error:
            if self.capture.off is not None or "siptrace.so" not in (error.log or ""):
                raise
            self.capture.give_up("this Kamailio has no module siptrace")
            self._logged = self.lab.service(KAMAILIO).output()
            self._await_started(lambda: start(self._kamailio_service(variant)), deadline)

    def _connect(self) -> None:
        self.tap = TapClient(self.lab.endpoint(AGENT, 8001))
        self.engine = self._engine_client()
        self.kamailio = KamailioClient(self._rpc_transport())

    @cached_property
    def kamailio_version(self) -> str:
        return self.kamailio.version().split(" (")[0].removeprefix("kamailio ")

    def published(self) -> dict[str, str]:
        """Where a person on this machine finds what: ``{"SIP": "127.0.0.1:5060", "agent": ..., "API": ...}``."""
        ports = {"SIP": (KAMAILIO, 5060), "agent": (AGENT, 8000), "API": (ENGINE, 8000)}
        return {what: self.lab.published(service, port) for what, (service, port) in ports.items()}

    def _engine_client(self) -> RatingEngine:
        options = self.options
        if options.is_embedded:
            return EngineClient(self.lab.endpoint(ENGINE, 8000))
        from rating_harness.rating.own_engine import OwnEngine, UnreadableEngine

        if options.engine == "none":
            return UnreadableEngine("there is no rating engine (--engine none)")
        if options.api_url is None:
            return UnreadableEngine("the engine's API isn't given (--api-url)")
        if options.engine is None:
            return EngineClient(Endpoint(options.api_url))
        return OwnEngine(options.engine, options.api_url)

    def _tap_service(self) -> Service:
        service = self._composition.services[AGENT]
        upstream = self.options.agent_url or f"http://{self.lab.host(ENGINE).address}:8080"
        if self.lab.driver != "docker":
            named, carried = named_files(), {}
        elif upstream.startswith("https:"):
            named, carried = named_files(_CERTIFICATES), carried_files(_CERTIFICATES)
        else:
            named, carried = {}, {}
        return replace(
            service,
            files={**service.files, **carried},
            command=tuple(
                f"--upstream={upstream}" if word.startswith("--upstream=") else word for word in service.command
            ),
            environment={**service.environment, **named},
        )

    def _kamailio_service(self, variant: Variant) -> Service:
        self._starts += 1
        self._last_variant = variant
        self._paths = user_paths(variant)
        described = self._composition.services[KAMAILIO]
        self._prepared = None
        if variant.configuration is not None:
            self._prepared = prepare_configuration(variant, self.lab.driver, self.programs.kamailio)
        return kamailio_service(
            described,
            variant,
            agent_url=f"http://{self.address(AGENT)}:8000",
            number=self._starts,
            driver=self.lab.driver,
            prepared=self._prepared,
            rewrite=self._with_probes if variant.covered else None,
            capture=self.capture.configure(own_siptrace(variant, described, self._prepared)),
        )

    def _with_probes(self, files: Mapping[str, bytes], defines: Mapping[str, str]) -> Mapping[str, bytes]:
        if self._probes is None:
            from rating_harness.run.probes import Probes

            self._probes = Probes(self.programs.kamailio)
        return self._probes.put_in(files, defines, self._paths)

    @property
    def probes(self) -> Instrumented | None:
        """What can be covered in the Kamailio that runs; None without coverage."""
        return self._probes.instrumented if self._probes else None

    def passed(self) -> Mapping[Probe, int]:
        """The probes that were passed since this was called last, and how often."""
        return self._probes.passed(self.lab.service(KAMAILIO).output()) if self._probes else {}

    def address(self, name: str) -> str:
        """The name itself where the lab has names, else its address."""
        return name if self.lab.capabilities.names else self.lab.host(name).address

    def _rpc_transport(self) -> Transport:
        directory = self.lab.run_directory(KAMAILIO)
        if directory is not None:
            return DatagramTransport(Path(directory) / "kamailio_rpc.sock")
        return HttpTransport(self.lab.endpoint(KAMAILIO, RPC_PORT), self.lab.endpoint(KAMAILIO, 5060))

    def now(self) -> float:
        """Unix seconds on the lab's clock."""
        return time.time() + (self.clock.ahead if self.clock else 0.0)

    def restart_kamailio(self, deadline: Deadline, *, how: signal.Signals = signal.SIGTERM) -> None:
        """End it with that signal, and start it as it was.

        :raises ServiceDied, Timeout: as `await_kamailio`.
        """
        self._logged = self.lab.service(KAMAILIO).output()
        self.capture.restarted()
        self._await_started(lambda: self.lab.restart_service(KAMAILIO, deadline, how=how), deadline)

    def _await_started(self, start: Callable[[], object], deadline: Deadline) -> None:
        try:
            start()
        except ServiceDied as error:
            if error.service != KAMAILIO:
                raise
            raise self._did_not_start(error.status) from None
        self.await_kamailio(deadline)
        self._started_at = time.monotonic()
        self.check_started()

    def await_kamailio(self, deadline: Deadline) -> None:
        """:raises ServiceDied: Kamailio ended; with its last lines, errors of its configuration among them.
        :raises LabError: it runs, and will not answer JSON-RPC.
        :raises Timeout: it runs, and doesn't answer JSON-RPC.
        """
        process = self.lab.service(KAMAILIO)
        last, next_look = "nothing", Deadline(_LOOK_AT_LOG)

        def answers() -> bool:
            nonlocal last, next_look
            status = process.poll()
            if status is not None:
                raise self._did_not_start(status)
            try:
                self.kamailio.uptime()
            except RpcRefused as refusal:
                if self.lab.driver == "external":
                    raise self._target_is_silent(refusal.message) from None
                raise self._with_http_route(refusal) from None
            except RpcError as error:
                last = str(error)
                if next_look.expired:
                    next_look = Deadline(_LOOK_AT_LOG)
                    if has_failed_to_start(self.kamailio_log):
                        raise self._did_not_start(None) from None
                return False
            return True

        try:
            await_condition(answers, deadline, "an answer of Kamailio's JSON-RPC")
        except Timeout as error:
            if self.lab.driver == "external":
                raise self._target_is_silent(last) from None
            raise Timeout(
                error.message,
                found=last,
                detail=_why_it_ended(self.kamailio_log) or None,
                hint="the configuration has to load jsonrpcs; its datagram socket, and HTTP at /RPC on port "
                f"{RPC_PORT} or 5060, are looked for",
            ) from None

    def check_started(self, *, is_over: bool = True) -> None:
        """One of Kamailio's processes may fail, for want of a database, say, when another answers already.

        :param is_over: whether a scenario is: while it goes on, only a Kamailio that's new is looked at.
        :raises ServiceDied: it could not start.
        """
        if self.lab.driver == "external" or (not is_over and time.monotonic() - self._started_at > _IS_NEW):
            return
        if has_failed_to_start(self._kamailio_output()):
            raise self._did_not_start(self.lab.service(KAMAILIO).poll())

    def _with_http_route(self, refusal: RpcRefused) -> RpcRefused:
        """With the place of the user's route that refused."""
        place = self._prepared.findings.http_route if self._prepared else None
        user_file = user_files(self._last_variant).get(place.path) if place else None
        if place is None or user_file is None:
            return refusal
        path = shown(str(user_file), self._last_variant)
        return RpcRefused(refusal.message, where=replace(place, path=path), hint=refusal.hint)

    @property
    def _agent_of_target(self) -> str:
        """Where the target has to ask the agent."""
        return f"http://{self.lab.host(AGENT).address}:8000"

    def _target_is_silent(self, last: str) -> LabError:
        return LabError(
            f"the target {self.options.target} doesn't answer JSON-RPC",
            expected=f"a Kamailio that answers at /RPC on TCP port {RPC_PORT} or 5060, and asks the agent at "
            f"{self._agent_of_target}",
            found=last,
            hint="docs/target.md says what a Kamailio that runs already needs",
        )

    def _did_not_start(self, status: int | None) -> ServiceDied:
        log = self.kamailio_log
        found = self._prepared.findings if self._prepared else None
        where = where_it_stands(
            self._kamailio_output(),
            user_files(self._last_variant),
            found.modules if found else {},
            found.parameters if found else (),
        )
        hint = remedy(log, where)
        if (
            where is None
            and is_unreadable(log)
            and (mistake := first_mistake(self._last_variant, self.programs.kamailio))
        ):
            where = mistake.where if isinstance(mistake.where, Location) else None
            hint = hint or mistake.hint or _in_one_line(mistake)
        if where is None and hint is None and self._last_variant.configuration is not None:
            where = unfilled(dict.fromkeys(user_files(self._last_variant).values()))
            hint = remedy(log, where)
        if where is not None:
            where = replace(where, path=shown(where.path, self._last_variant))
        if hint is None and (hint := self._memory_hint(log)):
            where = None  # where it happened to be when it had no memory left
        return ServiceDied(
            "Kamailio could not start"
            if status is None
            else f"Kamailio ended with status {status} instead of starting",
            service=KAMAILIO,
            status=status,
            detail=_why_it_ended(log),
            where=where,
            **({"hint": hint} if hint else {}),
            log=log,
        )

    def _memory_hint(self, log: str) -> str | None:
        """What to do where Kamailio was given too little memory to start."""
        given = self._last_variant
        if MORE_THAN_THERE_IS in log:
            return "the machine hasn't so much memory: give Kamailio less"
        for shortage in memory_shortages(log.splitlines()):
            more = shortage.remedy(given.memory, given.package_memory)
            return f"it has too little {shortage.what} to start: {more}"
        return None

    def _kamailio_output(self) -> str:
        """What Kamailio has logged since its last start."""
        output = self.lab.service(KAMAILIO).output()
        return output.removeprefix(self._logged)

    @property
    def kamailio_log(self) -> str:
        """What Kamailio has logged since its last start, with the user's own paths; empty before its first."""
        try:
            return with_user_paths(self._kamailio_output(), self._paths)
        except KeyError:
            return ""

    # --- between scenarios ------------------------------------------------------------------------------------------

    def prepare(self, plan: Plan) -> None:
        """As new: an engine that knows what is given and no more, the plan's faults, Kamailio with its defines.

        :raises ServiceDied: Kamailio can't start as this plan wants it. The next plan finds it as new again.
        """
        self._run_by_clock(plan.scenario.clock is not None)
        variant = replace(Variant.of(plan, self.options), changes=self.changes)
        self._spoil_silent()
        self._heal(but=KAMAILIO)
        # In a database, calls of the scenario before would outlive the restart.
        afresh = bool(plan.outages) and "WITH_DIALOG_DB" in variant.defines
        if variant != self._variant or afresh:
            self._start_variant(variant)
        else:
            self._heal()
        self.capture.begin(plan, self.kamailio, Deadline(_START))
        self._tables.fill(self.kamailio, plan, lambda host: self.lab.host(host).address)
        given = plan.scenario.given.model_dump()
        for carrier in given["carriers"]:
            # The engine's API knows no TLS: what it tells of such a carrier is changed on the way.
            carrier["protocol"] = "TCP" if carrier["protocol"] == "TLS" else carrier["protocol"]
            if carrier["host"] in {planned.host for planned in plan.carriers}:
                carrier["host"] = self.address(carrier["host"])
        if not self.options.is_embedded or not self.engine.reset():
            self.engine.remove(given)
        try:
            self.engine.seed(given)
        except EngineError as error:
            error.where = _line_of(error, plan.scenario) or error.where
            raise
        self.tap.clear()
        faults = [fault.fault for fault in plan.agent_faults]
        if self.engine_file is not None:
            from rating_harness.run.engine_words import fault_in_words_of_engine

            faults = [fault_in_words_of_engine(self.engine_file, fault) for fault in faults]
        self.tap.set_faults(*faults)

    def _run_by_clock(self, moved: bool) -> None:
        """Have the lab run by a clock that can be moved, or by the machine's. Its services are restarted for that.

        :raises LabError: there is none.
        """
        if moved == (self.clock is not None):
            return
        if moved:
            self.clock = self.lab.install_clock(self._clock_library)
        else:
            self.clock = None
            self.lab.remove_clock()
        for name in self._composition.services:
            self.spoiled(name)

    @cached_property
    def _clock_library(self) -> bytes:
        return compiled(self.lab)

    @cached_property
    def clockless(self) -> str | None:
        """Why this lab has no clock that can be moved; None when it has, and that was tried."""
        capabilities = self.lab.capabilities
        if not capabilities.clock:
            return capabilities.why.get("clock", "this lab has none")
        if not self.options.is_embedded:
            return "a rating engine of your own goes by the machine's"
        try:
            self._run_by_clock(True)
            self._heal()
            self._try_clock()
        except LabError as error:
            self._run_by_clock(False)
            self._heal()
            return ": ".join(part for part in (error.message, error.found) if part)
        return None

    def _try_clock(self) -> None:
        """Put it forward, and see that Kamailio, its timer, SIPp and what runs on Python go by it.

        :raises LabError: one doesn't.
        """
        clock = self.clock
        assert clock is not None
        up, ticks = self.kamailio.uptime(), clock.ticks
        clock.move(_TRIED)
        try:
            await_condition(lambda: clock.is_followed, Deadline(_START), "Kamailio's timer")
        except Timeout:
            raise LabError("Kamailio's timer doesn't go by the lab's clock") from None
        if self.kamailio.uptime() - up < _TRIED - 1 or clock.ticks == ticks:
            raise LabError("Kamailio doesn't go by the lab's clock")
        python = "import time; print(int(time.time()))"
        commands: dict[Role, tuple[str, ...]] = {"sipp": ("date", "+%s"), "harness": ("python", "-c", python)}
        for role, command in commands.items():
            told = self.programs.output(role, f"{role}-clock", command)
            if not told.strip().isdigit() or abs(int(told) - self.now()) > _TRIED / 2:
                raise LabError(f"what runs as {role} doesn't go by the lab's clock", found=told.strip())

    def give_back(self) -> bool:
        """Before somebody else uses a persistent lab: whether nothing of this one's scenarios is left in it."""
        try:
            self._tables.clear(self.kamailio)
        except HarnessError:
            return False
        return not self._dirty and self._variant == _first_variant(self.options)

    @property
    def description(self) -> dict[str, str]:
        """What is under test, in words: ``driver``, ``kamailio``, ``engine``."""
        options = self.options
        engine = self.engine_file.name if self.engine_file else None
        engine = engine or (options.engine and "none") or options.api_url or options.agent_url or "embedded"
        description = {"driver": self.lab.driver, "kamailio": self.kamailio_version, "engine": redacted_url(engine)}
        if options.ends != "own":
            description["ends"] = self._ends
        if self.lab.driver == "external":
            description["agent"] = self._agent_of_target
        if self.capture.off:
            description["capture"] = f"none: {self.capture.off}"
        notes = (
            [with_user_paths(str(change), self._paths) for change in self._prepared.changes] if self._prepared else []
        )
        if self.findings and not self.findings.agents and options.engine != "none":
            notes.append(_NO_AGENT)
        if notes:
            description["prepared"] = "\n".join(notes)
        if unobserved := self.unobserved:
            description["unchecked"] = "\n".join(f"{what}: {why}" for what, why in unobserved.items())
        return description

    @cached_property
    def _ends(self) -> str:
        """Whose the ends of calls are, with the version."""
        return f"{self.other.name} {stack_version(self.other.name, self.other.root)}" if self.other else "own"

    @property
    def engine_file(self) -> EngineFile | None:
        """How the engine speaks, if otherwise than Canyan's."""
        return None if isinstance(self.options.engine, str) else self.options.engine

    @property
    def findings(self) -> Findings | None:
        """What is in the user's configuration; None where that isn't known, or not all of it."""
        return self._prepared.findings if self._prepared and self._prepared.is_whole else None

    @property
    def unobserved(self) -> dict[str, str]:
        """What can't be observed here, and why (`rating_harness.evidence.model.Evidence`)."""
        found = {}
        if self.engine.unreadable:
            found["records"] = self.engine.unreadable
        if self.options.engine == "none":
            found["requests"] = self.engine.unreadable
        if self.capture.lost:
            found["capture"] = self.capture.lost
        modules: Mapping[str, Literal["dialog", "htable"]] = {"dialogs": "dialog", "tables": "htable"}
        for what, module in modules.items():
            if not self._loads(module):
                found[what] = f"the configuration doesn't load the module {module}"
        return found

    def _loads(self, module: Literal["dialog", "htable"]) -> bool:
        """Whether Kamailio's configuration loads a module, as far as that can be known."""
        if self.findings is not None:
            return module in self.findings.modules
        if self._prepared is None and not self.options.is_foreign:
            return True
        # One that can't be parsed, or that runs elsewhere, is asked what it knows.
        if self._commands is None or self._commands[0] != self._starts:
            try:
                self._commands = self._starts, self.kamailio.methods()
            except RpcError:
                return True
        return _COMMANDS[module] in self._commands[1]

    def unmet(self, scenario: Scenario) -> str | None:
        """Why a scenario can't be run here: what it requires and this lab lacks; None when it has all of it."""
        return unmet(scenario, self)

    @property
    def sipp_version(self) -> str:
        """SIPp's version, and the libraries it is linked with."""
        return self.programs.sipp

    def spoiled(self, name: str) -> None:
        """A service that isn't as it should be: it's restarted before the next scenario."""
        self._dirty.add(name)

    def broke_connections(self) -> None:
        """The agent broke connections. A Kamailio whose HTTP client then mixes up later requests is restarted."""
        if loses_sockets(self.kamailio_version):
            self.spoiled(KAMAILIO)

    def _start_variant(self, variant: Variant) -> None:
        """Kamailio as it's wanted in place of the one that runs, or of the one that could not start."""
        deadline = Deadline(_START)
        # One that can't start must not be taken for the one that runs.
        self._variant = None
        self.lab.stop_service(KAMAILIO, deadline)
        self._logged = self.lab.service(KAMAILIO).output()
        self._start_kamailio(variant, lambda service: self.lab.start_service(service, deadline), deadline)
        self._dirty.discard(KAMAILIO)
        self._variant = variant
        self._tables.forget()

    def _spoil_silent(self) -> None:
        """Have the tap, and the embedded engine, restarted where they run and don't answer: one was stopped, say."""
        clients: dict[str, Callable[[], None]] = {AGENT: self.tap.check}
        if isinstance(self.engine, EngineClient) and self.options.is_embedded:
            clients[ENGINE] = self.engine.check
        for name, check in clients.items():
            if self._runs(name):
                try:
                    check()
                except (LabError, EngineError):
                    self.spoiled(name)

    def _heal(self, *, but: str = "") -> None:
        """Restart what has ended or was spoiled, one service aside."""
        self._further.heal(self.lab, self.programs.output)
        deadline = Deadline(_START)
        for name in self._composition.services:
            try:
                process = self.lab.service(name)
            except KeyError:
                continue
            if name != but and (process.poll() is not None or name in self._dirty):
                if name == KAMAILIO:
                    self.restart_kamailio(deadline, how=signal.SIGKILL)
                else:
                    self.lab.restart_service(name, deadline, how=signal.SIGKILL)
                self._dirty.discard(name)


def _first_variant(options: Options) -> Variant:
    """Kamailio as no scenario wants it otherwise."""
    return Variant(
        options.defines,
        options.kamailio_config,
        options.image_config,
        covered=options.coverage,
        fast_timers=options.fast_timers,
    )


def _on_loopback(url: str | None) -> bool:
    """Whether only the machine itself can reach it. A network of a lab's own could not."""
    return url is not None and (urlsplit(url).hostname or "").startswith(("127.", "localhost", "::1"))


def _line_of(error: EngineError, scenario: Scenario) -> Location | None:
    """Where the request stands that the engine refused, if the author wrote it."""
    for index, text in enumerate(scenario.given.graphql):
        if error.detail == str(Operation(text)):
            return scenario.where("given", "graphql", index)
    return None


_REASON = re.compile(r"\b(?:CRITICAL|ERROR|ALERT|BUG|EMERGENCY)\b|yyerror")
_MENTION = re.compile(r"error", re.IGNORECASE)
_LOGGED = re.compile(r"^ ?\d+\(\d+\) (?P<level>[A-Z]*)")
"""How a line of Kamailio's log begins; what doesn't goes on with the one before."""


def _in_one_line(mistake: HarnessError) -> str:
    return f"{mistake.message}: {mistake.expected} is expected" if mistake.expected else mistake.message


def _why_it_ended(output: str) -> str:
    """The lines with causes, and the last ones: Kamailio says a lot while it goes down, and more with ``debug=4``."""
    lines = output.splitlines()
    return "\n".join(dict.fromkeys([*(_causes(lines) or _mentions(lines))[:8], *lines[-5:]]))


def _causes(lines: Sequence[str]) -> list[str]:
    causes: list[str] = []
    goes_on = False
    for line in lines:
        begins = _LOGGED.match(line)
        if begins:
            goes_on = begins["level"] not in ("DEBUG", "INFO", "NOTICE") and _REASON.search(line) is not None
        if goes_on or (not begins and _REASON.search(line)):
            causes.append(line)
    return causes


def _mentions(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if _MENTION.search(line) and not re.match(r"^ ?\d+\(\d+\) DEBUG", line)]
