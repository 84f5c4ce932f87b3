"""Running a program under one array library, and judging the answer by the one of plain NumPy.

Outcomes:
    lazy        nothing was computed before .compute(), the result is made of lazy arrays, and it is right
    value       the program asked for values, and they are right
    eager       right, but something was computed, or the result was in memory, although nobody had asked
    error       an exception; under Craton it must say so itself ("craton: ...")
    obscure     an exception that does not
    wrong       another answer than NumPy's
"""

import contextlib
import dataclasses
import pathlib
import tempfile
import warnings
from unittest import mock

import numpy as np
import pandas as pd
import xarray as xr

import craton
from craton import backend, runtime, series

from . import fields

RELATIVE = {"f2": 1e-3, "f4": 1e-6, "f8": 1e-12}


@dataclasses.dataclass
class Outcome:
    status: str
    why: str = ""
    in_python: tuple = ()  # operations that ran block by block in Python, by name

    @property
    def right(self):
        return self.status in ("lazy", "value")


class Run:
    """One run of a program: knows the library, and opens files in its way."""

    def __init__(self, manager, chunking, folder):
        self.manager, self.chunking, self.folder = manager, chunking, pathlib.Path(folder)
        self.computed = []

    def data(self, name):
        ds = fields.load(name)
        return ds if self.manager is None else fields.chunked(ds, self.chunking, self.manager)

    def saved(self, name, ds=None, **options):
        """The path of a NetCDF file with these data, in memory or not."""
        path = self.folder / f"{name}.nc"
        with _asked_for():
            (fields.load(name) if ds is None else ds.load()).to_netcdf(path, engine="netcdf4", **options)
        return path

    def engine(self, path):
        """The engine by which users of this library open a file."""
        if self.manager == "craton":
            return "craton"
        return "zarr" if pathlib.Path(path).is_dir() else "netcdf4"

    def open(self, path, **options):
        options.setdefault("chunks", {})
        ds = xr.open_dataset(path, engine=self.engine(path), **(options if self.manager else options | {"chunks": None}))
        return ds if self.manager else ds.load()

    def open_many(self, paths, **options):
        if self.manager is None:
            return xr.open_mfdataset(paths, engine="netcdf4", chunked_array_type="dask", **options).load(scheduler="synchronous")
        return xr.open_mfdataset(paths, engine=self.engine(paths[0]), chunks={}, **options)


# ---- what was computed behind the program's back --------------------------------------------------------------------

_asked = 0


@contextlib.contextmanager
def _asked_for():
    """What is computed now was asked for by name: .compute(), .load(), .persist(), or is preparation."""
    global _asked
    _asked += 1
    try:
        yield
    finally:
        _asked -= 1


def _asking(method):
    def call(*args, **kwargs):
        with _asked_for():
            return method(*args, **kwargs)

    return call


_read = backend.StoredArray._read


def _read_of_index(stored, key):
    if len(stored.shape) > 1:
        return _read(stored, key)
    with _asked_for():
        return _read(stored, key)


class _Watched:
    def __init__(self, context, seen):
        self._context, self._seen = context, seen

    def __getattr__(self, name):
        return getattr(self._context, name)

    def compute(self, nodes, *rest):
        if not _asked:
            self._seen.extend(n.shape for n in nodes)
        return self._context.compute(nodes, *rest)

    def compute_to(self, nodes, *rest):
        if not _asked:
            self._seen.extend(n.shape for n in nodes)
        return self._context.compute_to(nodes, *rest)


@contextlib.contextmanager
def _watching_craton(seen):
    make = runtime.context

    def context():
        inside = getattr(runtime._here, "depth", 0)
        return make() if inside else _Watched(make(), seen)

    runtime.context = context
    try:
        yield
    finally:
        runtime.context = make


@contextlib.contextmanager
def _watching_dask(seen):
    import dask

    def get(graph, keys, **kwargs):
        if not _asked:
            seen.append(keys)
        return dask.get(graph, keys, **kwargs)

    with dask.config.set(scheduler=get):
        yield


