"""Docker engines of one's own, each in a network namespace like a machine of its own, joined into a swarm.

``python -m tests.swarm.engines 3`` has three until Enter is pressed; it says how to reach each.

An engine in the machine's own namespace would remove the other one's bridge; ``ip netns exec`` would hide the control
groups. So each is started by ``nsenter``, in a namespace that a bridge in one more namespace connects to the others:
the machine's own packet filter sees none of it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from rating_harness.deadline import Deadline, await_condition
from rating_harness.lab.docker.engine import connect
from rating_harness.lab.docker.images import Images

__all__ = ["Node", "lab_images", "swarm_of"]

_NETWORK = "10.213.77"
_STARTED = 30.0
_STOPPED = 10.0


@dataclass(slots=True)
class Node:
    """An engine, and the machine that it believes to be on.

    :param name: its host name.
    :param namespace: where its network is: ``/run/netns/...``.
    """

    name: str
    namespace: Path
    address: str
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    @contextlib.contextmanager
    def client(self) -> Iterator[docker.DockerClient]:
        client = docker.DockerClient(self.url)
        try:
            yield client
        finally:
            client.close()

    def answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended: {(self.folder / 'log').read_text()[-2000:]}")
        if not (self.folder / "docker.sock").exists():
            return False
        with contextlib.suppress(docker.errors.DockerException), self.client() as client:
            return bool(client.ping())
        return False

    def power_off(self) -> None:
        """All at once, as a machine that has lost its power: nothing of it says good-bye to anybody."""
        _run("ip", "-n", self.namespace.name, "link", "set", "eth0", "down")
        for pid in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def _processes(self) -> list[int]:
        """The engine, what it started, and what runs in its containers."""
        pids = subprocess.run(
            ["ip", "netns", "pids", self.namespace.name], check=True, capture_output=True, text=True
        ).stdout.split()
        ours = [int(pid) for pid in pids]
        for parent in ours:
            children = Path(f"/proc/{parent}/task/{parent}/children")
            with contextlib.suppress(OSError):
                ours += [int(child) for child in children.read_text().split() if int(child) not in ours]
        return ours

    def end(self) -> None:
        """In good order, as far as that is possible: `stop` waits for it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        self.end()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_STOPPED)
        await_condition(self._are_gone, Deadline(_STOPPED), f"the end of all that {self.name} started", interval=0.1)

    def _are_gone(self) -> bool:
        """Whether nothing of it runs any more. What still does is killed, and may have started another."""
        self.process.poll()
        left = self._processes()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left


@contextlib.contextmanager
def swarm_of(number: int, images: Sequence[str] = (), *, source: str | None = None) -> Iterator[list[Node]]:
    """So many engines, joined into a swarm whose first is its manager.

    :param images: that each is given, from the engine ``source`` (None: the machine's own).
    """
    with contextlib.ExitStack() as exits:
        folder = Path(tempfile.mkdtemp(prefix="rating-swarm-"))
        exits.callback(_remove, folder)
        prefix = folder.name[-8:]
        fabric = _namespace(exits, f"{prefix}-wire")
        _run("ip", "-n", fabric, "link", "add", "wire", "type", "bridge")
        _run("ip", "-n", fabric, "link", "set", "wire", "up")
        nodes = []
        for index in range(1, number + 1):
            node = _node(exits, fabric, f"{prefix}-{index}", f"{_NETWORK}.{index}", folder / str(index), index)
            nodes.append(node)
        deadline = Deadline(_STARTED)
        for node in nodes:
            await_condition(node.answers, deadline, f"an answer of {node.name}", interval=0.1)
        _give(nodes, images, source)
        _join(nodes)
        for node in nodes:
            exits.callback(node.end)  # all at once, before any is waited for
        yield nodes


def lab_images() -> list[str]:
    """The images of a lab and of a generator, made on the machine's own engine: names by which others find them."""
    with contextlib.closing(connect()) as engine:
        images = Images(engine)
        ids = {*images.ensure().values(), images.generator()}
        api: Any = engine.client.api
        history = {layer["Id"] for each in ids for layer in api.history(each)}
        listed = engine.client.api.images()
        wanted = [tag for image in listed if image["Id"] in ids | history for tag in image["RepoTags"] or ()]
    return sorted(tag for tag in wanted if tag != "<none>:<none>")


def _node(exits: contextlib.ExitStack, fabric: str, namespace: str, address: str, folder: Path, index: int) -> Node:
    _namespace(exits, namespace)
    folder.mkdir()
    _run("ip", "-n", fabric, "link", "add", f"to{index}", "type", "veth", "peer", "eth0", "netns", namespace)
    _run("ip", "-n", fabric, "link", "set", f"to{index}", "master", "wire", "up")
    _run("ip", "-n", namespace, "address", "add", f"{address}/24", "dev", "eth0")
    _run("ip", "-n", namespace, "link", "set", "eth0", "up")
    path, name = Path("/run/netns") / namespace, f"machine-{index}"
    options = [f"--data-root={folder}/data", f"--exec-root={folder}/run", f"--pidfile={folder}/pid"]
    options += [f"--host=unix://{folder}/docker.sock"]
    inside = f'hostname {name} && exec "$@"'
    command = ["nsenter", f"--net={path}", "unshare", "--uts", "sh", "-c", inside, "sh", "dockerd", *options]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    node = Node(name, path, address, folder, process)
    exits.callback(node.stop)
    return node


def _give(nodes: Iterable[Node], images: Sequence[str], source: str | None) -> None:
    if not images:
        return
    with tempfile.NamedTemporaryFile(prefix="rating-images-") as archive:
        host = ["-H", source] if source else []
        subprocess.run(["docker", *host, "save", "-o", archive.name, *images], check=True)
        loading = [
            subprocess.Popen(["docker", "-H", node.url, "load", "-q", "-i", archive.name], stdout=subprocess.DEVNULL)
            for node in nodes
        ]
        assert [each.wait() for each in loading] == [0] * len(loading)


def _join(nodes: Sequence[Node]) -> None:
    first, *others = nodes
    with first.client() as client:
        client.swarm.init(advertise_addr=first.address, listen_addr=f"{first.address}:2377")
        token = client.api.inspect_swarm()["JoinTokens"]["Worker"]
    for node in others:
        with node.client() as client:
            address = f"{node.address}:2377"
            client.swarm.join([f"{first.address}:2377"], token, listen_addr=address, advertise_addr=node.address)


def _namespace(exits: contextlib.ExitStack, name: str) -> str:
    _run("ip", "netns", "add", name)
    exits.callback(subprocess.run, ["ip", "netns", "delete", name], check=False)
    _run("ip", "-n", name, "link", "set", "lo", "up")
    return name


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def _remove(folder: Path) -> None:
    """:raises Timeout: something stays there."""
    await_condition(lambda: _is_removed(folder), Deadline(_STOPPED), f"{folder} being removed", interval=0.2)


def _is_removed(folder: Path) -> bool:
    # What containers of an engine that was killed have mounted is unmounted first.
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for place in sorted((each for each in mounted if each.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", place], check=False)
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def main() -> None:
    with swarm_of(int(sys.argv[1]), lab_images()) as nodes:
        for node in nodes:
            how = f"nsenter --net={node.namespace} env DOCKER_HOST={node.url}"
            sys.stdout.write(f"{how}  # {node.name}, {node.address}\n")
        sys.stdout.flush()
        sys.stdin.readline()


if __name__ == "__main__":
    main()
