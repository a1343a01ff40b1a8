"""Dagster's side of Linli: assets, checks, jobs and schedules. Thin: every asset calls a plain function of a lower room."""
