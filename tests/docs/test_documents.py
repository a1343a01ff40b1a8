"""Documents tell the truth: twins stay in step, links resolve, commands exist, no real number is in them."""

from __future__ import annotations

import re
from collections import Counter
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest

from dagster_project.cli.main import _COMMANDS, linli
from dagster_project.config import packaged_chain

REPOSITORY = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "notebooks/*.ipynb") for path in REPOSITORY.glob(pattern)
)
TWINS = [
    (path, twin)
    for path in DOCUMENTS
    if (twin := path.with_name(f"{path.stem}.zh-CN.md")).exists() and path.suffix == ".md"
]
_FENCE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#+) ", re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_PHONE = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)")
_RESERVED = {"13800138000", "13900000000", "13111111111", "18888888888", "13888888888", "13800000000"}


def name(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def sections(path: Path) -> list[tuple[str, str]]:
    """(level of the heading, text without code blocks) of every section."""
    text = _FENCE.sub("", path.read_text("utf-8"))
    parts = _HEADING.split(text)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def code_blocks(path: Path) -> list[str]:
    return [match.group(0) for match in _FENCE.finditer(path.read_text("utf-8"))]


def inline_code(text: str) -> Counter[str]:
    """Code words; a placeholder in angle brackets may be translated."""
    return Counter(re.sub(r"<[^>]*>", "<>", word) for word in _CODE.findall(text))


def links(text: str) -> list[str]:
    return [link.replace(".zh-CN", "") for link in _LINK.findall(text)]


def test_every_document_for_people_has_its_twin() -> None:
    assert {name(path) for path, _ in TWINS} >= {
        "README.md",
        *(f"docs/users/{page}.md" for page in ("data-team", "managers", "marketing", "auditors")),
    }


@pytest.mark.parametrize(("english", "chinese"), TWINS, ids=[name(path) for path, _ in TWINS])
def test_twins_are_in_step(english: Path, chinese: Path) -> None:
    """Same headings, code blocks, and section by section the same numbers, code words and links."""
    assert code_blocks(english) == code_blocks(chinese)
    one, other = sections(english), sections(chinese)
    assert [level for level, _ in one] == [level for level, _ in other]
    for (_, text), (_, twin) in zip(one, other, strict=True):
        place = f"{name(english)}: {text.splitlines()[0]}"
        assert inline_code(text) == inline_code(twin), place
        assert links(text) == links(twin), place
        bare, bare_twin = (_CODE.sub("", _LINK.sub("", part)) for part in (text, twin))
        assert Counter(_NUMBER.findall(bare)) == Counter(_NUMBER.findall(bare_twin)), place


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_relative_links_resolve(path: Path) -> None:
    for link in _LINK.findall(path.read_text("utf-8")):
        if not re.match(r"[a-z]+://|mailto:|#", link):
            assert (path.parent / link.split("#")[0]).exists(), link


def commands(path: Path) -> list[list[str]]:
    """`make …` and `linli …` lines of a document's shell blocks, and of its inline code, as words."""
    text = path.read_text("utf-8")
    shell = [line for block in code_blocks(path) for line in block.splitlines()] + _CODE.findall(text)
    found = []
    for line in shell:
        words = line.split("#")[0].strip().removeprefix("$ ").split()
        while words and re.fullmatch(r"[A-Z_]+=\S+", words[0]):
            words.pop(0)
        if len(words) > 1 and words[0] in ("make", "linli"):
            found.append(words)
    return found


def test_readme_names_the_two_commands() -> None:
    assert commands(REPOSITORY / "README.md")[:2] == [["make", "demo"], ["make", "test"]]


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if p.suffix == ".md"], ids=name)
def test_commands_exist_with_their_options(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text("utf-8"), re.MULTILINE))
    for words in commands(path):
        if words[0] == "make":
            assert words[1] in targets, words
            continue
        if words[1] == "--lang":
            words = ["linli", *words[3:]]
        if words[1:2] in ([], ["…"]):
            assert "--lang" in {option for p in linli.params for option in p.opts}
            continue
        assert words[1] in _COMMANDS, words
        command: click.Command = getattr(
            import_module(f"dagster_project.cli.{_COMMANDS[words[1]]}"), words[1]
        )
        if isinstance(command, click.Group) and len(words) > 2:
            command = command.commands[words[2]]
        options = {o for parameter in command.params for o in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= options, words


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_no_real_phone_number(path: Path) -> None:
    assert set(_PHONE.findall(path.read_text("utf-8"))) <= _RESERVED


def test_demo_figures_stand_between_their_marks() -> None:
    for readme in ("README.md", "README.zh-CN.md"):
        text = (REPOSITORY / readme).read_text("utf-8")
        block = text.split("<!-- demo:start -->")[1].split("<!-- demo:end -->")[0]
        assert block.strip().startswith("```text\n$ make demo") and block.strip().endswith("```")


def test_decisions_are_numbered_listed_and_short() -> None:
    folder = REPOSITORY / "docs" / "decisions"
    records = sorted(path for path in folder.glob("[0-9]*.md"))
    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    assert _LINK.findall((folder / "README.md").read_text("utf-8")) == [path.name for path in records]
    for path in records:
        text = path.read_text("utf-8")
        assert (
            text.startswith(f"# {path.name[:4]} ") and "**Decision.**" in text and "**Consequence.**" in text
        )
        assert len(text.splitlines()) <= 25, path.name


def test_the_picture_is_one_self_contained_file() -> None:
    path = REPOSITORY / "docs" / "pictures" / "flow.svg"
    tree = ElementTree.parse(path)
    tags = {element.tag.rsplit("}", 1)[-1] for element in tree.iter()}
    assert {"title", "desc", "text"} <= tags and not tags & {"image", "script", "foreignObject"}
    assert "prefers-color-scheme: dark" in path.read_text("utf-8")


def test_the_default_rules_say_what_they_do() -> None:
    """A name promises no category that the rules do not look at, and nobody is told that waiting people are dropped."""
    rules = packaged_chain().rules
    (segment,) = (s for s in rules.segments if "high_margin_orders_total" in s.when.shown)
    assert "高毛利" in segment.name and all(c in segment.name for c in rules.guards.high_margin_categories)
    told = [
        REPOSITORY / "docs" / "users" / "marketing.md",
        REPOSITORY / "docs" / "users" / "marketing.zh-CN.md",
        REPOSITORY / "dagster_project" / "templates" / "chain" / "rules" / "campaigns.yml",
    ]
    for path in told:
        asked_again = path.read_text("utf-8").split("holdout_percent")[0]
        assert "capped" in asked_again and "over_budget" in asked_again, name(path)
