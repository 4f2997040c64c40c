"""The API: GraphQL over everything that is kept, as operators and scenarios use it."""
