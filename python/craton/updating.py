"""Writing into a Zarr store that is there: at its end (append_dim), into a part of it (region) or over its values, with xarray's checks.

Variables that are new are written beside the store, moved into it one by one, each whole, and told last: killed before, readers see the old store.

Values first, chunk by chunk, then what the store says of its shapes. Chunks that are only partly new are made of old and new values by the
engine itself, so that every chunk is written once and whole.
"""

import contextlib
import errno
import fcntl
import glob
import itertools
import json
import os
import shutil
import warnings

import numpy as np

from . import _craton, grouping, ownstore, storing, texts
from .array import Array, wrap
from .backend import attribute_value, element_code
from .beside import own_directory
from .graph import memory
from .runtime import computation_ended, context, progress_callback, warn_of_unreadable


def update(ds, path, mode, append_dim, region, safe_chunks, encoding):
    if append_dim is not None and mode == "r+":
        raise ValueError("craton: mode='r+' changes values and no lengths; with append_dim it is 'a' or 'a-'")
    if os.path.lexists(path) and not os.path.isdir(path):
        raise NotADirectoryError(errno.ENOTDIR, "craton: it is no Zarr store, and values are written into those alone", path)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(fd, path, region is None)
        _update(ds, path, mode, append_dim, region, safe_chunks, encoding, fd)
    finally:
        os.close(fd)


def _lock(fd, path, alone):
    """One append at a time, and none beside regions: each would go by a length that the other changes. Regions of whole chunks share."""
    try:
        fcntl.flock(fd, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        other = "write" if alone else "append"
        reason = f"craton: another {other} into this store is going on; do this one when it has ended"
        raise BlockingIOError(errno.EWOULDBLOCK, reason, path) from None
    except OSError as e:
        if e.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):  # a file system without locks
            raise


def _update(ds, path, mode, append_dim, region, safe_chunks, encoding, fd):
    import xarray as xr
    from xarray import conventions

    from .writing import encode

    there = xr.open_dataset(path, engine="craton", chunks=None)
    stored = {v["name"]: v for v in _craton.File(path).variables}
    _check_consolidated(path, stored)
    ds = ds.copy(deep=False)
    if region is not None:
        region, ds = _region(ds, there, region, append_dim)
    if append_dim is not None:
        _check_append(ds, stored, append_dim)
    new = [n for n in ds.variables if n not in stored]
    if new and (mode not in ("a", "a-") or append_dim is not None or region is not None):
        names = ", ".join(map(repr, new))
        raise ValueError(f"craton: the store {path} has no variables {names}; only variables that are there are written into. "
                         "mode='a' without append_dim and region adds new ones")  # fmt: skip
    for name in encoding:
        if name not in ds.variables:
            raise ValueError(f"craton: encoding for variables that are not there: {name!r}")
        if name not in new:
            raise ValueError(f"variable {name!r} already exists, but encoding was provided")
    _check_new(ds, new, stored, path)
    version = 3 if _is_version3(path) else 2
    storage = {}
    for name in new:
        variable = ds.variables[name]
        variable.encoding, storage[name] = storing.split(name, variable.encoding, encoding.get(name, {}), f"zarr{version}")
    for name in set(ds.variables) - set(new):
        _check(name, ds.variables[name], there.variables[name], append_dim, region)
    # As datasets xarray would not let the dimensions of one of its variables be turned, nor an index carry another encoding.
    variables = {n: v.to_base_variable().transpose(*there.variables[n].dims) for n, v in ds.variables.items() if n not in new}
    for name, variable in variables.items():
        variable.encoding = dict(there.variables[name].encoding)
    skipped = {n for n, v in variables.items() if mode == "a-" and append_dim not in v.dims}
    ownstore.check(path, {n: (v, [_span(d, size, region) for d, size in zip(v.dims, v.shape)], append_dim in v.dims)
                          for n, v in variables.items() if n not in skipped})  # fmt: skip
    named, attrs = conventions.encode_dataset_coordinates(ds)
    added = {n: encode(n, named[n], f"zarr{version}") for n in new}
    told = append_dim is not None or region is None and mode != "r+"
    if told:
        attrs = _json_attributes(attrs)
    parts, lengths, inside = [], {}, False
    for name, variable in variables.items():
        if name in skipped:
            continue
        if element_code(stored[name]) == "|O":
            _keep_text(name, variable, there.variables[name], append_dim, region)
            continue
        is_text = np.dtype(element_code(stored[name])).kind in "SU"
        encoded = _encode_text(name, variable, stored[name], version) if is_text else _encode(name, variable, stored[name])
        part, mixed = _part(path, str(name), encoded, stored[name], append_dim, region or {}, safe_chunks)
        parts.append(part)
        inside |= mixed
        if append_dim in encoded.dims:
            axis = encoded.dims.index(append_dim)
            lengths[str(name)] = (axis, stored[name]["shape"][axis] + encoded.shape[axis])
    there.close()
    if inside:
        _lock(fd, path, True)
    try:
        # What is new is made first: a variable that cannot be written, or a full disk, leaves the old values as they were.
        with _new_variables(path, version, added, storage) as hidden:
            _run(path, parts)
            for name in map(str, added):
                _move(os.path.join(hidden, name), os.path.join(path, name))
        if told:
            _say(path, lengths, attrs, [str(n) for n in added])
        for name in map(str, added):
            os.unlink(os.path.join(path, name, _MARK))
    except BaseException:
        _forget(path, stored, lengths)
        raise


