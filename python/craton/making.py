"""New arrays: of one value, or as another one is."""

from numbers import Number

import numpy as np

from .array import Array
from .chunks import grid_size, normalize
from .conversion import as_array, astype, constant
from .functions import FUNCTIONS, function, unsupported
from .shapes import broadcast_to


@function()
def full(shape, fill_value, dtype=None, *, chunks=None, device=None):
    shape = (int(shape),) if isinstance(shape, Number) else tuple(int(n) for n in shape)
    if isinstance(fill_value, Array):
        return broadcast_to(fill_value if dtype is None else astype(fill_value, dtype), shape)
    value = np.asarray(fill_value, dtype)
    if value.ndim:
        raise unsupported("full with an array of values", "Use broadcast_to().")
    sizes = None
    if chunks is not None:
        sizes = tuple(grid_size(s) for s in normalize(chunks, shape, dtype=value.dtype))
    return constant(shape, value, sizes)


def _filled(value):
    def f(shape, dtype=float, *, chunks=None, device=None, order="C", like=None):
        return full(shape, value, dtype, chunks=chunks)

    return f


function("zeros", "empty")(_filled(0))
function("ones")(_filled(1))


@function()
def full_like(a, fill_value, dtype=None, order="K", subok=True, shape=None, *, chunks=None, device=None):
    same = shape is None or tuple(np.atleast_1d(shape)) == a.shape
    shape = a.shape if shape is None else shape
    if chunks is None and same and isinstance(a, Array):
        chunks = a.chunks
    return full(shape, fill_value, a.dtype if dtype is None else dtype, chunks=chunks)


@function()
def zeros_like(a, dtype=None, order="K", subok=True, shape=None, **kwargs):
    return full_like(a, np.zeros((), a.dtype if dtype is None else dtype)[()], dtype, shape=shape, **kwargs)


@function()
def ones_like(a, dtype=None, order="K", subok=True, shape=None, **kwargs):
    return full_like(a, np.ones((), a.dtype if dtype is None else dtype)[()], dtype, shape=shape, **kwargs)


FUNCTIONS["empty_like"] = zeros_like


@function()
def arange(start, stop=None, step=1, dtype=None, *, chunks=None, **kwargs):
    return as_array(np.arange(*((0, start) if stop is None else (start, stop)), step, dtype=dtype))
