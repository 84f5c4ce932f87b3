"""Writing datasets with Craton: everything is computed in shared scans and written chunk by chunk; a reader sees the old
store or file, or the new one, never a part."""

import os

import numpy as np

from . import _craton
from . import chunks as grids
from .array import Array
from .graph import memory
from .runtime import cluster_for_user, compute_for_user, context, progress_callback

_STORAGE_KEYS = ("chunks", "chunksizes", "codec", "level", "complevel", "shuffle", "zlib")
# What other engines leave in .encoding about their own storage, without a meaning here.
_FOREIGN_KEYS = (
    "source", "original_shape", "preferred_chunks", "contiguous", "fletcher32", "szip", "zstd", "bzip2", "blosc", "compression",
    "compression_opts", "compressors", "compressor", "filters", "serializer", "shards", "object_codec", "endian", "fill_value",
    "least_significant_digit", "quantize_mode", "significant_digits",
)  # fmt: skip


def to_zarr(obj, path, *, mode=None, append_dim=None, region=None, safe_chunks=True, zarr_format=None, format=None, overwrite=False,
            encoding=None, resume=False, cluster=None):  # fmt: skip
    """Writes a Dataset or DataArray as a Zarr store.

    mode        as xarray: "w" replaces a store that is there, "w-" refuses to (the default), "a" and "r+" write values over those of
                variables that are there ("a" makes a store that is not, and takes the attributes of the dataset too)
    append_dim  a dimension: the values are added at the end of the store that is there, in its types, units and calendars. Its lengths are
                changed last: whatever happens before, readers see the old values. One append into a store at a time
    region      {dimension: slice} or {dimension: "auto"} or "auto": the values replace those of a part of the store that is there, chunk by
                chunk. A part that ends inside of chunks is refused when values are lazy, because two such writes at a time lose values;
                safe_chunks=False allows it, for one writer at a time
    zarr_format 3 (the default) or 2; also format="zarr3", "zarr2"
    overwrite   mode="w"
    encoding    {variable: {...}}: dtype, scale_factor, add_offset, _FillValue as in xarray; chunks (sizes per axis),
                codec ("zstd", "lz4", "deflate", "none"), level, shuffle
    resume      write down which chunks are finished, and go on with what a killed or interrupted call with resume left of this path: only
                what is not finished is computed. What is written, how it is computed and what it is read from must be the same.
                Returns (chunks, of these finished before).
    cluster     a distributed.Client or a Dask cluster whose workers compute and write a new store, which they reach by the same path; None:
                what craton.set_cluster named, else this process. What is written into a store that is there, or with resume, is written here
    """
    if mode not in (None, "w", "w-", "a", "a-", "r+"):
        raise ValueError(f"craton: mode is 'w', 'w-', 'a', 'a-' or 'r+', not {mode!r}")
    there = mode in ("a", "a-", "r+") and os.path.lexists(path)
    if append_dim is not None or region is not None or there or mode == "r+":
        from .updating import update

        if resume or overwrite or mode in ("w", "w-"):
            raise ValueError("craton: a store that is there is written into without overwrite, resume and mode 'w' or 'w-'")
        return update(_as_dataset(obj), os.path.abspath(os.fspath(path)), mode, append_dim, region, safe_chunks, encoding or {})
    overwrite = overwrite or mode == "w"
    if zarr_format not in (None, 2, 3) or (zarr_format and format and format != f"zarr{zarr_format}"):
        raise ValueError(f"craton: zarr_format={zarr_format!r} with format={format!r}; it is 2 or 3")
    format = format or f"zarr{zarr_format or 3}"
    if format not in ("zarr2", "zarr3"):
        raise ValueError("craton: format is 'zarr3' or 'zarr2'")
    return _write(obj, path, format, overwrite, encoding, resume=resume, cluster=None if resume else cluster_for_user(cluster))


def to_netcdf(obj, path, *, overwrite=False, encoding=None, unlimited_dims=None):
    """Writes a Dataset or DataArray as a NetCDF-4 file. encoding as in to_zarr; chunksizes, zlib and complevel are understood."""
    _write(obj, path, "netcdf4", overwrite, encoding, unlimited_dims)


def _as_dataset(obj):
    if hasattr(obj, "to_dataset") and hasattr(obj, "name"):
        return obj.to_dataset(name=obj.name or "__xarray_dataarray_variable__")
    return obj


