"""Shared by all tests of this project. The plugin is loaded by its entry point, as anywhere else."""
