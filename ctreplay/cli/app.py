"""All commands, each in a module of its own, and the option parser that finds them."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from ctreplay.cli.common import COMMANDS, EXIT_FAILED, EXIT_FINE, EXIT_INTERRUPTED, Exit, fail, meant, reader_has_gone


class _Commands(TyperGroup):
    """Says with the exit code what the command found, also when nobody reads its output to the end."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            reader_has_gone()
            # a check must not pass because of that
            raise Exit(EXIT_FAILED if COMMANDS.get(ctx.invoked_subcommand or "") == "Checks" else EXIT_FINE) from None
        except KeyboardInterrupt:
            # the parser would end without a word
            raise Exit(EXIT_INTERRUPTED, "interrupted") from None


app = typer.Typer(
    name="ctreplay",
    cls=_Commands,
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


for _name, _panel in COMMANDS.items():
    _function = getattr(importlib.import_module(f"ctreplay.cli.{_name}"), _name)
    app.command(_name, rich_help_panel=_panel)(_function)


def arguments(argv: list[str]) -> list[str]:
    """`ctreplay CAPTURE...` means `ctreplay replay CAPTURE...`, also with options in front of the capture."""
    if not argv or argv[0] in COMMANDS:
        return argv
    if argv[0] in ("-h", "--help", "--version", "--install-completion", "--show-completion"):
        return argv
    if wrong := meant(argv[0]):
        fail(wrong)
    return ["replay", *argv]


def command() -> None:
    """Run the command that the arguments name."""
    app(args=arguments(sys.argv[1:]), standalone_mode=True)
