"""What the engine does not know, done by NumPy block by block, within the memory of a block; each says so once, by its name.

Text above all: comparing and choosing among labels is never what takes the time.
"""

import warnings

import numpy as np

from .array import Array
from .conversion import as_array
from .dtypes import can_hold
from .functions import unsupported
from .pythonnode import python_node
from .shapes import broadcast_to

_said = set()


def say(name):
    if name not in _said:
        _said.add(name)
        warnings.warn(f"craton: {name} is not in the engine: NumPy does it, block by block", stacklevel=6)


class _Elements:
    """function(block, ...) for arguments of one shape; constants are put where an argument is None."""

    def __init__(self, name, function, constants, dtypes, dtype):
        self.name, self.function, self.constants, self.dtypes, self.dtype = name, function, constants, dtypes, dtype

    def __call__(self, inputs, start, count):
        from .runtime import read_box

        blocks = (read_box(node, start, count, dtype) for node, dtype in zip(inputs, self.dtypes))
        arguments = [next(blocks) if constant is None else constant[0] for constant in self.constants]
        return np.asarray(self.function(*arguments)).astype(self.dtype, copy=False)

    def __repr__(self):
        return self.name


def blockwise(name, function, arguments, dtype):
    """function, element by element, of lazy arrays, NumPy arrays and scalars. Scalars are handed over as they are."""
    from .chunks import grid_size

    say(name)
    arguments = [as_array(a) if isinstance(a, (Array, np.ndarray)) and np.ndim(a) else a for a in arguments]
    arrays = [a for a in arguments if isinstance(a, Array)]
    shape = np.broadcast_shapes(*[a.shape for a in arrays])
    widest = max(arrays, key=lambda a: a.size)
    sizes = tuple(grid_size(c) for c in widest.chunks) if widest.shape == shape else shape
    inputs = [broadcast_to(a, shape) for a in arrays]
    constants = [None if isinstance(a, Array) else (a,) for a in arguments]
    call = _Elements(name, function, constants, [a.dtype for a in inputs], np.dtype(dtype))
    return python_node(call, tuple(a._node for a in inputs), np.dtype(dtype), shape, sizes)


def elementwise_by_numpy(name, values):
    """A ufunc of NumPy that the engine has not; its type is asked of NumPy with empty arrays."""
    ufunc = getattr(np, name, None)
    if not isinstance(ufunc, np.ufunc) or ufunc.nout != 1:
        raise unsupported(f"the function {name}")
    dtype = ufunc(*[np.empty(0, v.dtype) if hasattr(v, "dtype") else v for v in values]).dtype
    if not can_hold(dtype):
        raise unsupported(f"{name} that makes elements of type {dtype}")
    return blockwise(name, ufunc, values, dtype)


def place_of_text(name, a, axes, keepdims):
    """argmin and argmax of text, along one axis or all, which has to fit into memory; NumPy has no other reductions of text."""
    if name not in ("argmin", "argmax") or len(axes) not in (1, a.ndim) or not axes:
        raise unsupported(f"{name} of text")
    from .chunks import grid_size

    say(f"{name} of text")
    kept = [i for i in range(a.ndim) if i not in axes]
    shape = tuple(1 if i in axes else a.shape[i] for i in range(a.ndim)) if keepdims else tuple(a.shape[i] for i in kept)
    sizes = tuple(1 if i in axes else grid_size(a.chunks[i]) for i in range(a.ndim)) if keepdims else tuple(grid_size(a.chunks[i]) for i in kept)
    return python_node(_Place(getattr(np, name), axes, keepdims, a.dtype), (a._node,), np.dtype(np.int64), shape, sizes)


class _Place:
    def __init__(self, function, axes, keepdims, dtype):
        self.function, self.axes, self.keepdims, self.dtype = function, axes, keepdims, dtype

    def __call__(self, inputs, start, count):
        from .runtime import read_box

        box = iter(zip(start, count))
        if self.keepdims:
            box = iter([b for i, b in enumerate(box) if i not in self.axes])
        box = [(0, n) if i in self.axes else next(box) for i, n in enumerate(inputs[0].shape)]
        block = read_box(inputs[0], tuple(s for s, _ in box), tuple(n for _, n in box), self.dtype)
        return np.asarray(self.function(block, axis=self.axes[0] if len(self.axes) < block.ndim or block.ndim == 1 else None, keepdims=self.keepdims), np.int64)

    def __repr__(self):
        return f"{self.function.__name__} of text"
