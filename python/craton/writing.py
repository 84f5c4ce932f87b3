"""Writing datasets with Craton: everything is computed in shared scans and written chunk by chunk; a reader sees the old
store or file, or the new one, never a part."""

import json
import os
import sys
import warnings

import numpy as np

from . import _craton, daskcalls, grouping, storing, texts
from .array import Array
from .graph import memory
from .runtime import cluster_for_user, computation_ended, compute_for_user, context, progress_callback, warn_of_unreadable


def to_zarr(obj, path, *, group=None, mode=None, append_dim=None, region=None, safe_chunks=True, zarr_format=None, format=None, overwrite=False,
            encoding=None, shards=None, resume=False, cluster=None, compute=True, consolidated=None, write_empty_chunks=None):  # fmt: skip
    """Writes a Dataset or DataArray as a Zarr store.

    group       "a/b": into this group of the store, which is made with those above it. mode, append_dim and region speak of the group then:
                "w" replaces it and what lies below it. Writers of several groups can be at work at the same time
    mode        as xarray: "w" replaces a store that is there, "w-" refuses to (the default), "a" and "r+" write values over those of
                variables that are there ("a" makes a store that is not, adds variables that are new, and takes the attributes of the dataset too)
                What is made of values of the same store at other places is refused: they would be written over before they are read
    append_dim  a dimension: the values are added at the end of the store that is there, in its types, units and calendars. Its lengths are
                changed last: whatever happens before, readers see the old values. One append into a store at a time
    region      {dimension: slice} or {dimension: "auto"} or "auto": the values replace those of a part of the store that is there, chunk by
                chunk. A part that ends inside of chunks is refused when values are lazy, because two such writes at a time lose values;
                safe_chunks=False allows it, for one writer at a time
    zarr_format 3 (the default) or 2; also format="zarr3", "zarr2"
    overwrite   mode="w"
    encoding    {variable: {...}}: dtype, scale_factor, add_offset, _FillValue as in xarray; chunks and shards (sizes per axis),
                compressors as of zarr-python, or codec ("zstd", "lz4", "deflate", "none"), level, shuffle. What a variable brings along
                from the Zarr store that it was read from is kept
    shards      {dimension: size} for all variables of numbers that have it: chunks of the same shard lie in one object. -1: the whole
                dimension. One shard has to fit into the memory limit
    resume      write down which chunks are finished, and go on with what a killed or interrupted call with resume left of this path: only
                what is not finished is computed. What is written, how it is computed and what it is read from must be the same.
                Returns (chunks, of these finished before).
    cluster     a distributed.Client or a Dask cluster whose workers compute and write a new store, which they reach by the same path; None:
                what craton.set_cluster named, else this process. What is written into a store that is there, or with resume, is written here
    compute     False: a new store is made with everything but the values of lazy arrays, which read as missing or fill until they are written, by
                .compute() of what is returned (a PendingWrite), or part by part with region=, also by several processes
    consolidated  False: a new store gets no consolidated metadata. A store that is there keeps what it has
    write_empty_chunks  as xarray: chunks of nothing but the fill value are never stored, so it can only be None or False
    """
    if write_empty_chunks:
        raise ValueError("craton: chunks of nothing but the fill value are not stored, and read the same; leave write_empty_chunks out")
    if mode not in (None, "w", "w-", "a", "a-", "r+"):
        raise ValueError(f"craton: mode is 'w', 'w-', 'a', 'a-' or 'r+', not {mode!r}")
    names = grouping.normal(group)
    root = path = _place(path)
    path = os.path.join(root, *names) if names else path
    there = mode in ("a", "a-", "r+") and os.path.lexists(path)
    if append_dim is not None or region is not None or there or mode == "r+":
        from .updating import update

        if shards:
            raise ValueError("craton: a store that is there keeps its shards; shards= is for new ones")
        if resume or overwrite or mode in ("w", "w-"):
            raise ValueError("craton: a store that is there is written into without overwrite, resume and mode 'w' or 'w-'")
        if not compute:
            raise ValueError("craton: compute=False makes a new store; into one that is there write with region=, part by part")
        update(_as_dataset(obj), path, mode, append_dim, region, safe_chunks, encoding or {})
        return grouping.tell(root, names, False) if names else None
    if not compute and resume:
        raise ValueError("craton: compute=False leaves nothing behind that resume could go on with; use one of them")
    overwrite = overwrite or mode == "w"
    if zarr_format not in (None, 2, 3) or (zarr_format and format and format != f"zarr{zarr_format}"):
        raise ValueError(f"craton: zarr_format={zarr_format!r} with format={format!r}; it is 2 or 3")
    format = format or f"zarr{zarr_format or 3}"
    if format not in ("zarr2", "zarr3"):
        raise ValueError("craton: format is 'zarr3' or 'zarr2'")
    if names:
        grouping.make_parents(root, names, int(format[-1]), consolidated is not False)
    replaces = names and not resume and os.path.lexists(path)
    written = _write(obj, path, format, overwrite, encoding, resume=resume, shards=shards, cluster=None if resume else cluster_for_user(cluster),
                     before=(lambda: grouping.forget(root, names)) if replaces else None, compute=compute)  # fmt: skip
    if names:
        grouping.tell(root, names, True)
    elif consolidated is False:
        grouping.drop_consolidated(root)
    return written