def _run(path, parts):
    bar = progress_callback([node for _, node, _ in parts])
    try:
        _craton.update(context(), path, parts, bar)
        warn_of_unreadable()
    finally:
        computation_ended()
        if bar is not None:
            bar.close()


# ---- new variables ----


@contextlib.contextmanager
def _new_variables(path, version, encoded, storage):
    """The store of their own, beside this one, in which they lie whole until they are moved."""
    if not encoded:
        yield None
        return
    from .writing import declare

    root = os.path.realpath(path)                             # what is moved must not leave the file system
    while grouping.version_of(os.path.dirname(root)) is not None:  # nothing unfinished lies inside of a store
        root = os.path.dirname(root)
    bar = None
    with own_directory(root) as place:
        hidden = os.path.join(place, "new")
        try:
            writer = _craton.Writer(hidden, format=f"zarr{version}")
            nodes = declare(writer, encoded, storage, {}, f"zarr{version}")
            bar = progress_callback(list(nodes.values()))
            writer.finish(context(), bar)
        finally:
            if bar is not None:
                bar.close()
        yield hidden


def _move(new, place):
    if os.path.lexists(place):  # what a killed call moved and did not tell, as _check_new has seen
        shutil.rmtree(place)
    with open(os.path.join(new, _MARK), "wb"):
        pass
    os.rename(new, place)


# In the directory of a variable that was moved into the store, until the store says that it has it.
_MARK = ".craton-added"


def _check_new(ds, new, stored, path):
    """They lie on the store's dimensions with the store's lengths, else nobody could open it; and take the place of nothing."""
    for name in new:
        place = os.path.join(path, str(name))
        if os.path.lexists(place) and not os.path.exists(os.path.join(place, _MARK)):
            raise FileExistsError(errno.EEXIST, f"craton: the store does not say that it has {name!r}, but there is something of that name; when it is a "
                                                f"variable, call zarr.consolidate_metadata({path!r}) first", place)  # fmt: skip
    lengths = {d: n for v in stored.values() for d, n in zip(v["dims"], v["shape"])}
    for name in new:
        for dim, n in ds.variables[name].sizes.items():
            if lengths.get(dim, n) != n:
                raise ValueError(f"craton: the new variable {name!r} has {n} elements along {dim!r}, the store has {lengths[dim]}; select the part that "
                                 "is in the store, or append with append_dim first")  # fmt: skip


# ---- checks ----


def _check_consolidated(path, stored):
    """Who appended with another program and did not consolidate has values where an append by the old lengths would write."""
    version3 = _is_version3(path)
    last = os.path.join(path, "zarr.json" if version3 else ".zmetadata")
    # A file that waits: ended between two files of _say, so the values beyond are its own, and the same again writes them.
    if not os.path.exists(last) or glob.glob(f"{glob.escape(last)}.*.tmp"):
        return
    for name, variable in stored.items():
        own = _read(os.path.join(path, name, "zarr.json" if version3 else ".zarray"))["shape"]
        if list(own) != list(variable["shape"]):
            raise ValueError(
                f"craton: the consolidated metadata of {path} are stale: {name!r} has the shape {tuple(own)}, they say {tuple(variable['shape'])}. "
                f"What lies between would be written over; call zarr.consolidate_metadata({path!r}) first"
            )


