"""xr.map_blocks for lazy arrays of Craton: a function of xarray objects, called with one block of them after the other.

As xarray has it for dask: the function gets the part of every Dataset and DataArray that lies in one block, with its coordinates, and what it gives
is a block of the result. What the result looks like (names, dimensions, types, labels) is said by a template, or found by calling the function with
objects without elements.

A block that was computed is kept until all variables that are asked for have it, as long as the blocks that are kept take no more than KEPT_BYTES: several
variables of one result then cost one call. What is kept is forgotten when the computation ends.
"""

import collections
import itertools
import threading

import numpy as np

from . import chunks as grids
from .array import Array
from .dtypes import can_hold
from .explaining import arrays_of
from .functions import unsupported
from .graph import make
from .pythonnode import python_node

KEPT_BYTES = 64 << 20
_NAMELESS = "__xarray_dataarray_variable__"    # a DataArray while it is part of a Dataset


def map_blocks(func, obj, args=(), kwargs=None, template=None):
    """func(block of obj, *blocks of args, **kwargs), lazily, for every block; a DataArray or Dataset of what it returns.

    args       xarray objects among them come in blocks too: on the same labels as obj, in the same chunks where they are in chunks
    kwargs     handed over as they are; without lazy arrays
    template   an object like the result, with its shape, labels, types and chunks (one for each block); needed where the function changes the
               length of a dimension in chunks, or does not work on objects without elements
    """
    import xarray as xr

    kwargs = _checked(args, kwargs, template)
    given = [obj, *args]
    lazy = [i for i, thing in enumerate(given) if _is_xarray(thing)]
    if not any(arrays_of(given[i]) for i in lazy):
        return func(obj, *args, **kwargs)
    aligned = dict(zip(lazy, xr.align(*(given[i] for i in lazy), join="exact")))
    given = [aligned.get(i, thing) for i, thing in enumerate(given)]
    input_chunks = _common_chunks([_as_dataset(aligned[i]) for i in lazy])
    labels = xr.merge([_coordinates(aligned[i]) for i in lazy], join="exact", compat="override")
    inferred = template is None
    if inferred:
        template = _tried(func, given, kwargs)
    whole = template._to_temp_dataset() if isinstance(template, xr.DataArray) else template
    indexes = _indexes(whole, labels, inferred)
    output_chunks = _output_chunks(whole, input_chunks, inferred)
    sizes = {d: sum(output_chunks[d]) if d in output_chunks else indexes.sizes.get(d, n) for d, n in whole.sizes.items()}
    blocks = _Blocks(func, given, kwargs, whole, isinstance(template, xr.DataArray), indexes, sizes, input_chunks, output_chunks)
    result = xr.Dataset(coords=indexes.coords, attrs=whole.attrs)
    for name in indexes.variables:
        result.variables[name].attrs, result.variables[name].encoding = whole.variables[name].attrs, whole.variables[name].encoding
    made = _lazy_variables(blocks, whole, indexes, sizes, output_chunks)
    for name, variable in whole.variables.items():
        if name in indexes.variables:
            continue
        data = made[name] if name in made else _as_it_is(name, variable, whole, labels, inferred)
        result[name] = xr.Variable(variable.dims, data, variable.attrs, variable.encoding)
    result = result.set_coords([n for n in whole.coords if n in result.variables])
    return template._from_temp_dataset(result, template.name) if isinstance(template, xr.DataArray) else result


# ---- what is given -------------------------------------------------------------------------------------------------------


def _is_xarray(thing):
    import xarray as xr

    return isinstance(thing, (xr.Dataset, xr.DataArray))


def _checked(args, kwargs, template):
    if template is not None and not _is_xarray(template):
        raise TypeError(f"craton: template must be a DataArray or Dataset, not {type(template).__name__}")
    if not isinstance(args, collections.abc.Sequence) or isinstance(args, str):
        raise TypeError("craton: args must be a sequence (for example, a list or tuple)")
    if kwargs is not None and not isinstance(kwargs, collections.abc.Mapping):
        raise TypeError("craton: kwargs must be a mapping (for example, a dict)")
    for name, value in (kwargs or {}).items():
        if arrays_of(value) or hasattr(value, "__dask_graph__") and value.__dask_graph__() is not None:
            raise TypeError(f"craton: Cannot pass dask collections in kwargs, nor lazy arrays of Craton: compute {name} before, or pass it in args")
    return dict(kwargs or {})


def _as_dataset(obj):
    return obj._to_temp_dataset() if hasattr(obj, "_to_temp_dataset") else obj


