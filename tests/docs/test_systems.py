"""The README's table of systems says what the presets themselves say; `python tests/docs/test_systems.py` rewrites it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dagster_project.presets import load_preset, preset_names

REPOSITORY = Path(__file__).parents[2]
_BLOCK = re.compile(r"(<!-- systems:start -->\n).*?(<!-- systems:end -->)", re.DOTALL)
_HEADS = {
    "en": "| Preset | System | Feeds | How | Rests on | Nobody could verify |",
    "zh": "| preset | 系统 | 数据 | 方式 | 依据 | 没有人能核实的 |",
}
_WAYS = {
    "files": {"en": "files", "zh": "文件"},
    "windows": {"en": "HTTP, in time windows", "zh": "HTTP，按时间窗"},
    "snapshot": {"en": "HTTP, nightly snapshot", "zh": "HTTP，每晚快照"},
}


def table(language: str) -> str:
    lines = [_HEADS[language], "|" + "---|" * 6]
    order = {"pos": 0, "groupbuy": 1, "wecom": 2}
    for preset in sorted(map(load_preset, preset_names()), key=lambda p: (order[p.kind], p.preset)):
        title, verified, unverified = (
            getattr(words, language) for words in (preset.title, preset.verified, preset.unverified)
        )
        way = _WAYS[preset.transport][language]
        lines.append(
            f"| `{preset.preset}` | {title} | {len(preset.feeds)} | {way} | {verified} | {unverified or '–'} |"
        )
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(("file", "language"), [("README.md", "en"), ("README.zh-CN.md", "zh")])
def test_the_table_of_systems_is_the_presets_own_word(file: str, language: str) -> None:
    found = _BLOCK.search((REPOSITORY / file).read_text("utf-8"))
    assert found is not None
    assert found.group(0) == f"<!-- systems:start -->\n{table(language)}<!-- systems:end -->"


def test_what_nobody_could_verify_is_said_of_every_vendor() -> None:
    for name in preset_names():
        preset = load_preset(name)
        if not name.startswith("standard_"):
            assert preset.unverified.zh and preset.unverified.en, name


if __name__ == "__main__":
    for name, words in (("README.md", "en"), ("README.zh-CN.md", "zh")):
        path = REPOSITORY / name
        path.write_text(
            _BLOCK.sub(lambda m, w=words: m.group(1) + table(w) + m.group(2), path.read_text("utf-8")),
            "utf-8",
        )
