"""Load tests in Locust's web page: a tab with the charts of a run while it goes on."""
