"""The library with which Kamailio and SIPp find the lab's names where no hosts file can be mounted (``names.c``)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rating_harness.lab import rootfs
from rating_harness.lab.binaries import library_compiler
from rating_harness.lab.local.programs import BIN, ProgramSource, write_wrappers

pytestmark = pytest.mark.lab

ASK = """
#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *name;
static volatile int has_failed;

static void *ask_often(void *nothing) {
    struct addrinfo *found;
    for (int i = 0; i < 3000; i++)
        if (getaddrinfo(name, "80", 0, &found)) has_failed = 1; else freeaddrinfo(found);
    return 0;
}

static void tell(int family, const void *address) {
    char text[INET6_ADDRSTRLEN];
    puts(inet_ntop(family, address, text, sizeof text));
}

int main(int count, char **words) {
    struct hostent *host;
    struct addrinfo wanted = {.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM}, *found;
    name = words[2];
    if (!strcmp(words[1], "threads")) {
        pthread_t threads[4];
        for (int i = 0; i < 4; i++) pthread_create(&threads[i], 0, ask_often, 0);
        for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
        return has_failed;
    }
    if (!strcmp(words[1], "gethostbyname")) {
        if (!(host = gethostbyname(name))) return 1;
        tell(host->h_addrtype, host->h_addr_list[0]);
        return 0;
    }
    if (!strcmp(words[1], "gethostbyname2")) {
        if (!(host = gethostbyname2(name, AF_INET6))) return 1;
        tell(host->h_addrtype, host->h_addr_list[0]);
        return 0;
    }
    if (getaddrinfo(*name ? name : 0, "80", &wanted, &found)) return 1;
    tell(AF_INET, &((struct sockaddr_in *)found->ai_addr)->sin_addr);
    return 0;
}
"""

HOSTS = "# all\n127.0.0.1 localhost\n\n127.1.2.3\tengine.test  engine # its agent\n::1 engine\n  127.1.2.4 Carrier"

Ask = Callable[..., tuple[int, str]]


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    path = tmp_path / "hosts"
    path.write_text(HOSTS)
    return path


@pytest.fixture
def ask(tmp_path: Path, hosts: Path) -> Ask:
    """Run a program in which the library is preloaded as it is into SIPp; give its status and what it printed."""
    root = rootfs.ensure()
    write_wrappers(tmp_path / BIN, ProgramSource(root, root, enterable=False))
    compiler = library_compiler(root)
    assert compiler
    assert str(root) in compiler[0], "the root's own"
    libraries = Path(compiler[2])
    program, source = tmp_path / "ask", tmp_path / "ask.c"
    source.write_text(ASK)
    parts = [libraries / "crt1.o", libraries / "crti.o", source, libraries / "libc.so.6", libraries / "crtn.o"]
    subprocess.run([*compiler[:-3], "-nostdlib", "-o", program, *parts], check=True, capture_output=True)
    script = (tmp_path / BIN / "sipp").read_text().replace(str(root / "usr/bin/sipp"), str(program))

    def run(*words: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
        process = subprocess.run(
            ["sh", "-c", script, "ask", *words], stdout=subprocess.PIPE, text=True, timeout=60, env=environment
        )
        return process.returncode, process.stdout.strip()

    return run


@pytest.mark.parametrize(
    ("function", "name", "address"),
    [
        ("getaddrinfo", "engine", "127.1.2.3"),
        ("getaddrinfo", "engine.test", "127.1.2.3"),
        ("getaddrinfo", "CARRIER", "127.1.2.4"),
        ("getaddrinfo", "127.1.2.9", "127.1.2.9"),
        ("getaddrinfo", "", "127.0.0.1"),
        ("gethostbyname", "engine", "127.1.2.3"),
        ("gethostbyname", "carrier", "127.1.2.4"),
        ("gethostbyname2", "engine", "::1"),
    ],
)
def test_a_name_of_the_hosts_file_is_its_address(ask: Ask, function: str, name: str, address: str) -> None:
    assert ask(function, name) == (0, address)


@pytest.mark.parametrize("function", ["getaddrinfo", "gethostbyname", "gethostbyname2"])
@pytest.mark.parametrize("name", ["its", "engine.tes", "nobody.invalid"])
def test_what_is_no_name_of_the_hosts_file_is_unknown(ask: Ask, function: str, name: str) -> None:
    assert ask(function, name)[0] == 1


def test_a_name_that_is_added_is_found_by_the_next_question(ask: Ask, hosts: Path) -> None:
    assert ask("getaddrinfo", "late")[0] == 1
    with hosts.open("a") as file:
        file.write("\n127.1.2.5 late\n")
    assert ask("getaddrinfo", "late") == (0, "127.1.2.5")


def test_a_hosts_file_that_is_gone_leaves_the_names_to_the_machine(ask: Ask, hosts: Path) -> None:
    hosts.unlink()
    assert ask("getaddrinfo", "engine")[0] == 1
    assert ask("getaddrinfo", "localhost") == (0, "127.0.0.1")


def test_threads_that_ask_while_the_file_changes_all_get_the_address(ask: Ask, hosts: Path) -> None:
    """As libcurl does in a worker of http_async_client: a library that keeps names for all threads dies."""
    with subprocess.Popen(["sh", "-c", f"while touch {hosts}; do :; done"], start_new_session=True) as toucher:
        try:
            assert ask("threads", "engine") == (0, "")
        finally:
            os.killpg(toucher.pid, 9)
