"""Kamailio configurations as trees: a parser that knows each statement's file, line and column.

Coverage, mutation, inspection and preparation stand on it. It knows nothing of labs and scenarios.
"""
