"""What every command of `rsir` has: errors in one line and in the words of the command line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from rsir_fast.cli.hints import hint, hint_of_command

__all__ = ["Command", "Group", "spelled"]

_ALIASES = {
    "backbones": "backbone",
    "database": "features",
    "dataset": "data",
    "datasets": "data",
    "descriptors": "descriptor",
    "lengths": "bits",
    "rerank": "rerank_codes",
    "share": "train",
}
"""By the name of a parameter in Python: that of the command, where it is another and the command has it."""

_spelling: ContextVar[Mapping[str, str] | None] = ContextVar("spelling", default=None)


class Command(TyperCommand):
    """A command whose errors name its options, and say which was meant."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; refuse what cannot be meant before."""
        for before, arg in zip(["", *args], args, strict=False):
            name, equals, value = arg.partition("=") if arg.startswith("--") else (before, "", arg)
            where = name if name.startswith("-") else "arguments"
            if (equals or arg == "") and value == "" and name not in _MAY_BE_EMPTY:
                _refuse(f"{where}: expected a value, got nothing; leave it out, or say which")
            if "\0" in arg:
                _refuse(f"{where}: expected text, got a zero byte; leave it out")
        with self._refused_in_one_line(ctx, list(args)):
            rest: list[str] = super().parse_args(ctx, args)
        return rest

    @contextmanager
    def _refused_in_one_line(self, ctx: Any, args: list[str]) -> Iterator[None]:
        """Say what is wrong with the words of a command in one line, as any other error."""
        try:
            yield
        except Exception as error:  # of typer's own click, or of click: by what they have
            if getattr(error, "exit_code", None) != 2 or ctx.resilient_parsing:
                raise
            path = ctx.command_path.partition(" ")[2]
            name: str | None = getattr(error, "option_name", None)
            parameter = getattr(error, "param", None)
            place = getattr(error, "param_hint", None) or (_option(parameter) if parameter is not None else None)
            if name is not None and type(error).__name__ == "NoSuchOption":
                message = f"{name}: there is no such option of `rsir {path}`; {hint(name, self, path, _commands(ctx))}"
            elif type(error).__name__ == "MissingParameter":
                message = f"{place}: expected a value, got nothing; `rsir {path} -h` says which"
            else:
                said = _said(error, parameter, args)
                message = f"{name or place}: {said}" if name or place else said
            _refuse(message)

    def invoke(self, ctx: Any) -> Any:
        """Run the command, unless it would write among what it reads."""
        if "out" in ctx.params:
            out = ctx.params["out"] or Path("runs")
            read = [p for p in self.params if p.name != "out" and not str(p.name).startswith("weights")]
            for parameter in read:
                given = ctx.params.get(str(parameter.name))
                for source in given if isinstance(given, list | tuple) else [given]:
                    if not (isinstance(source, Path) or parameter.name == "data"):
                        continue
                    # NAME=FOLDER where a command takes several.
                    folder = _around(out, {str(source), str(source).rpartition("=")[2]})
                    if folder is not None:
                        got = f"got {out}" if ctx.params["out"] else f"where {out}, the default, would be"
                        _refuse(
                            f"--out: expected a folder of its own outside of {source}, which is read, {got}; "
                            f"choose another, such as --out {folder.parent / 'runs'}"
                        )
        with _spelled_as({str(p.name): _option(p) for p in self.params}):
            return super().invoke(ctx)


class Group(TyperGroup):
    """Commands; one that is not among them is refused in one line that says which was meant."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command."""
        name = args[0]
        if self.get_command(ctx, name) is None and not ctx.resilient_parsing and not name.startswith("-"):
            names = self.list_commands(ctx)
            _refuse(f"{name}: there is no such command of `{ctx.command_path}`; {hint_of_command(name, names)}")
        return super().resolve_command(ctx, args)


