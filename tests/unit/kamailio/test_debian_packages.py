"""What is said of a module that the lab's Kamailio lacks."""

from __future__ import annotations

import pytest

from rating_harness.kamailio.debian_packages import missing_module, not_in_a_lab
from rating_harness.lab import rootfs

LOG = "0(25) ERROR: <core> [core/sr_module.c:531]: ksr_locate_module(): could not find module <{}> in </usr/lib/x>\n"


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("db_mysql", "kamailio-mysql-modules"),
        ("db_mysql.so", "kamailio-mysql-modules"),
        ("/usr/lib/kamailio/modules/cnxcc.so", "kamailio-cnxcc-modules"),
        ("cpl-c", "kamailio-cpl-modules"),
        ("presence_xml", "kamailio-presence-modules"),
    ],
)
def test_the_package_is_named(module: str, package: str) -> None:
    said = missing_module(LOG.format(module))
    assert said is not None
    assert f" in {package}: " in said


def test_a_module_that_debian_doesnt_have() -> None:
    assert missing_module(LOG.format("no_such_module")) == (
        "no package of Debian has the module no_such_module: "
        "--kamailio names a root filesystem or an image that has it"
    )


def test_a_module_of_a_labs_that_another_kamailio_lacks() -> None:
    assert missing_module(LOG.format("dialog")) == (
        "this Kamailio has no module dialog: --kamailio names a root filesystem or an image that has it"
    )


@pytest.mark.parametrize("lost", ["/opt/acme/acme.so", "libacme.so.7"])
def test_a_file_that_a_module_is_in_or_needs(lost: str) -> None:
    log = (
        "0(8) ERROR: <core> [core/sr_module.c:609]: ksr_load_module(): could not open module "
        f"</opt/acme/acme.so>: {lost}: cannot open shared object file: No such file or directory\n"
    )
    assert missing_module(log) == (
        f"this Kamailio has no {lost}: --kamailio names a root filesystem or an image that has it"
    )


def test_a_usual_module_by_the_path_of_another_machine() -> None:
    log = (
        "could not open module </opt/kam/modules/sl.so>: /opt/kam/modules/sl.so: cannot open shared object file: x\n"
    )
    assert missing_module(log) == (
        'this Kamailio has no /opt/kam/modules/sl.so: loadmodule "sl.so" loads the lab\'s own; '
        "--kamailio names a root filesystem or an image that has it"
    )


@pytest.mark.parametrize("release", rootfs.RELEASES)
def test_all_that_a_lab_has_is_known(release: rootfs.Release) -> None:
    root = rootfs.cached(release)
    there = sorted(path.stem for path in root.glob("usr/lib/*/kamailio/modules/*.so")) if root else ["dialog", "jwt"]
    assert [not_in_a_lab(module) for module in there] == [None] * len(there)


def test_nothing_is_missing() -> None:
    assert missing_module("0(1) ERROR: <core>: bind: Address already in use\n") is None


@pytest.mark.parametrize("module", ["mi_fifo", "mi_datagram.so", "mi_rpc"])
def test_a_module_that_went_with_kamailio_5(module: str) -> None:
    name = module.removesuffix(".so")
    assert missing_module(LOG.format(module)) == (
        f"Kamailio 5.0 and later have no {name}: jsonrpcs and ctl take its place"
    )


def test_a_module_by_which_a_configuration_refuses_to_start() -> None:
    assert missing_module(LOG.format("--- A must be shorter than B ---")) == "A must be shorter than B"
