"""Quantiles and medians of lazy arrays, by NumPy's names and in NumPy's types.

The engine ranks numbers by all methods of NumPy. What it does not know (weights, times, quantiles given in another precision
than double) runs NumPy's own function on whole series, some at a time, and says so once.
"""

import math
import warnings

import numpy as np

from .array import Array, wrap
from .conversion import as_array, astype
from .dtypes import is_time
from .functions import FUNCTIONS, function, refuse, sorted_axes, unsupported
from .graph import make
from .shapes import squeeze, stack, transpose

_said = set()


def ranked(a, q, axes, method, skipna, keepdims=False, own_type=False, codes=None, n_groups=1):
    """A node of the engine. q None: the median; else the result has an axis of quantiles first."""
    if not axes:
        # Nothing to reduce: every element is its own quantile.
        a, axes, keepdims = wrap(make("expand", (a._node,), a.ndim), a.dtype), (a.ndim,), False
    q = None if q is None else tuple(float(x) for x in q)
    return wrap(make("quantile", (a._node,), axes, q, method, bool(skipna), bool(keepdims), bool(own_type), codes, n_groups))


def _median(a, axis, keepdims, skipna):
    a = as_array(a)
    axes = sorted_axes(axis, a.ndim)
    if is_time(a.dtype):
        raise TypeError(f"craton: there is no median of {a.dtype}; take quantile(0.5), or that of numbers: durations / np.timedelta64(1, 's')")
    if a.dtype.kind in "SU":
        raise unsupported("median of text")
    return ranked(a, None, axes, "linear", skipna and a.dtype.kind == "f", _flag(keepdims))


def _flag(keepdims):
    return False if keepdims is np._NoValue or keepdims is None else bool(keepdims)


def _quantile(name, a, q, axis, method, keepdims, skipna, weights, percent=False):
    a = as_array(a)
    axes = sorted_axes(axis, a.ndim)
    if isinstance(q, Array):
        raise unsupported(f"{name} with lazy quantiles", "Call .compute() on the quantiles.")
    own_type = type(q) in (int, float)
    quantiles = np.true_divide(q, 100) if percent else np.asanyarray(q)
    if quantiles.dtype.kind not in "iufb":
        raise TypeError(f"craton: quantiles are numbers, not {quantiles.dtype}")
    if not ((quantiles >= 0) & (quantiles <= 1)).all():
        raise ValueError("Percentiles must be in the range [0, 100]" if percent else "Quantiles must be in the range [0, 1]")
    if quantiles.ndim > 2:
        raise ValueError("q must be a scalar or 1d")
    if a.dtype.kind in "SU":
        raise unsupported(f"{name} of text")
    if not isinstance(method, str) or method not in METHODS:
        raise ValueError(f"{method!r} is not a valid method. Use one of: {', '.join(METHODS)}")
    foreign = "with weights" if weights is not None else f"of {a.dtype}" if is_time(a.dtype) else None
    if quantiles.dtype.kind == "f" and quantiles.dtype != np.float64:
        foreign = f"with quantiles of {quantiles.dtype}"
    if foreign:
        return _by_numpy(name, foreign, a, q, axes, method, _flag(keepdims), weights)
    if quantiles.dtype.kind in "iub" and method == "linear":
        method = "lower"  # 0 and 1 are positions, and NumPy takes what lies there as it is
    if not quantiles.size:
        raise unsupported(f"{name} with no quantiles")
    if quantiles.ndim == 2:
        rows = [ranked(a, row, axes, method, skipna and a.dtype.kind == "f", _flag(keepdims)) for row in quantiles]
        return stack(rows)
    result = ranked(a, np.atleast_1d(quantiles), axes, method, skipna and a.dtype.kind == "f", _flag(keepdims), own_type)
    return result if quantiles.ndim else squeeze(result, 0)


METHODS = (
    "linear",
    "inverted_cdf",
    "averaged_inverted_cdf",
    "closest_observation",
    "interpolated_inverted_cdf",
    "hazen",
    "weibull",
    "median_unbiased",
    "normal_unbiased",
    "lower",
    "higher",
    "midpoint",
    "nearest",
)


