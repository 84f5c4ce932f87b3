"""Craton as xarray's chunk manager: the functions through which xarray makes, changes, computes and stores lazy arrays."""

import functools
import re

import numpy as np
from xarray.namedarray.parallelcompat import ChunkManagerEntrypoint

from . import chunks as grids
from . import namespace, ownstore
from .array import Array
from .bynumpy import say
from .decoding import decoded, from_xarray
from .dtypes import can_hold
from .conversion import as_array
from .functions import unsupported
from .shapes import broadcast_to
from .pythonnode import python_node
from .runtime import compute_for_user, compute_to, read_box


class CratonManager(ChunkManagerEntrypoint):
    array_cls = Array
    available = True

    def __init__(self):
        self.array_cls = Array

    # ---- chunks

    def chunks(self, data):
        return data.chunks

    def normalize_chunks(self, chunks, shape=None, limit=None, dtype=None, previous_chunks=None):
        if shape is None:
            shape = tuple(sum(c) for c in chunks)
        return grids.normalize(chunks, shape, limit, dtype, previous_chunks)

    def rechunk(self, data, chunks, **kwargs):
        return data.rechunk(chunks)

    def unify_chunks(self, *args, **kwargs):
        """Arrays over common names get common chunks: those of the array with the most of them along each name."""
        pairs = list(zip(args[::2], args[1::2]))
        best = {}
        for array, names in pairs:
            if names is None:
                continue
            for name, sizes in zip(names, as_array(array).chunks):
                if sum(sizes) > 1 and (name not in best or len(sizes) > len(best[name]) or sum(best[name]) == 1):
                    best[name] = sizes
                best.setdefault(name, sizes)
        arrays = []
        for array, names in pairs:
            array = as_array(array)
            arrays.append(array if names is None else array.rechunk(tuple(best[n] if e > 1 else (e,) for n, e in zip(names, array.shape))))
        return best, arrays

    def get_auto_chunk_size(self):
        return grids.AUTO_BYTES

    # ---- making

    def from_array(self, data, chunks, **kwargs):
        if isinstance(data, Array):
            return data.rechunk(chunks)
        if not can_hold(data.dtype):
            # Objects (text, calendars of their own) stay what they are: in memory, or lazily indexed by xarray.
            return getattr(data, "array", data)
        grid = grids.normalize(chunks, data.shape, dtype=data.dtype)
        if isinstance(data, np.ndarray):
            return as_array(data, chunks=tuple(grids.grid_size(c) for c in grid) if data.ndim else None)._with_chunks(grid)
        lazy = from_xarray(data, grid)
        return getattr(data, "array", data) if lazy is None else lazy.rechunk(grid)

    @property
    def array_api(self):
        return namespace

    # ---- computing

    def compute(self, *data, cluster=None, **kwargs):
        mine = [d for d in data if isinstance(d, Array)]
        values = iter(compute_for_user([a._node for a in mine], [a.dtype for a in mine], cluster))
        return tuple(next(values) if isinstance(d, Array) else d for d in data)

    def persist(self, *data, **kwargs):
        values = self.compute(*data, **kwargs)
        return tuple(
            as_array(v, chunks=tuple(grids.grid_size(c) for c in d.chunks))._with_chunks(d.chunks) if isinstance(d, Array) else d
            for d, v in zip(data, values)
        )

    def store(self, sources, targets, *, lock=None, compute=True, flush=True, regions=None, **kwargs):
        """Computes all sources together and writes them block by block, in the chunks of their targets. compute=False: when dask is told to, since
        xarray makes its answer of an object of dask.delayed."""
        if not compute:
            return _later(sources, targets, regions)
        if isinstance(sources, Array):
            sources, targets = [sources], [targets]
        regions = regions if isinstance(regions, (list, tuple)) and regions and not isinstance(regions[0], slice) else [regions] * len(sources)
        nodes, functions, sizes = [], [], []
        sources = [as_array(source) for source in sources]
        offsets = [_offset(region, target, source) for source, target, region in zip(sources, targets, regions)]
        ownstore.check_targets(sources, targets, offsets)
        for source, target, offset in zip(sources, targets, offsets):
            if source.ndim == 0:
                target[...] = source.compute()
                continue
            if source.size == 0:
                continue
            nodes.append(source._node)
            functions.append(_BlockWriter(target, offset, source.dtype))
            sizes.append(_target_chunks(target, source))
        compute_to(nodes, functions, sizes)

    # ---- functions of users and of xarray, block by block

    def map_blocks(self, func, *args, dtype=None, chunks=None, drop_axis=None, new_axis=None, meta=None, **kwargs):
        arrays = [a for a in args if isinstance(a, Array)]
        if len(args) == len(arrays) == 1 and not kwargs and arrays[0].dtype.kind in "biuf":
            known = decoded(func, arrays[0])
            if known is not None:
                return known
        if drop_axis not in (None, [], ()) or new_axis not in (None, [], ()) or chunks is not None:
            if len(arrays) != 1 or args[0] is not arrays[0] or dtype is None or not can_hold(np.dtype(dtype)):
                raise unsupported("map_blocks that changes the shape, of several arrays or without a type", "Use xarray.apply_ufunc(..., dask='parallelized').")
            return _other_shape(func, arrays[0], args[1:], kwargs, np.dtype(dtype), chunks, drop_axis, new_axis)
        shape = np.broadcast_shapes(*[a.shape for a in arrays])
        if getattr(func, "__module__", "") == "xarray.core.accessor_dt":
            say(".dt of lazy times")
        if dtype is None or np.dtype(dtype).kind == "O":  # objects: said of texts whose length only the function knows
            dtype = np.asarray(func(*[np.ones((1,) * a.ndim, a.dtype) if isinstance(a, Array) else a for a in args], **kwargs)).dtype
        if getattr(func, "__module__", "") == "xarray.coding.times" and np.dtype(dtype).kind in "iu":
            # Its encoders of times promise the type of the file and give int64, with the lowest for what is missing: xarray puts the fill value in
            # its place, and makes the promised type, afterwards.
            dtype = np.dtype(np.int64)
        if not can_hold(np.dtype(dtype)):
            raise unsupported(f"map_blocks that makes elements of type {np.dtype(dtype)}", "Call .compute() first.")
        inputs = [broadcast_to(a, shape) for a in arrays]
        constants = [None if isinstance(a, Array) else (a,) for a in args]
        sizes = tuple(grids.grid_size(c) for c in arrays[0].chunks) if arrays[0].shape == shape else shape
        call = _BlockCall(func, constants, kwargs, [a.dtype for a in inputs], np.dtype(dtype))
        return python_node(call, tuple(a._node for a in inputs), np.dtype(dtype), shape, sizes)

    def apply_gufunc(
        self,
        func,
        signature,
        *args,
        axes=None,
        axis=None,
        keepdims=False,
        output_dtypes=None,
        output_sizes=None,
        vectorize=None,
        allow_rechunk=False,
        meta=None,
        **kwargs,
    ):
        if axes is not None or axis is not None or keepdims:
            raise unsupported("apply_gufunc with axes, axis or keepdims")
        core_in, core_out, single = _signature(signature)
        interpolates = _is_interpolation(func)
        # Objects without dimensions of blocks (patterns of text accessors, coordinates of times of other calendars) go to the function as they are.
        objects = {i: a for i, a in enumerate(args) if not isinstance(a, Array) and np.ndim(a) == len(core_in[i]) and np.asarray(a).dtype.kind == "O"}
        extents = dict(output_sizes or {})
        for i, a in objects.items():
            extents.update(zip(core_in[i], np.shape(a)))
        if vectorize:
            func = functools.partial(_vectorized, func, signature, None if output_dtypes is None else _types(output_dtypes))
        if objects:
            func, args = _with_objects(func, objects), [a for i, a in enumerate(args) if i not in objects]
            core_in = [c for i, c in enumerate(core_in) if i not in objects]
        arrays = [as_array(a) for a in args]
        for a, names in zip(arrays, core_in):
            extents.update(zip(names, a.shape[a.ndim - len(names) :]))
        loops = [a.shape[: a.ndim - len(names)] for a, names in zip(arrays, core_in)]
        loop = np.broadcast_shapes(*loops)
        if output_dtypes is None:
            if meta is None:
                output_dtypes = _tried(func, arrays, core_in, len(core_out), kwargs)
            else:
                output_dtypes = [np.asarray(m).dtype for m in (meta if isinstance(meta, tuple) else (meta,))]
        if not isinstance(output_dtypes, (list, tuple)):
            output_dtypes = [output_dtypes] * len(core_out)
        if interpolates:
            # xarray promises the type of the input; NumPy and dask give what the interpolator gives, and so do we.
            output_dtypes = _tried(func, arrays, core_in, len(core_out), kwargs, whole=True)
        for dtype in output_dtypes:
            if not can_hold(np.dtype(dtype)):
                what = "text of a length that is not known" if np.dtype(dtype).kind in "SU" else f"elements of type {np.dtype(dtype)}"
                raise unsupported(f"a function that makes {what}", "Call .compute() on the arguments first.")
        missing = {n for names in core_out for n in names} - set(extents)
        if missing:
            raise ValueError(f"craton: the sizes of the new dimensions {sorted(missing)} must be given as output_sizes")
        sizes, inputs = _loop_chunks(arrays, loops, loop), tuple(a._node for a in arrays)
        call = _GufuncCall(func, kwargs, [len(n) for n in core_in], [a.dtype for a in arrays], len(loop), [np.dtype(d) for d in output_dtypes], single)
        cores = [tuple(extents[n] for n in names) for names in core_out]
        if single:
            return python_node(_Output(call), inputs, call.types[0], loop + cores[0], sizes + cores[0])
        # Outputs of one type and shape are one array with an axis more: they are then computed side by side, and func is called once for them.
        alike, results = {}, {}
        for i, output in enumerate(zip(cores, call.types)):
            alike.setdefault(output, []).append(i)
        for (core, dtype), numbers in alike.items():
            array = python_node(_Outputs(call, numbers), inputs, dtype, (len(numbers), *loop, *core), (1, *sizes, *core))
            results.update((i, array[at]) for at, i in enumerate(numbers))
        return tuple(results[i] for i in range(len(cores)))

    def reduction(self, arr, func, combine_func=None, aggregate_func=None, axis=None, dtype=None, keepdims=False):
        from xarray.core import nputils

        from .reductions import reduction

        names = {nputils.nanfirst: "first", nputils.nanlast: "last"}
        name = names.get(getattr(func, "keywords", {}).get("op"))
        if name is None:
            raise unsupported(f"a reduction by {func!r}", "Use the reductions of xarray, or .load() first.")
        return reduction(name, arr, axis, None, keepdims, skipna=True)

    def scan(self, func, binop, ident, arr, axis=None, dtype=None, **kwargs):
        from .operations import FUNCTIONS

        name = getattr(func, "__name__", "")
        if name not in ("cumsum", "cumprod", "nancumsum", "nancumprod"):
            raise unsupported(f"a cumulative operation by {func!r}", "Use cumsum, cumprod, ffill or bfill.")
        return FUNCTIONS[name](arr, axis=axis, dtype=dtype)

    def blockwise(self, *args, **kwargs):
        raise unsupported("blockwise")

    def shuffle(self, x, indexer, axis, chunks):
        order = np.concatenate([np.asarray(group, np.int64) for group in indexer]) if indexer else np.empty(0, np.int64)
        return x[(slice(None),) * axis + (order,)]


