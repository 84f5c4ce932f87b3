"""Cells: what the random cases of test_programs.py, test_labelled.py and test_labels.py are counted by, and drawn from.

A cell is an operation with an element type, a calendar, a kind of chunks and a pattern of missing values. Cases are not left to luck: a sample has, for
every operation, every calendar, kind of chunks and pattern at least once, and as many element types as it may have cases, all of them over the operations
(others, and other combinations, with every seed); CRATON_CELLS=all runs every cell there is, CRATON_CELLS=2/10 those of the second of every ten operations, and the sample of the others. What ran is counted here, and a test at the end of each file fails where a count is 0 (Counts).

What NumPy or xarray refuses of a type whatever its values, and what no answer can be compared of, is no cell. Each file of programs has one function
left_out(operation, type) that says so, with the reason; its tests try that Craton refuses it too. Objects (cftime as values, text) have no place in lazy arrays:
cftime is there as the coordinate of the calendars.
"""

import collections
import csv
import dataclasses
import os
import pathlib

import numpy as np

SEED = int(os.environ.get("CRATON_SEED", "1"))
ALL = os.environ.get("CRATON_CELLS") == "all"

FLOATS = ["f2", "f4", "f8"]
# datetime64 and timedelta64; the unit is drawn (unit_of).
TIMES = ["M8", "m8"]
UNITS = ["s", "ms", "us", "ns"]
WHOLE = ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]
TYPES = [*FLOATS, *TIMES, *WHOLE]
CHUNKS = ["halves", "ones", "short last", "first axis", "other axes"]
# Whole numbers have no missing values: with them there is one pattern, "none".
MISSING = ["none", "scattered", "second axis", "at the beginning", "all"]


@dataclasses.dataclass(frozen=True)
class Cell:
    operation: str
    dtype: str
    calendar: str
    chunks: str
    missing: str

    def __str__(self):
        return "-".join(v for v in dataclasses.astuple(self) if v)


def nothing(operation, dtype):
    """Nothing is left out."""


def every(operations, calendars=("",), left_out=nothing):
    kinds = [(d, m) for d in TYPES for m in (["none"] if d in WHOLE else MISSING)]
    return [Cell(o, d, c, k, m) for o in operations for (d, m) in kinds if not left_out(o, d) for c in calendars for k in CHUNKS]


