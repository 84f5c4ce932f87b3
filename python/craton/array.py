"""The lazy array: what xarray, NumPy and users hold.

An Array is a node of libcraton with a NumPy element type. Nodes are immutable; every operation returns a new Array and touches
no data (a[key] = value gives an Array another node). Values are computed by .compute(), by NumPy's asarray(), float() and the like, or by xarray's .compute().
"""

import math
import operator
import sys

import numpy as np

from . import chunks as grids, daskcalls
from .dtypes import logical, node_code
from .functions import unsupported
from .graph import flatten, make, rebuild

try:
    from xarray.core.indexing import ExplicitlyIndexed
except ImportError:  # the array works without xarray

    class ExplicitlyIndexed:
        __slots__ = ()


def wrap(node, dtype=None, chunks=None):
    """An Array of a node. dtype: what the stored elements mean; chunks: an irregular grid that the user asked for."""
    return Array(node, dtype, chunks)


def view_of(windows):
    """An Array that looks at the windows of another (windows.py); its node is made only when it is asked for."""
    array = Array.__new__(Array)
    array._made, array._windows, array._dtype, array._chunks = None, windows, windows.base.dtype, None
    return array


# Code that would pull a whole array into memory without having been asked to.
_HIDDEN_COMPUTE = (
    "xarray.core.duck_array_ops",
    "xarray.core.nputils",
    "xarray.core.groupby",
    "xarray.core.accessor_dt",
    "xarray.core.missing",
    "xarray.computation",
    "bottleneck",
    "numbagg",
    "flox",
    "numpy_groupies",
    "pandas",
    "scipy",
)


def _check_hidden_compute(array):
    """Refuses (or reports) a conversion to NumPy that some library makes on its own account."""
    from .runtime import OPTIONS

    mode = OPTIONS["implicit_compute"]
    if mode == "allow":
        return
    frame = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in ("numpy", "craton"):
        frame = frame.f_back
    module = frame.f_globals.get("__name__", "") if frame is not None else ""
    if not module.startswith(_HIDDEN_COMPUTE):
        return
    if array.dtype == bool and module.startswith("pandas.core.indexes"):
        raise NotImplementedError(
            "craton: how many labels a lazy mask leaves is known only when it is computed: write mask.compute(), as in where(mask.compute(), drop=True)"
        )
    text = (
        f"craton: {module}.{frame.f_code.co_name} works on NumPy arrays only and would load this whole lazy array. "
        "Call .compute() on it first if it fits into memory"
    )
    if module.startswith(("flox", "numpy_groupies", "numbagg")):
        text += ", or craton.enable() once, so that groupby runs in Craton"
    if mode == "raise":
        raise NotImplementedError(text + '; craton.set_options(implicit_compute="allow") permits it everywhere.')
    import warnings

    warnings.warn(text, stacklevel=4)


def _check_flox(depth):
    """Refuses to be taken apart by flox's NumPy code: it does not get far, and says nothing useful then."""
    module = sys._getframe(depth).f_globals.get("__name__", "")
    if module.startswith(("flox.core", "flox.agg", "flox.factorize", "numpy_groupies")):
        raise NotImplementedError("craton: call craton.enable() once, so that groupby and resample of lazy arrays run in Craton.")


class _Indexer:
    """array.oindex[key] and array.vindex[key]: keys are xarray's explicit indexers or plain tuples."""

    __slots__ = ("array", "get")

    def __init__(self, array, get):
        self.array, self.get = array, get

    def __getitem__(self, key):
        key = getattr(key, "tuple", key)
        return self.get(self.array, key if isinstance(key, tuple) else (key,))

    def __setitem__(self, key, value):
        from .selection import assigned, assigned_by_numpy, outer

        self.array._assign(assigned if self.get is outer else assigned_by_numpy, key, value)


