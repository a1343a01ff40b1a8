"""Help and errors speak the chosen language, whole, and cost no heavy import."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from dagster_project.cli import main as program
from dagster_project.cli.english import PAGES
from dagster_project.cli.main import _COMMANDS, linli
from dagster_project.cli.pages import in_chinese
from dagster_project.lang import LANGUAGE

_CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(autouse=True)
def _language() -> Iterator[None]:
    before = LANGUAGE.get()
    yield
    LANGUAGE.set(before)


def say(*arguments: str, **env: str) -> str:
    result = CliRunner().invoke(linli, [*arguments], env=env or None)
    assert result.exit_code == 0, result.output
    return result.output


def below(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    for child_name, child in getattr(command, "commands", {}).items():
        yield from below(child, f"{name} {child_name}")


def everything() -> dict[str, click.Command]:
    context = click.Context(linli)
    found = {"linli": linli}
    for name in _COMMANDS:
        command = linli.get_command(context, name)
        assert command is not None
        found.update(below(command, name))
    return found


def test_every_command_and_option_has_english_help() -> None:
    commands = everything()
    assert set(PAGES) == set(commands)
    for name, command in commands.items():
        options = {p.name for p in command.params if isinstance(p, click.Option)}
        assert set(PAGES[name].options) == options, name


@pytest.mark.parametrize("name", _COMMANDS)
def test_help_is_in_one_language_with_a_worked_example(name: str) -> None:
    english = say("--lang", "en", name, "--help")
    assert "Usage: " in english and re.search(rf"Example: .*linli {name}", english, re.DOTALL)
    assert not _CHINESE.search(english), english
    chinese = say(name, "--help")
    assert re.search(rf"例：.*linli {name}", chinese, re.DOTALL)
    assert "用法：" in chinese and "选项：" in chinese and "显示本说明" in chinese
    for word in ("Usage", "Options", "OPTIONS", "Show this", "required", "default:"):
        assert word not in chinese


def test_the_variable_chooses_and_the_option_wins() -> None:
    assert "Usage: linli" in say("--help", LINLI_LANG="en")
    assert "Runs benchmarks" in say("--help", LINLI_LANG="en")
    assert "Usage: linli" in say("--help", "--lang=en")
    assert "用法：linli" in say("--lang", "zh", "--help", LINLI_LANG="en")
    assert "Lines per second" in say("bench", "simulate", "--help", LINLI_LANG="en")
    code = "from dagster_project.lang import tr; print(tr('zh', 'en'))"
    for language in ("en", "zh"):
        done = subprocess.run(
            [sys.executable, "-c", code], env={"LINLI_LANG": language}, capture_output=True, text=True
        )
        assert done.stdout.strip() == language, "Dagster's processes follow the variable"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["runn"], "没有命令 'runn'"),
        (["run"], "缺少选项 '--chain'"),
        (["run", "--chain", "/nowhere/at/all"], "'--chain' 的值不对：文件夹 '/nowhere/at/all' 不存在"),
        (["run", "--chain", ".", "--date", "yesterday"], "'--date' 的值不对：'yesterday' 不是可用的日期，应如 2026-11-21"),
        (["run", "--chian", "."], "没有选项 '--chian'。是不是 '--chain'？"),
        (["run", "--chain"], "选项 '--chain' 后面要写一个值"),
        (["run", "--each-night=1"], "选项 '--each-night' 后面不写值"),
        (["demo", "--days", "x"], "'--days' 的值不对：'x' 不是整数"),
        (["demo", "--days", "3"], "'--days' 的值不对：3 不在范围 x>=10 内"),
        (["demo", "more"], "多出来的参数：more"),
        (["simulate", "--out", "x", "--basis", "made"], "'--basis' 的值不对：'made' 不可用，可选：'real', 'synthetic'"),
        (["init"], "缺少参数 'FOLDER'"),
        (["--lang", "fr", "run"], "'--lang'（或环境变量 'LINLI_LANG'） 的值不对：'fr' 不可用，可选：'zh', 'en'"),
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_told_in_the_chosen_language(
    arguments: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["linli", *arguments])
    assert program._run() == 2
    error = capsys.readouterr().err
    assert f"错误：{told}" in error
    for word in ("Error", "Usage", "Invalid", "Missing", "Try ", "Did you mean", "OPTIONS"):
        assert word not in error
    if arguments[0] != "--lang":
        monkeypatch.setattr(sys, "argv", ["linli", "--lang", "en", *arguments])
        assert program._run() == 2
        assert not _CHINESE.search(capsys.readouterr().err)


@pytest.mark.parametrize("name", ["push", "markdown"])
def test_a_wrong_moment_is_told_in_the_chosen_language(
    name: str, chain_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = []
    for language in ("zh", "en"):
        words = ["--lang", language, name, "--chain", str(chain_dir), "--date", "2026-11-21", "--at", "soon"]
        monkeypatch.setattr(sys, "argv", ["linli", *words])
        assert program._run() == 2
        told.append(capsys.readouterr().err)
    assert "错误：'--at' 的值不对：'soon' 应为 now 或" in told[0] and "Invalid" not in told[0]
    assert "Error: Invalid value for '--at': 'soon' is neither now nor an ISO time" in told[1]


def test_the_list_of_commands_is_whole_in_chinese() -> None:
    assert "..." not in say("--help").partition("命令：")[2]
    assert "sandbox      Serves a simulated WeCom API, or a vendor's (--vendor).\n" in say(
        "--lang", "en", "--help"
    )


def test_what_click_says_otherwise_stays_as_it_is() -> None:
    assert in_chinese("Something new: 17") == "Something new: 17"
    assert in_chinese("门店表有误") == "门店表有误"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom dagster_project.cli.main import linli\n"
        "from click.testing import CliRunner\n"
        "for words in (['--help'], ['--lang', 'en', 'run', '--help']):\n"
        "    assert CliRunner().invoke(linli, words).exit_code == 0\n"
        "print([name for name in ('dagster', 'dbt', 'duckdb', 'pandas', 'great_expectations') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
