"""The agent: REST and GraphQL, as Kamailio asks it."""
