"""Lazy arrays that Python code fills, block by block."""

import numpy as np

from .array import wrap
from .dtypes import node_code
from .graph import make


def python_node(call, inputs, dtype, shape, chunks):
    """A lazy array that Python code fills, block by block, one block at a time."""
    if not shape:
        return wrap(make("squeeze", (make("python", inputs, _Wide(call), node_code(dtype), (1,), (1,), True),), 0), dtype)
    return wrap(make("python", inputs, call, node_code(dtype), tuple(shape), tuple(max(1, c) for c in chunks), True), dtype)


class _Wide:
    """A 0-d block as one of a single element."""

    def __init__(self, call):
        self.call = call

    def __call__(self, inputs, start, count):
        return np.asarray(self.call(inputs, (), ())).reshape(1)

    def __repr__(self):
        return repr(self.call)