class PendingWrite:
    """What to_zarr(..., compute=False) returns: the values of lazy arrays that are still to be written."""

    def __init__(self, path, nodes):
        self._path, self._nodes = path, nodes

    def compute(self):
        """Computes the values and writes them into the store, which must still be as it was made; again is the same again."""
        bar = progress_callback([node for _, node, _ in self._nodes])
        try:
            _craton.update(context(), self._path, self._nodes, bar)
            warn_of_unreadable()
        finally:
            computation_ended()
            if bar is not None:
                bar.close()

    @property
    def __dask_graph__(self):
        """There is none: as of an Array."""
        daskcalls.refuse(sys._getframe(1), "this write", "write.compute()")
        raise AttributeError("a write of Craton has no graph of dask's")

    def __repr__(self):
        return f"<craton.PendingWrite of {len(self._nodes)} variables into {self._path}: .compute() writes them>"


def to_netcdf(obj, path, *, group=None, mode=None, overwrite=False, encoding=None, unlimited_dims=None, format=None):
    """Writes a Dataset or DataArray as a NetCDF-4 file. encoding as in to_zarr; chunksizes, zlib and complevel are understood.

    group       "a/b": into this group of the file, which is made with those above it
    mode        "w" replaces a file that is there, with all its groups; None refuses to; "a" adds groups and variables to it and writes values over
                those of variables that are there, which must be of the same shape, type and packing. The file is copied for that, and the copy
                takes its place at the end
    overwrite   mode="w"
    unlimited_dims  dimensions that can grow later, in other programs; those that a dataset was read with stay unlimited
    format      "NETCDF4", which is the only one
    """
    if format not in (None, "NETCDF4"):
        raise ValueError(f"craton: to_netcdf writes NETCDF4, not {format!r}; xarray's own to_netcdf writes the others")
    if mode not in (None, "w", "a"):
        raise ValueError(f"craton: mode is 'w' or 'a', not {mode!r}")
    if mode == "a" and overwrite:
        raise ValueError("craton: mode='a' adds to a file, overwrite=True replaces it: one of both")
    path = _place(path)
    if not grouping.normal(group) and (mode != "a" or not os.path.lexists(path)):
        return _write(obj, path, "netcdf4", overwrite or mode == "w", encoding, unlimited_dims)
    from .netcdfgroup import write

    write(path, group, mode, overwrite, lambda part: _write(obj, part, "netcdf4", False, encoding, unlimited_dims))


