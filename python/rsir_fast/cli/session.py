"""What every command does alike: notes and progress on stderr, errors as one line, exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from rsir_fast.base.interrupt import INTERRUPTED, begin_work, interruption_told
from rsir_fast.cli.command import spelled
from rsir_fast.errors import MachineError, NoImageReadError, RsirError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import RenderableType

    from rsir_fast.datasets import Skipped

FAILED, WRONG_USAGE, SKIPPED = 1, 2, 3
AGAIN = "run the same command again to go on"
"""How to go on after an interruption, whichever the command."""
_REASONS = 10
"""Listed where no image at all could be read."""


@contextmanager
def reported_errors(on_interrupt: Callable[[], str] | None = None, noun: str = "image") -> Iterator[list[Skipped]]:
    """Turn errors that a user can act on into one line on stderr and an exit code.

    What could not be read is listed at the end, however the command ends, and makes the exit code 3 of one that is
    done.

    Parameters
    ----------
    on_interrupt
        Says what Ctrl-C, or a fault of the machine, leaves behind and how to go on.
    noun
        What a thing is called that cannot be read.

    Yields
    ------
    list of Skipped
        To be extended by what the command could not read.
    """
    skipped: list[Skipped] = []
    try:
        begin_work()
        yield skipped
    except KeyboardInterrupt:
        typer.echo(f"rsir: interrupted{_left(on_interrupt)}", err=True)
        interruption_told()
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # The reader of stdout (`| head`) has gone: not an error, but nothing more may be printed.
        sys.stdout = None
        raise typer.Exit(FAILED) from None
    except NoImageReadError as error:
        _list([entry for entry in error.skipped if entry not in skipped], at_most=_REASONS)
        _end(f"error: {spelled(str(error), leading=False)}", FAILED)
    except MachineError as error:
        _list(skipped, noun)
        _end(f"error: {spelled(str(error), leading=False)}{_left(on_interrupt)}", FAILED)
    except (RsirError, OSError, ImportError) as error:
        _list(skipped, noun)
        _end(f"error: {spelled(str(error), leading=False)}", FAILED)
    except MemoryError:
        _end("error: there is not enough memory; take a smaller --batch-size, or a machine with more", FAILED)
    except (ValueError, TypeError) as error:
        if not _from_this_package(error):
            raise
        _end(f"error: {spelled(str(error))}", WRONG_USAGE)
    if skipped:
        _list(skipped, noun)
        raise typer.Exit(SKIPPED)


def _left(on_interrupt: Callable[[], str] | None) -> str:
    """Say what is left; nothing where the fault that ends the command keeps that from being read, too."""
    try:
        return "" if on_interrupt is None else f"; {on_interrupt()}"
    except Exception:  # whatever it is: imports, too, may have been interrupted half-way
        return ""


def _from_this_package(error: BaseException) -> bool:
    """Whether the error was raised by a check of ours and not by a fault somewhere below."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__", "")).startswith("rsir_fast.")


def _end(message: str, code: int) -> None:
    typer.echo(f"rsir: {message}", err=True)
    raise typer.Exit(code)


def kept(folder: Path, how: str) -> str:
    """Say how many images an interrupted extraction leaves, and how to go on."""
    from rsir_fast.archive.folders import rows_kept

    count = rows_kept(folder)
    return f"the features of {plural(count, 'image')} are kept in {folder}; {how}" if count else "nothing was finished"


def plural(count: int, noun: str) -> str:
    """``1 image``, ``2 images``, ``2 classes``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}{'es' if noun.endswith('s') else 's'}"


def note(message: str, quiet: bool = False) -> None:
    """Say something on stderr."""
    if not quiet:
        typer.echo(message, err=True)


def print_result(renderable: RenderableType) -> None:
    """Print a table on stdout: as wide as the terminal, 100 columns in a pipe."""
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
    console.print(renderable)


def print_json(content: Any) -> None:
    """Print one JSON object on stdout."""
    from rsir_fast.base.result_json import result_json

    typer.echo(result_json(content), nl=False)


def _list(skipped: Sequence[tuple[str, str]], noun: str = "image", at_most: int | None = None) -> None:
    """List what could not be read, on stderr even if quiet."""
    from rsir_fast.base.text import printable

    if not skipped:
        return
    folders = sum(item.endswith("/") for item, _ in skipped)
    images = len(skipped) - folders
    what = " and ".join(plural(count, noun) for count, noun in ((images, noun), (folders, "folder")) if count)
    verb = "was" if len(skipped) == 1 else "were"
    typer.echo(f"rsir: {what} could not be read and {verb} left out:", err=True)
    for entry in skipped[:at_most]:
        item, reason = map(printable, entry)
        typer.echo(f"  {reason if item in reason else f'{item}: {reason}'}", err=True)
    if at_most is not None and len(skipped) > at_most:
        typer.echo(f"  and {len(skipped) - at_most} more", err=True)
