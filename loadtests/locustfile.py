"""`locust -f loadtests/locustfile.py`: an open-loop load test with Locust's page, or headless."""

from servespec.suites.loadtests.users import OpenLoopUser, ScheduleShape


class ModelClients(OpenLoopUser):
    """Clients of a model server, as many as the schedule needs at each moment."""


class Schedule(ScheduleShape):
    """The schedule's time, not a number of users, ends the run."""
