"""Everything an evaluation leaves behind, written so that no file is ever half there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from rsir_fast.base.result_json import result_json
from rsir_fast.base.together import replace_together
from rsir_fast.report.page import render_page
from rsir_fast.report.queries import queries_csv
from rsir_fast.report.views import view_of

__all__ = ["write_report", "write_texts"]


def write_report(
    folder: str | Path,
    result: Mapping[str, Any],
    examples: Sequence[Mapping[str, Any]] = (),
    load_image: Callable[[int], Image.Image] | None = None,
    *,
    command: str | None = None,
    machine: Mapping[str, str] | None = None,
    thumbnail_size: int = 112,
) -> dict[str, Path]:
    """Write ``result.json``, ``queries.csv``, the SVG plots and ``report.html`` into a folder.

    Everything is made in memory first, then written under temporary names, then renamed: a failure leaves the files of
    an earlier run whole and no debris. The same input gives the same bytes.

    Parameters
    ----------
    folder : path
        Where the files go; made if missing, files of the same names are replaced.
    result : result
        What an evaluation protocol returned.
    examples : sequence of mapping
        Rankings to show, as in `rsir_fast.report.page.render_page`.
    load_image : callable, optional
        Item index -> PIL image, for the thumbnails of the examples.
    command : str, optional
        The command line that gives this result again.
    machine : mapping of str to str, optional
        What is known of the machine, shown under provenance.
    thumbnail_size : int
        Side of the example images in pixels.

    Returns
    -------
    dict of str to Path
        ``result``, ``queries`` (where the result names them), the protocol's plots and ``report``, in the order
        written.

    Raises
    ------
    MachineError
        If the folder cannot be written to.
    TypeError
        If the result holds something JSON has no form for.
    ValueError
        If there is no report for the result's protocol.
    """
    plots = view_of(result).plots(result)
    page = render_page(
        result, plots, examples, load_image, command=command, machine=machine, thumbnail_size=thumbnail_size
    )
    contents = {"result.json": result_json(result).encode("utf-8", "backslashreplace")}
    if queries := queries_csv(result):
        contents["queries.csv"] = queries.encode()
    contents.update({f"{stem}.svg": svg for stem, svg in plots.items()})
    # A file name that is no valid Unicode reaches Python as lone surrogates, which UTF-8 refuses.
    contents["report.html"] = page.encode("utf-8", "backslashreplace")
    target = Path(folder)
    replace_together(target, contents)
    return {Path(file).stem: target / file for file in contents}


def write_texts(folder: str | Path, texts: Mapping[str, str]) -> dict[str, Path]:
    """Write files by name, all of them or none; return their paths."""
    # A file name that is no valid Unicode reaches Python as lone surrogates, which UTF-8 refuses.
    replace_together(Path(folder), {name: text.encode("utf-8", "backslashreplace") for name, text in texts.items()})
    return {name: Path(folder) / name for name in texts}
