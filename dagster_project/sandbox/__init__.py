"""A WeCom lookalike on loopback, written from the vendor's documents and never from our own client.

Belongs here: what the vendor does (envelopes, paging, errors, limits, bulk messages waiting for a member to press
send) over a simulated world, and the ways it fails. Does not belong here: anything our pipeline does.
"""

from dagster_project.sandbox.delivery import Delivery
from dagster_project.sandbox.errors import SandboxError
from dagster_project.sandbox.faults import Fault, load_faults
from dagster_project.sandbox.limits import Limits
from dagster_project.sandbox.server import Call, Sandbox, running_sandbox

__all__ = ["Call", "Delivery", "Fault", "Limits", "Sandbox", "SandboxError", "load_faults", "running_sandbox"]