def _said(error: Exception, parameter: Any, args: list[str]) -> str:
    """Return what is wrong with a value, the value named."""
    said = str(getattr(error, "message", error)).rstrip(".").removeprefix("Value error, ")
    choice = re.fullmatch(r"('.*') is not one of ('.*')", said, re.DOTALL)
    if choice is not None:
        words = choice[2].replace("'", "")
        return f"expected one of {words}, got {choice[1]}"
    if parameter is None or not said.startswith("Input should be"):
        return said
    kind = "whole number" if "integer" in said else "number"
    kind = kind if "valid" in said else said.removeprefix("Input should be ")
    given = [""]
    for before, arg in zip(["", *args], args, strict=False):
        name, equals, value = arg.partition("=")
        given += [value] if equals and name in parameter.opts else [arg] if before in parameter.opts else []
    article = "a " if "valid" in said else ""
    return f"expected {article}{kind}, got {given[-1]!r}"


def _commands(ctx: Any) -> dict[str, Any]:
    """Return all commands by their names behind ``rsir``."""
    found: dict[str, Any] = {}

    def look(group: Any, before: str) -> None:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                look(command, f"{before}{name} ")
            else:
                found[before + name] = command

    look(ctx.find_root().command, "")
    return found


def _around(out: Any, sources: set[str]) -> Path | None:
    """Return the folder among some that holds another, or is it.

    What is written there would be read by the same command the next time, or be taken for a class.
    """
    try:
        folders = [Path(os.path.realpath(source)) for source in sources if source and os.path.isdir(source)]
        return next((folder for folder in folders if Path(os.path.realpath(out)).is_relative_to(folder)), None)
    except (OSError, ValueError):
        return None


_MAY_BE_EMPTY = ("--steps", "--rerank")
"""Where nothing is a value: no steps."""


def spelled(message: str, *, leading: bool = True) -> str:
    """Write a message of the library in the words of the command line that runs.

    Parameters
    ----------
    message : str
        Such as ``batch_size: expected at least 1, got 0``.
    leading : bool
        Whether it may begin with the name of a parameter; otherwise it begins with that of a data set or a path.

    Returns
    -------
    str
        Outside of a command the message as it is.

    Examples
    --------
    >>> with _spelled_as({"batch_size": "--batch-size", "decoder": "--decoder"}):
    ...     spelled("batch_size: expected at least 1, got 0"), spelled("use decoder='cpu'")
    ('--batch-size: expected at least 1, got 0', 'use --decoder cpu')
    >>> with _spelled_as({"out": "--out"}):
    ...     spelled("do it again (from Python: with resume=True)")
    'do it again'
    """
    names = dict(_spelling.get() or {})
    if not names:
        return message
    message = re.sub(r" \(from Python: [^()]*\)", "", message)
    names |= {alias: names[name] for alias, name in _ALIASES.items() if name in names and alias not in names}
    either = "|".join(sorted(names, key=len, reverse=True))

    def option(found: re.Match[str]) -> str:
        return names[found["name"]]

    head, colon, rest = message.partition(": ")
    if leading and colon and re.fullmatch(rf"(?:{either})(?:, (?:{either}))*", head):
        head = re.sub(rf"(?P<name>{either})", option, head)
    message = head + colon + rest
    message = re.sub(
        rf"(?<![\w-])(?P<name>{either})='(?P<value>[^']*)'", lambda m: f"{option(m)} {m['value']}", message
    )
    underscored = "|".join(name for name in names if "_" in name)
    if underscored:
        message = re.sub(rf"(?<![\w./-])(?:extraction\.|recipe\.)?(?P<name>{underscored})(?![\w./-])", option, message)
    return message.replace("list_backbones()", "`rsir doctor --all-networks`")


@contextmanager
def _spelled_as(names: Mapping[str, str]) -> Iterator[None]:
    token = _spelling.set(names)
    try:
        yield
    finally:
        _spelling.reset(token)


def _option(parameter: Any) -> str:
    """``--batch-size`` of an option, ``DATA`` of an argument."""
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper()
    return str(max(parameter.opts, key=len))


def _refuse(message: str) -> None:
    typer.echo(f"rsir: error: {message}", err=True)
    raise typer.Exit(2)
