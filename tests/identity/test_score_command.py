"""`linli score` on a published chain."""

import shutil
from datetime import date
from pathlib import Path

import click
import duckdb
import pytest
from click.testing import CliRunner

import dagster_project
from dagster_project.cli.score import score, score_chain
from dagster_project.config import load_chain
from tests.publications import open_audit, publish_audit

TEMPLATE = Path(dagster_project.__file__).parent / "templates" / "chain"
NIGHT = date(2026, 1, 3)


@pytest.fixture
def chain(tmp_path):
    """Three tickets published: two of member m1, one of nobody."""
    root = tmp_path / "chain"
    shutil.copytree(TEMPLATE, root)
    with duckdb.connect(str(root / "warehouse.duckdb")) as con:
        open_audit(con, NIGHT)
        con.execute(
            "create table audit.record_members as select 'pos' connection, 'tickets' feed, record_id, member_id,"
            " 'phone' basis from (values ('007', 'm1'), ('7', 'm1'), ('8', null)) as t(record_id, member_id)"
        )
        publish_audit(con, load_chain(root, resolve_secrets=False).paths, NIGHT, ["record_members"])
    return root


def write_truth(folder, *rows, header="connection,feed,record_id,person_id"):
    path = folder / "truth.csv"
    path.write_text("\n".join([header, *rows]), "utf-8")
    return path


def test_scores_what_is_published_and_prints_chinese(chain):
    # ids are text, and the columns are found by name
    truth = write_truth(
        chain,
        "007,tickets,pos,a",
        "7,tickets,pos,b",
        "8,tickets,pos,b",
        header="record_id,feed,connection,person_id",
    )
    found = score_chain(chain, truth)
    assert (found["records"], found["records_missing"], found["mixed_members"]) == (3, 0, 1)
    assert found["recognition_rate"] == pytest.approx(2 / 3)
    result = CliRunner().invoke(score, ["--chain", str(chain), "--truth", str(truth)])
    assert result.exit_code == 0, result.output
    assert "识别率（小票和团购订单）：66.67% (2 / 3)" in result.output
    assert "成对：准确率 0.0000" in result.output


def test_a_truth_without_a_column_is_named(chain):
    truth = write_truth(chain, "pos,tickets,7", header="connection,feed,record_id")
    with pytest.raises(click.ClickException, match="缺少列 person_id"):
        score_chain(chain, truth)


def test_an_empty_truth_divides_by_nothing(chain):
    result = CliRunner().invoke(score, ["--chain", str(chain), "--truth", str(write_truth(chain))])
    assert result.exit_code == 0, result.output
    assert "成对：准确率 –" in result.output
