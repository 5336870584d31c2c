"""Everything a result leaves behind, written so that no file is ever half there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image

from rsir_fast.base.together import replace_together
from rsir_fast.report.content import Options
from rsir_fast.report.page import render_page
from rsir_fast.report.views import Reported, view_of

__all__ = ["write_report"]


def write_report(
    folder: str | Path,
    result: Reported,
    load_image: Callable[[int], Image.Image] | None = None,
    *,
    command: str | None = None,
    machine: Mapping[str, str] | None = None,
    thumbnail_size: int = 112,
    all_rows: bool = False,
) -> dict[str, Path]:
    """Write ``result.json``, plots, tables and ``report.html`` into a folder.

    Everything is made in memory first, then written under temporary names, then renamed: a failure leaves the files of
    an earlier run whole and no debris. The same input gives the same bytes.

    Parameters
    ----------
    folder : path
        Where the files go; made if missing, files of the same names are replaced.
    result : result
        Of `rsir_fast.evaluate_ge2018`, `rsir_fast.evaluate_dhcnn2021` or one of the two that make whole tables.
    load_image : callable, optional
        Item index -> PIL image, for the thumbnails of the examples. An image that raises ImageError is shown as a
        placeholder with the reason.
    command : str, optional
        The command line that gives this result again.
    machine : mapping of str to str, optional
        What is known of the machine, shown under provenance.
    thumbnail_size : int
        Side of the example images in pixels.
    all_rows : bool
        Keep rows and columns of tables that hold no figure; ``result.json`` has all of them in any case.

    Returns
    -------
    dict of str to Path
        By file name, in the order written: ``result.json``; of an evaluation ``queries.csv`` and plots, of whole tables
        Markdown, CSV, LaTeX and plots; ``report.html``.

    Raises
    ------
    MachineError
        If the folder cannot be written to.
    TypeError
        If there is no report for the result's type, or it holds something JSON has no form for.
    """
    content = view_of(result).content(result, Options(load_image, machine, thumbnail_size, all_rows))
    files = {
        "result.json": result.to_json(),
        **content.files,
        "report.html": render_page(content.page, result, command),
    }
    # A file name that is no valid Unicode reaches Python as lone surrogates, which UTF-8 refuses.
    replace_together(
        Path(folder),
        {
            name: text if isinstance(text, bytes) else text.encode("utf-8", "backslashreplace")
            for name, text in files.items()
        },
    )
    return {name: Path(folder) / name for name in files}
