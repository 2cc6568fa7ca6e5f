"""The closed list of verdicts."""

from collections.abc import Iterable
from enum import StrEnum

__all__ = ["Verdict"]


class Verdict(StrEnum):
    """What was found. Nothing defaults to PASS. Ordered from best to worst."""

    PASS = "PASS"
    NOT_APPLICABLE = "NOT_APPLICABLE"  # the feature is neither claimed nor detected
    NOT_RUN = "NOT_RUN"  # not built, not asked for, no GPU, no cluster
    INCONCLUSIVE = "INCONCLUSIVE"  # too little evidence
    INVALID = "INVALID"  # the generator or the steady state spoilt it
    UNTESTABLE = "UNTESTABLE"  # a prerequisite is missing
    FAIL = "FAIL"
    ERROR = "ERROR"  # the suite failed, never the target

    @classmethod
    def worst(cls, verdicts: "Iterable[Verdict]") -> "Verdict":
        """The worst of several checks of one requirement; NOT_RUN where there is none."""
        order = list(cls)
        return max(verdicts, key=order.index, default=cls.NOT_RUN)
