"""Help pages and click's own messages in the language people chose.

Commands carry Chinese help, `english` the other half. Click's own words ("Usage:", "Missing option …") are put into
Chinese where they are shown; what is not known here stays as click says it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from inspect import cleandoc
from weakref import WeakKeyDictionary

import click

from dagster_project.lang import LANGUAGE, tr

_HEADINGS = {"Options": "选项", "Commands": "命令", "Positional arguments": "参数"}
_PLACES = {"OPTIONS": "选项", "COMMAND": "命令", "ARGS": "参数"}
_CELLS = (
    (re.compile(r"Show this message and exit\."), "显示本说明"),
    (re.compile(r"(?<=[\[ ])default: "), "默认："),
    (re.compile(r"(?<=[\[ ])required(?=\])"), "必填"),
    (re.compile(r"(?<=[\[ ])env var: "), "环境变量："),
)


# help as the commands carry it: "" is the command's own, the others by name of the parameter
_CHINESE: WeakKeyDictionary[click.Command, dict[str, str | None]] = WeakKeyDictionary()


class _Page(click.HelpFormatter):
    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        if LANGUAGE.get() == "zh":
            args = re.sub(r"\b(?:OPTIONS|COMMAND|ARGS)\b", lambda match: _PLACES[match[0]], args)
            prefix = prefix or "用法："
        super().write_usage(prog, args, prefix)

    def write_heading(self, heading: str) -> None:
        if LANGUAGE.get() == "zh":
            self.write(f"{'':>{self.current_indent}}{_HEADINGS.get(heading, heading)}：\n")
        else:
            super().write_heading(heading)

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl([(term, _cell(text)) for term, text in rows], col_max, col_spacing)


def _cell(text: str) -> str:
    if LANGUAGE.get() == "zh":
        for pattern, chinese in _CELLS:
            text = pattern.sub(chinese, text)
    return text


class _PageContext(click.Context):
    formatter_class = _Page

    def get_help(self) -> str:
        # the language may have been chosen after the command was found
        speak(self.command, self.command.name if self.parent is None else _name(self))
        return super().get_help()


def _name(context: click.Context) -> str | None:
    """'run', or 'bench simulate': the command without the program's own name."""
    names: list[str] = []
    step: click.Context | None = context
    while step is not None and step.parent is not None:
        names.insert(0, step.command.name or "")
        step = step.parent
    return " ".join(names)


def speak(command: click.Command, name: str | None) -> click.Command:
    """Gives a command, and what is below it, the help of the chosen language. Returns the command."""
    command.context_class = _PageContext
    texts = _CHINESE.setdefault(
        command,
        {"": command.help} | {p.name or "": p.help for p in command.params if isinstance(p, click.Option)},
    )
    if LANGUAGE.get() == "en":
        from dagster_project.cli.english import PAGES

        if (page := PAGES.get(name or "")) is not None:
            texts = {**texts, "": cleandoc(page.about), **page.options}
    command.help = texts[""]
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name in texts:
            parameter.help = texts[parameter.name]
    # commands of a group that finds its own by name speak when they are found
    for below, child in getattr(command, "commands", {}).items():
        speak(child, f"{name} {below}")
    return command


def show_error(error: click.ClickException) -> None:
    """Prints to stderr what is wrong with a command line, its usage, and where help is."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        click.echo(context.get_usage(), err=True)
        path = f"{context.command_path} --help"
        click.echo(tr(f"说明：{path}\n", f"Try '{path}' for help.\n"), err=True)
    message = error.format_message()
    click.secho(tr(f"错误：{in_chinese(message)}", f"Error: {message}"), fg="red", err=True)


_Say = Callable[[re.Match[str]], str]
_KINDS = {"Directory": "文件夹", "File": "文件", "Path": "路径"}
_NUMBERS = {"integer": "整数", "float": "数字", "integer range": "整数", "float range": "数字"}


def in_chinese(message: str) -> str:
    """A message of click in Chinese; any other text as it is."""
    text = message.strip()
    for pattern, say in _MESSAGES:
        if (match := pattern.fullmatch(text)) is not None:
            return say(match)
    return text


def _rest(text: str) -> str:
    """What click adds to a sentence: choices and guesses."""
    text = re.sub(r"\(?Did you mean (?:one of: )?(.*?)\?\)?", r"是不是 \1？", text.strip())
    return re.sub(r"Choose from:\s*", "可选：", re.sub(r"\s*\n\s*", " ", text))


def _hint(match: re.Match[str]) -> str:
    return f"{match[1]}（或环境变量 {match[2]}）" if match[2] else match[1]


def _wrong_format(match: re.Match[str]) -> str:
    example = "2026-11-21 10:30" if "%H" in match[2] else "2026-11-21"
    return f"{match[1]} 不是可用的日期，应如 {example}"


# an option that a variable may give is named with it
_FROM = r"(?: \(env var: ('.+?')\))?"
_MESSAGES: tuple[tuple[re.Pattern[str], _Say], ...] = tuple(
    (re.compile(pattern, re.DOTALL), say)
    for pattern, say in (
        (rf"Invalid value for ('.+?'){_FROM}: (.*)", lambda m: f"{_hint(m)} 的值不对：{in_chinese(m[3])}"),
        (r"Invalid value: (.*)", lambda m: f"值不对：{in_chinese(m[1])}"),
        (rf"Missing option ('.+?'){_FROM}\.(.*)", lambda m: f"缺少选项 {_hint(m)}。{_rest(m[3])}"),
        (r"Missing argument (.+?)\.(.*)", lambda m: f"缺少参数 {m[1]}。{_rest(m[2])}"),
        (r"Missing command\.", lambda m: "缺少命令"),
        (r"No such option (.+?)\.(.*)", lambda m: f"没有选项 {m[1]}。{_rest(m[2])}"),
        (r"No such command (.+?)\.(.*)", lambda m: f"没有命令 {m[1]}。{_rest(m[2])}"),
        (r"Got unexpected extra arguments? \((.*)\)", lambda m: f"多出来的参数：{m[1]}"),
        (r"Option (.+?) requires (?:an argument|\d+ arguments)\.", lambda m: f"选项 {m[1]} 后面要写一个值"),
        (r"Option (.+?) does not take a value\.", lambda m: f"选项 {m[1]} 后面不写值"),
        (r"(.*) is not a valid ([a-z ]+)\.", lambda m: f"{m[1]} 不是{_NUMBERS.get(m[2], m[2])}"),
        (r"(.*) is not in the range (.*)\.", lambda m: f"{m[1]} 不在范围 {m[2]} 内"),
        (r"(.*) is not one of (.*)\.", lambda m: f"{m[1]} 不可用，可选：{m[2]}"),
        (r"(.*) does not match the formats? (.*)\.", _wrong_format),
        (r"(Directory|File|Path) (.*) does not exist\.", lambda m: f"{_KINDS[m[1]]} {m[2]} 不存在"),
        (r"(?:Directory|File|Path) (.*) is a file\.", lambda m: f"{m[1]} 是文件，这里要文件夹"),
        (r"(?:Directory|File|Path) (.*) is a directory\.", lambda m: f"{m[1]} 是文件夹，这里要文件"),
        (r"(?:Directory|File|Path) (.*) is not (?:readable|writable)\.", lambda m: f"没有权限打开 {m[1]}"),
    )
)