def _coordinates(obj):
    return obj.coords.to_dataset()


def _common_chunks(datasets):
    """{dimension: lengths of its blocks}; what is in memory has one."""
    common = dict(datasets[0].chunks)
    for ds in datasets[1:]:
        for dim, sizes in ds.chunks.items():
            if common.setdefault(dim, sizes) != sizes:
                raise ValueError(f"craton: Chunk sizes along dimension {dim!r} are not equal: {common[dim]} and {sizes}; chunk() one like the other")
    for ds in datasets:
        for dim, n in ds.sizes.items():
            common.setdefault(dim, (n,))
    return common


# ---- what it gives -------------------------------------------------------------------------------------------------------


def _empty(obj):
    """The same without elements: numbers of dimensions, types, names and attributes. Scalars that are in memory stay."""
    import xarray as xr

    ds = xr.Dataset(attrs=obj.attrs)
    source = obj.to_dataset(name=_NAMELESS) if isinstance(obj, xr.DataArray) else obj
    for name, variable in source.variables.items():
        values = variable._data if variable.ndim == 0 and not isinstance(variable._data, Array) else np.zeros((0,) * variable.ndim, variable.dtype)
        ds[name] = (variable.dims, values, variable.attrs)
    ds = ds.set_coords(list(source.coords))
    if isinstance(obj, xr.Dataset):
        return ds
    array = ds[_NAMELESS]
    array.name = obj.name
    return array


def _tried(func, given, kwargs):
    try:
        template = func(*(_empty(thing) if _is_xarray(thing) else thing for thing in given), **kwargs)
    except Exception as error:
        raise ValueError(
            "craton: Cannot infer object returned from running user provided function: it was called with objects without elements and failed "
            f"({type(error).__name__}: {error}). Please supply the 'template' kwarg to map_blocks: an object like the result."
        ) from error
    if not _is_xarray(template):
        raise TypeError(f"craton: Function must return an xarray DataArray or Dataset. Instead it returned {type(template)}")
    return template


def _indexes(template, labels, inferred):
    """The labels of the result, as a Dataset of them alone: those of the template; where that was inferred, and is empty, those of what is given."""
    own = template.coords.to_dataset()
    own = own.drop_vars([n for n in own.variables if n not in template.xindexes])
    if not inferred:
        return own
    kept = [n for n in own.variables if n in labels.xindexes]
    new = [n for n in own.variables if n not in labels.xindexes]
    for name in new:
        if not own.variables[name].size:
            raise ValueError(f"craton: the labels of {name!r}, which the function makes, are known only when it is called; supply the 'template' kwarg to map_blocks")
    ours = labels.drop_vars([n for n in labels.variables if n not in kept])
    return ours.assign_coords(own.drop_vars(kept).coords) if new else ours


def _output_chunks(template, input_chunks, inferred):
    """{dimension: lengths of the blocks of the result}: as many as go in."""
    if inferred:
        return {d: input_chunks[d] for d in template.dims if d in input_chunks}
    said, chunks = dict(template.chunks), {}
    for dim, n in template.sizes.items():
        before = input_chunks.get(dim)
        if before is None:
            if len(said.get(dim, ())) > 1:
                raise ValueError(f"craton: map_blocks cannot add a dimension in chunks: the template has {len(said[dim])} along {dim!r}")
            continue
        chunks[dim] = said.get(dim) or (before if sum(before) == n else (n,))
        if len(chunks[dim]) != len(before):
            raise ValueError(
                "craton: map_blocks requires that one block of the input maps to one block of output. Expected number of output chunks along "
                f"dimension {dim!r} to be {len(before)}. Received {len(chunks[dim])} instead. Please provide template if not provided, or fix the "
                "provided template."
            )
    return chunks


def _lazy_variables(blocks, template, indexes, sizes, output_chunks):
    """{name: lazy array}. Variables of the same dimensions and type are one array with an axis more: they are then computed side by side."""
    alike = collections.defaultdict(list)
    for name, variable in template.variables.items():
        if name not in indexes.variables and can_hold(variable.dtype):
            alike[variable.dims, variable.dtype].append(name)
    made = {}
    for (dims, dtype), names in alike.items():
        shape = tuple(sizes[d] for d in dims)
        grid = tuple(output_chunks.get(d, (sizes[d],)) for d in dims)
        chunk = (1, *(grids.grid_size(c) for c in grid))
        array = python_node(_Values(blocks, names, dims, dtype), blocks.inputs, dtype, (len(names), *shape), chunk)
        made.update((name, array[i]._with_chunks(grid)) for i, name in enumerate(names))
    return made