@contextlib.contextmanager
def _under(manager, seen):
    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        warnings.simplefilter("ignore")
        if manager is None:
            stack.enter_context(xr.set_options(use_bottleneck=False, use_numbagg=False))
            for cls in (xr.Dataset, xr.DataArray):  # what is in memory stays there
                stack.enter_context(mock.patch.object(cls, "chunk", lambda obj, *args, **kwargs: obj))
        else:
            stack.enter_context(xr.set_options(chunk_manager=manager))
            stack.enter_context(_watching_craton(seen) if manager == "craton" else _watching_dask(seen))
            for cls in (xr.Dataset, xr.DataArray, xr.Variable):
                for name in ("compute", "load"):
                    stack.enter_context(mock.patch.object(cls, name, _asking(getattr(cls, name))))
            stack.enter_context(mock.patch.object(xr.Dataset, "persist", _asking(xr.Dataset.persist)))
            # Coordinates that become an index are read when a file is opened, by every engine.
            stack.enter_context(mock.patch.object(backend.StoredArray, "_read", _read_of_index))
            # So are coordinates that have to be the same in all files; xarray's own merge calls .compute() for it.
            stack.enter_context(mock.patch.object(series.Series, "_values", _asking(series.Series._values)))
        yield


# ---- the run ---------------------------------------------------------------------------------------------------------


def answer(program, manager, chunking, folder):
    """(answer in memory, lazy parts, shapes computed before it was asked for)."""
    seen = []
    run = Run(manager, chunking, folder)
    with _under(manager, seen):
        ds = run.data(program.on)
        result = program.function(ds, run) if _takes_run(program.function) else program.function(ds)
        early = list(seen)
        parts = list(_parts(result))
        return computed(result), parts, early


def _takes_run(function):
    return function.__code__.co_argcount - len(function.__defaults__ or ()) == 2


def computed(thing):
    if isinstance(thing, (xr.Dataset, xr.DataArray, xr.Variable)):
        return thing.compute()
    if isinstance(thing, (tuple, list)):
        return type(thing)(computed(t) for t in thing)
    if isinstance(thing, dict):
        return {k: computed(v) for k, v in thing.items()}
    return thing


def _parts(thing):
    """The arrays of a result that are no coordinates."""
    if isinstance(thing, xr.Dataset):
        for v in thing.data_vars.values():
            yield v.variable._data
    elif isinstance(thing, xr.DataArray):
        yield thing.variable._data
    elif isinstance(thing, xr.Variable):
        yield thing._data
    elif isinstance(thing, (tuple, list)):
        for t in thing:
            yield from _parts(t)
    elif isinstance(thing, dict):
        yield from _parts(list(thing.values()))


