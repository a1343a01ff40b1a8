"""What One ID wants to reach, beside what every way did: the rows of the table that `linli bench identity` prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dagster_project.benchmarks.identity import OTHERS, OURS, Graphs, Outcome, World
from dagster_project.lang import tr

PRECISION = 0.9995
MIXED = 0.0002
RECALL_BELOW_ORACLE = 0.002
RECOGNITION = 0.97


@dataclass(frozen=True)
class Cost:
    """Seconds and MB of a build from nothing, seconds of one more night."""

    seconds: float
    peak_mb: int
    night: float | None = None


# by people of the world; nothing is said of other sizes
COSTS: Mapping[int, Cost] = {1_000_000: Cost(15, 3 * 1024, 3), 5_000_000: Cost(90, 8 * 1024)}
COLUMNS = (*OURS, *OTHERS, "oracle")


@dataclass(frozen=True)
class Line:
    """A row: the figure's name, its goal, whether ours reaches it (None: there is no goal), and each way's figure."""

    name: str
    goal: str = ""
    reached: bool | None = None
    figures: Mapping[str, str] = field(default_factory=dict)
    was_run: bool = True


def world_lines(world: World) -> list[Line]:
    """Accuracy and cost of every way on one world. Judged are the exact figures, not the rounded ones."""
    ways = {outcome.way: outcome for outcome in world.outcomes}
    ours = [ways[way] for way in OURS]

    def shown(text: Callable[[Outcome], str], *without: str) -> dict[str, str]:
        return {way: text(outcome) for way, outcome in ways.items() if way not in without}

    with_search = {way: ways[way].seconds + ways[way].search_seconds for way in OURS}
    floor = ways["oracle"].recall - RECALL_BELOW_ORACLE
    cost = COSTS.get(world.persons)
    return [
        Line(
            tr("精确率（成对）", "precision (pairs)"), f"≥ {PRECISION}",
            all(outcome.precision >= PRECISION for outcome in ours), shown(lambda o: f"{o.precision:.4f}"),
        ),
        Line(
            tr("混人会员", "mixed members"), f"≤ {MIXED:.3%}",
            all(outcome.mixed_share <= MIXED for outcome in ours), shown(lambda o: f"{o.mixed_share:.3%}"),
        ),
        # tonight's truth is a larger one, of which the ceiling is not known
        Line(
            tr("召回率（成对）", "recall (pairs)"), f"≥ {floor:.4f}", ways["ours"].recall >= floor,
            shown(lambda o: f"{o.recall:.4f}"),
        ),
        Line(
            tr("可识别单据的识别率", "identifiable sales recognised"), f"≥ {RECOGNITION:.0%}",
            all(outcome.recognition >= RECOGNITION for outcome in ours), shown(lambda o: f"{o.recognition:.2%}"),
        ),
        Line("F1", figures=shown(lambda o: f"{o.f1:.4f}")),
        Line("B³ F1", figures=shown(lambda o: f"{o.b_cubed_f1:.4f}")),
        Line(
            tr("从头：秒", "from nothing: seconds"), f"≤ {cost.seconds:g}" if cost else "",
            ways["ours"].seconds <= cost.seconds if cost else None,
            shown(lambda o: f"{o.seconds:.1f}", "ours-night"),
        ),
        Line(
            tr("从头：MB", "from nothing: MB"), f"≤ {cost.peak_mb:,}" if cost else "",
            max(ways["ours"].peak_mb, ways["ours"].search_mb) <= cost.peak_mb if cost else None,
            shown(lambda o: f"{o.peak_mb:,}", "ours-night"),
        ),
        Line(
            tr("再跑一晚：秒", "one more night: seconds"), f"≤ {cost.night:g}" if cost and cost.night else "",
            ways["ours-night"].seconds <= cost.night if cost and cost.night else None,
            {"ours-night": f"{ways['ours-night'].seconds:.1f}"},
        ),
        Line(
            tr("从头，连同找可疑号码：秒", "from nothing, with suspects: seconds"), f"≤ {cost.seconds:g}" if cost else "",
            with_search["ours"] <= cost.seconds if cost else None, {"ours": f"{with_search['ours']:.1f}"},
        ),
        Line(
            tr("一晚，连同找可疑号码：秒", "a night, with suspects: seconds"),
            f"≤ {cost.night:g}" if cost and cost.night else "",
            with_search["ours-night"] <= cost.night if cost and cost.night else None,
            {"ours-night": f"{with_search['ours-night']:.1f}"},
        ),
        Line(tr("再跑一晚：MB", "one more night: MB"), figures={"ours-night": f"{ways['ours-night'].peak_mb:,}"}),
    ]  # fmt: skip


def graph_line(graphs: Graphs) -> Line:
    """Random graphs on which nothing limits a person: how many each library and One ID tell alike."""
    return Line(
        tr(f"不设限制：{graphs.count:,} 个随机图", f"no limits: {graphs.count:,} random graphs"),
        tr("都相同", "all alike"),
        all(same == graphs.count for same in graphs.alike.values()),
        {way: f"{same:,}" for way, same in graphs.alike.items()},
        was_run=bool(graphs.alike),
    )


def lines_not_run(sizes: Sequence[int]) -> list[Line]:
    """Goals of sizes that are not among these."""
    found = []
    for size, cost in COSTS.items():
        if size in sizes:
            continue
        people = tr(f"{size:,} 人，", f"{size:,} people, ")
        goals = {
            tr("从头：秒", "from nothing: seconds"): f"≤ {cost.seconds:g}",
            tr("从头：MB", "from nothing: MB"): f"≤ {cost.peak_mb:,}",
        }
        if cost.night:
            goals[tr("再跑一晚：秒", "one more night: seconds")] = f"≤ {cost.night:g}"
        found += [Line(people + name, goal, was_run=False) for name, goal in goals.items()]
    return found


def verdict(line: Line) -> str:
    """Whether the goal of a row is reached, in a word."""
    if not line.was_run:
        return tr("没有跑", "not run")
    return "" if line.reached is None else tr("是", "yes") if line.reached else tr("否", "no")


def notes(sizes: Sequence[int]) -> list[str]:
    """What the figures mean, and how to get those that are missing."""
    missing = " ".join(f"--members {size}" for size in COSTS if size not in sizes)
    said = [
        tr(
            "目标对 Linli 而言；召回率的目标是上限减 0.2 个百分点，上限只用真链接",
            "goals are for Linli; that of recall is 0.2 points below the ceiling, which follows true links only",
        ),
        tr(
            "可识别单据：带有某个人的标识（卡、手机号、账户、付款账户）的小票和订单；所归会员的记录多数是这位顾客的才算识别",
            "identifiable: a ticket or order that carries somebody's identifier (card, phone, account, payer);"
            " recognised: its member is mostly that person's records",
        ),
        tr(
            "时间从已有的链接或语句算起，到每条记录的会员存好为止；staging（连同第一次见到标识的日子）不算在内，"
            "找可疑号码另有一行；内存是各自进程的峰值",
            "times start at ready links or statements and end with every record's member stored; staging (and with it when"
            " an identifier was first seen) is in none, the search for suspect numbers has lines of its own; memory is"
            " each process's peak",
        ),
    ]
    return [*said, *([tr(f"没有跑的：{missing}", f"not run: {missing}")] if missing else [])]