# ---- the pieces ----------------------------------------------------------------------------------------------------


def _offset(region, target, source):
    """Where in the target the source begins."""
    if region is None:
        return (0,) * source.ndim
    region = region if isinstance(region, tuple) else (region,)
    starts = []
    for part, extent in zip(region, target.shape):
        start, _, step = part.indices(extent)
        if step != 1:
            raise unsupported("writing into every n-th element")
        starts.append(start)
    return tuple(starts)


def _target_chunks(target, source):
    """Blocks of whole chunks of the target where it has them, else of the source."""
    sizes = getattr(target, "shards", None) or getattr(target, "chunks", None)
    if not sizes or not all(isinstance(n, int) for n in sizes) or len(sizes) != source.ndim:
        sizes = tuple(grids.grid_size(c) for c in source.chunks)
    return tuple(max(1, min(n, extent)) for n, extent in zip(sizes, source.shape))


class _Store:
    """One call of store(), for later."""

    def __init__(self, sources, targets, regions):
        self.sources, self.targets, self.regions = sources, targets, regions

    def __call__(self):
        CratonManager().store(self.sources, self.targets, regions=self.regions)


def _later(sources, targets, regions):
    try:
        import dask
    except ImportError:
        raise unsupported("writing with compute=False where dask is not installed", "ds.craton.to_zarr(path, compute=False) needs no dask.") from None
    return dask.delayed(_Store(sources, targets, regions), pure=False)()