def _span(dim, size, region):
    """Where it is written along a dimension that does not grow."""
    return (region[dim].start, region[dim].stop) if region and dim in region else (0, size)


def _region(ds, there, region, append_dim):
    """As slices with ends, and the dataset without what is not to be written."""
    if region == "auto":
        region = dict.fromkeys(ds.dims, "auto")
    if not isinstance(region, dict):
        raise TypeError(f"``region`` must be a dict, got {type(region)}")
    if any(v == "auto" for v in region.values() if isinstance(v, str)):
        found = {}
        for dim, part in region.items():
            found[dim] = _find(ds, there, dim) if isinstance(part, str) and part == "auto" else part
        # Their values are those that are there: that is how the place was found.
        ds = ds.drop_vars([d for d, part in region.items() if isinstance(part, str) and d in ds.variables])
        region = found
    for dim, part in region.items():
        if dim not in ds.dims:
            raise ValueError(f"all keys in ``region`` are not in Dataset dimensions, {list(region)} and {list(ds.dims)}")
        if not isinstance(part, slice):
            raise TypeError(f"all values in ``region`` must be slice objects, got region={region}")
        if part.step not in (1, None):
            raise ValueError(f"step on all slices in ``region`` must be 1 or None, got region={region}")
        if (part.start or 0) < 0 or (part.stop is not None and part.stop < 0):
            raise ValueError(f"negative positions in ``region``: {region}")
    if append_dim in region:
        raise ValueError(f"cannot list the same dimension in both ``append_dim`` and ``region``, got {append_dim} and {region}")
    apart = [n for n, v in ds.variables.items() if not set(region) & set(v.dims)]
    if apart:
        raise ValueError(
            "when setting `region` explicitly in to_zarr(), all variables in the dataset to write must have at least one dimension in common "
            f"with the region's dimensions {list(region)}, but that is not the case for some variables here. To drop these variables from this "
            f"dataset before exporting to zarr, write: .drop_vars({apart!r})"
        )
    lengths = {d: n for v in there.variables.values() for d, n in v.sizes.items()}
    for dim, part in region.items():
        if dim not in lengths:
            raise ValueError(f"craton: the store has no dimension {dim!r}")
    return {d: slice(*p.indices(lengths[d])[:2]) for d, p in region.items()}, ds


def _find(ds, there, dim):
    if dim not in ds.variables or dim not in there.variables:
        who = "the dataset" if dim in there.variables else "the store"
        raise KeyError(f"craton: region='auto' looks for the values of the coordinate {dim!r}, which {who} does not have")
    places = there.indexes[dim].get_indexer(ds.indexes[dim])
    if (places < 0).any():
        raise KeyError(f"Not all values of coordinate '{dim}' in the new array were found in the original store. "
                       "Writing to a zarr region slice requires that no dimensions or metadata are changed by the write.")  # fmt: skip
    if (np.diff(places) != 1).any():
        raise ValueError(f"The auto-detected region of coordinate '{dim}' for writing new data to the original store had non-contiguous indices. "
                         "Writing to a zarr region slice requires that the new data constitute a contiguous subset of the original store.")  # fmt: skip
    return slice(int(places[0]), int(places[-1]) + 1)


def _check_append(ds, stored, dim):
    """A variable that did not grow with the others would leave a store with two lengths of one dimension, which nobody can open."""
    lengths = {d: n for v in stored.values() for d, n in zip(v["dims"], v["shape"])}
    if dim not in lengths:
        raise ValueError(f"append_dim={dim!r} does not match any existing dataset dimensions {lengths}")
    if dim not in ds.dims:
        raise ValueError(f"craton: append_dim={dim!r} is not a dimension of the dataset, which has {dict(ds.sizes)}")
    missing = [n for n, v in stored.items() if dim in v["dims"] and n not in ds.variables]
    if missing:
        raise ValueError(
            f"craton: the store's variables {', '.join(map(repr, missing))} have the dimension {dim!r}, and the dataset does not have them. Append "
            f"all variables with {dim!r} at once: the others would be left shorter, and the store could not be opened as one dataset"
        )


