"""The command line: one module per command; this one dispatches and turns errors into messages and exit codes."""

from __future__ import annotations

import importlib
import os
import sys

import typer

from ctreplay.cli.common import EXIT_INTERRUPTED, EXIT_USAGE, Exit, complain

# command, module, panel; the function in the module has the command's name with _ for -
COMMANDS = (
    ("replay", "Replay", "replay"),
    ("verify", "Replay", "verify"),
    ("list", "conntrack, for any moment", "list"),
    ("events", "conntrack, for any moment", "events"),
    ("stats", "conntrack, for any moment", "stats"),
    ("count", "conntrack, for any moment", "count"),
    ("explain", "Why", "explain"),
    ("query", "Questions", "query"),
    ("queries", "Questions", "queries"),
    ("extract", "Questions", "extract"),
    ("schema", "Questions", "schema"),
    ("check", "Checks", "check"),
    ("diff", "Checks", "diff"),
)  # fmt: skip

app = typer.Typer(
    name="ctreplay",
    help="Replay captures through a model of Linux connection tracking; query what it decided.\n\n"
    "`ctreplay CAPTURE...` is short for `ctreplay replay CAPTURE...`.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        from ctreplay import __version__
        from ctreplay.build import compiled
        from ctreplay.dataset.schema import KERNEL_MODEL

        how = "compiled" if compiled() else "pure Python"
        typer.echo(f"ctreplay {__version__} ({how}, models Linux {KERNEL_MODEL})")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Version, compiled or pure, kernel model."
    ),
) -> None:
    pass


for _name, _panel, _module in COMMANDS:
    _function = getattr(importlib.import_module(f"ctreplay.cli.{_module}"), _name.replace("-", "_"))
    app.command(_name, rich_help_panel=_panel)(_function)

_NAMES = {name for name, _, _ in COMMANDS}


def arguments(argv: list[str]) -> list[str]:
    """`ctreplay CAPTURE...` means `ctreplay replay CAPTURE...`, also with options in front of the capture."""
    if not argv or argv[0] in _NAMES:
        return argv
    if argv[0] in ("-h", "--help", "--version", "--install-completion", "--show-completion"):
        return argv
    return ["replay", *argv]


def main() -> None:
    """Entry point; every failure leaves as one message on stderr and a defined exit code."""
    try:
        app(args=arguments(sys.argv[1:]), standalone_mode=True)
    except Exit as exc:
        if exc.message:
            complain(exc.message)
        code = exc.code
    except KeyboardInterrupt:
        complain("interrupted")
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        # the reader of our output has gone; nothing more can be said to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as exc:
        where = f": {exc.filename}" if exc.filename else ""
        complain(f"{exc.strerror or exc}{where}")
        code = EXIT_USAGE
    except Exception as exc:
        if os.environ.get("CTREPLAY_DEBUG"):
            raise
        complain(f"internal error, please report it: {type(exc).__name__}: {exc} (CTREPLAY_DEBUG=1 shows where)")
        code = EXIT_USAGE
    else:
        code = 0
    sys.exit(code)