class _BlockWriter:
    def __init__(self, target, offset, dtype):
        self.target, self.offset, self.dtype = target, offset, dtype

    def __call__(self, start, count, data):
        block = np.frombuffer(data, self.dtype).reshape(count)
        self.target[tuple(slice(o + s, o + s + n) for o, s, n in zip(self.offset, start, count))] = block


class _BlockCall:
    """func(block, ..., constants) for blocks of arrays of one shape."""

    def __init__(self, func, constants, kwargs, dtypes, dtype):
        self.func, self.constants, self.kwargs, self.dtypes, self.dtype = func, constants, kwargs, dtypes, dtype

    def __call__(self, inputs, start, count):
        blocks = (read_box(node, start, count, dtype) for node, dtype in zip(inputs, self.dtypes))
        args = [next(blocks) if constant is None else constant[0] for constant in self.constants]
        return kept_type(np.asarray(self.func(*args, **self.kwargs)), self.dtype, repr(self))

    def __repr__(self):
        return f"map_blocks({getattr(self.func, '__name__', self.func)})"


def _axes(axis, ndim):
    return sorted(int(a) % ndim for a in (axis if isinstance(axis, (list, tuple)) else () if axis is None else (axis,)))


def _other_shape(func, array, args, kwargs, dtype, chunks, drop_axis, new_axis):
    """map_blocks with blocks of one array that lose axes, of one chunk each, or get new ones, whose lengths chunks says."""
    dropped, new = _axes(drop_axis, array.ndim), new_axis if isinstance(new_axis, (list, tuple)) else () if new_axis is None else (new_axis,)
    kept = [i for i in range(array.ndim) if i not in dropped]
    ndim = len(kept) + len(new)
    new = _axes(tuple(new), ndim)
    if any(len(array.chunks[i]) > 1 for i in dropped):
        raise unsupported("map_blocks that drops an axis of several chunks", "Rechunk it to one chunk first: .chunk({dimension: -1}).")
    if chunks is not None and len(chunks) != ndim:
        raise ValueError(f"craton: map_blocks with chunks along {len(chunks)} axes, for a result of {ndim}")
    source, shape, sizes = iter(kept), [], []
    for axis in range(ndim):
        if axis not in new:
            old = next(source)
            shape.append(array.shape[old])
            sizes.append(grids.grid_size(array.chunks[old]))
            continue
        lengths = 1 if chunks is None else chunks[axis]
        shape.append(int(lengths[0] if isinstance(lengths, tuple) and len(lengths) == 1 else lengths))
        sizes.append(shape[-1])
    call = _ShapeCall(func, args, kwargs, array.dtype, dtype, dropped, new)
    return python_node(call, (array._node,), dtype, tuple(shape), tuple(sizes))


