"""A series of like files opened as one dataset, for xarray's open_mfdataset.

xarray opens and decodes file after file and then joins the datasets. Where all files are of one kind (the same variables, types and
attributes; they differ in the length and the values of one dimension) the stored variables are joined first and decoded once: the same
dataset in a fraction of the time. Times that are counted from another date in each file ("days since 1850-01-01", "days since 1851-01-01") are
moved to that of the first file before they are joined, when they surely decode to the same instants. Whatever is not surely the same is
left to xarray: `Differs`.
"""

import inspect

import numpy as np

from . import _craton
from .array import Array, wrap
from .backend import CratonStore, path_here
from .graph import adopt, make
from .runtime import compute_nodes

_DECODING = {"mask_and_scale", "decode_times", "decode_cf", "decode_coords", "use_cftime", "decode_timedelta", "concat_characters", "drop_variables"}
_ALLOWED = _DECODING | {"group", "chunked_array_type", "consolidated"}
_JOINS = ("override", "outer", "inner", "left", "right", "exact")
_COMPATS = ("override", "no_conflicts", "equals", "identical", "broadcast_equals")
_MOST_COMPARED_BYTES = 1 << 26      # of one variable in all files
_PACKING = {"scale_factor", "add_offset", "_Unsigned"}
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
    series = Series(paths, options.get("group"), _decodes_times(options))
    if combine == "by_coords":
        dim = series.sort()
    _expect(dim not in (chunks or {}) and series.extends_along(dim))
    series.expect_same_instants()
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


def _decodes_times(options):
    decode_times = options.get("decode_times")
    _expect(decode_times in (None, True, False))        # what else there is, says more of how
    return decode_times is not False and options.get("decode_cf") is not False


def _since(attribute):
    """The text of an attribute that says what times are counted from; None: it is another."""
    name, code, payload = attribute
    return payload[0] if name == "units" and code == "|O" and len(payload) == 1 and " since " in payload[0] else None


def _attributes(v):
    return {name: (code, payload) for name, code, payload in v["attrs"]}


def _fills(attrs):
    """What stands for missing values, as numbers."""
    for code, payload in (attrs[name] for name in ("_FillValue", "missing_value") if name in attrs):
        _expect(code[1] in "iuf")
        yield np.frombuffer(payload, code)


def _chunks_are_ours(name):
    from xarray.namedarray.parallelcompat import guess_chunkmanager

    from .chunkmanager import CratonManager

    return isinstance(guess_chunkmanager(name), CratonManager)