def _place(path):
    """The absolute path that is written to."""
    try:
        path = os.fspath(path)
    except TypeError:
        raise TypeError(f"craton: a path on this machine is written to, not {type(path).__name__} objects; xarray's own to_zarr and to_netcdf do that") from None
    path = os.fsdecode(path)
    if "://" in path and not path.startswith("file://"):
        raise NotImplementedError(f"craton: {path!r} is not on this machine. Remote stores cannot be written yet; xarray's own to_zarr does that.")
    return os.path.abspath(os.path.expanduser(path.removeprefix("file://")))


def _as_dataset(obj):
    if hasattr(obj, "to_dataset") and hasattr(obj, "name"):
        return obj.to_dataset(name=obj.name or "__xarray_dataarray_variable__")
    return obj


def _write(obj, path, format, overwrite, encoding, unlimited_dims=None, resume=False, shards=None, cluster=None, before=None, compute=True):
    """before: called when all values are written, before they become visible; Zarr without resume. compute: False leaves values of lazy arrays to the
    PendingWrite that is returned."""
    from xarray import conventions

    ds = _as_dataset(obj).copy(deep=False)
    _check_names(ds)
    shards = storing.check_shards(shards, ds, format)
    encoding = dict(encoding or {})
    unknown = set(encoding) - set(ds.variables)
    if unknown:
        raise UnknownVariables(f"craton: encoding for variables that are not there: {', '.join(sorted(map(repr, unknown)))}")
    storage = {}
    for name, variable in ds.variables.items():
        variable.encoding, storage[name] = storing.split(name, variable.encoding, encoding.get(name, {}), format)
    unlimited = _unlimited(ds, unlimited_dims) if format == "netcdf4" else ()
    for name in ds.variables:
        if storing.is_contiguous(storage[name]) and set(map(str, ds.variables[name].dims)) & set(unlimited):
            raise ValueError(f"craton: encoding of {name!r}: contiguous=True, but a dimension of it is unlimited, which needs chunks; leave out one of them")
    variables, attrs = conventions.encode_dataset_coordinates(ds)
    if format.startswith("zarr"):
        encoded = {name: encode(name, v, format) for name, v in variables.items()}
    else:  # bounds of times are in the units of the times
        variables, attrs = conventions.cf_encoder(variables, attrs)
        encoded = {name: texts.encode(name, v, format) for name, v in variables.items()}
    writer = _craton.Writer(os.fspath(path), format=format, overwrite=overwrite, resume=resume, unlimited=unlimited)
    writer.attrs(_attributes(attrs, "the dataset", format))
    nodes = declare(writer, encoded, storage, shards, format)
    placed = {name: (name, node, (0,) * len(node.shape)) for name, node in nodes.items() if 0 not in node.shape}
    later = [] if compute else [place for name, variable in encoded.items() if isinstance(variable._data, Array) and (place := placed.get(stored_name(name)))]
    bar = progress_callback(list(nodes.values())) if compute else None
    try:
        if not compute:
            _craton.update(context(), writer.begin(), [p for p in placed.values() if p not in later], None)
        elif cluster is not None:
            hidden, words = writer.begin(), {stored_name(name) for name, v in encoded.items() if v.dtype.kind in texts.KINDS}
            _craton.update(context(), hidden, [p for p in placed.values() if p[0] in words], None)  # few, and in memory as a rule
            _write_there(cluster, hidden, {name: node for name, node in nodes.items() if name not in words}, bar)
        elif before is not None:
            _craton.update(context(), writer.begin(), list(placed.values()), bar)
        if before is not None:
            before()
        writer.finish(context(), bar if cluster is None and before is None else None)
        warn_of_unreadable()
        return writer.chunks() if resume else None if compute else PendingWrite(path, later)
    finally:
        computation_ended()
        # What was written goes with the writer, now: a notebook keeps the frames of an error, and the disk may be full.
        del writer
        if bar is not None:
            bar.close()


