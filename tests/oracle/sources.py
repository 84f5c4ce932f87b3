"""Where the arrays of the random programs lie: in memory, in a Zarr store, or in a function that is called for each block.

Which of them follows from the values alone, so that a seed gives the same program as ever. The stores are written here by hand, as chunks without
compression: no other program has to be right for that.
"""

import contextlib
import itertools
import json
import math
import os
import tempfile
import zlib

import numpy as np

from craton import _craton
from craton.array import wrap
from craton.conversion import as_array
from craton.dtypes import storage
from craton.graph import adopt
from craton.pythonnode import python_node
from craton.runtime import read_box

WAYS = ["file", "file", "function", "function of a file", "memory", "memory", "memory", "memory"]
INSTEAD = {"function": "memory", "function of a file": "file"}
_MOST_CHUNKS = 64
_functions = True
_folder = tempfile.TemporaryDirectory(prefix="craton-programs-")
_numbers = itertools.count()


class Given:
    """A function that has the values."""

    def __init__(self, values):
        self.values = values

    def __call__(self, inputs, start, count):
        return self.values[tuple(slice(s, s + n) for s, n in zip(start, count))]


class Read:
    """A function that reads them from another lazy array."""

    def __init__(self, dtype):
        self.dtype = dtype

    def __call__(self, inputs, start, count):
        return read_box(inputs[0], start, count, self.dtype)


def store(values, sizes):
    """A Zarr store of version 2 with one array "v" in chunks of these sizes; its path."""
    path = os.path.join(_folder.name, f"{next(_numbers)}.zarr")
    place = os.path.join(path, "v")
    os.makedirs(place)
    stored = storage(values.dtype).str     # times as whole numbers
    about = {"zarr_format": 2, "shape": values.shape, "chunks": sizes, "dtype": stored, "compressor": None, "fill_value": None, "order": "C",
             "filters": None}  # fmt: skip
    documents = {".zgroup": {"zarr_format": 2}, "v/.zarray": about, "v/.zattrs": {"_ARRAY_DIMENSIONS": [f"d{i}" for i in range(values.ndim)]}}
    for name, document in documents.items():
        with open(os.path.join(path, name), "w", encoding="utf-8") as f:
            json.dump(document, f)
    for index in itertools.product(*(range(-(-n // c)) for n, c in zip(values.shape, sizes))):
        chunk = np.zeros(sizes, values.dtype)
        part = values[tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, sizes))]
        chunk[tuple(slice(0, n) for n in part.shape)] = part
        chunk.tofile(os.path.join(place, ".".join(map(str, index))))
    return path


def opened(path, dtype):
    return wrap(adopt(_craton.File(path).array("v"), "file", path, None, "v"), dtype)


@contextlib.contextmanager
def without_functions():
    """For programs that go to another process: Python's functions do not (test_serialize.py has what is said then)."""
    global _functions
    _functions = False
    try:
        yield
    finally:
        _functions = True


def lazy_array(values, sizes, way=None):
    """A lazy array of them in chunks of these sizes."""
    chunks = math.prod(-(-n // c) for n, c in zip(values.shape, sizes))
    way = way or WAYS[zlib.crc32(np.ascontiguousarray(values).tobytes()) % len(WAYS)]
    way = way if _functions else INSTEAD.get(way, way)
    if not values.ndim or not values.size or way == "memory" or way != "function" and chunks > _MOST_CHUNKS:
        return as_array(values, chunks=sizes)
    if way == "function":
        return python_node(Given(values), (), values.dtype, values.shape, sizes)
    stored = opened(store(values, sizes), values.dtype)
    if way == "file":
        return stored
    return python_node(Read(values.dtype), (stored._node,), values.dtype, values.shape, sizes)