def _as_it_is(name, variable, template, labels, inferred):
    """Objects (text) are in memory, or not part of a result."""
    if not inferred:
        return variable._data
    if name in template.coords and name in labels.variables and labels.variables[name].dims == variable.dims:
        return labels.variables[name]._data
    raise unsupported(f"map_blocks that makes elements of type {variable.dtype}", f"Drop {name!r} in the function, or .compute() first.")


# ---- blocks --------------------------------------------------------------------------------------------------------------


class _Argument:
    """A Dataset or DataArray of the call: what is in memory of it, and where its lazy arrays are among the inputs."""

    def __init__(self, obj, inputs):
        import xarray as xr

        self.is_array, self.name, self.attrs = isinstance(obj, xr.DataArray), getattr(obj, "name", None), obj.attrs
        source = obj.to_dataset(name=_NAMELESS) if self.is_array else obj
        self.data, self.coordinates, self.lazy = {}, {}, {}
        for name, variable in source.variables.items():
            kept = self.coordinates if name in source.coords else self.data
            kept[name] = variable.dims, variable.attrs
            if isinstance(variable._data, Array):
                self.lazy[name] = len(inputs)
                inputs.append((variable._data._node, variable.dims, variable.dtype))
        self.labels = source.coords.to_dataset().drop_vars([n for n in self.lazy if n in source.coords])
        self.ready = {n: source.variables[n] for n in self.data if n not in self.lazy}

    def block(self, places, values):
        """places: {dimension: slice}; values: of the inputs in them."""
        import xarray as xr

        def variable(name, dims, attrs):
            if name in self.lazy:
                return xr.Variable(dims, values[self.lazy[name]], attrs)
            return self.ready[name].isel({d: places[d] for d in dims})

        data = {name: variable(name, *how) for name, how in self.data.items()}
        coords = self.labels.isel(places, missing_dims="ignore").coords
        ds = xr.Dataset(data, coords, {} if self.is_array else self.attrs)
        late = {name: variable(name, *how) for name, how in self.coordinates.items() if name in self.lazy}
        ds = ds.assign_coords(late) if late else ds
        if not self.is_array:
            return ds
        array = ds[_NAMELESS]
        array.name = self.name
        return array


class _Blocks:
    """All blocks of one call of map_blocks, each computed when it is asked for."""

    def __init__(self, func, given, kwargs, template, gives_array, indexes, sizes, input_chunks, output_chunks):
        inputs = []
        self.func, self.kwargs, self.gives_array = func, kwargs, gives_array
        self.given = [_Argument(thing, inputs) if _is_xarray(thing) else thing for thing in given]
        self.inputs, self.read = tuple(node for node, _, _ in inputs), [how for _, *how in inputs]
        self.dims = list(input_chunks)
        self.into = {d: np.cumsum((0, *c)) for d, c in input_chunks.items()}
        self.out = {d: np.cumsum((0, *c)) for d, c in output_chunks.items()}
        self.indexes, self.sizes = indexes, sizes
        self.data, self.coordinates = set(template.data_vars), set(template.coords)
        self.wanted = {n: (v.dims, v.dtype) for n, v in template.variables.items() if n not in indexes.variables and can_hold(v.dtype)}

    def __getstate__(self):
        return {**self.__dict__, "inputs": ()}  # they travel as inputs of the arrays that are made of it

    def __repr__(self):
        return f"map_blocks({getattr(self.func, '__name__', self.func)})"

    def block(self, inputs, index):
        """{name: values} of the block with these numbers, one for each of dims."""
        found = KEPT.get(self, index)
        if found is None:
            found = self._computed(inputs, dict(zip(self.dims, index)))
            KEPT.put(self, index, found)
        return found

    def _computed(self, inputs, index):
        from .runtime import compute_nodes

        places = {d: slice(int(self.into[d][i]), int(self.into[d][i + 1])) for d, i in index.items()}
        boxes = []
        for node, (dims, _) in zip(inputs, self.read):
            start, count = tuple(places[d].start for d in dims), tuple(places[d].stop - places[d].start for d in dims)
            boxes.append(make("slice", (node,), start, (1,) * len(dims), count) if dims else node)
        values = compute_nodes(boxes, [dtype for _, dtype in self.read])
        result = self.func(*(g.block(places, values) if isinstance(g, _Argument) else g for g in self.given), **self.kwargs)
        return self._checked(result, index)

    def _place(self, dim, index):
        """Where the block lies along a dimension of the result."""
        return slice(int(self.out[dim][index[dim]]), int(self.out[dim][index[dim] + 1])) if dim in self.out else slice(0, self.sizes[dim])

    def _checked(self, result, index):
        from .chunkmanager import kept_type

        if not _is_xarray(result) or hasattr(result, "_to_temp_dataset") != self.gives_array:
            wanted = "DataArray" if self.gives_array else "Dataset"
            raise TypeError(f"craton: {self!r} returned a {type(result).__name__}, and a {wanted} was promised")
        if missing := {d for d in self.out if d in self.sizes} - set(result.sizes):
            raise ValueError(f"craton: {self!r}: Dimensions {missing} missing on returned object.")
        for dim, n in result.sizes.items():
            place = self._place(dim, index) if dim in self.sizes else slice(0, n)
            if n != place.stop - place.start:
                raise ValueError(f"craton: {self!r}: Received dimension {dim!r} of length {n}. Expected length {place.stop - place.start}.")
            expected = self.indexes.xindexes.get(dim)
            found = result.xindexes.get(dim)
            if expected is not None and found is not None and not found.equals(expected := expected.isel({dim: place})):
                raise ValueError(f"craton: {self!r}: Expected index {dim!r} to be {expected!r}. Received {found!r} instead.")
        ds = _as_dataset(result)
        for what, expected, found in (("coordinate", self.coordinates, set(ds.coords)), ("data", self.data, set(ds.data_vars))):
            if expected - found:
                raise ValueError(f"craton: {self!r}: Result from applying user function does not contain {what} variables {expected - found}.")
            if found - expected:
                raise ValueError(f"craton: {self!r}: Result from applying user function has unexpected {what} variables {found - expected}.")
        values = {}
        for name, (dims, dtype) in self.wanted.items():
            variable = ds.variables[name]
            if set(variable.dims) != set(dims):
                raise ValueError(f"craton: {self!r}: {name!r} has the dimensions {variable.dims}, and {dims} were promised")
            values[name] = kept_type(variable.transpose(*dims).values, dtype, repr(self))
        return values


