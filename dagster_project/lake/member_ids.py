"""Member ids that readers have seen, and what became of them: what keeps a published id from vanishing or coming back for
somebody else when the past is seen in another light (a late file, a correction, another rule).

`lake/linli/member_ids/<D>/ids.parquet`: ids whose standing the publication of D changed, one row each. A rebuilt
warehouse reads them as the nights did, so it gives the same ids.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa

# The columns of ops.published_ids. state: own (a member has it), within (its identifier is another member's), gone
# (nobody names its identifier), after the night's last publication; owned: whether any of the night showed it as a
# member's. The id is minted from namespace, identifier, segment and generation.
PUBLISHED_IDS = pa.schema(
    [
        ("night", pa.date32()),
        ("member_id", pa.string()),
        ("namespace", pa.string()),
        ("identifier", pa.string()),
        ("segment", pa.string()),
        ("generation", pa.int32()),
        ("state", pa.string()),
        ("owned", pa.bool_()),
    ]
)


def member_ids_path(lake: Path, night: date) -> Path:
    """Where the ids stand that one night changed."""
    return _folder(lake) / night.isoformat() / "ids.parquet"


def member_ids_files(lake: Path, as_of: date) -> list[Path]:
    """Files of the nights up to and including `as_of`, oldest first."""
    found = sorted(_folder(lake).glob("*/ids.parquet"))
    return [path for path in found if path.parent.name <= as_of.isoformat()]


def _folder(lake: Path) -> Path:
    return lake / "linli" / "member_ids"
