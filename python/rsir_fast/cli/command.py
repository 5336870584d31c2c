"""What every command of `rsir` has: old names that say the new one, and errors in the words of the command line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

__all__ = ["Command", "spelled"]

_FOLDERS = "name the folder itself, without the option:"
_RETIRED = {
    "demo": {
        "--data": f"{_FOLDERS} rsir demo FOLDER",
        "-d": f"{_FOLDERS} rsir demo FOLDER",
        "--per-class": "it is --scenes-per-class",
    },
    "doctor": {"--all": "it is --all-networks"},
    "search": {"--rerank": "it is --rerank-codes; --rerank of `compare` and `evaluate` takes features"},
    "reproduce ge2018": {
        "--data": f"{_FOLDERS} rsir reproduce ge2018 FOLDER, or NAME=FOLDER, as many as there are",
        "--weights": "it is --weights-folder, as --weights is one file",
        "-w": "it is --weights-folder, as -w is one file",
    },
}
"""By command and option: what took its place. Only where the command has no option of that name any more."""

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
    """A command whose errors name its options, and which knows what they were called before."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; refuse what cannot be meant before."""
        given = args[: args.index("--")] if "--" in args else args
        known = {name for parameter in self.params for name in parameter.opts}
        retired = {"--all": "it is --all-items"} if "--all-items" in known else {}
        retired |= next((old for command, old in _RETIRED.items() if ctx.command_path.endswith(f" {command}")), {})
        for name, now in retired.items():
            old = [arg for arg in given if arg == name or arg.startswith(name if len(name) == 2 else f"{name}=")]
            if old and name not in known:
                _refuse(f"{name}: there is no such option of `{ctx.command_path}` any more; {now}")
        for before, arg in zip(["", *args], args, strict=False):
            name, equals, value = arg.partition("=") if arg.startswith("--") else (before, "", arg)
            where = name if name.startswith("-") else "arguments"
            if (equals or arg == "") and value == "" and name not in _MAY_BE_EMPTY:
                _refuse(f"{where}: expected a value, got nothing; leave it out, or say which")
            if "\0" in arg:
                _refuse(f"{where}: expected text, got a zero byte; leave it out")
        return super().parse_args(ctx, args)

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
    """
    names = dict(_spelling.get() or {})
    if not names:
        return message
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
