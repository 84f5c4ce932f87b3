"""What xarray's tests call `dask_array_api`, by Craton: the functions that make and combine chunked arrays.

`da.from_array(values, chunks=...)` and the like give arrays of Craton; everything else that NumPy has under the same name goes to NumPy, which
hands arrays of Craton over to Craton.
"""

import types

import numpy as np

from craton import namespace
from craton.chunks import normalize
from craton.conversion import as_array
from craton.array import Array  # noqa: F401  (da.Array)


def from_array(values, chunks="auto", **_):
    values = values if isinstance(values, Array) else np.asarray(values)
    return as_array(values).rechunk(normalize(chunks, values.shape, dtype=values.dtype))


def array(values, dtype=None, **_):
    return as_array(np.asarray(values, dtype))


asarray = array


def _made(make):
    def function(*args, chunks="auto", **kwargs):
        return from_array(make(*args, **kwargs), chunks)

    return function


ones, zeros, full, arange, linspace, eye = (_made(f) for f in (np.ones, np.zeros, np.full, np.arange, np.linspace, np.eye))
random = types.SimpleNamespace(**{name: _made(getattr(np.random, name)) for name in ("random", "randn", "normal", "randint", "uniform")},
                               default_rng=lambda seed=None: types.SimpleNamespace(random=_made(np.random.default_rng(seed).random)))  # fmt: skip


def __getattr__(name):
    found = getattr(namespace, name, None)
    found = getattr(np, name, None) if found is None else found
    if found is None or name.startswith("__"):
        raise AttributeError(f"no {name} in the functions for lazy arrays of these tests")
    return found
