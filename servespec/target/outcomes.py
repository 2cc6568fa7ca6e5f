"""The ways in which a check ends without passing. An assertion that fails is the plain one."""

__all__ = [
    "Inconclusive",
    "Invalid",
    "Nonconformance",
    "NotApplicable",
    "TargetGone",
    "Untestable",
]


class Nonconformance(AssertionError):
    """The target's answer is not what the requirement asks for: FAIL."""


class Untestable(Exception):
    """A prerequisite is missing on the target, such as a fixture that it does not host."""


class NotApplicable(Exception):
    """The feature is neither claimed nor detected."""


class Invalid(Exception):
    """The suite itself spoilt the measurement, such as by asking too late: it says nothing."""


class Inconclusive(Exception):
    """Too little was seen to tell either way."""


class TargetGone(BaseException):
    """The target died or stopped listening: FAIL of the check that was running.

    Not an `Exception`, so that Hypothesis does not try to shrink towards it.
    """
