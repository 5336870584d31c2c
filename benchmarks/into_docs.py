"""Results into docs/performance.md: `python benchmarks/into_docs.py RESULT.json...`; `--check` alone compares.

Between the markers of a kind, ``<!-- begin KIND -->`` and ``<!-- end KIND -->``, stands one result of each CPU: of
several a table with a column for each, then the newest in full. A result takes the place of one of the same CPU only.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path

from machine import ROOT
from tables import LABELS, MAKERS, Result, markdown, ms, ratio, table

SECTION = r"(<!-- begin {kind} -->\n).*?(<!-- end {kind} -->)"
LINK = re.compile(r"\(\.\./(\S+\.json)\)")


def section(names: list[str], root: Path) -> str:
    """Return what the docs show of results of one kind: how they compare, and the newest with its plot and tables."""
    results = {name: json.loads((root / name).read_text()) for name in names}
    ordered = sorted(results, key=lambda name: results[name]["date"], reverse=True)
    newest = ordered[0]
    plot = Path(newest).with_suffix(".svg")
    picture = f"\n![plot](../{plot})\n" if (root / plot).exists() else ""
    parts = [f"\nFrom [{newest}](../{newest}).\n{picture}\n{markdown(results[newest])}\n\n"]
    if len(ordered) > 1:
        parts.insert(0, f"\nBy CPU, the newest first:\n\n{compared({name: results[name] for name in ordered})}\n")
    return "".join(parts)


def compared(results: dict[str, Result]) -> str:
    """Return a table with a column for each result."""
    columns = {name: SUMMARIES[result["kind"]](result) for name, result in results.items()}
    heads = [f"[{_cpu(result)}, {result['date'][:10]}](../{name})" for name, result in results.items()]
    what = dict.fromkeys(row for column in columns.values() for row in column)
    return table(["", *heads], [[row, *(column.get(row, "") for column in columns.values())] for row in what])


def _cpu(result: Result) -> str:
    return f"{result['machine']['cpu']}, {result['machine']['cores']} cores"


def _bench(result: Result) -> dict[str, str]:
    """Our time in each case, and how many times as long the fastest peer takes."""
    cells = {}
    for case in result["cases"]:
        peers = [pair for pair in case["pairs"] if not pair["peer"].startswith("rsir_fast")]
        if peers:
            pair = min(peers, key=lambda pair: pair["peer_ms"])
            peer = LABELS.get(pair["peer"], pair["peer"])
            cells[case["name"]] = f"{ms(pair['ours_ms'])} ms; {peer} {ratio(pair['ratio'])}"
    return cells


def _sweep(result: Result) -> dict[str, str]:
    cells = {"comparisons": str(len(result["cells"]))}
    cells["a peer was faster in"] = str(sum(cell["ratio"] < 1 for cell in result["cells"]))
    ks = [result["k"]] if isinstance(result["k"], int) else result["k"]
    for k in ks:
        least = min((cell for cell in result["cells"] if cell.get("k", k) == k), key=lambda cell: cell["ratio"])
        where = f"{least['n']:,} x {least['d']}, {least['q']} q, {LABELS.get(least['peer'], least['peer'])}"
        cells[f"smallest ratio, k = {k}"] = f"{ratio(least['ratio'])} ({where})"
    return cells


def _stability(result: Result) -> dict[str, str]:
    """The largest share of distances whose bits change."""
    return {
        LABELS.get(name, name): f"{max(share['distances'] for share in entry['changed'].values()):.1%}"
        for name, entry in result["libraries"].items()
    }


def _evaluation(result: Result) -> dict[str, str]:
    return {LABELS.get(row["name"], row["name"]): f"{row['seconds_all']:,.1f} s" for row in result["rows"]}


def _growth(result: Result) -> dict[str, str]:
    cells = {}
    for series in result["series"]:
        last = series["points"][-1]
        time = f"{last['size']:,}: {ms(1000 * last['seconds'])} ms"
        cells[f"{series['what']}, by {series['size']}"] = f"exponent {series['exponent']:.2f}; {time}"
    return cells


def _tiling(result: Result) -> dict[str, str]:
    """The share of the loop's speed of one thread, and of all."""
    return {
        raster["name"]: ", ".join(f"{way['seconds_share']:.0%}" for way in list(raster["ways"].values())[1:])
        for raster in result["rasters"]
    }


def _extraction(result: Result) -> dict[str, str]:
    return {
        f"{row['name']}, {found['encoder']}": f"{row['images_per_s']:,.0f} images/s"
        for found in result["networks"]
        for rows in found["groups"].values()
        for row in rows
    }


def _archive(result: Result) -> dict[str, str]:
    """Our time of each thing that is done with an archive."""
    ours = "rsir_fast"
    made, opened = (next(row for row in result[key] if row["name"] == ours) for key in ("made", "open"))
    cells = {"items": f"{result['rows']:,}", "import": f"{made['seconds']:.1f} s"}
    cells["open to first answer"] = f"{ms(1000 * opened['answer_s'])} ms, {opened['anonymous_mib']:,.0f} MiB"
    for row in result["searches"]:
        time = next(way["ms"] for way in row["ways"] if (way["name"], way["way"]) == (ours, "search"))
        cells[f"search, {row['q']} q, {row['filter']}"] = f"{ms(time)} ms"
    return cells | {row["step"]: f"{ms(row['ms'])} ms" for row in result["life"] if row["name"] == ours}


SUMMARIES: dict[str, Callable[[Result], dict[str, str]]] = {
    "bench": _bench,
    "sweep": _sweep,
    "stability": _stability,
    "evaluation": _evaluation,
    "extraction": _extraction,
    "growth": _growth,
    "archive": _archive,
    "tiling": _tiling,
}


def into_docs(docs: Path, path: Path) -> None:
    """Put a result beside those of other CPUs."""
    root = docs.resolve().parent.parent
    if not path.resolve().is_relative_to(root):
        raise SystemExit(f"{path}: expected a result inside the project, such as in benchmarks/results/")
    new = json.loads(path.read_text())
    text = docs.read_text()
    found = re.search(SECTION.format(kind=new["kind"]), text, re.DOTALL)
    if not found:
        raise SystemExit(f"{docs}: expected the markers <!-- begin {new['kind']} --> and <!-- end {new['kind']} -->")
    names = [name for name in _named(found[0]) if _cpu(json.loads((root / name).read_text())) != _cpu(new)]
    inner = section([*names, path.resolve().relative_to(root).as_posix()], root)
    docs.write_text(text[: found.end(1)] + inner + text[found.start(2) :])


def _named(text: str) -> list[str]:
    """Return the results that a section links to."""
    return list(dict.fromkeys(LINK.findall(text)))


def stale(docs: Path) -> list[str]:
    """Return the kinds whose section in the docs is not what its result files give."""
    root, text = docs.resolve().parent.parent, docs.read_text()
    wrong = []
    for kind in MAKERS:
        found = re.search(SECTION.format(kind=kind), text, re.DOTALL)
        if found and (names := _named(found[0])) and found[0] != found[1] + section(names, root) + found[2]:
            wrong.append(kind)
    return wrong


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("results", type=Path, nargs="*")
    options.add_argument("--docs", type=Path, default=ROOT / "docs/performance.md")
    options.add_argument("--check", action="store_true", help="fail if the tables are not those of their results")
    chosen = options.parse_args()
    for path in chosen.results:
        into_docs(chosen.docs, path)
    if chosen.check and (wrong := stale(chosen.docs)):
        raise SystemExit(f"{chosen.docs}: stale: {', '.join(wrong)}; run into_docs.py RESULT.json")


if __name__ == "__main__":
    main()
