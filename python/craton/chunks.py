"""Chunk grids: what users may write, and the explicit form (a tuple of sizes per axis). The rules are those of dask."""

import math
import re
from numbers import Integral, Number

import numpy as np

AUTO_BYTES = 128 * 2**20
MOST_CHUNKS = 10_000_000  # of one axis
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def parse_bytes(text):
    if isinstance(text, Number) and math.isfinite(text):
        return int(text)
    match = re.fullmatch(r"\s*([0-9]+\.?[0-9]*|\.[0-9]+)\s*([A-Za-z]*)\s*", str(text))
    if not match or match[2].lower() not in _UNITS:
        raise ValueError(f"{text!r} is not a size such as '100 MiB'")
    return int(float(match[1]) * _UNITS[match[2].lower()])


def regular(size, extent):
    """Sizes along an axis of this extent, the last one shorter when it does not divide."""
    if extent == 0:
        return (0,)
    size = max(1, min(int(size), extent))
    full, rest = divmod(extent, size)
    if full > MOST_CHUNKS:  # each has an entry, and a file of some hundred bytes can claim 2**40 of them
        raise ValueError(f"craton: an axis of {extent} elements in chunks of {size} would have more than {MOST_CHUNKS:,} chunks; choose larger chunks, for "
                         f"instance {-(-extent // 1000)}")  # fmt: skip
    return (size,) * full + ((rest,) if rest else ())


def grid_size(sizes):
    """The one size by which the engine describes the chunks of an axis."""
    return max(1, max(sizes, default=1))


def is_regular(sizes):
    return len(sizes) < 2 or len(set(sizes[:-1])) == 1 and 0 < sizes[-1] <= sizes[0]


def _expand(chunks, ndim, shape):
    """One entry per axis: a size, sizes, -1 (all) or "auto"."""
    if isinstance(chunks, dict):
        chunks = tuple(chunks.get(i, None) for i in range(ndim))
    if isinstance(chunks, (Number, str)) or chunks is None:
        chunks = (chunks,) * ndim
    chunks = tuple(chunks)
    if ndim == 1 and len(chunks) != 1 and all(isinstance(c, Integral) for c in chunks) and chunks:
        chunks = (chunks,)
    if len(chunks) != ndim:
        raise ValueError(f"Chunks and shape must be of the same length/dimension. Got chunks={chunks}, shape={shape}")
    return chunks


def normalize(chunks, shape, limit=None, dtype=None, previous=None):
    """The explicit grid. `previous` (sizes or tuples of sizes per axis, or None) is what automatic sizes are multiples of."""
    shape = tuple(int(n) for n in shape)
    entries = list(_expand(chunks, len(shape), shape))
    if previous is not None:
        previous = [p if isinstance(p, (tuple, list)) else (p,) for p in previous]
    for i, (entry, extent) in enumerate(zip(entries, shape)):
        if isinstance(entry, str) and entry != "auto":
            limit, entries[i] = parse_bytes(entry), "auto"
        elif entry is None or isinstance(entry, Number) and entry == -1:
            entries[i] = (extent,)
        elif isinstance(entry, Integral):
            entries[i] = regular(entry, extent)
        elif isinstance(entry, float) and entry == int(entry):
            entries[i] = regular(int(entry), extent)
        elif isinstance(entry, (tuple, list, np.ndarray)):
            entries[i] = tuple(int(n) for n in entry)
            if sum(entries[i]) != extent or any(n < 0 for n in entries[i]):
                raise ValueError(f"Chunks do not add up to shape. Got chunks={tuple(entries)}, shape={shape}")
        elif entry != "auto":
            raise ValueError(f"craton: {entry!r} is not a chunk size")
    if "auto" in [e for e in entries if isinstance(e, str)]:
        _choose(entries, shape, limit or AUTO_BYTES, dtype, previous)
    return tuple(entries)


def _choose(entries, shape, limit, dtype, previous):
    """Fills in the "auto" axes: whole multiples of the previous chunks, or a cube, of at most `limit` bytes."""
    if dtype is None:
        raise TypeError("craton: automatic chunk sizes need the element type")
    itemsize = max(1, np.dtype(dtype).itemsize)
    axes = [i for i, e in enumerate(entries) if isinstance(e, str)]
    fixed = math.prod(grid_size(e) for e in entries if not isinstance(e, str))
    budget = max(1, limit // (itemsize * max(1, fixed)))
    if previous is None:
        sizes = {}
        for done, i in enumerate(sorted(axes, key=lambda i: shape[i])):
            rest = len(axes) - done
            sizes[i] = max(1, min(shape[i], int(budget ** (1 / rest) + 1e-9)))
            budget = max(1, budget // sizes[i])
    else:
        sizes = {i: min(grid_size(previous[i]), max(1, shape[i])) for i in axes}
        # Grow along the axes where most chunks are, last axis first on a tie.
        while True:
            growing = [i for i in axes if sizes[i] < shape[i] and 2 * math.prod(sizes.values()) <= budget]
            if not growing:
                break
            i = max(growing, key=lambda i: (shape[i] / sizes[i], i))
            sizes[i] = min(shape[i], 2 * sizes[i])
    for i in axes:
        entries[i] = regular(sizes[i], shape[i])
