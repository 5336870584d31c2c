"""Markdown made of results, so that no figure is typed: `python benchmarks/tables.py RESULT.json...` prints it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

Result = dict[str, Any]

LABELS = {
    "faiss": "faiss wheel",
    "faiss-best": "faiss best",
    "sklearn": "scikit-learn",
    "rsir_fast-plain": "ours, nothing prepared",
    "torch-layer_norm": "torch layer_norm",
}


def ms(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def ratio(value: float) -> str:
    return f"{value:.0f}x" if value >= 100 else f"{value:.1f}x" if value >= 2 else f"{value:.2f}x"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def one_line(row: Result) -> str:
    """Return a case in a line, for the log."""
    pairs = row["pairs"]
    ours = f"  ours {ms(pairs[0]['ours_ms'])} ms; " if pairs else "  no peer; "
    return ours + ", ".join(f"{p['peer']} {ms(p['peer_ms'])} ({ratio(p['ratio'])})" for p in pairs)


def bench_markdown(result: Result) -> str:
    parts = [_made(result), "", "### Against the peers", "", _peer_table(result), "", "### Against the machine", ""]
    best = result["roofline"]["best"]
    parts.append(_floor_table(result))
    parts += ["", "Roofline of the same run, all threads (best of all repetitions):", ""]
    rows = [[name, f"{entry['value']:,.0f}", entry["instruction"]] for name, entry in best.items()]
    parts.append(table(["limit", "value", "by"], rows))
    return "\n".join(parts)


def _peer_table(result: Result) -> str:
    head = ["case", "peer", "peer ms", "our ms", "ratio", "quartiles", "best / best", "target", "met?"]
    rows = []
    for case in result["cases"]:
        for pair in case["pairs"]:
            target = case["targets"].get(pair["peer"])
            low, high = pair["ratio_quartiles"]
            rows.append(
                [
                    case["name"],
                    LABELS.get(pair["peer"], pair["peer"]),
                    ms(pair["peer_ms"]),
                    ms(pair["ours_ms"]),
                    f"**{ratio(pair['ratio'])}**",
                    f"{ratio(low)} - {ratio(high)}",
                    ratio(pair["ratio_of_best"]),
                    ratio(target) if target else "",
                    ""
                    if not target
                    else "yes"
                    if pair["ratio"] >= target
                    else f"no, {pair['ratio'] / target:.0%} of it",
                ]
            )
    return table(head, rows)


def _floor_table(result: Result) -> str:
    rows = []
    for case in result["cases"]:
        if not case["pairs"]:
            continue
        ours = min(pair["ours_ms"] for pair in case["pairs"])
        fastest = min((p for p in case["pairs"] if not p["peer"].startswith("rsir_fast")), key=lambda p: p["peer_ms"])
        for what, floor in case["floors_ms"].items():
            peer = f"{floor / fastest['peer_ms']:.0%} ({LABELS.get(fastest['peer'], fastest['peer'])})"
            rows.append([case["name"], what, ms(floor), ms(ours), f"**{floor / ours:.0%}**", peer])
    return table(["case", "bound by", "floor ms", "our ms", "ours reaches", "fastest peer reaches"], rows)


def sweep_markdown(result: Result) -> str:
    cells = result["cells"]
    lines = [_made(result), ""]
    if cells:
        ks = _ks(result)
        lines.append(
            f"{len(cells)} comparisons at k = {' and '.join(map(str, ks))}, data: {result['data']}; "
            f"{len(result['left_out'])} left out because one call would take more than {result['longest_call']:g} s"
            + (". The time was up before the end: cells are missing." if result["stopped"] else ".")
        )
        slower = sum(cell["ratio"] < 1 for cell in cells)
        lines.append(f"A peer was faster in {slower}. The smallest ratios:\n")
        worst = sorted(cells, key=lambda cell: cell["ratio"])[:10]
        head = ["n", "d", "queries", "k", "peer", "peer ms", "our ms", "ratio", "range", "best / best"]
        rows = [
            [f"{c['n']:,}", str(c["d"]), str(c["q"]), str(c.get("k", ks[0])), LABELS.get(c["peer"], c["peer"]),
             ms(c["peer_ms"]), ms(c["ours_ms"]), f"**{ratio(c['ratio'])}**",
             " - ".join(map(ratio, c["ratio_range"])), ratio(c["ratio_of_best"])]
            for c in worst
        ]  # fmt: skip
        lines.append(table(head, rows))
        for k in ks:
            here = [cell for cell in cells if cell.get("k", k) == k]
            lines += ["", f"Smallest ratio over all query counts and peers, k = {k}:", "", _smallest(here)]
    if result["shrunk"]:
        lines += ["", "Shrunk to fit into memory: " + "; ".join(result["shrunk"]) + "."]
    return "\n".join(lines)


def _ks(result: Result) -> list[int]:
    """Return every k of a sweep; of an older one the only k, which its cells do not name."""
    return [result["k"]] if isinstance(result["k"], int) else result["k"]


def _smallest(cells: list[Result]) -> str:
    dims = sorted({cell["d"] for cell in cells})
    head = ["n", *(f"d = {d}" for d in dims)]
    rows = []
    for n in sorted({cell["n"] for cell in cells}):
        row = [f"{n:,}"]
        for d in dims:
            here = [cell for cell in cells if (cell["n"], cell["d"]) == (n, d)]
            least = min(here, key=lambda cell: cell["ratio"], default=None)
            row.append("" if least is None else f"{ratio(least['ratio'])} ({least['q']} q, {least['peer']})")
        rows.append(row)
    return table(head, rows)


def stability_markdown(result: Result) -> str:
    kinds = ["batch size", "threads", "instruction set"]
    rows = []
    for peer, entry in result["libraries"].items():
        shares = [
            "not switchable" if kind not in entry["changed"] else
            f"{entry['changed'][kind]['distances']:.1%} / {entry['changed'][kind]['ids']:.1%}"
            for kind in kinds
        ]  # fmt: skip
        rows.append([LABELS.get(peer, peer), *shares, f"{entry['largest_self_distance']:.1e}"])
    head = ["library", *(f"changed by {kind}" for kind in kinds), "largest self-distance"]
    about = (
        f"Share of distances whose bits change / of queries whose ids change; {result['q']} queries of "
        f"{result['n']:,} x {result['d']} ({result['data']}), k = {result['k']}; squared distances around "
        f"{result['typical_distance']:.3g}."
    )
    return "\n".join([_made(result), "", about, "", table(head, rows)])


def evaluation_markdown(result: Result) -> str:
    head = ["what", "queries run", "seconds", f"seconds for all {result['items']:,}", "extra memory, MiB", "mAP"]
    rows = [
        [
            LABELS.get(row["name"], row["name"]),
            f"{row['queries']:,}",
            f"{row['seconds']:,.1f}",
            f"{row['seconds_all']:,.0f}" + ("" if row["queries"] == result["items"] else " (extrapolated)"),
            f"{row['extra_mib']:,.0f}",
            f"{row['map']:.6f}" if row["queries"] == result["items"] else f"{row['map']:.6f} (of these queries)",
        ]
        for row in result["rows"]
    ]
    about = (
        f"{result['items']:,} x {result['items']:,}, {result['dim']} features, {result['classes']} classes, synthetic; "
        f"ANMRR {result['anmrr']:.6f}. Of the queries that the peers ran, every AP agrees with ours within "
        f"{result['largest_ap_difference']:.1e}. Memory beyond the process with the features loaded."
    )
    return "\n".join([_made(result), "", about, "", table(head, rows)])


def extraction_markdown(result: Result) -> str:
    cells: dict[str, dict[str, list[Result]]] = {}
    for found in result["networks"]:
        for row in [row for rows in found["groups"].values() for row in rows]:
            cells.setdefault(row["name"], {}).setdefault(found["encoder"], []).append(row)
    encoders = [found["encoder"] for found in result["networks"]]
    rows = [[name, *(_rate(each.get(encoder, [])) for encoder in encoders)] for name, each in cells.items()]
    every = [row for each in cells.values() for rows_of in each.values() for row in rows_of]
    differs = [
        max((row["difference"] or 0 for row in every if ("bfloat16" in row["name"]) == half), default=None)
        for half in (False, True)
    ]
    of_half = " (no bfloat16 on this processor)" if differs[1] is None else f", of bfloat16 {differs[1]:.0e}"
    counts = {found["encoder"]: max(row["images"] for row in found["groups"]["torch"]) for found in result["networks"]}
    about = (
        f"Images/s: random weights, JPEG files of 256 x 256, {_listed(counts)}, batches of {result['batch']}; medians "
        f"of {result['rounds']} turns. In brackets the share of 1 / (1 / network alone + 1 / decoding alone), both "
        "taken in turn. Largest difference of a feature from torch's float32, as a share of the largest feature: "
        f"{differs[0] or 0:.0e}{of_half}."
    )
    parts = [_made(result), "", about, "", table(["images/s", *encoders], rows)]
    fitted = [
        f"{found['encoder']} "
        + ", ".join(f"{point['n']} in {point['seconds']:.2f} s" for point in found["against_n"])
        + f": n^{found['exponent']:.2f}"
        for found in result["networks"]
        if found["exponent"] is not None
    ]
    if fitted:
        parts += ["", f"`rf.encode`, torch, memory kept, against n: {'; '.join(fitted)}."]
    if result["accuracy"]:
        parts += ["", "UC Merced by its published weights, query excluded:", "", _accuracy_table(result["accuracy"])]
    return "\n".join(parts)


def growth_markdown(result: Result) -> str:
    head = ["what grows", "of", "times", "exponent", "of the two largest"]
    rows = [
        [
            series["size"],
            series["what"],
            ", ".join(f"{point['size']:,}: {_seconds(point['seconds'])}" for point in series["points"]),
            f"{series['exponent']:.2f}",
            f"{series['last_exponent']:.2f}",
        ]
        for series in result["series"]
    ]
    return "\n".join([_made(result), "", "Medians; seconds = c size^exponent.", "", table(head, rows)])


def archive_markdown(result: Result) -> str:
    told = {"lancedb": "LanceDB", "duckdb": "DuckDB"}

    def named(row: Result) -> str:
        return told.get(row["name"], row["name"])

    vectors = 4 * result["rows"] * result["dim"]
    about = (
        f"{result['rows']:,} x {result['dim']} float32 with class, time, place and a number; k = {result['k']}. Load "
        f"of the machine at the start: {result['machine']['load_at_start']:.1f}. Medians. Answers asserted, ours by "
        f"the byte. LanceDB and DuckDB take one query after the other: {result['few']} of 64 were asked, their time is "
        "extrapolated."
    )
    made = [
        [named(row), _seconds(row["seconds"]), f"{row['extra_mib']:,.0f}", f"{row['bytes'] / vectors - 1:+.1%}"]
        for row in result["made"]
    ]
    opened = [
        [
            named(row),
            *(_seconds(row[key]) for key in ("import_s", "open_s", "answer_s")),
            f"{row['anonymous_mib']:,.0f}",
        ]
        for row in result["open"]
    ]
    parts = [_made(result), "", about, "", "Made of the files of vectors and items:", ""]
    parts += [table(["library", "time", "memory beyond the start, MiB", "bytes on disk beyond the vectors"], made)]
    parts += ["", "Opened by a new process, its files in memory, and one query:", ""]
    parts += [table(["library", "import", "open", "open to first answer", "anonymous memory, MiB"], opened)]
    parts += ["", "Filters alone (of LanceDB and DuckDB: counting what they allow):", "", _archive_masks(result, named)]
    parts += ["", "Searches; in brackets how many times ours:", "", _archive_searches(result, named)]
    if result["life"]:
        steps = list(dict.fromkeys(row["step"] for row in result["life"]))
        cells = {(named(row), row["step"]): ms(row["ms"]) for row in result["life"]}
        names = list(dict.fromkeys(named(row) for row in result["life"]))
        rows = [[step, *(cells[name, step] for name in names)] for step in steps]
        parts += ["", "Changes, each with its commit:", "", table(["ms", *names], rows)]
    if result["codes"]:
        found = result["codes"]
        parts += [
            "",
            f"{found['rows']:,} codes of 64 bits with items: opened in {_seconds(found['open_s'])}, the first answer "
            f"after {_seconds(found['answer_s'])}; then {found['resident_mib']:,.0f} MiB are resident "
            f"({found['most_mib']:,.0f} at most), of which {found['anonymous_mib']:,.0f} are anonymous.",
        ]
    return "\n".join(parts)


def _archive_masks(result: Result, named: Callable[[Result], str]) -> str:
    rows = [row for row in result["searches"] if row["q"] == 1 and row["filter"] != "all"]
    ways = [{named(way): ms(way["ms"]) for way in row["ways"] if way["way"] == "mask"} for row in rows]
    names = list(dict.fromkeys(name for way in ways for name in way))
    lines = [[row["filter"], f"{row['allowed']:,}", *map(way.get, names)] for row, way in zip(rows, ways, strict=True)]
    return table(["filter", "allows", *names], lines)  # type: ignore[arg-type]


def _archive_searches(result: Result, named: Callable[[Result], str]) -> str:
    lines, names = [], []
    for row in result["searches"]:
        times = {(way["name"], way["way"]): way["ms"] for way in row["ways"] if way["way"] != "mask"}
        ours, whole = times["rsir_fast", "search"], times.get(("rsir_fast", "mask + all"))
        others = {
            named(way) + (f", {way['way']}" if way["name"] == "faiss" else ""): way["ms"]
            for way in row["ways"]
            if way["name"] != "rsir_fast" and way["way"] != "mask"
        }
        names += [name for name in others if name not in names]
        share = "" if whole is None else f"{ours / whole:.2f}"
        cells = {name: f"{ms(value)} ({ratio(value / ours)})" for name, value in others.items()}
        lines.append((row["filter"], str(row["q"]), f"**{ms(ours)}**", share, cells))
    head = ["allowed", "queries", "ours", "by mask and search of all", *names]
    return table(head, [[*line, *(cells.get(name, "") for name in names)] for *line, cells in lines])


def tiling_markdown(result: Result) -> str:
    ways = list(dict.fromkeys(way for raster in result["rasters"] for way in raster["ways"]))
    head = ["raster", "rasterio, Mpixel/s", *ways[1:], "of CPU time, 1 thread", "peak memory, MiB: rasterio, ours"]
    rows = []
    for raster in result["rasters"]:
        found = raster["ways"]
        loop, alone = found[ways[0]], found[ways[1]]
        shares = [f"{found[way]['seconds_share']:.0%}" if way in found else "" for way in ways[1:]]
        peak = f"{loop['peak_mib']:,.0f}, {max(found[way]['peak_mib'] for way in found if way != ways[0]):,.0f}"
        rate = f"{raster['megapixels'] / loop['seconds']:,.0f}"
        rows.append([raster["name"], rate, f"**{shares[0]}**", *shares[1:], f"{alone['cpu_share']:.0%}", peak])
    about = (
        f"Tiles of {result['tile']} x {result['tile']}, pixels asserted; shares of the speed of a loop of rasterio in "
        f"one thread over the same windows and bands, medians of {result['rounds']} turns. Load of the machine at the "
        f"start: {result['machine']['load_at_start']:.1f}."
    )
    return "\n".join([_made(result), "", about, "", table(head, rows)])


def _seconds(value: float) -> str:
    return f"{ms(1000 * value)} ms" if value < 1 else f"{value:.2f} s"


def _rate(rows: list[Result]) -> str:
    """Return images/s, of what was measured in several groups the median, and the share of the bound."""
    if not rows:
        return ""
    rate = median(row["images_per_s"] for row in rows)
    share = f" ({rate / rows[0]['bound']:.2f})" if "bound" in rows[0] else ""
    return f"**{rate:,.0f}**{share}" if share else f"{rate:,.0f}"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} ({encoder})" for encoder, count in counts.items())


def _accuracy_table(found: list[Result]) -> str:
    rows = [
        [
            row["engine"],
            f"{row['map']:.6f}",
            f"{row['anmrr']:.6f}",
            "{:+.6f} ({:+.6f} to {:+.6f})".format(*row["map_difference"]),
            f"{row['other_neighbours']:.3f}",
            f"{row['largest_difference']:.0e}",
        ]
        for row in found
    ]
    head = ["engine", "mAP", "ANMRR", "difference of mAP (95 %)", "others of the first 10", "largest difference"]
    return table(head, rows)


MAKERS: dict[str, Callable[[Result], str]] = {
    "bench": bench_markdown,
    "sweep": sweep_markdown,
    "stability": stability_markdown,
    "evaluation": evaluation_markdown,
    "extraction": extraction_markdown,
    "growth": growth_markdown,
    "archive": archive_markdown,
    "tiling": tiling_markdown,
}


def markdown(result: Result) -> str:
    """Return the tables of a result of any kind."""
    return MAKERS[result["kind"]](result)


def _made(result: Result) -> str:
    machine, versions = result["machine"], result["versions"]
    packages = ", ".join(f"{name} {number}" for name, number in versions.items() if number)
    changed = " with uncommitted changes" if result["uncommitted_changes"] else ""
    core = f" faiss best: OPENBLAS_CORETYPE={result['faiss_core_type']['best']}." if "faiss_core_type" in result else ""
    return (
        f"`{result['command']}`, {result['date']}, commit {result['commit'][:12]}{changed}. {machine['cpu']}, "
        f"{machine['cores']} cores, {result['threads']} threads each, {', '.join(machine['isas'])}; {packages}.{core}"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("results", type=Path, nargs="+")
    for path in options.parse_args().results:
        print(markdown(json.loads(path.read_text())))


if __name__ == "__main__":
    main()