def _define():
    def median(name, skipna):
        def f(a, axis=None, out=None, overwrite_input=False, keepdims=False):
            refuse(name, out=out)
            return _median(a, axis, keepdims, skipna)

        function(name)(f)

    def quantile(name, skipna, percent):
        def f(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None, interpolation=None):
            refuse(name, out=out, interpolation=interpolation)
            return _quantile(name, a, q, axis, method, keepdims, skipna, weights, percent)

        function(name)(f)

    for prefix, skipna in (("", False), ("nan", True)):
        median(prefix + "median", skipna)
        quantile(prefix + "quantile", skipna, False)
        quantile(prefix + "percentile", skipna, True)


_define()


# ---- what NumPy does for us ------------------------------------------------------------------------------------------


class _WholeSeries:
    """NumPy's function on blocks that have the reduced axes whole, behind the kept ones."""

    def __init__(self, name, q, n_kept, n_q, keywords, dtypes, dtype):
        self.name, self.q, self.n_kept, self.n_q = name, q, n_kept, n_q
        self.keywords, self.dtypes, self.dtype = keywords, dtypes, dtype

    def __call__(self, inputs, start, count):
        from .runtime import read_box

        kept = self.n_kept
        blocks = []
        for node, dtype in zip(inputs, self.dtypes):
            whole = tuple(node.shape[kept:])
            blocks.append(read_box(node, tuple(start[self.n_q :]) + (0,) * len(whole), tuple(count[self.n_q :]) + whole, dtype))
        keywords = dict(self.keywords)
        if len(blocks) > 1:
            keywords["weights"] = blocks[1]
        axes = tuple(range(kept, blocks[0].ndim))
        result = np.asarray(getattr(np, self.name)(blocks[0], self.q, axis=axes, **keywords))
        return result[tuple(slice(s, s + n) for s, n in zip(start[: self.n_q], count[: self.n_q]))].astype(self.dtype, copy=False)

    def __repr__(self):
        return f"numpy.{self.name}"


def _by_numpy(name, why, a, q, axes, method, keepdims, weights):
    from .pythonnode import python_node
    from .runtime import context

    if (name, why) not in _said:
        _said.add((name, why))
        warnings.warn(f"craton: {name} {why} is not in the engine: NumPy's function runs on whole series, some at a time", stacklevel=5)
    kept = [i for i in range(a.ndim) if i not in axes]
    order = kept + list(axes)
    inputs, keywords = [transpose(a, order)], {"method": method}
    if weights is not None:
        weights = as_array(weights)
        if weights.shape == a.shape:
            inputs.append(transpose(weights, order))
        elif weights.shape == tuple(a.shape[i] for i in axes):
            keywords["weights"] = weights.compute()
        else:
            raise ValueError("Shape of weights must be consistent with shape of a along specified axis.")
    # The type of the answer does not depend on values.
    probe = {k: np.ones(1) if k == "weights" else v for k, v in keywords.items()} | ({"weights": np.ones(1)} if len(inputs) > 1 else {})
    dtype = np.asarray(getattr(np, name)(np.ones(1).astype(a.dtype), q, axis=(0,), **probe)).dtype
    lead = np.shape(q)
    shape = lead + tuple(a.shape[i] for i in kept)
    series = sum(b.itemsize for b in inputs) * math.prod(a.shape[i] for i in axes)
    room = max(1, context().memory_limit // 16 // max(1, series))
    sizes = []
    for i in reversed(kept):
        sizes.insert(0, max(1, min(a.chunksize[i], room)))
        room //= sizes[0]
    call = _WholeSeries(name, q, len(kept), len(lead), keywords, [b.dtype for b in inputs], dtype)
    result = python_node(call, tuple(b._node for b in inputs), dtype, shape, lead + tuple(sizes))
    if keepdims:
        result = FUNCTIONS["expand_dims"](result, tuple(len(lead) + i for i in axes))
    return result


def grouped(name, array, axes, codes, n_groups, skipna, q):
    """groupby().median() and .quantile(): q None, a number, or several."""
    codes = np.ascontiguousarray(codes, np.int32)
    if array.dtype.kind not in "biuf":
        raise unsupported(f"groupby().{name} of {array.dtype}")
    several = None if q is None else np.atleast_1d(np.asarray(q, np.float64))
    if several is not None and not ((several >= 0) & (several <= 1)).all():
        raise ValueError("Quantiles must be in the range [0, 1]")
    if array.dtype.kind in "biu":
        array = astype(array, np.float64)  # as flox: differences of integers do not wrap here
    result = ranked(array, several, axes, "linear", skipna and array.dtype.kind == "f", codes=codes, n_groups=n_groups)
    return squeeze(result, 0) if q is not None and np.ndim(q) == 0 else result