class UnknownVariables(KeyError, ValueError):
    """xarray's stores raise the one, Craton's have raised the other."""

    __str__ = Exception.__str__


def _check_names(ds):
    """As xarray: names of variables are text; one that has none is stored under a name that is read as none again."""
    for name in ds.variables:
        if isinstance(name, str) and not name:
            raise ValueError(f"craton: the variable {name!r} cannot be written: string must be length 1 or greater")
        if not isinstance(name, str) and name is not None:
            raise TypeError(f"craton: the variable {name!r} cannot be written: its name must be a string or None, not {type(name).__name__}")


def stored_name(name):
    return "__values__" if name is None else str(name)


def _unlimited(ds, asked):
    """What was asked for in this call must be there; what the dataset was read with is left out where it is not, with a warning."""
    wanted, where = (ds.encoding.get("unlimited_dims", ()), "dataset.encoding") if asked is None else (asked, "unlimited_dims-kwarg")
    wanted = [wanted] if isinstance(wanted, str) else list(wanted)
    if missing := [d for d in wanted if d not in ds.dims]:
        text = f"craton: Unlimited dimension(s) {missing} declared in '{where}', but not part of the dataset, which has {list(ds.dims)}"
        if asked is not None:
            raise ValueError(text)
        warnings.warn(text, UserWarning, stacklevel=5)
    return tuple(str(d) for d in wanted if d in ds.dims)


def encode(name, variable, format):
    """As xarray's coders have it. Zarr has booleans of its own, NetCDF has them as bytes with an attribute."""
    from xarray import conventions

    coders = None
    if format.startswith("zarr") and variable.dtype == bool:
        coders = [c for c in conventions.DEFAULT_CODERS if type(c).__name__ != "BooleanCoder"]
    return texts.encode(name, conventions.encode_cf_variable(variable, name=name, coders=coders), format)


def declare(writer, encoded, storage, shards, format):
    """All variables, as they are encoded; returns the nodes of all but text of any length."""
    nodes = {}
    for name, variable in encoded.items():
        node = _add(writer, stored_name(name), variable, storage.get(name, {"asked": set()}), shards, format)
        if node is not None:
            nodes[stored_name(name)] = node
    return nodes


def _write_there(cluster, hidden, nodes, bar):
    """Workers write the values into a store that is still hidden; finishing then makes it visible."""
    from .cluster import write_on

    write_on(cluster, os.path.abspath(hidden), {name: node for name, node in nodes.items() if 0 not in node.shape}, bar)


def _add(writer, name, variable, storage, shards, format):
    """Declares one encoded variable; returns its node, None for text of any length."""
    dtype, data = variable.dtype, variable._data
    fixed_dims = [str(d) for d in variable.dims]
    attrs = dict(variable.attrs)
    is_text = dtype.kind in texts.KINDS
    code = texts.code_of(variable, format) if is_text else dtype.newbyteorder("=").str.replace("=", "<")
    codec, level, shuffle = storing.codec_of(name, storage, format, 1 if is_text else dtype.itemsize)
    if code is None:
        if "shards" in storage["asked"] or "fletcher32" in storage["asked"] and storage["fletcher32"]:
            raise ValueError(f"craton: encoding of {name!r}: text of any length has neither shards nor fletcher32; leave them out")
        sizes = storing.sizes_of(name, variable, storage, None, {}, format)[0] if storage["asked"] & {"chunks", "chunksizes"} else None
        attrs.pop("_FillValue", None)
        writer.variable(name, fixed_dims, variable.shape, sizes, None, "|O", _attributes(attrs, name, format), None, codec, level, False,
                        texts.of_any_length(name, variable))  # fmt: skip
        return None
    sizes, wanted = storing.sizes_of(name, variable, storage, data, shards, format)
    node = data._node if isinstance(data, Array) else memory(np.asarray(variable.values))
    fill = texts.take_fill(attrs, dtype, format) if is_text else storing.fill_of(name, storage, dtype)
    if "_FillValue" in attrs and not is_text:
        attrs["_FillValue"] = np.asarray(attrs["_FillValue"]).astype(dtype)[()]
    writer.variable(name, fixed_dims, variable.shape, sizes, wanted, code, _attributes(attrs, name, format), fill, codec, level, shuffle, node,
                    bool(storage.get("fletcher32")))  # fmt: skip
    return node


