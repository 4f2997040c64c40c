"""``python -m rating_harness`` is the command ``rating-harness``."""

import signal

__all__ = ["run"]


def run() -> None:
    """The command. Ctrl-C ends it at once, and without a traceback, while its modules are still being imported."""
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from rating_harness.cli.main import main

    signal.signal(signal.SIGINT, interrupt)
    main(prog_name="rating-harness")


if __name__ == "__main__":
    run()