def _check(name, variable, there, append_dim, region):
    if set(variable.dims) != set(there.dims):
        raise ValueError(f"variable {name!r} already exists with different dimension names {there.dims} != {variable.dims}, "
                         "but changing variable dimensions is not supported by to_zarr().")  # fmt: skip
    expected = {**there.sizes, **{d: p.stop - p.start for d, p in (region or {}).items() if d in there.sizes}}
    if append_dim in expected:
        expected[append_dim] = variable.sizes[append_dim]
    if dict(variable.sizes) != expected:
        raise ValueError(f"variable {name!r} already exists with different dimension sizes: {expected} != {dict(variable.sizes)}. "
                         f"to_zarr() only supports changing dimension sizes when explicitly appending, but append_dim={append_dim!r}.")  # fmt: skip
    units, new_units = there.attrs.get("units"), variable.attrs.get("units")
    if units is not None and new_units is not None and units != new_units:
        raise ValueError(f"craton: variable {name!r} is stored in {units!r} and comes in {new_units!r}; convert it first, or drop its attribute "
                         "'units' if that only spells the same in another way")  # fmt: skip
    if there.dtype.kind in "OTUS" or variable.dtype.kind in "OTUS" or _is_time(variable) and _is_time(there):
        return
    if variable.dtype != there.dtype:
        raise ValueError(f"Mismatched dtypes for variable {name} between Zarr store on disk and dataset to append. "
                         f"Store has dtype {there.dtype} but dataset to append has dtype {variable.dtype}.")  # fmt: skip


def _is_time(variable):
    return variable.dtype.kind in "mM"


# ---- in the store's encoding ----


def _encode(name, variable, stored):
    """As the store has it. xarray may choose other units for times than it is told, or round them: both are found here, and refused."""
    from xarray import conventions

    times = variable.dtype.kind in "mMO"
    if times:
        variable = variable.compute()
    with warnings.catch_warnings():
        # What it would do instead is not done here.
        warnings.filterwarnings("ignore", message="Times can't be serialized faithfully|Timedeltas can't be serialized faithfully")
        encoded = conventions.encode_cf_variable(variable, name=name)
    attrs = {n: attribute_value(code, payload, n != "_FillValue") for n, code, payload in stored["attrs"]}
    if times:
        kept = np.dtype(stored["dtype"])
        with np.errstate(invalid="ignore"):
            values = np.asarray(encoded.values).astype(kept)
        encoded = encoded.copy(deep=False, data=values)
        _check_times(name, variable, encoded, attrs)
    return encoded


def _encode_text(name, variable, stored, version):
    """In the width that the store has; text that is longer is refused, cut off it would be other text."""
    code = np.dtype(element_code(stored))
    if variable.dtype.kind not in texts.KINDS:
        raise ValueError(f"craton: the variable {name!r} is stored as {code} and comes as {variable.dtype}; convert it with astype({code.str!r}) first")
    variable = texts.encode(name, variable.drop_encoding(), f"zarr{version}")
    if (code.kind == "S") != (variable.dtype.kind == "S"):
        raise ValueError(f"craton: the variable {name!r} is stored as {code} and comes as {variable.dtype}; convert it with astype({code.str!r}) first")
    if variable.dtype.kind not in "SU":  # of any length
        variable = variable.copy(data=np.asarray(variable.values).astype("U"))
    if variable.dtype.itemsize > code.itemsize:
        raise ValueError(f"craton: the variable {name!r} is stored as {code} and comes as {variable.dtype}: what is longer would be cut off. Write a new store, "
                         f"or shorten the text with astype({code.str!r})")  # fmt: skip
    return variable.astype(code)


def _check_times(name, variable, encoded, attrs):
    """Read back, they are what they were: to the last digit when stored as whole numbers, to a millisecond when not."""
    from xarray import conventions
    from xarray.coders import CFDatetimeCoder, CFTimedeltaCoder

    back = conventions.decode_cf_variable(
        name, encoded.copy(deep=False, data=encoded.values)._replace(attrs=dict(attrs), encoding={}),
        decode_times=CFDatetimeCoder(use_cftime=variable.dtype.kind == "O"), decode_timedelta=CFTimedeltaCoder(),
    )  # fmt: skip
    if not _same_times(np.asarray(variable.values).ravel(), np.asarray(back.values).ravel(), encoded.dtype.kind in "iu"):
        calendar = f" of the calendar {attrs['calendar']!r}" if "calendar" in attrs else ""
        need = encoded.attrs.get("units")
        raise ValueError(
            f"craton: not all values of {name!r} can be stored as {encoded.dtype} in the units of the store, {attrs.get('units')!r}{calendar}; read "
            f"back, they would be others{f' (xarray would choose {need!r})' if need != attrs.get('units') else ''}. Round them, or write a new store"
        )