def sample(operations, calendars=("",), left_out=nothing, most=len(TYPES)):
    """For every operation as many cells as it takes to have met everything once, turned by the seed; of types without gaps those that make it `most` cells."""
    found = []
    for i, operation in enumerate(operations):
        types = [t for t in TYPES if not left_out(operation, t)]
        whole, turn = [t for t in types if t in WHOLE], i + SEED
        gaps = [t for t in types if t not in WHOLE]
        n = max(len(MISSING), len(gaps), len(CHUNKS) - len(whole), len(calendars) - len(whole)) if gaps else 0
        kinds = [(gaps[(k + turn // len(MISSING)) % len(gaps)], MISSING[(k + turn) % len(MISSING)]) for k in range(n)]
        rest = max(most - n, len(CHUNKS) - n, len(calendars) - n)
        first = rest * turn
        kinds += [(whole[(first + k) % len(whole)], "none") for k in range(min(rest, len(whole)))]
        for j, (dtype, missing) in enumerate(kinds):
            found.append(Cell(operation, dtype, calendars[(j + turn) % len(calendars)], CHUNKS[(j + i + turn) % len(CHUNKS)], missing))
    return found


def chosen(operations, calendars=("",), left_out=nothing, most=len(TYPES)):
    if ALL:
        return every(operations, calendars, left_out)
    number, _, of = os.environ.get("CRATON_CELLS", "0/1").partition("/")
    whole = {o for i, o in enumerate(operations, 1) if i % int(of) == int(number) % int(of)} if int(number) else set()
    return every([o for o in operations if o in whole], calendars, left_out) + [
        c for c in sample(operations, calendars, left_out, most) if c.operation not in whole]  # fmt: skip


def without(operations, left_out):
    """[(operation, type)] of what is left out."""
    return [(o, t) for o in operations for t in TYPES if left_out(o, t)]


def concrete(rng, dtype):
    """The element type of a cell; of times with a unit."""
    return np.dtype(f"{dtype}[{rng.choice(UNITS)}]" if dtype in TIMES else dtype)


def random_times(rng, shape, dtype, pattern):
    """Durations of either sign up to 400 ticks, and the first ticks of 2001: means of them are exact in xarray too, which goes through float64."""
    origin = np.datetime64("2001-01-01", np.datetime_data(dtype)[0]).astype("i8") + 500 if dtype.kind == "M" else 0
    values = np.asarray(rng.integers(-400, 400, shape) + origin).astype(dtype)
    values[missing(rng, shape, pattern)] = "NaT"
    return values


def missing(rng, shape, pattern):
    """Where values are missing."""
    where = np.zeros(shape, bool)
    if pattern == "scattered":
        where |= rng.random(shape) < 0.25
    elif pattern == "second axis" and len(shape) > 1:
        where[:, : max(1, shape[1] // 3)] = True
    elif pattern in ("at the beginning", "second axis"):
        where[: max(1, shape[0] // 4)] = True
    elif pattern == "all":
        where[...] = True
    return where


def chunk_sizes(rng, shape, kind):
    """Sizes of chunks, at least two along an axis unless it has one element; along which axes, says the kind."""
    axes = range(len(shape))
    cut = [a for a in axes if shape[a] > 1 and (kind not in ("first axis", "other axes") or (a == 0) == (kind == "first axis"))] or list(axes)
    sizes = []
    for a, n in enumerate(shape):
        if n < 2 or a not in cut:
            sizes.append(max(n, 1))
        elif kind == "ones":
            sizes.append(1)
        elif kind == "halves":
            sizes.append((n + 1) // 2)
        else:
            short = [s for s in range(2, n) if n % s]
            sizes.append(int(rng.choice(short)) if kind == "short last" and short else int(rng.integers(1, n // 2 + 1)))
    return tuple(sizes)


def check(items, test, counts):
    """At the end of a file; where only some of its tests are run there is nothing to say."""
    if sum(item.originalname == test for item in items) == len(counts.wanted):
        counts.check(test)


class Counts:
    """How often what ran: per operation and element type, calendar, kind of chunks, pattern."""

    AXES = ("dtype", "calendar", "chunks", "missing")

    def __init__(self, wanted, space):
        """wanted: the cells that run; space: all there are."""
        self.wanted, self.space, self.ran, self.refused = wanted, space, collections.Counter(), collections.Counter()

    def add(self, cell, refused=False):
        """refused: NumPy refuses this, and Craton does too."""
        (self.refused if refused else self.ran)[cell] += 1

    def check(self, name):
        """No operation without one of its calendars, kinds of chunks and patterns, nor, where all cells run, of its types; no type without an operation, and
        no cell empty of those that were to run. The table goes to $CRATON_RESULTS/NAME.tsv, its sums are printed."""
        both = self.ran + self.refused
        table = {axis: collections.Counter((c.operation, getattr(c, axis)) for c in both.elements()) for axis in self.AXES}
        levels = {axis: sorted({getattr(c, axis) for c in self.space} - {""}) for axis in self.AXES}
        operations = sorted({c.operation for c in self.space})
        folder = os.environ.get("CRATON_RESULTS")
        if folder:
            with open(pathlib.Path(folder) / f"{name}.tsv", "w", encoding="utf-8") as file:
                out = csv.writer(file, delimiter="\t", lineterminator="\n")
                out.writerow(["operation", *(level for axis in self.AXES for level in levels[axis]), "refused by both"])
                for o in operations:
                    out.writerow([o, *(table[axis][o, level] for axis in self.AXES for level in levels[axis]),
                                  sum(n for c, n in self.refused.items() if c.operation == o)])  # fmt: skip
        print(f"{name}: {sum(both.values())} cases in {len(both)} cells of {len(self.space)}, {sum(self.refused.values())} refused by NumPy too; "
              + "; ".join(f"{axis}: " + ", ".join(f"{level} {sum(table[axis][o, level] for o in operations)}" for level in levels[axis])
                          for axis in self.AXES if levels[axis]))  # fmt: skip
        needed = {(c.operation, axis, getattr(c, axis)) for c in self.space for axis in self.AXES if ALL or axis != "dtype"}
        empty = [f"{o} with {axis} {level}" for o, axis, level in sorted(needed) if not table[axis][o, level]]
        empty += [level for level in levels["dtype"] if not any(table["dtype"][o, level] for o in operations)]
        assert not empty, f"no case of {', '.join(empty)}"
        left = [str(c) for c in self.wanted if not both[c]]
        assert not left, f"{len(left)} cells are empty: {', '.join(left[:10])}"
