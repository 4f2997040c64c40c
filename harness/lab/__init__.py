"""Bringing services up, whoever runs them: a Docker engine, this machine, or somebody else."""
