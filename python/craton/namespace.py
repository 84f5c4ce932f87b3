"""The array namespace: what xarray calls on lazy arrays (`array.__array_namespace__()` returns this module).

Every entry of operations.FUNCTIONS, every ufunc of NumPy by its name, the element types and a few helpers of the array API
standard. Functions take lazy arrays, NumPy arrays and scalars mixed.
"""

import builtins
import types

import numpy as np

from .array import Array, _array_ufunc
from .elementwise import elementwise
from .functions import unsupported
from .operations import FUNCTIONS

__array_api_version__ = "2024.12"

bool = bool_ = np.bool_  # noqa: A001
int8, int16, int32, int64 = np.int8, np.int16, np.int32, np.int64
uint8, uint16, uint32, uint64 = np.uint8, np.uint16, np.uint32, np.uint64
float16, float32, float64 = np.float16, np.float32, np.float64
complex64, complex128 = np.complex64, np.complex128
pi, e, inf, nan, newaxis = np.pi, np.e, np.inf, np.nan, None

iinfo, finfo, isdtype, can_cast, dtype = np.iinfo, np.finfo, np.isdtype, np.can_cast, np.dtype

globals().update(FUNCTIONS)

# xarray reaches for xp.lib.stride_tricks.sliding_window_view.
lib = types.SimpleNamespace(stride_tricks=types.SimpleNamespace(sliding_window_view=FUNCTIONS["sliding_window_view"]))


def result_type(*arguments):
    return FUNCTIONS["result_type"](*arguments)


def _ufunc(name):
    ufunc = getattr(np, name)

    def call(*args, **kwargs):
        if builtins.any(isinstance(a, Array) for a in args):
            result = _array_ufunc(ufunc, "__call__", args, kwargs)
            if result is NotImplemented:
                raise unsupported(f"{name} of {', '.join(type(a).__name__ for a in args)}")
            return result
        return elementwise(name, *args)

    call.__name__ = name
    return call


for _name, _value in list(vars(np).items()):  # dir() names modules too that NumPy imports when they are looked at: f2py, testing
    if isinstance(_value, np.ufunc) and _name not in FUNCTIONS:
        globals()[_name] = _ufunc(_name)
