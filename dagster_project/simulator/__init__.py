"""Simulated chains: real receipts or generated baskets, with an identity world whose truth is known."""

from dagster_project.simulator.run import SimulationSummary, bench, simulate
from dagster_project.simulator.settings import Rates

__all__ = ["Rates", "SimulationSummary", "bench", "simulate"]
