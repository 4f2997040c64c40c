"""The process that holds a lab: its namespaces, its network, and what runs in it. Standard library alone."""