class _Values:
    """What fills boxes of the array that variables of the same dimensions and type lie in, one behind the other."""

    def __init__(self, blocks, names, dims, dtype):
        self.blocks, self.names, self.dims, self.dtype = blocks, names, dims, dtype

    def __repr__(self):
        return repr(self.blocks)

    def __call__(self, inputs, start, count):
        values = np.empty(count, self.dtype)
        if not values.size:
            return values
        steps = [self._steps(d, s, n) for d, s, n in zip(self.dims, start[1:], count[1:])]
        for parts in itertools.product(*steps):
            # Along a dimension that a variable does not have all blocks say the same of it; the last is asked, as with dask.
            at = {d: number for d, (number, _, _) in zip(self.dims, parts)}
            index = tuple(at.get(d, len(self.blocks.into[d]) - 2) for d in self.blocks.dims)
            block = self.blocks.block(inputs, index)
            for i in range(count[0]):
                values[(i, *(to for _, _, to in parts))] = block[self.names[start[0] + i]][tuple(of for _, of, _ in parts)]
        return values

    def _steps(self, dim, start, n):
        """[(number of the block, slice of it, slice of the box)] along one dimension."""
        ends = self.blocks.out.get(dim, (0, self.blocks.sizes[dim]))
        steps = []
        for number, (begin, end) in enumerate(zip(ends, ends[1:])):
            lo, hi = max(int(begin), start), min(int(end), start + n)
            if lo < hi:
                steps.append((number, slice(lo - int(begin), hi - int(begin)), slice(lo - start, hi - start)))
        return steps


class _Kept:
    """The blocks that were computed last, of all calls in this process; of functions of apply_ufunc with several outputs too (chunkmanager.py)."""

    def __init__(self):
        self._lock, self._blocks, self._bytes = threading.Lock(), collections.OrderedDict(), 0

    def get(self, owner, index):
        with self._lock:
            entry = self._blocks.get((id(owner), index))
            if entry is None or entry[0] is not owner:
                return None
            self._blocks.move_to_end((id(owner), index))
            return entry[1]

    def put(self, owner, index, values):
        size = sum(v.nbytes for v in values.values())
        with self._lock:
            if size > KEPT_BYTES or (id(owner), index) in self._blocks:
                return
            self._blocks[id(owner), index] = owner, values, size
            self._bytes += size
            while self._bytes > KEPT_BYTES:
                self._bytes -= self._blocks.popitem(last=False)[1][2]

    def clear(self):
        with self._lock:
            self._blocks.clear()
            self._bytes = 0


KEPT = _Kept()


def forget():
    """At the end of a computation."""
    KEPT.clear()