class Array(ExplicitlyIndexed):
    __slots__ = ("_made", "_windows", "_dtype", "_chunks", "__weakref__")
    __array_priority__ = 100

    def __init__(self, node, dtype=None, chunks=None):
        self._node = node
        self._dtype = logical(node.dtype) if dtype is None else np.dtype(dtype).newbyteorder("=")
        self._chunks = chunks
        if node_code(self._dtype) != node.dtype:
            raise TypeError(f"craton: a node of {node.dtype} cannot hold {self._dtype}")

    # ---- what it is

    @property
    def _node(self):
        if self._made is None:
            self._made = self._windows.stacked()
        return self._made

    @_node.setter
    def _node(self, node):
        self._made, self._windows = node, None

    @property
    def dtype(self):
        return self._dtype

    @property
    def shape(self):
        return self._node.shape if self._windows is None else self._windows.shape

    @property
    def ndim(self):
        return self._node.ndim if self._windows is None else len(self._windows.shape)

    @property
    def size(self):
        return math.prod(self.shape)

    @property
    def itemsize(self):
        return self._dtype.itemsize

    @property
    def nbytes(self):
        return self.size * self.itemsize

    @property
    def chunks(self):
        if self._chunks is None:
            self._chunks = self._node.chunks if self._windows is None else self._windows.chunks
        return self._chunks

    @property
    def chunksize(self):
        return tuple(max(c, default=0) for c in self.chunks)

    @property
    def numblocks(self):
        return tuple(len(c) for c in self.chunks)

    @property
    def npartitions(self):
        return math.prod(self.numblocks)

    def __len__(self):
        if not self.ndim:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    @property
    def T(self):
        return self.transpose()

    @property
    def real(self):
        return self

    @property
    def imag(self):
        return _call("zeros_like", self)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __repr__(self):
        return f"craton.Array<{self._node.op}, shape={self.shape}, dtype={self.dtype}, chunksize={self.chunksize}>"

    def _repr_inline_(self, max_width):
        for text in (f"craton.Array<chunksize={self.chunksize}>", f"craton<{self.chunksize}>", "craton"):
            if len(text) <= max_width:
                return text
        return "..."

    def _repr_html_(self):
        rows = [
            ("Shape", str(self.shape)),
            ("Element type", str(self.dtype)),
            ("Size", human_bytes(self.nbytes)),
            ("Chunk", f"{self.chunksize}, {human_bytes(math.prod(self.chunksize) * self.itemsize)}"),
            ("Chunks", str(self.npartitions)),
            ("Last operation", self._node.op),
        ]
        cells = "".join(f"<tr><th style='text-align:left'>{k}</th><td style='text-align:left'>{v}</td></tr>" for k, v in rows)
        return f"<table><caption style='text-align:left'>Lazy array (Craton)</caption><tbody>{cells}</tbody></table>"

    # ---- values

    def compute(self, cluster=None, **kwargs):
        from .runtime import compute_for_user

        return compute_for_user([self._node], [self.dtype], cluster)[0]

    def persist(self, **kwargs):
        from .conversion import as_array

        return as_array(self.compute(), chunks=tuple(grids.grid_size(c) for c in self.chunks))

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("craton: a lazy array has no memory to share; call .compute()")
        _check_hidden_compute(self)
        values = self.compute()
        return values if dtype is None else values.astype(dtype, copy=False)

    def get_duck_array(self):
        return self

    async def async_get_duck_array(self):
        return self

    def item(self, *args):
        return self.compute().item(*args)

    def tolist(self):
        return self.compute().tolist()

    def _one(self, convert):
        if self.size != 1:
            if convert is bool:
                raise ValueError("The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()")
            raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
        return convert(self.compute().reshape(())[()])

    def __bool__(self):
        return self._one(bool)

    def __int__(self):
        return self._one(int)

    def __float__(self):
        return self._one(float)

    def __complex__(self):
        return self._one(complex)

    def __index__(self):
        return self._one(operator.index)

    # ---- copies and pickles: an expression, never values of files

    def __copy__(self):
        return Array(self._node, self._dtype, self._chunks) if self._windows is None else view_of(self._windows)

    def __deepcopy__(self, memo):
        return self.__copy__()

    def copy(self, order=None):
        return self.__copy__()

    def __reduce__(self):
        sending = sys.modules.get("craton.sending")
        if sending is not None:
            sending.check_sent(self._node)
        steps, wanted = flatten([self._node])
        return _unpickle, (steps, wanted[0], self.dtype.str, self._chunks)

    def __dask_tokenize__(self):
        raise TypeError(
            "craton: a Craton array cannot become part of a dask graph. Pass chunked_array_type='craton' to chunk(), or "
            "call craton.enable() once."
        )

    @property
    def __dask_graph__(self):
        """There is none, for nobody, as this is no collection of dask's. But who looks for one in order to compute it is told so."""
        daskcalls.refuse(sys._getframe(1))
        raise AttributeError("an array of Craton has no graph of dask's")

    # ---- protocols

    def __array_namespace__(self, *, api_version=None):
        from . import namespace

        return namespace

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return _array_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func, types, args, kwargs):
        from .operations import FUNCTIONS

        _check_flox(2)
        module = getattr(func, "__module__", "") or ""
        name = func.__name__
        if module.startswith("numpy.") and module not in ("numpy.lib.stride_tricks",):
            raise unsupported(f"{module}.{name}")
        if name not in FUNCTIONS:
            raise unsupported(f"numpy.{name}")
        return FUNCTIONS[name](*args, **kwargs)

    # ---- selection

    def __getitem__(self, key):
        from .selection import basic

        return basic(self, getattr(key, "tuple", key))

    def __setitem__(self, key, value):
        """From now on this array is the expression "old, with value at key". Others that were made of it keep the old one."""
        from .selection import assigned_by_numpy

        self._assign(assigned_by_numpy, key, value)

    def _assign(self, how, key, value):
        new = how(self, getattr(key, "tuple", key), value)
        self._node, self._chunks = new._node, self._chunks

    @property
    def oindex(self):
        from .selection import outer

        return _Indexer(self, outer)

    @property
    def vindex(self):
        from .selection import pointwise

        return _Indexer(self, pointwise)

    # ---- shape and type

    def astype(self, dtype, order="K", casting="unsafe", subok=True, copy=True):
        if not np.can_cast(self.dtype, dtype, casting):
            raise TypeError(f"Cannot cast array data from {self.dtype!r} to {np.dtype(dtype)!r} according to the rule '{casting}'")
        return _call("astype", self, dtype)

    def view(self, dtype=None):
        dtype = self.dtype if dtype is None else np.dtype(dtype)
        if {self.dtype.kind, dtype.kind} <= set("mMi") and dtype.itemsize == self.itemsize == 8:
            return wrap(self._node, dtype)
        if dtype == self.dtype:
            return self
        raise unsupported(f"view from {self.dtype} to {dtype}", "Use astype() to convert values.")

    def transpose(self, *axes):
        return _call("transpose", self, axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes or None)

    def reshape(self, *shape, order="C"):
        _check_flox(2)
        return _call("reshape", self, shape[0] if len(shape) == 1 else shape)

    def rechunk(self, chunks="auto", **kwargs):
        """Another grid: sizes as dask takes them. An axis that a dict does not name keeps its chunks."""
        try:
            before = self.chunks
        except ValueError:  # too many to be listed, which this may put right
            before = None
        if isinstance(chunks, dict):
            named = {int(k) % max(1, self.ndim): v for k, v in chunks.items()}
            chunks = tuple(self.chunks[i] if named.get(i) is None else named[i] for i in range(self.ndim))
        grid = grids.normalize(chunks, self.shape, dtype=self.dtype, previous=before)
        if grid == before:
            return self
        node = make("rechunk", (self._node,), tuple(grids.grid_size(c) for c in grid)) if self.ndim else self._node
        return wrap(node, self.dtype)._with_chunks(grid)

    def _with_chunks(self, grid):
        """The same array; a grid that the engine does not keep (chunks of unequal size) is remembered beside the node."""
        return wrap(self._node, self.dtype, grid if self._node.chunks != grid else None)

    def map_blocks(self, func, *args, dtype=None, **kwargs):
        """func, element by element, on every block."""
        from .chunkmanager import CratonManager

        return CratonManager().map_blocks(func, self, *args, dtype=dtype, **kwargs)

    def conj(self):
        return np.conjugate(self)

    conjugate = conj

    def round(self, decimals=0):
        return _call("round", self, decimals)

    def squeeze(self, axis=None):
        return _call("squeeze", self, axis)

    def ravel(self, order="C"):
        _check_flox(2)
        return _call("ravel", self, order)

    flatten = ravel

    def clip(self, min=None, max=None):
        return _call("clip", self, min, max)

    def to_device(self, device, stream=None):
        return self

    @property
    def device(self):
        return "cpu"


