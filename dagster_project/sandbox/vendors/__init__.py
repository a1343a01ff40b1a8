"""Lookalikes of the vendors a chain may own, on loopback, written from the vendors' documents and from no client.

One module per vendor: what it answers (paths, signatures, paging, caps, errors) in a class named `VENDOR`, and a world
to answer from in `make_world`. A module put in this folder is found by itself; nothing lists them.
"""

from dagster_project.sandbox.vendors.base import (
    VendorCall,
    VendorFault,
    VendorSandbox,
    make_world,
    running_vendor,
    vendor_names,
)

__all__ = ["VendorCall", "VendorFault", "VendorSandbox", "make_world", "running_vendor", "vendor_names"]
