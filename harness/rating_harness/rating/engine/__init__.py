"""The embedded rating engine: agent and API of the contract, in one process, with SQLite as its store.

From the core outwards; a module imports only from those before it::

    timestamps, quirks                   values, and what is deliberately odd
    entities                             the one description of what the API keeps
    arithmetic, rates, accounts          pure: units, fees, prefixes, routing
    decision                             pure: who may call, and for how long
    store, tables, state                 SQLite, and the hot state in memory
    calls, operations                    who takes part in a call; authorization, begin, end, rollback, record
    types, graphql_http, html, metrics   HTTP and GraphQL as the real services speak it; metrics and the log
    api, agent                           the two services
    server                               sockets, signals
"""