def _unpickle(steps, wanted, dtype, chunks):
    return Array(rebuild(steps, [wanted])[0], np.dtype(dtype), chunks)


def _call(name, *args, **kwargs):
    from .operations import FUNCTIONS

    return FUNCTIONS[name](*args, **kwargs)


# ---- ufuncs and operators ------------------------------------------------------------------------------------------

_REDUCING = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min", "logical_and": "all", "logical_or": "any"}


def _array_ufunc(ufunc, method, inputs, kwargs):
    from .conversion import is_operand
    from .elementwise import elementwise
    from .operations import FUNCTIONS

    if not all(is_operand(v) for v in inputs) or kwargs.get("out") is not None and not all(is_operand(v) for v in kwargs["out"]):
        return NotImplemented
    name = ufunc.__name__
    if kwargs.pop("out", None) is not None:
        raise TypeError(f"craton: {name}(..., out=) cannot write a lazy array; use the returned array")
    if method == "reduce" and name in _REDUCING:
        kwargs.setdefault("axis", 0)
        return FUNCTIONS[_REDUCING[name]](*inputs, **kwargs)
    if method != "__call__":
        raise unsupported(f"numpy.{name}.{method}")
    if not isinstance(getattr(np, name, None), np.ufunc) or ufunc.signature is not None and name not in ("matmul", "vecdot"):
        raise unsupported(f"the generalized ufunc {name}")
    dtype = kwargs.pop("dtype", None)
    kwargs.pop("casting", None)
    if any(v is not None and v is not True for v in kwargs.values()):
        raise unsupported(f"numpy.{name} with {', '.join(kwargs)}")
    if dtype is not None:
        inputs = [FUNCTIONS["astype"](v, dtype) if isinstance(v, (Array, np.ndarray)) else v for v in inputs]
    if name == "vecdot":
        return FUNCTIONS["vecdot"](*inputs)
    return elementwise(name, *inputs)