class _ShapeCall:
    """func(block, ...) whose blocks have other axes: those that are dropped, and those that are new, are whole."""

    def __init__(self, func, args, kwargs, source, dtype, dropped, new):
        self.func, self.args, self.kwargs, self.source, self.dtype, self.dropped, self.new = func, args, kwargs, source, dtype, dropped, new

    def __call__(self, inputs, start, count):
        kept = iter([(s, n) for axis, (s, n) in enumerate(zip(start, count)) if axis not in self.new])
        box = [(0, extent) if axis in self.dropped else next(kept) for axis, extent in enumerate(inputs[0].shape)]
        block = read_box(inputs[0], tuple(s for s, _ in box), tuple(n for _, n in box), self.source)
        result = np.asarray(self.func(block, *self.args, **self.kwargs))
        part = tuple(slice(s, s + n) if axis in self.new else slice(None) for axis, (s, n) in enumerate(zip(start, count)))
        return kept_type(result[(Ellipsis, *part)], self.dtype, repr(self))

    def __repr__(self):
        return f"map_blocks({getattr(self.func, '__name__', self.func)})"


class _GufuncCall:
    """func over blocks: loop dimensions come in blocks and broadcast, core dimensions are whole."""

    def __init__(self, func, kwargs, n_core, dtypes, n_loop, types, single):
        self.func, self.kwargs, self.n_core, self.dtypes = func, kwargs, n_core, dtypes
        self.n_loop, self.types, self.single = n_loop, types, single

    def answers(self, inputs, start, count):
        """All outputs for one block of the loop dimensions."""
        args = []
        for node, n_core, dtype in zip(inputs, self.n_core, self.dtypes):
            loop = node.shape[: node.ndim - n_core]
            begin, size = [], []
            for i, extent in enumerate(loop, start=self.n_loop - len(loop)):
                begin.append(start[i] if extent > 1 else 0)
                size.append(count[i] if extent > 1 else extent)
            core = node.shape[node.ndim - n_core :]
            args.append(read_box(node, tuple(begin) + (0,) * n_core, tuple(size) + core, dtype))
        results = self.func(*args, **self.kwargs)
        results = (results,) if self.single else results
        if not isinstance(results, (tuple, list)) or len(results) != len(self.types):
            found = len(results) if isinstance(results, (tuple, list)) else f"{type(results).__name__}, no tuple"
            raise ValueError(f"craton: {self!r} has {len(self.types)} outputs by its output_core_dims, but the function returned {found}")
        return [kept_type(np.asarray(r), dtype, repr(self)) for r, dtype in zip(results, self.types)]

    def __repr__(self):
        return f"apply_ufunc({getattr(self.func, '__name__', self.func)})"


