"""The image of ``compose/runner.Dockerfile`` is built, and runs a scenario in either lab: its own, the host's Docker.

It prints the seconds of each step, and exits with 1 and what a step printed where one fails. The image is made from
what a lab's own images are made from, so that no registry is asked; it's removed at the end.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
from docker import DockerClient
from docker.errors import BuildError, ContainerError

from rating_harness.lab.docker.engine import connect
from rating_harness.lab.docker.images import Images

ROOT = Path(__file__).parents[2]
SCENARIO = "/src/scenarios/authorization/balance-insufficient.yaml"
"""In the image: the source tree that it was made from is there."""
SOCKET = "/var/run/docker.sock"


def built(client: DockerClient, tag: str, base: str) -> None:
    """:raises SystemExit: it could not be built."""
    started = time.monotonic()
    try:
        client.images.build(
            path=str(ROOT),
            dockerfile="compose/runner.Dockerfile",
            tag=tag,
            buildargs={"BASE": base},
            rm=True,
            forcerm=True,
        )
    except BuildError as error:
        raise SystemExit("".join(str(line.get("stream", line)) for line in error.build_log)) from None
    click.echo(f"the image: {time.monotonic() - started:.1f} s")


def run(client: DockerClient, tag: str, lab: str, **options: Any) -> None:
    """:raises SystemExit: it did not pass."""
    started = time.monotonic()
    try:
        printed = client.containers.run(
            tag, ["run", SCENARIO, "--lab", lab], stdout=True, stderr=True, remove=True, **options
        )
    except ContainerError as error:
        raise SystemExit(f"in the lab {lab}: {error}") from None
    click.echo(f"a scenario in the lab {lab}: {time.monotonic() - started:.1f} s")
    if b"1 passed, 0 failed, 0 skipped" not in printed:
        raise SystemExit(f"it had to pass:\n{printed.decode()}")


def main() -> None:
    engine = connect()
    tag = f"rating-harness/runner:test-{time.time_ns()}"
    try:
        with engine.patient(300) as client:
            built(client, tag, Images(engine).base())
            try:
                run(client, tag, "local", user="1000:1000")
                volumes = {SOCKET: {"bind": SOCKET, "mode": "rw"}}
                run(client, tag, "docker", network_mode="host", volumes=volumes)
            finally:
                client.images.remove(tag)
    finally:
        engine.close()


if __name__ == "__main__":
    main()