def _binary(name, reflected=False):
    def method(self, other):
        from .conversion import is_operand
        from .elementwise import elementwise

        if not is_operand(other):
            return NotImplemented
        return elementwise(name, other, self) if reflected else elementwise(name, self, other)

    return method


def _unary(name):
    def method(self):
        from .elementwise import elementwise

        return elementwise(name, self)

    return method


_OPERATORS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "divmod": "divmod",
    "pow": "power",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "matmul": "matmul",
    "lshift": "left_shift",
    "rshift": "right_shift",
}
for _python, _numpy in _OPERATORS.items():
    setattr(Array, f"__{_python}__", _binary(_numpy))
    setattr(Array, f"__r{_python}__", _binary(_numpy, reflected=True))
for _python, _numpy in {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}.items():
    setattr(Array, f"__{_python}__", _binary(_numpy))
for _python, _numpy in {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}.items():
    setattr(Array, f"__{_python}__", _unary(_numpy))
Array.__hash__ = object.__hash__


def _method(name):
    def method(self, *args, **kwargs):
        return _call(name, self, *args, **kwargs)

    method.__name__ = name
    return method


for _name in ("sum", "prod", "mean", "min", "max", "std", "var", "any", "all", "argmin", "argmax", "cumsum", "cumprod", "take"):
    setattr(Array, _name, _method(_name))


def human_bytes(n):
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if n < 1024 or unit == "TiB":
            return f"{n:.0f} {unit}" if unit == "B" else f"{n:.2f} {unit}"
        n /= 1024
    return ""
