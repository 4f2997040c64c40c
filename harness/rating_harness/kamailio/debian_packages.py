"""Which Debian package has a module of Kamailio's that a lab doesn't install."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["missing_module", "not_in_a_lab"]

_MODULES: Mapping[str, str] = {
    "kamailio-autheph-modules": "auth_ephemeral",
    "kamailio-berkeley-modules": "db_berkeley",
    "kamailio-cnxcc-modules": "cnxcc",
    "kamailio-cpl-modules": "cpl-c",
    "kamailio-erlang-modules": "erlang",
    "kamailio-geoip2-modules": "geoip2",
    "kamailio-kazoo-modules": "kazoo",
    "kamailio-ldap-modules": "h350 ldap",
    "kamailio-lua-modules": "app_lua app_lua_sr",
    "kamailio-lwsc-modules": "lwsc",
    "kamailio-memcached-modules": "memcached",
    "kamailio-mongodb-modules": "db_mongodb ndb_mongodb",
    "kamailio-mqtt-modules": "mqtt",
    "kamailio-mysql-modules": "db_mysql",
    "kamailio-nats-modules": "nats",
    "kamailio-outbound-modules": "outbound",
    "kamailio-perl-modules": "app_perl db_perlvdb",
    "kamailio-phonenum-modules": "phonenum",
    "kamailio-postgres-modules": "db_postgres",
    "kamailio-presence-modules": (
        "presence presence_conference presence_dfks presence_dialoginfo presence_mwi presence_profile "
        "presence_reginfo presence_xml pua pua_bla pua_dialoginfo pua_reginfo pua_rpc pua_usrloc pua_xmpp rls "
        "xcap_client xcap_server"
    ),
    "kamailio-python3-modules": "app_python3 app_python3s",
    "kamailio-rabbitmq-modules": "rabbitmq",
    "kamailio-radius-modules": "acc_radius auth_radius misc_radius",
    "kamailio-redis-modules": "db_redis ndb_redis topos_redis",
    "kamailio-ruby-modules": "app_ruby app_ruby_proc",
    "kamailio-sctp-modules": "sctp",
    "kamailio-secsipid-modules": "secsipid secsipid_proc",
    "kamailio-snmpstats-modules": "snmpstats",
    "kamailio-systemd-modules": "log_systemd systemdops",
    "kamailio-unixodbc-modules": "db_unixodbc",
    "kamailio-websocket-modules": "websocket",
    "kamailio-xml-modules": "xmlops xmlrpc",
    "kamailio-xmpp-modules": "xmpp",
}
"""Of Debian 13, by package: the names of its modules, as loadmodule has them."""

_PACKAGES = {module: package for package, modules in _MODULES.items() for module in modules.split()}
_REMOVED = re.compile(r"mi_\w+")
"""Modules of the interface that went with Kamailio 5.0; JSON-RPC took its place."""

_MISSING = re.compile(r"could not find module <(?:[^<>]*/)?([\w-]+?)(?:\.so)?>")
_GUARD = re.compile(r"could not find module <-+ (.+?) -+>")
"""What a configuration says by a module that nobody can have: `loadmodule "--- A must be shorter than B ---"`."""


def missing_module(log: str) -> str | None:
    """What to do about a module that Kamailio didn't find, by what it logged; None where it misses none."""
    if guard := _GUARD.search(log):
        return guard[1]
    match = _MISSING.search(log)
    if match is None:
        return None
    module = match[1]
    return not_in_a_lab(module) or (
        f"this Kamailio has no module {module}: --kamailio names a root filesystem or an image that has it"
    )


def not_in_a_lab(module: str) -> str | None:
    """What to do about a module that a lab doesn't install; None for one that it has, or that nobody knows."""
    if _REMOVED.fullmatch(module):
        return f"Kamailio 5.0 and later have no {module}: jsonrpcs and ctl take its place"
    if module not in _PACKAGES:
        return None
    return (
        f"Debian has the module {module} in {_PACKAGES[module]}: --package {_PACKAGES[module]} installs it; "
        "--kamailio names a root filesystem or an image of your own"
    )
