"""``python -m rating_harness`` is the command ``rating-harness``."""

import gc
import os
import signal

__all__ = ["run"]


def run() -> None:
    """The command. Ctrl-C ends it at once, and without a traceback, while its modules are still being imported."""
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Most of what is made stays; to look through all of it each time a few hundred more are there would take longest.
    gc.set_threshold(20_000, 20, 50)
    # pydantic would look through all packages of the environment for plugins of its own, at each start of a service.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from rating_harness.cli.main import main

    signal.signal(signal.SIGINT, interrupt)
    main(prog_name="rating-harness")


if __name__ == "__main__":
    run()
