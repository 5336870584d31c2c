"""A table of results, written as Markdown, CSV, LaTeX, or for the terminal: groups of rows, mean ± spread, remarks.

A cell without a value says why: its remark becomes a footnote, as does one on a value.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rsir_fast.report.format import MISSING, shorten

__all__ = [
    "Cell",
    "Column",
    "Grid",
    "GridRow",
    "escape_markdown",
    "spreadsheet_text",
    "table_files",
    "to_csv",
    "to_latex",
    "to_markdown",
    "to_terminal",
]


@dataclass(frozen=True)
class Column:
    """A measure.

    Parameters
    ----------
    key : str
        Its name in CSV.
    title : str
        What people read.
    group : str
        Heading over it and its neighbours of the same group.
    scale, decimals
        A value is shown times `scale`, with so many decimals.
    parts : sequence of {"spread", "runs", "low", "high"}
        What a cell has beside its value; columns of their own in CSV.
    signed : bool
        Show the sign of a value above 0 too: it is a difference.
    """

    key: str
    title: str
    group: str = ""
    scale: int = 100
    decimals: int = 2
    parts: tuple[str, ...] = ("spread", "runs")
    signed: bool = False


@dataclass(frozen=True)
class Cell:
    """A value, or none.

    Parameters
    ----------
    mean : float or None
    spread : float, optional
        Standard deviation over `runs` runs.
    runs : int, optional
    remark : str
        On the value, or why there is none.
    low, high : float, optional
        Confidence interval.
    """

    mean: float | None = None
    spread: float | None = None
    runs: int | None = None
    remark: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class GridRow:
    """A method: its cells by the key of the column; one that is not there is an empty cell without a reason."""

    label: str
    cells: Mapping[str, Cell]
    group: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Grid:
    """A table.

    Parameters
    ----------
    title : str
    stub : str
        Heading of the column of row labels.
    columns : sequence of Column
    rows : sequence of GridRow
        Those of one group stand together.
    notes : sequence of str
        Lines under the table.

    Examples
    --------
    >>> columns = [Column("map", "mAP (%)"), Column("oa", "OA (%)")]
    >>> rows = [GridRow("ours", {"map": Cell(0.5, 0.01, 3), "oa": Cell(0.9)}, "16 bits"),
    ...         GridRow("ITQ", {"map": Cell(0.25), "oa": Cell(remark="no labels")}, "16 bits")]
    >>> print(to_markdown(Grid("Table", "method", columns, rows)), end="")
    | method | mAP (%) | OA (%) |
    |---|---:|---:|
    | **16 bits** | | |
    | ours | 50.00 ± 1.00 | 90.00 |
    | ITQ | 25.00 | – [1] |
    <BLANKLINE>
    [1] no labels
    """

    title: str
    stub: str
    columns: Sequence[Column]
    rows: Sequence[GridRow]
    notes: Sequence[str] = ()
    remarks: tuple[str, ...] = field(init=False)
    """The footnotes, in the order in which a reader meets them."""

    def __post_init__(self) -> None:
        met = (
            remark
            for row in self.rows
            for remark in (row.remark, *(self.cell(row, column).remark for column in self.columns))
        )
        object.__setattr__(self, "remarks", tuple(dict.fromkeys(remark for remark in met if remark)))

    def cell(self, row: GridRow, column: Column) -> Cell:
        """Return a row's cell in a column."""
        return row.cells.get(column.key, Cell())

    def value(self, row: GridRow, column: Column) -> str:
        """Write a cell with its interval, without its footnote."""
        interval = self.interval(row, column)
        return self.number(row, column) + (f" ({interval})" if interval else "")

    def interval(self, row: GridRow, column: Column) -> str:
        """Write a cell's interval, nothing if it has none."""
        cell, sign = self.cell(row, column), "+" if column.signed else ""
        if cell.low is None or cell.high is None:
            return ""
        return " to ".join(f"{_scaled(end, column):{sign}.{column.decimals}f}" for end in (cell.low, cell.high))

    def number(self, row: GridRow, column: Column) -> str:
        """Write a cell's value and spread."""
        cell = self.cell(row, column)
        if cell.mean is None:
            return MISSING if cell.remark else ""
        sign = "+" if column.signed else ""
        text = f"{_scaled(cell.mean, column):{sign},.{column.decimals}f}"
        if cell.spread is not None:
            text += f" ± {_scaled(cell.spread, column):.{column.decimals}f}"
        return text

    def mark(self, remark: str) -> str:
        """Return the number of a footnote, nothing for no remark."""
        return str(self.remarks.index(remark) + 1) if remark else ""

    def header(self) -> list[tuple[str, int]]:
        """Return the headings over the columns, each with how many it spans; empty if there are none."""
        spans = [(group, len(list(columns))) for group, columns in groupby(self.columns, lambda column: column.group)]
        return spans if any(group for group, _ in spans) else []

    def groups(self) -> list[tuple[str, list[GridRow]]]:
        """Return the rows by group."""
        return [(group, list(rows)) for group, rows in groupby(self.rows, lambda row: row.group)]


