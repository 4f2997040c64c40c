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
    "kamailio-ims-modules": (
        "cdp cdp_avp ims_auth ims_charging ims_dialog ims_diameter_server ims_icscf ims_ipsec_pcscf ims_isc ims_ocs "
        "ims_qos ims_qos_npn ims_registrar_pcscf ims_registrar_scscf ims_usrloc_pcscf ims_usrloc_scscf"
    ),
    "kamailio-kafka-modules": "kafka",
    "kamailio-kazoo-modules": "kazoo",
    "kamailio-ldap-modules": "h350 ldap",
    "kamailio-lua-modules": "app_lua app_lua_sr",
    "kamailio-lwsc-modules": "lwsc",
    "kamailio-memcached-modules": "memcached",
    "kamailio-microhttpd-modules": "microhttpd",
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
    "kamailio-tls-wolfssl-modules": "tls_wolfssl",
    "kamailio-unixodbc-modules": "db_unixodbc",
    "kamailio-websocket-modules": "websocket",
    "kamailio-xml-modules": "xmlops xmlrpc",
    "kamailio-xmpp-modules": "xmpp",
}
"""Of Debian 13, by package: the names of its modules, as loadmodule has them."""

_INSTALLED = (
    "acc acc_diameter acc_json alias_db app_jsdt async auth auth_db auth_diameter auth_xkeys avp avpops "
    "benchmark blst call_control call_obj carrierroute cfg_db cfg_rpc cfgt cfgutils corex counters crypto "
    "ctl db2_ops db_cluster db_flatstore db_sqlite db_text debugger dialog dialplan dispatcher diversion "
    "dlgs dmq dmq_usrloc domain domainpolicy drouting enum evapi evrexec exec file_out group gzcompress "
    "htable http_async_client http_client imc influxdbc ipops jansson janssonrpcc json jsonrpcc jsonrpcs "
    "jwt keepalive kemix kex lcr log_custom lost lrkproxy mangler math matrix maxfwd mediaproxy mohqueue "
    "mqueue msilo msrp mtree nat_traversal nathelper nghttp2 nosip p_usrloc path pdb pdt peerstate "
    "permissions pike pipelimit posops prefix_route ptimer pua_json pv pv_headers pvtpl qos ratelimit "
    "regex registrar rr rtimer rtjson rtpengine rtpproxy sanity sca sdpops seas secfilter sipcapture "
    "sipdump sipjson siprepo sipt siptrace siputils sl slack sms smsops speeddial sqlops ss7ops sst "
    "statistics statsc statsd stun sworker tcpops textops textopsx timer tls tlsa tm tmrec tmx topoh "
    "topos topos_htable tsilo uac uac_redirect uid_auth_db uid_avp_db uid_domain uid_gflags uid_uri_db "
    "uri_db userblocklist usrloc utils uuid xhttp xhttp_prom xhttp_rpc xlog xprint "
)
"""The modules of the packages that a lab installs, in Debian 13 (6.0.1) and in sid (6.1.5)."""

_PACKAGES = {module: package for package, modules in _MODULES.items() for module in modules.split()}
_THERE = frozenset(_INSTALLED.split())
_OTHER_KAMAILIO = "--kamailio names a root filesystem or an image that has it"
_REMOVED = re.compile(r"mi_\w+")
"""Modules of the interface that went with Kamailio 5.0; JSON-RPC took its place."""

_MISSING = re.compile(r"could not find module <(?:[^<>]*/)?([\w-]+?)(?:\.so)?>")
_NO_FILE = re.compile(r"could not open module <[^<>]+>: (?P<file>[^:\s]+): cannot open shared object file")
_GUARD = re.compile(r"could not find module <-+ (.+?) -+>")
"""What a configuration says by a module that nobody can have: `loadmodule "--- A must be shorter than B ---"`."""


def missing_module(log: str) -> str | None:
    """What to do about a module that Kamailio didn't find, by what it logged; None where it misses none."""
    if guard := _GUARD.search(log):
        return guard[1]
    if lost := _NO_FILE.search(log):
        module = lost["file"].rpartition("/")[2].removesuffix(".so")
        own = f'loadmodule "{module}.so" loads the lab\'s own; ' if module in _THERE else ""
        return f"this Kamailio has no {lost['file']}: {own}{_OTHER_KAMAILIO}"
    match = _MISSING.search(log)
    if match is None:
        return None
    module = match[1]
    return not_in_a_lab(module) or f"this Kamailio has no module {module}: {_OTHER_KAMAILIO}"


def not_in_a_lab(module: str) -> str | None:
    """What to do about a module that a lab doesn't install; None for one that it has."""
    if _REMOVED.fullmatch(module):
        return f"Kamailio 5.0 and later have no {module}: jsonrpcs and ctl take its place"
    if module in _THERE:
        return None
    if module not in _PACKAGES:
        return f"no package of Debian has the module {module}: {_OTHER_KAMAILIO}"
    return (
        f"Debian has the module {module} in {_PACKAGES[module]}: --package {_PACKAGES[module]} installs it; "
        "--kamailio names a root filesystem or an image of your own"
    )