class _Output:
    """The only output of a call."""

    def __init__(self, call):
        self.call = call

    def __repr__(self):
        return repr(self.call)

    def __call__(self, inputs, start, count):
        n = self.call.n_loop
        return self._core(self.call.answers(inputs, start[:n], count[:n])[0], start, count)

    def _core(self, values, start, count):
        n = self.call.n_loop
        return values[(Ellipsis, *(slice(s, s + m) for s, m in zip(start[n:], count[n:])))]


class _Outputs(_Output):
    """Some of several outputs, one behind the other along the first axis; with those of a block the others are kept for whoever asks next."""

    def __init__(self, call, numbers):
        self.call, self.numbers = call, numbers

    def __call__(self, inputs, start, count):
        answers = self._answers(inputs, tuple(start[1 : self.call.n_loop + 1]), tuple(count[1 : self.call.n_loop + 1]))
        values = np.empty(count, self.call.types[self.numbers[0]])
        for i in range(count[0]):
            part = self._core(answers[self.numbers[start[0] + i]], start[1:], count[1:])
            if part.shape != tuple(count[1:]):
                raise ValueError(f"craton: {self!r} returned an array of shape {part.shape} as output {self.numbers[start[0] + i]} of a block of shape {tuple(count[1:])}")
            values[i] = part
        return values

    def _answers(self, inputs, start, count):
        from .mapblocks import KEPT

        found = KEPT.get(self.call, (start, count))
        if found is None:
            found = dict(enumerate(self.call.answers(inputs, start, count)))
            KEPT.put(self.call, (start, count), found)
        return found