def to_markdown(grid: Grid) -> str:
    """Write a table as Markdown (GitHub's)."""

    def text(row: GridRow, column: Column) -> str:
        return _with_mark(grid.value(row, column), grid.mark(grid.cell(row, column).remark))

    titles = [f"{column.group}: {column.title}" if column.group else column.title for column in grid.columns]
    lines = [_piped(escape_markdown(title) for title in (grid.stub, *titles)), f"|---|{'---:|' * len(titles)}"]
    for group, rows in grid.groups():
        lines += [f"| **{escape_markdown(group)}** |{' |' * len(titles)}"] if group else []
        for row in rows:
            label = _with_mark(escape_markdown(row.label), grid.mark(row.remark))
            lines.append(_piped([label, *(text(row, column) for column in grid.columns)]))
    notes = [*(f"[{number}] {escape_markdown(remark)}" for number, remark in enumerate(grid.remarks, 1))]
    return "\n".join(
        [*lines, *(line for note in (*notes, *map(escape_markdown, grid.notes)) for line in ("", note)), ""]
    )


def to_csv(grid: Grid) -> str:
    """Write a table as CSV: unrounded values, spreads, intervals in columns of their own, then remarks."""
    target = io.StringIO()
    out = csv.writer(target, lineterminator="\n")
    names = [name for column in grid.columns for name in (column.key, *(f"{column.key}_{p}" for p in column.parts))]
    out.writerow(["group", grid.stub, *names, "remarks"])
    for row in grid.rows:
        cells = [grid.cell(row, column) for column in grid.columns]
        numbers = [
            getattr(cell, part)
            for cell, column in zip(cells, grid.columns, strict=True)
            for part in ("mean", *column.parts)
        ]
        said = [f"{column.key}: {cell.remark}" for column, cell in zip(grid.columns, cells, strict=True) if cell.remark]
        remarks = "; ".join([row.remark, *said] if row.remark else said)
        texts = ["" if number is None else repr(number) for number in numbers]
        out.writerow([spreadsheet_text(row.group), spreadsheet_text(row.label), *texts, spreadsheet_text(remarks)])
    return target.getvalue()


