"""A series of like files opened as one dataset, for xarray's open_mfdataset.

xarray opens and decodes file after file and then joins the datasets. Where all files are of one kind (the same variables, types and
attributes; they differ in the length and the values of one dimension) the stored variables are joined first and decoded once: the same
dataset in a fraction of the time. Whatever is not surely the same is left to xarray: `Differs`.
"""

import inspect

import numpy as np

from . import _craton
from .array import Array
from .backend import CratonStore, path_here
from .graph import adopt, make
from .runtime import compute_nodes

_DECODING = {"mask_and_scale", "decode_times", "decode_cf", "decode_coords", "use_cftime", "decode_timedelta", "concat_characters", "drop_variables"}
_ALLOWED = _DECODING | {"group", "chunked_array_type", "consolidated"}
_JOINS = ("override", "outer", "inner", "left", "right", "exact")
_COMPATS = ("override", "no_conflicts", "equals", "identical", "broadcast_equals")
_MOST_COMPARED_BYTES = 1 << 26      # of one variable in all files
_REAL_CALENDARS = ("standard", "gregorian", "proleptic_gregorian")


class Differs(Exception):
    """The files, or what is asked for, are not the simple case."""


def series_or(function):
    """open_mfdataset: ours where it is the same, else xarray's."""
    signature = inspect.signature(function)

    def open_mfdataset(*args, **kwargs):
        if kwargs.get("engine") == "craton":
            try:
                bound = signature.bind(*args, **kwargs)
                bound.apply_defaults()
                asked = dict(bound.arguments)
                return open_series(asked.pop("paths"), **asked.pop("kwargs", {}), **asked)
            except Exception:  # xarray meets it again, and says it in its own words
                pass
        return function(*args, **kwargs)

    return open_mfdataset


def open_series(paths, *, engine, chunks, concat_dim, compat, preprocess, data_vars, coords, combine, join, attrs_file, combine_attrs, parallel=False,
                errors="raise", **options):
    """The dataset of open_mfdataset; raises Differs where xarray has to look itself."""
    from xarray.backends.common import _find_absolute_paths

    _expect(preprocess is None and attrs_file is None and errors == "raise" and combine_attrs == "override" and set(options) <= _ALLOWED)
    _expect(compat in _COMPATS and join in _JOINS and data_vars in ("all", "minimal", "different", None))
    _expect(coords in ("all", "minimal", "different") and (compat != "override" or "different" not in (data_vars, coords)))
    _expect(chunks is None or isinstance(chunks, dict))
    _expect(_chunks_are_ours(options.get("chunked_array_type")))
    dim = _dimension(combine, concat_dim)
    paths = _find_absolute_paths(paths, engine=engine)
    _expect(len(paths) > 1 and all(isinstance(path, str) for path in paths))
    series = Series(paths, options.get("group"))
    if combine == "by_coords":
        dim = series.sort()
    _expect(dim not in (chunks or {}) and series.extends_along(dim))
    series.expect_same_values(indexes=join != "override", others=compat != "override")
    ds = series.dataset(chunks or {}, compat, data_vars, coords, {k: v for k, v in options.items() if k in _DECODING})
    if combine == "by_coords":
        ds.encoding = {}    # as after a merge
    return ds


def _expect(condition):
    if not condition:
        raise Differs


def _dimension(combine, concat_dim):
    if combine == "by_coords":
        return _expect(concat_dim is None)
    _expect(combine == "nested")
    if isinstance(concat_dim, (list, tuple)):
        _expect(len(concat_dim) == 1)
        (concat_dim,) = concat_dim
    _expect(isinstance(concat_dim, str))
    return concat_dim


def _chunks_are_ours(name):
    from xarray.namedarray.parallelcompat import guess_chunkmanager

    from .chunkmanager import CratonManager

    return isinstance(guess_chunkmanager(name), CratonManager)