def _tried(func, arrays, core_in, n_out, kwargs, whole=False):
    """The types that func gives, asked with a single element (whole: of each loop; core dimensions as they are)."""
    ones = [np.ones((1,) * (a.ndim - len(c)) + (a.shape[a.ndim - len(c) :] if whole else (1,) * len(c)), a.dtype) for a, c in zip(arrays, core_in)]
    if whole:  # coordinates must be in order
        ones[1:] = [np.arange(o.size).astype(o.dtype).reshape(o.shape) for o in ones[1:]]
    try:
        with np.errstate(all="ignore"):
            answers = func(*ones, **kwargs)
    except Exception as error:
        raise unsupported(f"apply_ufunc without output_dtypes of a function that fails for a single element ({error})", "Say output_dtypes=[...].") from error
    return [np.asarray(a).dtype for a in (answers if n_out > 1 else (answers,))]


def _is_interpolation(func):
    func = getattr(func, "func", func)
    return getattr(func, "__module__", "") == "xarray.core.missing" and getattr(func, "__name__", "") == "_interpnd"


def kept_type(values, dtype, what):
    """Values in the type that was promised; an error where that would lose something without a word."""
    if values.dtype == dtype:
        return values
    if dtype.kind in "iu" and values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError(f"craton: {what} returned missing values, which {dtype} cannot hold. Fill or drop them first (fillna, dropna), or ask for floats.")
    if dtype.kind in "SU" and values.dtype.kind in "SUO" and values.size and values.astype(np.dtype(dtype.kind)).dtype.itemsize > dtype.itemsize:
        raise ValueError(f"craton: {what} returned longer texts than {dtype} can hold. Call .compute() on the arguments first.")
    return values.astype(dtype)


def _types(dtypes):
    return [np.dtype(d).str for d in (dtypes if isinstance(dtypes, (list, tuple)) else [dtypes])]


def _with_objects(func, objects):
    def f(*args, **kwargs):
        args = list(args)
        for i in sorted(objects):
            args.insert(i, objects[i])
        return func(*args, **kwargs)

    f.__name__ = getattr(func, "__name__", type(func).__name__)
    return f


def _vectorized(func, signature, types, *args, **kwargs):
    # Without core dimensions NumPy finds the length of texts itself; with a signature it would cut them.
    core = "(" in signature.replace("()", "")
    return np.vectorize(func, signature=signature if core else None, otypes=types)(*args, **kwargs)


def _signature(text):
    """Core dimension names of inputs and outputs, and whether there is one output that is not a tuple."""
    left, _, right = text.replace(" ", "").partition("->")
    names = [[tuple(n for n in group.split(",") if n) for group in re.findall(r"\(([^)]*)\)", part)] for part in (left, right)]
    return names[0], names[1], len(names[1]) == 1


def _loop_chunks(arrays, loops, loop):
    sizes = list(loop)
    for a, own in zip(arrays, loops):
        for i, extent in enumerate(own):
            j = len(loop) - len(own) + i
            if extent > 1:
                sizes[j] = min(sizes[j], grids.grid_size(a.chunks[i]))
    return tuple(sizes)
