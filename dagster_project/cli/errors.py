"""Which exceptions are a message to a person and not a bug."""

from __future__ import annotations


def expected_errors() -> tuple[type[Exception], ...]:
    """Errors whose text names the place and the mend; anything else shows its traceback."""
    from dagster_project.activation import PushError
    from dagster_project.config import ConfigError
    from dagster_project.lake.feedback import JournalError
    from dagster_project.privacy.keys import ChainKeyError
    from dagster_project.publish import PublishError
    from dagster_project.sandbox import SandboxError
    from dagster_project.warehouse.connect import WarehouseBusyError
    from dagster_project.warehouse.evening import NotReadyError

    return (
        ConfigError,
        ChainKeyError,
        JournalError,
        NotReadyError,
        PublishError,
        PushError,
        SandboxError,
        WarehouseBusyError,
    )
