"""What people open: HTML pages for the head office and each shop, and segment lists for marketing.

Reads published/ only. Not here: computing a business number (dbt marts) or deciding whom to contact (activation).
"""

from typing import TYPE_CHECKING

from dagster_project.lazy import on_demand

if TYPE_CHECKING:
    from dagster_project.reports.pages import write_reports
    from dagster_project.reports.segments import write_segment_csvs
else:
    __getattr__ = on_demand(
        __name__,
        {
            "write_reports": "pages",
            "write_segment_csvs": "segments",
        },
    )

__all__ = ["write_reports", "write_segment_csvs"]
