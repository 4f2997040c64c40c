"""Carries a canyan-tester file out: set-up, workers, requests to Kamailio, checks, teardown."""

from harness.run.canyan.run import run_canyan
from harness.run.canyan.site import BareSite, Site, StackSite

__all__ = ["BareSite", "Site", "StackSite", "run_canyan"]
