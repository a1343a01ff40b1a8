"""A small chain whose `audit` schema is made by hand: what publishing does must not depend on dbt."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection
from datetime import date
from pathlib import Path

import duckdb
import pytest

from dagster_project.publish import Publication, PublicationContext, publish, published_tables
from dagster_project.publish.mirror import mirrored
from dagster_project.publish.tables import TableSpec
from dagster_project.warehouse.prepare import published_ids_view

_AUDIT = {
    "record_members": """select 'pos_main' as connection, 'tickets' as feed, order_key as record_id, member_id,
        'phone' as basis from audit.orders""",
    "members": "select distinct member_id, '138****8000' as phone_masked from audit.orders where member_id is not null",
    "member_identifiers": """select distinct member_id, 'phone' as namespace, 't' || member_id as identifier,
        date '2024-01-01' as valid_from, null::date as valid_to from audit.orders where member_id is not null""",
    "member_events": """select distinct 'e' || member_id as event_id, date '2024-01-01' as occurred_on,
        'created' as kind, member_id from audit.orders where member_id is not null""",
    "identity_refusals": """select ''::varchar as namespace_a, ''::varchar as identifier_a,
        ''::varchar as namespace_b, ''::varchar as identifier_b, ''::varchar as reason where false""",
    "identity_links": """select ''::varchar as member_id_a, ''::varchar as namespace_a, ''::varchar as identifier_a,
        ''::varchar as segment_a, ''::varchar as namespace_b, ''::varchar as identifier_b, ''::varchar as segment_b where false""",
    "member_redirects": "select ''::varchar as retired_member_id, ''::varchar as member_id where false",
    "identity_suggestions": """select ''::varchar as suggestion_id, ''::varchar as member_id_a,
        ''::varchar as member_id_b, 0.5::double as match_probability where false""",
    "order_lines": """select order_key, n::varchar as line_no, business_date, '菠菜' as item_name,
        (n + 0.5)::decimal(18, 3) as qty, (net_fen // 2)::bigint as amount_fen
        from audit.orders, range(1, 3) as r(n)""",
    "member_metrics": """select (select as_of_date from ops.run_context) as as_of_date, member_id,
        count(*)::integer as orders_30d, sum(net_fen)::bigint as spend_30d_fen
        from audit.orders where member_id is not null group by member_id""",
    "churn_tiers": """select as_of_date, member_id, 'active' as tier from audit.member_metrics""",
    "koc": "select as_of_date, member_id, 'no' as eligible from audit.member_metrics where false",
    "segments": "select 's1' as segment_id, '高消费' as name, 'abc' as definition_hash",
    "segment_members": "select as_of_date, 's1' as segment_id, member_id, '满足' as reason from audit.member_metrics",
    "store_days": """select store_code, business_date, count(*)::integer as orders, sum(net_fen)::bigint as net_fen,
        (count(member_id) / count(*))::double as recognition_rate from audit.orders group by all""",
    "campaign_candidates": """select 'l2' as campaign_id, as_of_date as business_date, member_id, 'treatment' as arm,
        'wecom' as channel, 'sent' as outcome, null::varchar as detail, '2024-01-01' as lapse_key,
        null::varchar as subject, null::varchar as rule_hash
        from audit.member_metrics where member_id <> 'M2'""",
    "recognition_rates": """select business_date, store_code, 'pos' as channel, true as is_recognised, 'phone' as basis,
        0::bigint as sales from audit.orders where false""",
    "recognition_gains": "select business_date, store_code, 'pos' as channel from audit.orders where false",
    "identifier_health": "select 'phone' as namespace, store_code, business_date from audit.orders where false",
    "identity_suspects": "select 'phone' as namespace, 't' as identifier where false",
    "messages": """select 'm' as message_id, date '2024-01-01' as business_date, 1 as attempt where false""",
}


# Enough for most questions: every kind of table, one that is empty tonight and one that is always empty.
_FEW = {"orders", "record_members", "member_metrics", "churn_tiers", "koc", "campaign_candidates", "messages"}


def _columns(spec: TableSpec) -> str:
    """Columns of a table that nobody has a question about: those that publishing itself needs."""
    names = dict.fromkeys((*filter(None, [spec.partition_column]), *spec.sort))
    return ", ".join(f'"{name}" {"date" if name == spec.partition_column else "varchar"}' for name in names)


class Chain:
    """Paths of a chain, and what a night does to them. `full`: with every table of the contract."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.full = False
        self.lake = root / "lake"
        self.published = root / "published"
        self.warehouse = root / "warehouse.duckdb"
        root.mkdir(parents=True, exist_ok=True)

    def audit(
        self, as_of: date, *, corrected: date | None = None, days: int = 4, extra: bool = False
    ) -> None:
        """Builds `audit` as of a night: the last `days` days of orders; `corrected`: a day with a late correction."""
        with duckdb.connect(str(self.warehouse)) as con:
            con.execute("create schema if not exists audit; create schema if not exists ops")
            con.execute("create or replace table ops.run_context as select ?::date as as_of_date", [as_of])
            con.execute(
                f"""create or replace table audit.orders as
                select 'pos|' || strftime(d, '%Y%m%d') || '|' || i as order_key, 'S' || (i % 2) as store_code,
                    case when i < 3 then 'M' || i end as member_id, d + to_hours(i) as ordered_at,
                    d::date as business_date,
                    ((i + 1) * 1250 + case when d = $corrected and i = 0 then 100 else 0 end)::bigint as net_fen
                    {", 'x' || i as invite_code" if extra else ""}
                from generate_series($as_of::date - {days - 1}, $as_of::date, interval 1 day) as t(d), range(4) as r(i)
                where d >= date '2024-01-01'""",
                {"as_of": as_of, "corrected": corrected},
            )
            # an id that stays, one that comes, and one that is another's on every second day
            published_ids_view(con, self.lake, as_of)
            con.execute("create schema if not exists intermediate")
            con.execute(
                """create or replace table intermediate.int_identity_ids as
                select 'm' || i as member_id, 'phone' as namespace, 'P' || i as identifier, '' as segment, 0 as generation,
                    case when i = 2 and day($1::date) % 2 = 0 then 'within' else 'own' end as state
                from range(4) as r(i) where i < 3 or $1::date >= date '2024-03-06'""",
                [as_of],
            )
            for name, query in _AUDIT.items():
                if name not in _FEW and not self.full:
                    continue
                more = ", 7 as rfm_r" if extra and name == "member_metrics" else ""
                con.execute(f"create or replace table audit.{name} as select *{more} from ({query})")
            for spec in published_tables() if self.full else ():
                if spec.name not in _AUDIT and spec.name != "orders":
                    con.execute(f"create or replace table audit.{spec.name} ({_columns(spec)})")

    def publish(
        self,
        as_of: date,
        step: Callable[[str], None] = lambda step: None,
        only: Collection[str] | None = None,
    ) -> Publication:
        """Publishes what `audit` holds, or of it `only` these tables."""
        context = PublicationContext(
            [{"connection": "pos_main", "feed": "tickets", "last_night": as_of, "age_days": 0}], {"checks": 3}
        )
        tables = [table for table in published_tables() if self.full or table.name in _FEW]
        return publish(
            self.warehouse, self, as_of=as_of, context=context, tables=tables, only=only, step=step
        )

    def night(self, as_of: date, **variation: object) -> Publication:
        """Audit and publication of one night."""
        self.audit(as_of, **variation)  # type: ignore[arg-type]
        return self.publish(as_of)

    def query(self, sql: str) -> list[tuple[object, ...]]:
        """Rows of a query in the warehouse."""
        with duckdb.connect(str(self.warehouse)) as con:
            return con.execute(sql).fetchall()

    def held(self) -> Publication | None:
        """What the warehouse says that `marts` holds."""
        with duckdb.connect(str(self.warehouse)) as con:
            return mirrored(con, self.published / "publications")

    def tree(self) -> dict[str, str]:
        """Every file (sha256) and link (target) of the published tree and of the decisions in the lake."""
        found = {}
        for top in (self.published, self.lake):
            for folder, folders, names in os.walk(top):
                for name in [*folders, *names]:
                    path = Path(folder, name)
                    key = str(path.relative_to(self.root))
                    if path.is_symlink():
                        found[key] = f"-> {path.readlink()}"
                    elif path.is_file():
                        found[key] = hashlib.sha256(path.read_bytes()).hexdigest()
                    else:
                        found[key] = "folder"
        return found


@pytest.fixture(scope="session")
def new_chain() -> Callable[[Path], Chain]:
    """Makes a chain in a given folder."""
    return Chain


@pytest.fixture
def make_chain(tmp_path: Path) -> Callable[[str], Chain]:
    """Makes a chain of a given name."""
    return lambda name: Chain(tmp_path / name)


@pytest.fixture
def chain(make_chain: Callable[[str], Chain]) -> Chain:
    return make_chain("chain")
