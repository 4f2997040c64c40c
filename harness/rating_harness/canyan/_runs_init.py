"""Carries a canyan-tester file out: set-up, workers, requests to Kamailio, checks, teardown."""

from rating_harness.canyan.run import run_canyan
from rating_harness.canyan.site import BareSite, Site, StackSite

__all__ = ["BareSite", "Site", "StackSite", "run_canyan"]
