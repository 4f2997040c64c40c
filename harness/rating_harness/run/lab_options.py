"""The options that the command and the pytest plugin share: what a person can choose of the lab and the run.

This module is imported by every pytest in an environment with this package, so it imports nothing of the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LAB_OPTIONS", "LabOption"]


@dataclass(frozen=True, slots=True)
class LabOption:
    """An option of the command, and of the pytest plugin, where its name begins with ``--rating-``.

    :param name: without dashes in front (``api-url``).
    :param of_lab: it says how a lab is brought up (`Options`), and not what is run and reported.
    :param aliases: further names that only the command has.
    """

    name: str
    help: str
    metavar: str | None = None
    type: type = str
    choices: tuple[str, ...] = ()
    default: str | None = None
    repeatable: bool = False
    flag: bool = False
    of_lab: bool = True
    aliases: tuple[str, ...] = ()


LAB_OPTIONS: Mapping[str, LabOption] = {
    option.name: option
    for option in (
        LabOption(
            "lab",
            "Where services run: in Docker, or on this machine itself. auto: Docker where an engine answers.",
            choices=("auto", "docker", "local"),
            default="auto",
        ),
        LabOption(
            "kamailio", "Kamailio's origin: trixie, sid, a root filesystem's directory, an image.", metavar="WHERE"
        ),
        LabOption(
            "package",
            "A package of Debian's to be installed where Kamailio runs, such as kamailio-mysql-modules; repeatable.",
            metavar="NAME",
            repeatable=True,
        ),
        LabOption(
            "services",
            "A compose file with further services that your configuration needs: a database, say.",
            metavar="FILE",
            type=Path,
        ),
        LabOption(
            "kamailio-config",
            "Your own configuration, with its kamailio.cfg. With --image-config: where it is inside of the image.",
            metavar="DIR",
            type=Path,
        ),
        LabOption(
            "image-config",
            "Test the configuration inside of the image of --kamailio: in /etc/kamailio, or at --kamailio-config.",
            flag=True,
        ),
        LabOption(
            "profile",
            "contract: only what any configuration with rating promises, the default with your own. all: also what "
            "the project's own kamailio.cfg does besides.",
            choices=("contract", "all"),
        ),
        LabOption(
            "fast-timers",
            "Your own configuration: tm's fr_timer 2 s, fr_inv_timer 8 s, so that scenarios which wait for them run.",
            flag=True,
        ),
        LabOption(
            "ends",
            "Whose SIP stack is at the ends of calls: own (SIPp, and the harness's user agent), baresip at all, or "
            "asterisk at those that are called. What they can't do of a scenario is skipped. In a local lab.",
            choices=("own", "baresip", "asterisk"),
            default="own",
        ),
        LabOption("define", "Kamailio's -A; repeatable.", metavar="NAME=VALUE", repeatable=True),
        LabOption("agent-url", "The agent of your own rating engine.", metavar="URL"),
        LabOption(
            "api-url",
            "The GraphQL API of your own rating engine, without /graphql.",
            metavar="URL",
            aliases=("--apiurl", "-a"),
        ),
        LabOption(
            "engine",
            "How your own rating engine speaks, if otherwise than Canyan's: a file. none: there's no rating at all.",
            metavar="FILE|none",
        ),
        LabOption(
            "generators",
            "Make a load's calls from N machines of the Docker engine's swarm; in a Docker lab.",
            metavar="N",
            type=int,
        ),
        LabOption("target", "A Kamailio that runs already.", metavar="HOST:PORT", aliases=("-t",)),
        LabOption(
            "seed",
            "Seed of every random choice; a new one is chosen and printed when none is given.",
            metavar="N",
            type=int,
            aliases=("-s",),
        ),
        LabOption(
            "evidence",
            "Keep the evidence of all scenarios there, not of failed ones only.",
            metavar="DIR",
            type=Path,
            aliases=("-d",),
        ),
        LabOption(
            "persistent-lab",
            "Use the lab of `rating-harness up`: auto where it's of this version and configuration, and not in CI.",
            choices=("auto", "yes", "no"),
            default="auto",
        ),
        LabOption("shard", "Run one share of the scenarios: 2/5 is the second of five.", metavar="N/M", of_lab=False),
        LabOption(
            "durations",
            "Seconds of each scenario, as JSON: shards are made by it, and a run adds its own to it.",
            metavar="FILE",
            type=Path,
            of_lab=False,
        ),
        LabOption("html", "Write a report to look at, one file.", metavar="FILE", type=Path, of_lab=False),
        LabOption("junit", "Write JUnit's XML, for a pipeline.", metavar="FILE", type=Path, of_lab=False),
        LabOption("jsonl", "Write a line of JSON per event.", metavar="FILE", type=Path, of_lab=False),
        LabOption("pcap", "Write the calls, for Wireshark.", metavar="FILE", type=Path, of_lab=False),
        LabOption(
            "canyan-lenient",
            "canyan-tester's files: pass over what canyan-tester passes over.",
            flag=True,
            of_lab=False,
        ),
    )
}
"""What a person can choose of the lab and the run, by name; once for the command and the plugin."""
