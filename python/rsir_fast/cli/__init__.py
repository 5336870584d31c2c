"""The command line ``rsir``: one file a command; nothing heavy is imported before a command runs.

stdout is the result, stderr the progress and the errors.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some inputs were skipped (listed), 130 interrupted by Ctrl-C.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

import typer

from rsir_fast.cli import (
    archive_add,
    archive_compact,
    archive_create,
    archive_duplicates,
    archive_export,
    archive_import,
    archive_info,
    archive_leaks,
    archive_log,
    archive_remove,
    archive_vacuum,
    archive_verify,
    compare,
    demo,
    doctor,
    evaluate_dhcnn2021,
    evaluate_ge2018,
    evaluate_multilabel,
    features,
    pretrain,
    reproduce_dhcnn2021,
    reproduce_ge2018,
    reproduce_hashing,
    search,
    train,
)
from rsir_fast.cli.command import Command, Group
from rsir_fast.cli.groups import with_groups
from rsir_fast.cli.limits import with_limits
from rsir_fast.errors import RsirWarning

__all__ = ["main"]

app = typer.Typer(
    name="rsir",
    cls=Group,
    help="Exact, reproducible content-based retrieval of remote sensing images.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some images were skipped, 130 interrupted.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(installed("rsir-fast"))
        raise typer.Exit


app.command("compare", cls=Command)(compare.compare)
app.command("demo", cls=Command)(with_limits(with_groups(demo.demo)))
app.command("doctor", cls=Command)(doctor.doctor)
app.command("features", cls=Command)(with_limits(with_groups(features.features)))
app.command("search", cls=Command)(with_limits(with_groups(search.search)))
protocols = typer.Typer(cls=Group, no_args_is_help=True, help="Evaluate retrieval by a published protocol.")
protocols.command("ge2018", cls=Command)(with_limits(with_groups(evaluate_ge2018.ge2018)))
protocols.command("dhcnn2021", cls=Command)(with_limits(with_groups(evaluate_dhcnn2021.dhcnn2021)))
protocols.command("multilabel", cls=Command)(with_limits(with_groups(evaluate_multilabel.multilabel)))
app.add_typer(protocols, name="evaluate")
tables = typer.Typer(cls=Group, no_args_is_help=True, help="Reproduce a paper's table: from images to every number.")
tables.command("ge2018", cls=Command)(with_limits(with_groups(reproduce_ge2018.ge2018)))
tables.command("dhcnn2021", cls=Command)(with_limits(with_groups(reproduce_dhcnn2021.dhcnn2021)))
tables.command("hashing", cls=Command)(with_limits(with_groups(reproduce_hashing.hashing)))
app.add_typer(tables, name="reproduce")
trainings = typer.Typer(cls=Group, no_args_is_help=True, help="Train a network.")
trainings.command("dhcnn", cls=Command)(with_limits(with_groups(train.dhcnn)))
trainings.command("hashing", cls=Command)(with_limits(with_groups(train.hashing)))
trainings.command("pretrain", cls=Command)(with_limits(with_groups(pretrain.pretrain)))
app.add_typer(trainings, name="train")
archives = typer.Typer(cls=Group, no_args_is_help=True, help="Make an archive, add to it, look at it, and keep it.")
archives.command("add", cls=Command)(with_limits(with_groups(archive_add.add)))
archives.command("create", cls=Command)(with_limits(with_groups(archive_create.create)))
archives.command("compact", cls=Command)(with_groups(archive_compact.compact))
archives.command("duplicates", cls=Command)(with_groups(archive_duplicates.duplicates))
archives.command("export", cls=Command)(with_groups(archive_export.export))
archives.command("import", cls=Command)(with_groups(archive_import.import_))
archives.command("info", cls=Command)(with_groups(archive_info.info))
archives.command("leaks", cls=Command)(with_groups(archive_leaks.leaks))
archives.command("log", cls=Command)(with_groups(archive_log.log))
archives.command("remove", cls=Command)(with_groups(archive_remove.remove))
archives.command("vacuum", cls=Command)(with_groups(archive_vacuum.vacuum))
archives.command("verify", cls=Command)(with_groups(archive_verify.verify))
app.add_typer(archives, name="archive")


def main() -> None:
    """Run ``rsir``."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (for the rest of the process)
        else:
            # File names that are no valid text must not stop a result from being printed.
            stream.reconfigure(errors="backslashreplace")
    # Pillow's remarks on odd but readable files would drown the progress.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    others = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, RsirWarning):
            typer.echo(f"rsir: {message}", err=True)
        else:
            others(message, category, *where, **more)

    warnings.showwarning = show
    app(prog_name="rsir")
