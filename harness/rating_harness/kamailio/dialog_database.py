"""The SQLite database in which Kamailio keeps its dialogs, empty.

Kamailio checks the versions of its tables and makes none itself. Source: the tables ``dialog`` (version 7) and
``dialog_vars`` (version 1) of the dialog module's documentation; they are the same in 6.0 and 6.1.
"""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

__all__ = ["empty_dialog_database"]

_VERSIONS = {"version": 1, "dialog": 7, "dialog_vars": 1}
_KEY = {"id": "INTEGER PRIMARY KEY NOT NULL"}
_HASH = {"hash_entry": "INTEGER NOT NULL", "hash_id": "INTEGER NOT NULL"}
_TABLES: dict[str, dict[str, str]] = {
    "version": {
        **_KEY,
        "table_name": "VARCHAR(32) NOT NULL UNIQUE",
        "table_version": "INTEGER DEFAULT 0 NOT NULL",
    },
    "dialog": {
        **_KEY,
        **_HASH,
        **dict.fromkeys(("callid", "from_uri"), "VARCHAR(255) NOT NULL"),
        "from_tag": "VARCHAR(128) NOT NULL",
        "to_uri": "VARCHAR(255) NOT NULL",
        "to_tag": "VARCHAR(128) NOT NULL",
        **dict.fromkeys(("caller_cseq", "callee_cseq"), "VARCHAR(20) NOT NULL"),
        **dict.fromkeys(("caller_route_set", "callee_route_set"), "VARCHAR(512)"),
        **dict.fromkeys(("caller_contact", "callee_contact"), "VARCHAR(255) NOT NULL"),
        **dict.fromkeys(("caller_sock", "callee_sock"), "VARCHAR(64) NOT NULL"),
        **dict.fromkeys(("state", "start_time"), "INTEGER NOT NULL"),
        **dict.fromkeys(("timeout", "sflags", "iflags"), "INTEGER DEFAULT 0 NOT NULL"),
        "toroute_name": "VARCHAR(32)",
        "req_uri": "VARCHAR(255) NOT NULL",
        "xdata": "VARCHAR(512)",
    },
    "dialog_vars": {
        **_KEY,
        **_HASH,
        "dialog_key": "VARCHAR(128) NOT NULL",
        "dialog_value": "VARCHAR(512) NOT NULL",
    },
}


def empty_dialog_database() -> bytes:
    """The database file's content."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "dialog.sqlite"
        database = sqlite3.connect(file)
        try:
            with database:
                for table, columns in _TABLES.items():
                    described = ", ".join(f"{name} {kind}" for name, kind in columns.items())
                    database.execute(f"CREATE TABLE {table} ({described})")
                    if "hash_id" in columns:
                        database.execute(f"CREATE INDEX {table}_hash ON {table} (hash_entry, hash_id)")
                database.executemany(
                    "INSERT INTO version (table_name, table_version) VALUES (?, ?)", _VERSIONS.items()
                )
        finally:
            database.close()
        return file.read_bytes()
