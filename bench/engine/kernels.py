#!/usr/bin/env python3
"""The element-wise kernels and NumPy's loops, one thread each, in nanoseconds of processor time per element.

    PREFIX/env/current/bin/python3 bench/engine/kernels.py --build BUILD [--only exp,sin] [--level N]

Rows of 8,192 elements, which stay in cache, and of 4 million, which do not. Both sides get the same numbers and write into memory that is there already.
Writes one JSON line per operation and type to bench/results/kernels-DATE.jsonl, and prints what is slower than NumPy by more than a quarter.
"""
import argparse
import datetime
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).resolve().parent.parent / "results"
TYPES = ["float32", "float64", "int16", "int32", "int64"]  # in the order of native/kernel_rates.c
LENGTHS = {"cache": 8192, "long": 4_000_000}


def rows(dtype, n, rng):
    """Where all functions are defined; exponents and divisors of moderate size."""
    if dtype.startswith("f"):
        return rng.uniform(0.01, 0.99, n).astype(dtype), rng.uniform(0.5, 4, n).astype(dtype)
    return rng.integers(1, 1000, n).astype(dtype), rng.integers(1, 9, n).astype(dtype)


def of_numpy(name, a, b):
    ufunc = {"where": None, "clip": None}.get(name, getattr(np, name, None))
    truth, out = np.arange(a.size) % 3 == 0, None

    def call():
        if name == "where":
            np.copyto(out, b)
            np.copyto(out, a, where=truth)
        elif name == "clip":
            np.clip(a, b, b, out=out)
        elif ufunc.nin == 1:
            ufunc(a, out=out)
        else:
            ufunc(a, b, out=out)

    out = np.empty_like(a) if name in ("where", "clip") else ufunc(*[a, b][: ufunc.nin])
    times, best = max(1, 4_000_000 // a.size), 1e9
    for _ in range(7):
        begin = time.process_time()
        for _ in range(times):
            call()
        best = min(best, (time.process_time() - begin) / (times * a.size) * 1e9)
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, type=Path, help="where meson built Craton with its tests")
    parser.add_argument("--only", default="", help="operations, with commas between")
    parser.add_argument("--level", default="-1", help="SIMD level of the kernels; the best of this processor unless given")
    parser.add_argument("--out", type=Path, default=RESULTS / f"kernels-{datetime.date.today()}.jsonl")
    options = parser.parse_args()
    program = options.build / "bench" / "engine" / "native" / "bench_kernel_rates"
    wanted, slow = set(filter(None, options.only.split(","))), []
    np.seterr(all="ignore")
    with options.out.open("a") as out:
        for length, n in LENGTHS.items():
            rng = np.random.default_rng(4)
            made = {dtype: rows(dtype, n, rng) for dtype in TYPES}
            stdin = b"".join(row.tobytes() for dtype in TYPES for row in made[dtype])
            answer = subprocess.run([program, str(n), options.level], input=stdin, stdout=subprocess.PIPE, check=True).stdout.decode()
            for line in answer.splitlines():
                name, dtype, ours = line.split()
                if wanted and name not in wanted:
                    continue
                a, b = made[dtype]
                with np.errstate(all="ignore"):
                    theirs = of_numpy(name, a, b)
                row = {"bench": "kernels", "op": name, "dtype": dtype, "length": length, "level": int(options.level), "craton_ns": float(ours),
                       "numpy_ns": round(theirs, 4)}  # fmt: skip
                out.write(json.dumps(row) + "\n")
                print(f"{name:14} {dtype:8} {length:6} {float(ours):8.3f} {theirs:8.3f} {float(ours) / theirs:7.2f}", file=sys.stderr)
                if float(ours) > 1.25 * theirs:
                    slow.append((float(ours) / theirs, name, dtype, length))
    for ratio, name, dtype, length in sorted(slow, reverse=True):
        print(f"{ratio:5.2f} times NumPy's: {name} of {dtype}, {length}")


if __name__ == "__main__":
    main()
