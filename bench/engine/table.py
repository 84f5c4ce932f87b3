#!/usr/bin/env python3
"""The table of docs/performance.md from what run.py, regrid.py and scale.py have written, with the bar of each workload and whether it holds.

    bench/engine/table.py bench/results/engine-DATE.jsonl bench/results/regrid-DATE.jsonl bench/results/scale-DATE.jsonl

Later runs of a workload take the place of earlier ones. Medians over the pairs; in brackets the pessimistic quartile, which is what has to meet
the bar. Limit: start, imports and opening, and each chunk decoded once by a hand-written loop (CPU seconds); distance: our CPU over that.
"""
import json
import statistics
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- table -->", "<!-- end of table -->"

XARRAY = {"cpu": 4, "wall": 4, "peak": lambda ours, peer: ours <= peer / 3}
OTHERS = {"cpu": 3, "peak": lambda ours, peer: ours <= max(160, peer / 3)}


def hand(most_mib):
    return {"cpu": 1 / 1.3, "wall": 1 / 1.3, "peak": lambda ours, peer: ours <= most_mib}


# (workload, variant): what it is, what is asked for, in words and in numbers.
ROWS = {
    ("w1", "craton"): ("NDVI composite, NetCDF-4", "4 times less CPU and time, a third of the memory", XARRAY),
    ("w1-zarr", "craton"): ("NDVI composite, Zarr", "the same", XARRAY),
    ("w2", "craton"): ("climatology and weighted anomalies", "the same", XARRAY),
    ("w3-bilinear", "craton"): ("ten models to 1 degree, bilinear", "3 times less CPU; 160 MiB or a third", OTHERS),
    ("w3-conservative", "craton"): ("the same, conservative", "the same", OTHERS),
    ("w4", "craton"): ("rechunk to Zarr, from xarray", "the same", OTHERS),
    ("w4", "craton-rechunk"): ("rechunk to Zarr, `craton rechunk`", "the same", OTHERS),
    ("w4-default", "craton"): ("rechunk to Zarr, each with its default codec", "the same", OTHERS),
    ("w4-default", "craton-rechunk"): ("the same, `craton rechunk`", "the same", OTHERS),
    ("w5", "craton"): ("90th percentile over time", "the same", OTHERS),
    ("w5-rolling", "craton"): ("highest mean of 30 days", "the same", OTHERS),
    ("w6", "craton"): ("zonal statistics", "the same", OTHERS),
    ("w7-maps", "craton"): ("100 stations, a chunk for each day", "the same", OTHERS),
    ("w7-series", "craton"): ("100 stations, chunks of all days", "the same", OTHERS),
    ("w8", "craton"): ("graph over a million chunks (the step)", "20 times shorter", {"wall": 20}),
    ("w9", "craton"): ("240 files opened (the step)", "5 times shorter", {"wall": 5}),
    ("c-w1", "c-craton"): ("NDVI composite, from C", "within 1.3 times; 400 MiB", hand(400)),
    ("c-w1", "c-craton-lean"): ("the same, with a memory limit of 100 MiB", "within 1.3 times; 400 MiB", hand(400)),
    ("c-w2", "c-craton"): ("climatology and anomalies, from C", "within 1.3 times; 128 MiB", hand(128)),
    ("c-w2", "c-craton-lean"): ("the same, with a memory limit of 100 MiB", "the same", hand(128)),
    ("c-w2", "c-craton-keep"): ("the same, keeping 512 MiB of decoded chunks", "within 1.3 times", hand(1 << 30)),
    ("c-climatology", "c-craton"): ("climatology alone, from C", "no slower than NCO", {"cpu": 1, "wall": 1}),
}
# Where there are several: the one that has as much memory.
PEER_OF = {("c-w2", "c-craton"): "c-hand", ("c-w2", "c-craton-lean"): "c-hand", ("c-w2", "c-craton-keep"): "c-hand-keep"}
PEERS = {"c-hand": "hand-written loop", "c-hand-keep": "hand-written loop that keeps chunks", "nco": "NCO", "cdo": "CDO"}


def read(paths):
    """{workload: {role: [row]}} of the last run of each workload: a run ends with its pairs."""
    runs, role_before = {}, {}
    for path in paths:
        for line in Path(path).read_text().splitlines():
            row = json.loads(line)
            workload, role = row["workload"], row["role"]
            if role != "pair" and role_before.get(workload) == "pair":
                runs[workload] = {}
            role_before[workload] = role
            runs.setdefault(workload, {}).setdefault(role, []).append(row)
    return runs


def measured(row, what):
    return row.get({"cpu": "step_cpu_s", "wall": "step_wall_s"}.get(what, ""), row.get({"cpu": "cpu_s", "wall": "wall_s", "peak": "peak_mib"}[what]))


def quartile(values):
    return statistics.quantiles(values, n=4)[0] if len(values) > 1 else values[0]


def lines(workload, variant, run):
    """A line for each peer; what is asked for is about the first (or PEER_OF)."""
    names = dict.fromkeys(row["variant"] for row in run["pair"] if not row["variant"].startswith(("craton", "c-craton")))
    if (workload, variant) in PEER_OF:
        names = dict.fromkeys([PEER_OF[workload, variant]])
    return [line(workload, variant, run, peer, bool(i)) for i, peer in enumerate(names)]


def line(workload, variant, run, peer_name, beside):
    what, wanted, bar = ROWS[workload, variant]
    ours = [row for row in run["pair"] if row["variant"] == variant]
    peers = [row for row in run["pair"] if row["variant"] == peer_name]
    cells, met = [], True
    for kind in ("cpu", "wall"):
        a, b = statistics.median(measured(r, kind) for r in ours), statistics.median(measured(r, kind) for r in peers)
        ratios = [measured(y, kind) / measured(x, kind) for x, y in zip(ours, peers)]
        met = met and quartile(ratios) >= bar.get(kind, 0)
        digits = 2 if a < 10 else 1
        cells.append(f"{a:.{digits}f} / {b:.{digits}f}: {statistics.median(ratios):.2g} ({quartile(ratios):.2g})")
    a, b = max(measured(r, "peak") for r in ours), statistics.median(measured(r, "peak") for r in peers)
    met = met and bar.get("peak", lambda ours, peer: True)(a, b)
    limit = {}
    for row in run.get("limit", []):
        limit[row["variant"]] = row["cpu_s"]
    told = "-"
    if limit:
        least = sum(limit.values())
        told = f"{' + '.join(f'{limit[k]:.2f}' for k in ('start', 'decode') if k in limit)}: {statistics.median(measured(r, 'cpu') for r in ours) / least:.1f}"
    if beside:
        return f"| the same | {PEERS.get(peer_name, peer_name)} | {cells[0]} | {cells[1]} | {a:.0f} / {b:.0f} | | |"
    return f"| {what} | {PEERS.get(peer_name, peer_name)} | {cells[0]} | {cells[1]} | {a:.0f} / {b:.0f} | {told} | {wanted}: {'holds' if met else '**does not hold**'} |"


def main():
    runs = read(sys.argv[1:])
    rows = ["| | peer | CPU, s, Craton / peer: times less | time, s | peak, MiB | limit, CPU s: distance | asked for |", "|---|---|---|---|---|---|---|"]
    rows += [row for workload, variant in ROWS if "pair" in runs.get(workload, {}) for row in lines(workload, variant, runs[workload])]
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    PAGE.write_text(before + BEGIN + "\n" + "\n".join(rows) + "\n" + END + rest.split(END)[1])
    print("\n".join(rows))


if __name__ == "__main__":
    sys.exit(main())