def _same_times(was, now, exact):
    if was.dtype.kind == "O":
        try:
            return all(a == b or not exact and abs((a - b).total_seconds()) <= 0.001 for a, b in zip(was, now))
        except TypeError:  # two calendars
            return False
    if was.dtype.kind != now.dtype.kind:
        return False
    return bool(((np.isnat(was) & np.isnat(now)) | (np.abs(was - now) <= np.timedelta64(0 if exact else 1, "ms"))).all())


def _keep_text(name, variable, there, append_dim, region):
    if append_dim in variable.dims or any(d in variable.dims for d in region or ()):
        raise NotImplementedError(
            f"craton: the variable {name!r} holds text, which cannot be written into yet; drop_vars([{name!r}]) leaves it as it is"
        )
    if [str(v) for v in np.asarray(variable.values).ravel()] != [str(v) for v in np.asarray(there.values).ravel()]:
        raise NotImplementedError(f"craton: the text of the variable {name!r} is not that in the store, and text cannot be written into yet")


# ---- values ----


def _part(path, name, variable, stored, append_dim, region, safe_chunks):
    """(name, node, start): whole chunks, of old values where the new ones do not fill them; and whether a region makes that so."""
    shape, dtype = stored["shape"], np.dtype(element_code(stored))
    chunks = stored["shards"] or stored["chunks"] or shape
    data, lazy = variable._data, isinstance(variable._data, Array)
    if not lazy:
        data = wrap(memory(np.asarray(variable.values, order="C")), variable.dtype)  # ascontiguousarray would give a scalar an axis
    if data.dtype.newbyteorder("=") != dtype.newbyteorder("="):
        if data.dtype.kind == "f" and dtype.kind in "iu":
            raise ValueError(f"craton: the values of {name!r} cannot be stored as the store has it ({dtype}): they are no whole numbers")
        data = data.astype(dtype)
    box = []
    for axis, dim in enumerate(variable.dims):
        if dim == append_dim:
            box.append((shape[axis], shape[axis] + variable.shape[axis]))
        else:
            box.append((region[dim].start, region[dim].stop) if dim in region else (0, shape[axis]))
    old, mixed = wrap(_craton.File(path).array(name), dtype), False
    for axis, (begin, end) in enumerate(box):
        size = max(int(chunks[axis]), 1)
        first, last = begin // size * size, min(-(-end // size) * size, shape[axis])
        if variable.dims[axis] != append_dim and (first < begin or last > end):
            _refuse_partial(name, variable.dims[axis], begin, end, size, lazy and safe_chunks, "shard" if stored["shards"] else "chunk")
            mixed = True
        pieces = []
        for a, b in ((first, begin), (end, last)):
            pieces.append(old[tuple(slice(a, b) if k == axis else slice(*box[k]) for k in range(len(box)))] if a < b else None)
        pieces = [p for p in (pieces[0], data, pieces[1]) if p is not None]
        data = np.concatenate(pieces, axis=axis) if len(pieces) > 1 else data
        box[axis] = (first, max(end, last))
    return (name, data._node, tuple(b[0] for b in box)), mixed


def _refuse_partial(name, dim, begin, end, size, refuse, unit):
    if refuse:
        raise ValueError(
            f"craton: along {dim!r} the region {begin}:{end} of the variable {name!r} covers a part of a {unit} ({unit}s have {size} elements). Two "
            f"writes into one {unit} at a time lose the values of one of them. Choose a region of whole {unit}s, compute the values first, or, when "
            "nobody else writes, pass safe_chunks=False."
        )


# ---- what the store says ----


def _json_attributes(attrs):
    """As the store will have them; those that cannot be in JSON are refused before any value is written."""
    attrs = {str(k): v.tolist() if isinstance(v, (np.ndarray, np.generic)) else v for k, v in attrs.items()}
    for name, value in attrs.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise TypeError(f"craton: the attribute {name!r} of the dataset is a {type(value).__name__}, which cannot be written: {error}") from None
    return attrs


