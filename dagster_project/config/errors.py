"""Configuration errors that name file, line, key and the mend."""

from __future__ import annotations

from pathlib import Path


class ConfigError(ValueError):
    """A configuration file cannot be used. The text is meant for the person who edits the file."""

    def __init__(self, path: Path, line: int | None, key: str, problem: str) -> None:
        self.path, self.line, self.key, self.problem = path, line, key, problem
        place = f"{path}:{line}" if line else str(path)
        super().__init__(f"{place} [{key}] {problem}" if key else f"{place} {problem}")