class Series:
    """Open files with the same variables."""

    def __init__(self, paths, group):
        self.group, self.dim = group, None
        self.paths = [path_here(path) for path in paths]
        self.files = [_craton.File(path, group=group) for path in self.paths]
        self.variables = [file.variables for file in self.files]
        kind = self._kind(0)
        for i in range(1, len(paths)):
            _expect(self._kind(i) == kind)

    def _kind(self, i):
        """What has to be the same in all files; attributes of the file itself are those of the first, but for what is decoded by."""
        file = self.files[i]
        return (
            file.format,
            [(name, unlimited) for name, _, unlimited in file.dims],
            [payload for name, _, payload in file.attrs if name == "coordinates"],
            [(v["name"], v["dtype"], v["dims"], v["attrs"], v["fill"], v["problem"]) for v in self.variables[i]],
        )

    def sort(self):
        """Puts the files in the order of the one coordinate in which they differ, and returns its name."""
        found = []
        for at, v in enumerate(self.variables[0]):
            if list(v["dims"]) == [v["name"]]:
                values = self._values(at)
                if any(x.tobytes() != values[0].tobytes() for x in values):
                    found.append((v, values))
        _expect(len(found) == 1)
        ((v, values),) = found
        attrs = {name: (code, payload) for name, code, payload in v["attrs"]}
        _expect(not {"scale_factor", "add_offset", "_Unsigned"} & set(attrs) and all(len(x) for x in values) and values[0].dtype.kind in "iuf")
        order = sorted(range(len(values)), key=lambda i: values[i][0])
        whole = np.concatenate([values[i] for i in order])
        _expect(bool(np.all(whole[1:] > whole[:-1])))       # no NaN, no value twice: the order as numbers is that of what they mean
        for code, payload in (attrs[name] for name in ("_FillValue", "missing_value") if name in attrs):
            _expect(code[1] in "iuf" and not np.isin(whole, np.frombuffer(payload, code)).any())
        self.paths, self.files, self.variables = ([x[i] for i in order] for x in (self.paths, self.files, self.variables))
        return v["name"]

    def extends_along(self, dim):
        """Whether the files differ in length along dim alone."""
        self.dim, first = dim, self.variables[0]
        for variables in self.variables:
            for v, w in zip(variables, first):
                if any(n != m for d, n, m in zip(v["dims"], v["shape"], w["shape"]) if d != dim):
                    return False
        joined = [v for v in first if dim in v["dims"]]
        return bool(joined) and all(v["dims"].count(dim) == 1 and v["dtype"][1] not in "OV" and not v["problem"] for v in joined)

    def _nodes(self, v):
        return [adopt(file.array(v["name"]), "file", path, self.group, v["name"]) for file, path in zip(self.files, self.paths)]

    def _values(self, at):
        """Values of a variable as stored, file by file."""
        v = self.variables[0][at]
        shapes = [tuple(variables[at]["shape"]) for variables in self.variables]
        dtype = np.dtype(v["dtype"])
        ends = np.cumsum([shape[0] if shape else 1 for shape in shapes])
        _expect(not v["problem"] and dtype.kind in "biuf" and sum(int(np.prod(s)) for s in shapes) * dtype.itemsize <= _MOST_COMPARED_BYTES)
        nodes = self._nodes(v) if v["shape"] else [make("expand", (node,), 0) for node in self._nodes(v)]
        whole = compute_nodes([make("concat", tuple(nodes), 0)], [dtype])[0]
        return np.split(whole, ends[:-1])

    def expect_same_values(self, indexes, others):
        """Variables that are not joined have to be the same in all files, to the bit: coordinates that become indexes, and the others."""
        for at, v in enumerate(self.variables[0]):
            if self.dim not in v["dims"] and (indexes if list(v["dims"]) == [v["name"]] else others):
                first, *others = self._values(at)
                _expect(all(x.tobytes() == first.tobytes() for x in others))

    def dataset(self, chunks, compat, data_vars, coords, decoding):
        import xarray as xr

        store = SeriesStore(self)
        ds = xr.open_dataset(store, engine="store", chunks=chunks, chunked_array_type="craton", **decoding)
        for name, variable in ds.variables.items():
            if self.dim in variable.dims:
                # Outside of what its calendar can count in nanoseconds, a file alone would become other objects than its neighbours.
                _expect(variable.dtype.kind != "O" or variable.encoding.get("calendar") not in _REAL_CALENDARS)
                if not isinstance(variable._data, Array):
                    variable.load()         # objects: joining loads them
            else:
                how = data_vars if name in ds.data_vars else coords if name not in ds.indexes else None
                _expect(how != "all")
                if compat == "no_conflicts" and name not in ds.indexes:
                    variable.encoding = {}  # xarray fills one in after the other, and what it makes has none
                    if not isinstance(variable._data, Array):
                        variable.load()
            variable.encoding.update({k: v for k, v in store.encodings.get(name, {}).items() if k in variable.encoding})
        return ds


class SeriesStore(CratonStore):
    """The first file with variables that go on in the others."""

    def __init__(self, series):
        self.path, self.group, self.missing = series.paths[0], series.group, False
        self.encodings = {}     # what the variables of the first file say of themselves
        self._file, self._series = series.files[0], series

    def __getstate__(self):
        return {**super().__getstate__(), "_series": None}

    def get_variables(self):
        variables = super().get_variables()
        self._series = None
        return variables

    def _node(self, v):
        if self._series.dim not in v["dims"]:
            return super()._node(v)
        return make("concat", tuple(self._series._nodes(v)), v["dims"].index(self._series.dim))

    def _preferred_chunks(self, v, array):
        first = super()._preferred_chunks(v, array)
        self.encodings[v["name"]] = {"preferred_chunks": first}
        at = v["dims"].index(self._series.dim) if self._series.dim in v["dims"] else None
        return {d: array.chunks[i] if i == at else n for i, (d, n) in enumerate(first.items())}
