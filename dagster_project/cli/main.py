"""Entry point: finds commands by name, so that `linli --help` stays quick."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from importlib import import_module

import click

from dagster_project.cli.pages import show_error, speak
from dagster_project.lang import LANGUAGE, LANGUAGES, VARIABLE

# command → module of dagster_project.cli that defines a click command of that name
_COMMANDS = {
    "demo": "demo",
    "init": "init",
    "inspect": "inspect",
    "run": "run",
    "push": "push",
    "markdown": "markdown",
    "score": "score",
    "explain": "explain",
    "suggestions": "suggestions",
    "segment": "segment",
    "metric": "metric",
    "simulate": "simulate",
    "sandbox": "sandbox",
    "bench": "bench",
}


class _Lazy(click.Group):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # help may be asked for before the language is named, and errors are told before options are read
        asked = os.environ.get(VARIABLE, "zh")
        for word, after in zip(args, [*args[1:], ""], strict=True):
            name, equals, value = word.partition("=")
            if name == "--lang":
                asked = value if equals else after
        LANGUAGE.set(asked if asked in LANGUAGES else "zh")
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return None
        return speak(getattr(import_module(f"dagster_project.cli.{module}"), cmd_name), cmd_name)


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--lang",
    type=click.Choice(LANGUAGES),
    default="zh",
    envvar=VARIABLE,
    show_envvar=True,
    expose_value=False,
    help="输出语言 / output language",
)
def linli() -> None:
    """邻里 Linli：社区生鲜连锁的会员数仓。

    \b
    先试：linli demo            生成演示连锁并跑完整条链路
    再用：linli init 我的连锁     新建一个连锁文件夹
    """


speak(linli, "linli")


def main() -> None:
    """Runs a command; expected errors are one clear line and exit code 2."""
    # beta notes of libraries are for us, not for the person at the terminal
    warnings.filterwarnings("ignore")
    # inherited by the helper process that watches semaphores: ending abruptly is meant, see below
    sys.warnoptions.append("ignore::UserWarning:multiprocessing.resource_tracker")
    code = _run()
    sys.stdout.flush()
    sys.stderr.flush()
    # DuckDB's binding prints a page about references it has not counted when Python is torn down; all files are
    # closed and flushed here, so the process ends without that
    os._exit(code)


def _run() -> int:
    from dagster_project.cli.errors import expected_errors

    try:
        linli.main(prog_name="linli", standalone_mode=False)
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        show_error(error)
        return error.exit_code
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    except expected_errors() as error:
        click.secho(str(error), fg="red", err=True)
        return 2
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    main()