def judge(program, manager, chunking, reference):
    """The outcome of a program under a library. reference: what it answers on NumPy."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            got, parts, early = answer(program, manager, chunking, folder)
        except Exception as e:
            clear = str(e).startswith("craton: ") or manager != "craton"
            return Outcome("error" if clear else "obscure", f"{type(e).__name__}: {e}".replace("\n", " "))
    difference = differs(got, reference, "exact" if program.exact else "single" if program.single else "")
    if difference:
        return Outcome("wrong", difference)
    if program.asks:
        return Outcome("value")
    in_python = _python_nodes(parts) if manager == "craton" else ()
    if early:
        return Outcome("eager", f"computed while the program was built: {early[:3]}", in_python)
    lazy = [hasattr(p, "chunks") for p in parts]
    if not any(lazy):
        return Outcome("eager", "the result is in memory", in_python)
    if not all(lazy):
        return Outcome("eager", f"{lazy.count(False)} of {len(lazy)} arrays of the result are in memory", in_python)
    return Outcome("lazy", "", in_python)


def _python_nodes(parts):
    from craton.graph import flatten

    steps, _ = flatten([p._node for p in parts if isinstance(p, craton.Array)])
    return tuple(sorted({repr(parameters[0]) for operation, _, parameters in steps if operation == "python"}))


# ---- comparing -------------------------------------------------------------------------------------------------------


def differs(got, want, how="", where="result"):
    """What is different, in words; None when nothing is."""
    if type(got) is not type(want):
        return f"{where}: {type(got).__name__} instead of {type(want).__name__}"
    if isinstance(want, xr.Dataset):
        if list(got.data_vars) != list(want.data_vars):
            return f"{where}: variables {list(got.data_vars)} instead of {list(want.data_vars)}"
        if dict(got.sizes) != dict(want.sizes):
            return f"{where}: sizes {dict(got.sizes)} instead of {dict(want.sizes)}"
        return _attrs(got, want, where) or _coords(got, want, where) or _first(
            differs(got[n].variable, want[n].variable, how, f"{where}.{n}") for n in want.data_vars
        )  # fmt: skip
    if isinstance(want, xr.DataArray):
        if got.name != want.name:
            return f"{where}: name {got.name!r} instead of {want.name!r}"
        return differs(got.variable, want.variable, how, where) or _coords(got, want, where)
    if isinstance(want, xr.Variable):
        if got.dims != want.dims:
            return f"{where}: dimensions {got.dims} instead of {want.dims}"
        return _values(got.to_index() if isinstance(got, xr.IndexVariable) else got.values,
                       want.to_index() if isinstance(want, xr.IndexVariable) else want.values, how, where) or _attrs(got, want, where)  # fmt: skip
    if isinstance(want, xr.DataTree):
        return differs(got.to_dict(), want.to_dict(), how, where)
    if isinstance(want, dict):
        if list(got) != list(want):
            return f"{where}: keys {list(got)} instead of {list(want)}"
        return _first(differs(got[k], want[k], how, f"{where}[{k!r}]") for k in want)
    if isinstance(want, (tuple, list)):
        if len(got) != len(want):
            return f"{where}: {len(got)} parts instead of {len(want)}"
        return _first(differs(a, b, how, f"{where}[{i}]") for i, (a, b) in enumerate(zip(got, want)))
    if isinstance(want, (pd.DataFrame, pd.Series)):
        if isinstance(want, pd.DataFrame) and list(got.columns) != list(want.columns):
            return f"{where}: columns {list(got.columns)} instead of {list(want.columns)}"
        if not got.index.equals(want.index):
            return f"{where}: another index"
        return _values(got.to_numpy(), want.to_numpy(), how, where)
    if isinstance(want, pd.Index):
        return None if got.equals(want) and got.dtype == want.dtype else f"{where}: index {got} instead of {want}"
    if isinstance(want, (np.ndarray, np.generic, float, complex)):
        return _values(np.asarray(got), np.asarray(want), how, where)
    return None if got == want else f"{where}: {got!r} instead of {want!r}"


def _first(answers):
    return next((a for a in answers if a), None)


def _attrs(got, want, where):
    if list(got.attrs) != list(want.attrs):
        return f"{where}: attributes {dict(got.attrs)} instead of {dict(want.attrs)}"
    for name, value in want.attrs.items():
        if not (np.array_equal(got.attrs[name], value) or got.attrs[name] != got.attrs[name] and value != value):
            return f"{where}: attribute {name}={got.attrs[name]!r} instead of {value!r}"
    return None


def _coords(got, want, where):
    if set(got.coords) != set(want.coords):
        return f"{where}: coordinates {sorted(map(str, got.coords))} instead of {sorted(map(str, want.coords))}"
    if set(got.xindexes) != set(want.xindexes):
        return f"{where}: indexes {sorted(map(str, got.xindexes))} instead of {sorted(map(str, want.xindexes))}"
    return _first(differs(got.coords[n].variable, want.coords[n].variable, "", f"{where}.{n}") for n in want.coords)


def _values(got, want, how, where):
    if isinstance(want, pd.Index):
        return differs(got, want, how, where) if isinstance(got, pd.Index) else f"{where}: no index"
    if got.dtype != want.dtype:
        return f"{where}: {got.dtype} instead of {want.dtype}"
    if got.shape != want.shape:
        return f"{where}: shape {got.shape} instead of {want.shape}"
    if want.dtype.kind in "fc" and how != "exact":
        relative = RELATIVE["f4" if how == "single" else want.dtype.str[1:]] if want.dtype.kind == "f" else 1e-12
        finite = np.abs(want[np.isfinite(want)])
        # Sums cancel: what is small beside the largest number of the result may be off by as much as that one.
        same = np.isclose(got, want, rtol=relative, atol=relative * (finite.max() if finite.size else 0), equal_nan=True)
    elif want.dtype.kind == "O":
        same = np.array([a is b or a == b or (a != a and b != b) for a, b in zip(got.ravel(), want.ravel())], bool).reshape(want.shape)
    else:
        same = (got == want) | ((got != got) & (want != want))
    same = np.asarray(same)
    if same.all():
        return None
    at = tuple(int(i) for i in np.argwhere(~same)[0]) if same.ndim else ()
    return f"{where}: {np.count_nonzero(~same)} of {same.size} values differ, first at {at}: {got[at]!r} instead of {want[at]!r}"