def to_latex(grid: Grid) -> str:
    """Write a table as a LaTeX tabular (package booktabs); whatever stands in names is escaped."""
    width = len(grid.columns) + 1

    def text(row: GridRow, column: Column) -> str:
        return _latex(grid.value(row, column)) + _superscript(grid.mark(grid.cell(row, column).remark))

    lines = ["% needs \\usepackage{booktabs}", f"\\begin{{tabular}}{{l{'r' * len(grid.columns)}}}", "\\toprule"]
    if grid.header():
        spans = [f"\\multicolumn{{{span}}}{{c}}{{{_latex(group)}}}" for group, span in grid.header()]
        lines.append(" & ".join(["", *spans]).strip() + r" \\")
        lines += _rules(grid.header())
    lines += [" & ".join(_latex(title) for title in (grid.stub, *(c.title for c in grid.columns))) + r" \\"]
    for group, rows in grid.groups():
        lines.append(r"\midrule")
        lines += [f"\\multicolumn{{{width}}}{{l}}{{\\emph{{{_latex(group)}}}}} \\\\"] if group else []
        for row in rows:
            label = _latex(row.label) + _superscript(grid.mark(row.remark))
            lines.append(" & ".join([label, *(text(row, column) for column in grid.columns)]) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    remarks = [f"{_superscript(str(number))} {_latex(remark)}" for number, remark in enumerate(grid.remarks, 1)]
    notes = [*remarks, *map(_latex, grid.notes)]
    if notes:
        lines += ["", r"\smallskip", r"{\footnotesize", *(f"{note}\\par" for note in notes), "}"]
    return "\n".join([*lines, ""])


def table_files(stem: str, grid: Grid, *, title: bool = False) -> dict[str, str]:
    """Write a table in every form of a file, by file name; with a title where a form has none of its own."""
    text = " ".join(grid.title.split())
    above = {"md": f"### {escape_markdown(text)}\n\n", "tex": f"% {text}\n"} if title else {}
    forms = {"md": to_markdown(grid), "csv": to_csv(grid), "tex": to_latex(grid)}
    return {f"{stem}.{ending}": above.get(ending, "") + content for ending, content in forms.items()}


def to_terminal(grid: Grid) -> RenderableType:
    """Lay a table out for a terminal; nothing in it depends on colour, and names cannot steer it."""

    def plain(text: str) -> Text:
        return Text("\n".join(shorten(line, len(line)) for line in text.split("\n")))

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=plain(grid.title), title_justify="left", title_style="")
    table.add_column(plain(grid.stub))
    for column in grid.columns:
        # Where there is little room, names break and numbers do not.
        title = plain(f"{column.group}\n{column.title}".strip())
        table.add_column(title, justify="right", vertical="bottom", no_wrap=True)
    groups = grid.groups()
    for group, rows in groups:
        if group:
            table.add_row(Text(shorten(group, len(group)), style="bold"))
        for row in rows:
            label = _with_mark(row.label, grid.mark(row.remark))
            cells = ((grid.value(row, c), grid.mark(grid.cell(row, c).remark)) for c in grid.columns)
            table.add_row(plain(f"  {label}" if group else label), *(plain(_with_mark(*cell)) for cell in cells))
    remarks = (f"[{number}] {remark}" for number, remark in enumerate(grid.remarks, 1))
    return Group(table, *(plain(line) for line in (*remarks, *grid.notes)))


def _scaled(value: float, column: Column) -> Decimal:
    # Decimal of the shortest form: 0.96672 becomes 96.672, not 96.67200000000001.
    return Decimal(repr(float(value))) * column.scale


def _with_mark(text: str, mark: str) -> str:
    return f"{text} [{mark}]".strip() if mark else text


def _piped(texts: object) -> str:
    return f"| {' | '.join(texts)} |".replace("|  |", "| |")  # type: ignore[arg-type]


def spreadsheet_text(text: str) -> str:
    """Keep a spreadsheet from taking a name as a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def escape_markdown(text: str) -> str:
    """Escape a name for Markdown."""
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", " ".join(text.split()))


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "±": r"$\pm$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    **{char: f"\\{char}" for char in "&%$#_{}"},
}


def _latex(text: str) -> str:
    return "".join(_LATEX.get(char, char) for char in " ".join(text.split()))


def _superscript(mark: str) -> str:
    return f"\\textsuperscript{{{mark}}}" if mark else ""


def _rules(header: list[tuple[str, int]]) -> list[str]:
    """Return a rule under each heading that is one."""
    rules, first = [], 2
    for group, span in header:
        rules += [f"\\cmidrule(lr){{{first}-{first + span - 1}}}"] if group else []
        first += span
    return rules