def _write(obj, path, format, overwrite, encoding, unlimited_dims=None, resume=False, cluster=None):
    from xarray import conventions

    ds = _as_dataset(obj).copy(deep=False)
    encoding = dict(encoding or {})
    unknown = set(encoding) - set(ds.variables)
    if unknown:
        raise ValueError(f"craton: encoding for variables that are not there: {', '.join(map(repr, sorted(unknown)))}")
    storage = {}
    for name, variable in ds.variables.items():
        given = {**variable.encoding, **encoding.get(name, {})}
        storage[name] = {k: given.pop(k) for k in _STORAGE_KEYS if k in given}
        variable.encoding = {k: v for k, v in given.items() if k not in _FOREIGN_KEYS}
    if unlimited_dims is None:
        unlimited_dims = ds.encoding.get("unlimited_dims", ())
    unlimited_dims = [unlimited_dims] if isinstance(unlimited_dims, str) else list(unlimited_dims)
    variables, attrs = conventions.encode_dataset_coordinates(ds)
    encoded = {name: conventions.encode_cf_variable(v, name=name) for name, v in variables.items()}
    writer = _craton.Writer(os.fspath(path), format=format, overwrite=overwrite, resume=resume,
                            unlimited=tuple(d for d in unlimited_dims if d in ds.dims) if format == "netcdf4" else ())  # fmt: skip
    writer.attrs(_attributes(attrs, "the dataset"))
    nodes = {}
    for name, variable in encoded.items():
        node = _add(writer, str(name), variable, storage.get(name, {}), format)
        if node is not None:
            nodes[str(name)] = node
    bar = progress_callback(list(nodes.values()))
    try:
        if cluster is not None:
            _write_there(cluster, writer.begin(), nodes, bar)
        writer.finish(context(), bar if cluster is None else None)
        return writer.chunks() if resume else None
    finally:
        # What was written goes with the writer, now: a notebook keeps the frames of an error, and the disk may be full.
        del writer
        if bar is not None:
            bar.close()


def _write_there(cluster, hidden, nodes, bar):
    """Workers write the values into a store that is still hidden; finishing then makes it visible."""
    from .cluster import write_on

    write_on(cluster, os.path.abspath(hidden), {name: node for name, node in nodes.items() if 0 not in node.shape}, bar)
    for folder, _, files in os.walk(hidden):  # of workers that died; each chunk was then written by another
        for file in files:
            if file.startswith(".tmp-"):
                os.unlink(os.path.join(folder, file))


def _add(writer, name, variable, storage, format):
    """Declares one encoded variable; returns its node, None for text."""
    dtype, data = variable.dtype, variable._data
    fixed_dims = [str(d) for d in variable.dims]
    attrs = dict(variable.attrs)
    codec = storage.get("codec")
    level = storage.get("level", storage.get("complevel")) or 0
    if storage.get("zlib") and codec is None and format == "netcdf4":
        codec = "deflate"
    if dtype.kind in "OSUT":
        texts = _texts(name, variable)
        attrs.pop("_FillValue", None)
        writer.variable(name, fixed_dims, variable.shape, None, "|O", _attributes(attrs, name), None, codec, int(level), False, texts)
        return None
    node = data._node if isinstance(data, Array) else memory(np.asarray(variable.values))
    sizes = _chunk_sizes(variable, storage, data)
    if "_FillValue" in attrs:
        attrs["_FillValue"] = np.asarray(attrs["_FillValue"]).astype(dtype)[()]
    shuffle = bool(storage.get("shuffle", codec is None or codec in ("deflate", "zstd", "lz4")) and dtype.itemsize > 1)
    writer.variable(name, fixed_dims, variable.shape, sizes, dtype.newbyteorder("=").str.replace("=", "<"), _attributes(attrs, name), None, codec,
                    int(level), shuffle, node)  # fmt: skip
    return node


def _chunk_sizes(variable, storage, data):
    sizes = storage.get("chunks") or storage.get("chunksizes")
    if sizes is not None and len(sizes) == variable.ndim and all(isinstance(n, (int, np.integer)) for n in sizes):
        return tuple(max(1, min(int(n), extent)) for n, extent in zip(sizes, variable.shape))
    if isinstance(data, Array) and data.ndim and max(len(c) for c in data.chunks) > 1 and all(map(grids.is_regular, data.chunks)):
        return tuple(grids.grid_size(c) for c in data.chunks)
    return None


def _texts(name, variable):
    texts = []
    for value in np.asarray(variable.values).ravel().tolist():
        if isinstance(value, bytes):
            value = value.decode("utf-8")
        if not isinstance(value, str):
            raise TypeError(f"craton: the variable {name!r} holds objects of type {type(value).__name__}, which cannot be written")
        texts.append(value)
    return texts


def _attributes(attrs, where):
    """In the form of _craton.Writer: (name, code, payload)."""
    result = []
    for name, value in attrs.items():
        if isinstance(value, str):
            result.append((str(name), "|O", [value]))
            continue
        array = np.asarray(value)
        if array.dtype.kind == "U" or array.dtype.kind == "O" and all(isinstance(v, str) for v in array.ravel()):
            result.append((str(name), "|O", [str(v) for v in array.ravel()]))
        elif array.dtype.kind in "iuf" and array.dtype.itemsize <= 8:
            array = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
            result.append((str(name), array.dtype.str, array.tobytes()))
        elif array.dtype.kind == "b":
            result.append((str(name), "|i1", array.astype(np.int8).tobytes()))
        elif array.dtype.kind == "S":
            result.append((str(name), "|O", [v.decode("utf-8") for v in array.ravel().tolist()]))
        else:
            raise TypeError(f"craton: the attribute {name!r} of {where} is a {type(value).__name__}, which cannot be written")
    return result


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
