"""What publishing raises when the night must not be published."""

from __future__ import annotations


class PublishError(RuntimeError):
    """Nothing was switched: readers still see the last good publication. The text says how to mend it."""