def _attributes(attrs, where, format):
    """In the form of _craton.Writer: (name, code, payload). Zarr has true and false, NetCDF has numbers."""
    result, zarr = [], format.startswith("zarr")
    for name, value in attrs.items():
        if isinstance(value, str):
            result.append((str(name), "|O", [value]))
            continue
        if zarr and _is_json(value):
            result.append((str(name), "{|O", [_json(value, name, where)]))
            continue
        array = np.asarray(value)
        if zarr and array.ndim == 1 and array.size == 1:
            result += [(n, f"[{code}", payload) for n, code, payload in _attributes({name: array[0]}, where, format)]
            continue
        if array.dtype.kind == "U" or array.dtype.kind == "O" and all(isinstance(v, str) for v in array.ravel()):
            result.append((str(name), "|O", [str(v) for v in array.ravel()]))
        elif array.dtype.kind in "iuf" and array.dtype.itemsize <= 8:
            array = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
            result.append((str(name), array.dtype.str, array.tobytes()))
        elif array.dtype.kind == "b":
            result.append((str(name), "|b1" if zarr else "|i1", array.astype(np.int8).tobytes()))
        elif array.dtype.kind == "S":
            result.append((str(name), "|O", [v.decode("utf-8") for v in array.ravel().tolist()]))
        else:
            raise TypeError(f"craton: the attribute {name!r} of {where} is a {type(value).__name__}, which cannot be written")
    return result


def _is_json(value):
    """What is neither text nor numbers of one kind: objects, null, lists of lists, lists of different things, numbers of more than 64 bits."""
    if isinstance(value, (list, tuple)):
        kinds = {bool if isinstance(v, (bool, np.bool_)) else str if isinstance(v, str) else float if np.ndim(v) == 0 and np.asarray(v).dtype.kind in "iuf"
                 else None for v in value}  # fmt: skip
        return len(kinds) > 1 or None in kinds
    return isinstance(value, dict) or value is None or np.ndim(value) > 1 or isinstance(value, int) and not -(2**63) <= value < 2**64


def _json(value, name, where):
    def plain(thing):
        if isinstance(thing, (np.ndarray, np.generic)):
            return thing.tolist()
        raise TypeError(type(thing).__name__)

    try:
        return json.dumps(value, default=plain)
    except (TypeError, ValueError) as error:
        raise TypeError(f"craton: the attribute {name!r} of {where} is a {type(value).__name__}, which cannot be written: {error}") from None


def compute(*objects, cluster=None):
    """Computes several arrays, DataArrays and Datasets together: what they share is read and computed once.

    cluster: a distributed.Client or a Dask cluster to do it on, see craton.set_cluster."""
    from .explaining import arrays_of

    arrays = list({id(a): a for a in arrays_of(objects)}.values())
    values = dict(zip(map(id, arrays), compute_for_user([a._node for a in arrays], [a.dtype for a in arrays], cluster)))

    def computed(thing):
        if isinstance(thing, Array):
            return values[id(thing)]
        if hasattr(thing, "_to_temp_dataset"):
            return thing._from_temp_dataset(computed(thing._to_temp_dataset()))
        if hasattr(thing, "variables"):
            new = thing.copy(deep=False)
            for variable in new.variables.values():
                if isinstance(variable._data, Array):
                    variable.data = values[id(variable._data)]
            return new.load()
        return thing

    return tuple(computed(o) for o in objects)
