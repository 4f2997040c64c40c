"""What the commands share: their options, how an error is shown, and the exit status.

=== ==============================================================================================
0   passed, or done
1   a scenario failed or could not be run; the lab could not be brought up; what was wanted failed
2   an option, a file or a folder that was given is wrong, or holds no scenario: nothing was run
130 interrupted by Ctrl-C (SIGINT); the labs are taken down
143 ended by SIGTERM; the labs are taken down
=== ==============================================================================================

docs/ci.md has the same table for people, with pytest's.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from rating_harness.errors import (
    ConfigurationError,
    EvidenceError,
    HarnessError,
    Mistake,
    PlanError,
    ScenarioError,
    UsageError,
)

if TYPE_CHECKING:
    from rating_harness.run.lab_options import LabOption
    from rating_harness.run.options import Options

__all__ = [
    "FAILED",
    "HELP",
    "LAB_AND_ENGINE",
    "PASSED",
    "WRONG",
    "as_warning",
    "call_options",
    "command",
    "exit_status",
    "lab_options",
    "options_of",
    "tag_option",
    "tell_full_output",
]

PASSED, FAILED, WRONG = 0, 1, 2

LAB_AND_ENGINE = (
    "lab",
    "kamailio",
    "package",
    "services",
    "kamailio-config",
    "image-config",
    "define",
    "agent-url",
    "api-url",
    "engine",
)
"""Options of a command that makes calls in a lab, of `LAB_OPTIONS`."""

HELP = {"help_option_names": ["-h", "--help"]}

Function = TypeVar("Function", bound=Callable[..., Any])


class _Ended(KeyboardInterrupt):
    """SIGTERM."""


def exit_status(error: BaseException) -> int:
    """The exit status of a command that ends with this error."""
    match error:
        case _Ended():
            return 128 + signal.SIGTERM
        case KeyboardInterrupt():
            return 128 + signal.SIGINT
        case UsageError() | ScenarioError() | EvidenceError() | PlanError() | ConfigurationError():
            return WRONG
        case _:
            return FAILED


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class HarnessCommand(click.Command):
    """A command whose errors are shown without a traceback, and which SIGTERM ends as Ctrl-C does."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _sigterm_raises():
                return super().invoke(ctx)
        except HarnessError as error:
            click.echo(str(error), err=True)
            ctx.exit(exit_status(error))
        except KeyboardInterrupt as error:
            click.echo("interrupted", err=True)
            ctx.exit(exit_status(error))
        except MemoryError:
            click.echo("this process may have no more memory (`ulimit -v`, or a container's limit)", err=True)
            ctx.exit(FAILED)
        except OSError as error:
            if not tell_full_output(error):
                raise
            ctx.exit(exit_status(error))


def tell_full_output(error: OSError) -> bool:
    """Say that what is printed can't be written, if that's what the error is about."""
    if error.errno not in _FULL or error.filename is not None:
        return False
    # What is still to be printed would be an error once more at the end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    click.echo(f"what is printed can't be written: {error.strerror}", err=True)
    return True


def command(name: str | None = None, **settings: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """`click.command`, with what all commands have in common.

    :param settings: further ones of click's context.
    """
    return click.command(name, cls=HarnessCommand, context_settings={**HELP, **settings})


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(signum: int, frame: object) -> None:
        raise _Ended

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def as_warning(warning: Mistake) -> str:
    """What is most likely a mistake, as it's shown."""
    return str(replace(warning, message=f"warning: {warning.message}"))


def lab_options(*names: str) -> Callable[[Function], Function]:
    """The options of that name from `LAB_OPTIONS`, for a command that takes them as ``**values``."""
    from rating_harness.run.lab_options import LAB_OPTIONS

    def add(function: Function) -> Function:
        for name in reversed(names):
            function = _click_option(LAB_OPTIONS[name])(function)
        return function

    return add


def tag_option(function: Function) -> Function:
    """``--tag``, completed with the tags of the scenarios in the paths that stand before it."""
    about = "Only scenarios with this tag; repeatable."
    return click.option("--tag", "tags", metavar="TAG", multiple=True, shell_complete=_tags, help=about)(function)


def _tags(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from rating_harness.session.selection import tags_in

    # Where the option that is completed has no value yet, click leaves the arguments where they are.
    said = context.params.get("paths") or [Path(each) for each in context.args if not each.startswith("-")]
    paths = said or [Path("scenarios")]
    return [tag for tag in tags_in(paths) if tag.startswith(incomplete)]


def _click_option(option: LabOption) -> Callable[[Function], Function]:
    if option.flag:
        return click.option(f"--{option.name}", *option.aliases, is_flag=True, help=option.help)
    kinds: Mapping[type, Any] = {Path: click.Path(path_type=Path), int: int, str: str}
    return click.option(
        f"--{option.name}",
        *option.aliases,
        metavar=option.metavar,
        type=click.Choice(option.choices) if option.choices else kinds[option.type],
        default=option.default,
        multiple=option.repeatable,
        help=option.help,
    )


_OUTCOMES = {
    "busy": "It's busy.",
    "refused": "The caller has no balance.",
    "cancelled": "The caller gives up while it rings.",
    "cut": "It's cut when the balance runs out, after --hold.",
}
"""What can come of a call of `rating-harness call` and `new` instead of an answer, and its option's help."""


def call_options(function: Function) -> Function:
    """What comes of a call of `rating-harness call` and `new`: ``kind`` (None: not said) and ``hold``.

    The command raises `UsageError` for more than one outcome, and for a length of a call that isn't answered.
    """

    @wraps(function)
    def with_outcome(*arguments: Any, hold: str | None, **values: Any) -> Any:
        outcomes = [name for name in _OUTCOMES if values.pop(name)]
        given = " ".join(f"--{name}" for name in outcomes)
        if len(outcomes) > 1:
            raise UsageError("only one thing can come of a call", expected="one of them, or none", found=given)
        if hold is not None and outcomes not in ([], ["cut"]):
            raise UsageError("a call that isn't answered has no length", found=f"{given} --hold {hold}")
        return function(*arguments, kind=outcomes[0] if outcomes else None, hold=hold or "2s", **values)

    for name, text in reversed(_OUTCOMES.items()):
        with_outcome = click.option(f"--{name}", is_flag=True, help=text)(with_outcome)
    return cast(
        Function,
        click.option("--hold", metavar="TIME", help="How long it lasts when it's answered.  [default: 2s]")(
            with_outcome
        ),
    )


def options_of(values: Mapping[str, Any]) -> Options:
    """The options that a command was given.

    :raises UsageError: they make no sense.
    """
    from rating_harness.run.options import Options

    others = {name: value for name, value in values.items() if name not in ("define", "seed")}
    return Options.of(defines=values.get("define", ()), seed=values.get("seed"), **others)
