"""What chance alone may do: pure functions of counts, for experiments against a hold-out.

Not here: who stands in which arm and who came back (dbt/models/marts/experiments).
"""

from dagster_project.statistics.experiments import Arm, compare_arms
from dagster_project.statistics.rates import always_valid_p, newcombe_interval, sample_ratio_p

__all__ = ["Arm", "always_valid_p", "compare_arms", "newcombe_interval", "sample_ratio_p"]