def _say(path, lengths, attrs, new=()):
    """New shapes: of each array, then, at once, in the metadata of all of them, which is what readers look at first. Who writes a group below
    tells the same metadata of it."""
    version3 = _is_version3(path)
    with grouping.locked(path, 3 if version3 else 2):
        _say_locked(path, version3, lengths, attrs, new)


def _say_locked(path, version3, lengths, attrs, new):
    documents = {}
    for name, (axis, length) in lengths.items():
        where = os.path.join(path, name, "zarr.json" if version3 else ".zarray")
        documents[where] = document = _read(where)
        document["shape"][axis] = length
    if version3:
        where = os.path.join(path, "zarr.json")
        document = _read(where)
        document["attributes"] = attrs
        metadata = (document.get("consolidated_metadata") or {}).get("metadata", {})
        for name, (axis, length) in lengths.items():
            if name in metadata:
                metadata[name]["shape"][axis] = length
        grouping.add_arrays(metadata, path, new, 3)
        documents[where] = document
        return _replace(documents)
    documents[os.path.join(path, ".zattrs")] = attrs
    where = os.path.join(path, ".zmetadata")
    if os.path.exists(where):
        document = _read(where)
        document["metadata"][".zattrs"] = attrs
        for name, (axis, length) in lengths.items():
            document["metadata"][f"{name}/.zarray"]["shape"][axis] = length
        grouping.add_arrays(document["metadata"], path, new, 2)
        documents[where] = document
    _replace(documents)


def _is_version3(path):
    return os.path.exists(os.path.join(path, "zarr.json"))


def _forget(path, stored, lengths):
    """Removes the chunks beyond the ends of arrays that a failed append has written. Errors are not of interest: nobody reads them."""
    for name, (axis, length) in lengths.items():
        with contextlib.suppress(OSError, KeyError, TypeError, ValueError):
            document = _read(os.path.join(path, name, "zarr.json" if _is_version3(path) else ".zarray"))
            shape, chunks = document["shape"], stored[name]["shards"] or stored[name]["chunks"] or stored[name]["shape"]
            if shape[axis] == length:
                continue
            first, last = -(-shape[axis] // chunks[axis]), -(-length // chunks[axis])
            counts = [range(-(-n // c)) for n, c in zip(shape, chunks)]
            counts[axis] = range(first, last)
            for index in itertools.product(*counts):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(path, name, _key(document, index)))


def _key(document, index):
    if document["zarr_format"] == 2:
        return document.get("dimension_separator", ".").join(map(str, index))
    encoding = document["chunk_key_encoding"]
    separator = encoding.get("configuration", {}).get("separator", "/" if encoding["name"] == "default" else ".")
    return separator.join((["c"] if encoding["name"] == "default" else []) + [str(i) for i in index])


def _read(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def _replace(documents):
    """All are on the disk beside the old ones before the first takes its place; the last one is that which readers look at first."""
    waiting, done = [], 0
    before = {path: _bytes(path) for path in documents}
    try:
        for path, document in documents.items():
            waiting.append((f"{path}.{os.getpid()}.tmp", path))
            _write(waiting[-1][0], json.dumps(document).encode())
        for names in waiting:
            os.replace(*names)
            done += 1
        for path in documents:  # of a process that was killed here
            for left in glob.glob(f"{glob.escape(path)}.*.tmp"):
                os.unlink(left)
    except BaseException:
        if done < len(documents):
            _put_back(waiting, before)
        raise


def _put_back(waiting, before):
    """After an error or Ctrl-C between the first and the last. Where that fails too, what waits stays, so that the same again is known to go on (see
    _check_consolidated) and completes it."""
    there = [os.path.exists(temporary) for temporary, _ in waiting]
    with contextlib.suppress(OSError):
        for (temporary, path), waits in zip(waiting, there):
            if waits or _bytes(path) == before[path]:
                continue
            if before[path] is None:
                os.unlink(path)
            else:
                _write(temporary, before[path])
                os.replace(temporary, path)
        for (temporary, _), waits in zip(waiting, there):
            if waits:
                os.unlink(temporary)


def _bytes(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except FileNotFoundError:
        return None


def _write(path, content):
    with open(path, "wb") as f:
        f.write(content)
        f.flush()
        os.fsync(f.fileno())
