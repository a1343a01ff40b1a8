"""Why a push did not start."""

from __future__ import annotations


class PushError(RuntimeError):
    """The push cannot start; nothing was sent or written. The text says what to mend."""