class Series:
    """Open files with the same variables."""

    def __init__(self, paths, group, decodes_times):
        self.group, self.dim, self.decodes_times = group, None, decodes_times
        self.paths = [path_here(path) for path in paths]
        self.files = [_craton.File(path, group=group) for path in self.paths]
        self.variables = [file.variables for file in self.files]
        kind = self._kind(0)
        for i in range(1, len(paths)):
            _expect(self._kind(i) == kind)
        self.units = self._units()

    def _kind(self, i):
        """What has to be the same in all files; attributes of the file itself are those of the first, but for what is decoded by."""
        file = self.files[i]
        return (
            file.format,
            [(name, unlimited) for name, _, unlimited in file.dims],
            [payload for name, _, payload in file.attrs if name == "coordinates"],
            [(v["name"], v["dtype"], v["text_width"], v["dims"], [a[:1] if _since(a) else a for a in v["attrs"]], v["fill"], v["problem"]) for v in self.variables[i]],
        )

    def _units(self):
        """{name: what its times are counted from, file by file}, of variables where that is not the same in all files; bounds of times mean the
        same as these, unless they say otherwise (CF 7.1)."""
        units = {}
        for at, v in enumerate(self.variables[0]):
            texts = [next(filter(None, map(_since, variables[at]["attrs"])), None) for variables in self.variables]
            if len(set(texts)) > 1:
                units[v["name"]] = texts
        attributes = {v["name"]: _attributes(v) for v in self.variables[0]}
        for name, texts in list(units.items()):
            code, payload = attributes[name].get("bounds", ("", ()))
            if code == "|O" and "units" not in attributes.get(payload[0], {"units": None}):
                units[payload[0]] = texts
        return units

    def _calendar(self, name):
        """Of a variable whose times are moved, or of the one whose bounds they are."""
        for v in self.variables[0]:
            attrs = _attributes(v)
            if "calendar" in attrs and (v["name"] == name or attrs.get("bounds") == ("|O", [name])):
                return attrs["calendar"][1][0]
        return "standard"

    def _moves(self, v):
        """What is added to the times of each file so that they are counted as in the first; None: nothing is."""
        texts = self.units.get(v["name"])
        if texts is None or not self.decodes_times or self.dim not in (None, *v["dims"]):
            return None
        import cftime

        calendar, attrs, whole = self._calendar(v["name"]), _attributes(v), v["dtype"][1] in "iu"
        unit = texts[0].split(" since ")[0]
        _expect(not _PACKING & set(attrs) and all(np.isnan(fill).all() for fill in _fills(attrs)))
        _expect(v["dtype"][1] in "iuf" and all(text.split(" since ")[0] == unit for text in texts))
        moves = {text: float(cftime.date2num(cftime.num2date(0, text, calendar), texts[0], calendar)) for text in set(texts)}
        _expect(not whole or all(move.is_integer() for move in moves.values()))
        return [int(moves[text]) if whole else moves[text] for text in texts]

    def expect_same_instants(self):
        """Times that are moved decode to what they are in their own file, to the last digit: floats may lose some of theirs on the way."""
        from xarray.coding.times import decode_cf_datetime

        for at, v in enumerate(self.variables[0]):
            if self._moves(v) is None:
                continue
            calendar, texts = self._calendar(v["name"]), self.units[v["name"]]
            apart = [decode_cf_datetime(x, text, calendar) for x, text in zip(self._values(at, moved=False), texts)]
            together = decode_cf_datetime(np.concatenate(self._values(at)), texts[0], calendar)
            _expect(all(x.dtype == together.dtype for x in apart))
            apart = np.concatenate(apart)
            _expect(bool(np.all((apart == together) | (apart != apart) & (together != together))))

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
        attrs = _attributes(v)
        _expect(not _PACKING & set(attrs) and all(len(x) for x in values) and values[0].dtype.kind in "iuf")
        order = sorted(range(len(values)), key=lambda i: values[i][0])
        whole = np.concatenate([values[i] for i in order])
        _expect(bool(np.all(whole[1:] > whole[:-1])))       # no NaN, no value twice: the order as numbers is that of what they mean
        _expect(not any(np.isin(whole, fill).any() for fill in _fills(attrs)))
        self.paths, self.files, self.variables = ([x[i] for i in order] for x in (self.paths, self.files, self.variables))
        self.units = {name: [texts[i] for i in order] for name, texts in self.units.items()}
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

    def _nodes(self, v, moved=True):
        nodes = [adopt(file.array(v["name"]), "file", path, self.group, v["name"]) for file, path in zip(self.files, self.paths)]
        moves = self._moves(v) if moved else None
        if moves is None:
            return nodes
        return [(wrap(node, np.dtype(v["dtype"])) + move)._node if move else node for node, move in zip(nodes, moves)]

    def _values(self, at, moved=True):
        """Values of a variable, file by file: as stored, but for times that are moved."""
        v = self.variables[0][at]
        shapes = [tuple(variables[at]["shape"]) for variables in self.variables]
        dtype = np.dtype(v["dtype"])
        ends = np.cumsum([shape[0] if shape else 1 for shape in shapes])
        _expect(not v["problem"] and dtype.kind in "biuf" and sum(int(np.prod(s)) for s in shapes) * dtype.itemsize <= _MOST_COMPARED_BYTES)
        nodes = self._nodes(v, moved) if v["shape"] else [make("expand", (node,), 0) for node in self._nodes(v, moved)]
        whole = compute_nodes([make("concat", tuple(nodes), 0)], [dtype])[0]
        return np.split(whole, ends[:-1])

    def expect_same_values(self, indexes, others):
        """Variables that are not joined have to be the same in all files, to the bit: coordinates that become indexes, and the others."""
        for at, v in enumerate(self.variables[0]):
            if self.dim not in v["dims"] and (indexes if list(v["dims"]) == [v["name"]] else others):
                _expect(v["name"] not in self.units)    # the same numbers would be other times
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
        self.path, self.group, self.missing, self.fill_is_missing = series.paths[0], series.group, False, None
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
