"""engine="craton": files and stores opened by Craton, for xarray's open_dataset.

The variables are handed over as stored; xarray's own decoders are put around them, and are recognised again where a chunk
manager asks (decoding.py). Without chunks= the values are read by Craton when they are needed, as with any other engine.
"""

import json
import math
import os

import numpy as np
from xarray.backends.common import AbstractDataStore, BackendArray, BackendEntrypoint
from xarray.backends.store import StoreBackendEntrypoint
from xarray.coding.strings import create_vlen_dtype
from xarray.core import indexing
from xarray.core.utils import FrozenDict, close_on_error
from xarray.core.variable import Variable

from . import texts
from .array import wrap
from .fileobject import FileObject, file_object
from .graph import adopt, open_file
from .runtime import cluster_for_user, compute_short
from .selection import outer


_MOST_GROUPS = 10000
_SHORT_BYTES = 1 << 16        # a variable of at most so many bytes, in chunks of at most _SHORT_CHUNK_BYTES, is read on the thread that asks
_SHORT_CHUNK_BYTES = 1 << 20
_MOST_KEPT_BYTES = 1 << 20    # of a coordinate that becomes an index


class StoredArray(BackendArray):
    """A variable as stored. Pickles as the path and name of its file.

    keep: the values stay when they have been read once. For the small coordinates that xarray makes an index of, and asks for up
    to three times before (the first, the last, all)."""

    def __init__(self, array, short=False, keep=False):
        self.craton_array, self.short, self.keep = array, short, keep
        self.shape, self.dtype = array.shape, array.dtype
        self._values = None

    def __getstate__(self):
        return {**self.__dict__, "_values": None}

    def __getitem__(self, key):
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key):
        if not self.keep:
            return self._compute(outer(self.craton_array, key))
        if self._values is None:
            self._values = self._compute(self.craton_array)
        # A copy: what is given may be written to.
        return np.array(indexing.NumpyIndexingAdapter(self._values).oindex[indexing.OuterIndexer(_as_arrays(key))])

    def _compute(self, array):
        return compute_short(array._node, array.dtype) if self.short and cluster_for_user(None) is None else array.compute()


class StoredText(BackendArray):
    """A variable of texts of any length: read whole, when first needed."""

    def __init__(self, path, group, name, shape, dtype):
        self.place = path, group, name
        self.shape, self.dtype = shape, dtype
        self._values = None

    def __getstate__(self):
        return {**self.__dict__, "_values": None}

    def __getitem__(self, key):
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key):
        if self._values is None:
            path, group, name = self.place
            texts = open_file(path, group).strings(name)
            values = np.empty(len(texts), self.dtype)
            values[:] = texts
            self._values = values.reshape(self.shape)
        return indexing.NumpyIndexingAdapter(self._values).oindex[indexing.OuterIndexer(_as_arrays(key))]


def _as_arrays(key):
    return tuple(np.asarray(k) if isinstance(k, list) else k for k in key)


class Unreadable(BackendArray):
    """A variable whose metadata are known and whose values are not: says why when it is touched."""

    def __init__(self, name, shape, dtype, problem):
        self.name, self.shape, self.dtype, self.problem = name, shape, dtype, problem

    def __getitem__(self, key):
        raise NotImplementedError(f"craton: the variable {self.name!r} cannot be read: {self.problem}")


def attribute_value(code, payload, plain):
    """What xarray's own engines give: text, a list of texts, a NumPy scalar or a 1-d array. plain: Python numbers (JSON)."""
    if code.startswith("{"):
        return json.loads(payload[0])
    if code.startswith("["):
        return [attribute_value(code[1:], payload, plain)]
    if code == "|O":
        return payload[0] if len(payload) == 1 else payload if payload else ""
    if code.startswith("|V"):
        return payload.decode("utf-8", "replace")
    values = np.frombuffer(payload, code)
    if plain:
        return values.tolist() if values.size != 1 else values[0].item()
    return values[0] if values.size == 1 else values.copy()


def path_here(filename_or_obj):
    """The path; of bytes, and of objects that seek and read, a FileObject."""
    if isinstance(filename_or_obj, FileObject):
        return filename_or_obj
    if not isinstance(filename_or_obj, (str, os.PathLike)):
        filename_or_obj = file_object(filename_or_obj)
        if isinstance(filename_or_obj, FileObject):
            return filename_or_obj
    path = os.fsdecode(os.fspath(filename_or_obj))
    if path.startswith("reference://"):
        raise TypeError("craton: 'reference://' needs storage_options={'fo': 'references.json'}; or open the JSON itself.")
    if "://" in path and not path.startswith("file://"):
        raise NotImplementedError(
            f"craton: {path!r} is not on this machine. A NetCDF or GeoTIFF file can be read from there: xr.open_dataset(fsspec.open({path!r}).open(), "
            "engine='craton', chunks={}); a Zarr store cannot yet, copy it here first."
        )
    return os.path.abspath(os.path.expanduser(path.removeprefix("file://")))


# What fsspec understands beside "fo" and has no meaning for files on this machine.
_IGNORED_OPTIONS = {"remote_options", "target_options", "asynchronous", "lazy", "skip_instance_cache", "max_gap", "max_block", "cache_size"}


def _references(filename_or_obj, storage_options):
    """The path of the JSON that "reference://" with storage_options={"fo": ...} means; any other path as it is."""
    if storage_options is None:
        return filename_or_obj
    if filename_or_obj not in ("reference://", "reference:///"):
        raise TypeError(f"craton: storage_options are for 'reference://' alone; {filename_or_obj!r} is opened without.")
    options = dict(storage_options)
    fo = options.pop("fo", None)
    for name in ("remote_protocol", "target_protocol"):
        if options.pop(name, None) not in (None, "file", "local"):
            raise NotImplementedError(f"craton: references to remote files cannot be read yet: {name} must be 'file', or be left out.")
    if unknown := sorted(set(options) - _IGNORED_OPTIONS):
        raise TypeError(f"craton: storage_options {unknown} are not understood; 'reference://' takes 'fo'.")
    if not isinstance(fo, (str, os.PathLike)):
        raise TypeError(
            f"craton: storage_options['fo'] must be the path of a JSON file, not {type(fo).__name__}. Save references that are in memory "
            "with json.dump first."
        )
    return fo


class CratonStore(AbstractDataStore):
    """One group of a file or store."""

    def __init__(self, path, group=None, missing=False, fill_is_missing=None):
        self.path, self.group, self.missing, self.fill_is_missing = path, group, missing, fill_is_missing
        self._file = open_file(path, group, missing)

    def __getstate__(self):
        # A dataset keeps its store for close(); in another process the file is opened again when it is asked for.
        return {**self.__dict__, "_file": None}

    @property
    def file(self):
        if self._file is None:
            self._file = open_file(self.path, self.group, self.missing)
        return self._file

    @property
    def plain(self):
        """Attributes are those of JSON: Python numbers."""
        return self.file.format.startswith("zarr")

    def get_attrs(self):
        return FrozenDict((name, attribute_value(code, payload, self.plain)) for name, code, payload in self.file.attrs)

    def get_dimensions(self):
        return FrozenDict((name, length) for name, length, _ in self.file.dims)

    def get_encoding(self):
        return {"unlimited_dims": {name for name, _, unlimited in self.file.dims if unlimited}, **self._source()}

    def _source(self):
        return {"source": self.path} if isinstance(self.path, str) else {}

    def get_variables(self):
        return FrozenDict((v["name"], self._variable(v)) for v in self.file.variables)

    def _variable(self, v):
        attrs = {}
        for name, code, payload in v["attrs"]:
            # The fill value keeps the type of its variable: masks compare by it.
            attrs[name] = attribute_value(code, payload, self.plain and name != "_FillValue")
        encoding = {**self._source(), "original_shape": v["shape"]}
        code = element_code(v)
        self._set_fill(v, code, attrs, encoding)
        if code == "|O":
            # As xarray's engines: objects from NetCDF, NumPy's own text type from Zarr.
            dtype = np.dtypes.StringDType() if self.plain else create_vlen_dtype(str)
            encoding["dtype"] = dtype if self.plain else str
            data = StoredText(self.path, self.group, v["name"], v["shape"], dtype)
            if v["problem"]:
                data = Unreadable(v["name"], v["shape"], data.dtype, v["problem"])
        elif v["problem"]:
            data = Unreadable(v["name"], v["shape"], np.dtype(code), v["problem"])
        else:
            array = wrap(self._node(v), np.dtype(code))
            data = StoredArray(array, *_read_how(v, array))
            encoding["preferred_chunks"] = self._preferred_chunks(v, array)
            encoding.update(_storage_encoding(v, self.file.format))
        return Variable(tuple(v["dims"]), indexing.LazilyIndexedArray(data), attrs, encoding)

    def _set_fill(self, v, code, attrs, encoding):
        """What is missing, as xarray's engines have it: by an attribute in NetCDF and Zarr 3, by the fill value of the array in Zarr 2. That of Zarr 3 says
        what absent chunks hold, unless it is to say more."""
        if code == "|O":
            return
        dtype, zarr3 = np.dtype(code), self.file.format == "zarr3"
        if dtype.kind == "S" and "_FillValue" in attrs:
            attrs["_FillValue"] = texts.read_fill(attrs["_FillValue"], dtype, zarr3)
        if not self.plain:
            return
        fill = np.frombuffer(v["fill"], code)[0] if v["fill"] is not None else None
        if zarr3 and fill is not None and not self.fill_is_missing:
            encoding["fill_value"] = fill
        if fill is not None and (self.fill_is_missing or not zarr3 and dtype.kind == "S" and self.fill_is_missing is None):
            attrs["_FillValue"] = fill
        elif not zarr3 and self.fill_is_missing is False:
            attrs.pop("_FillValue", None)

    def _node(self, v):
        return adopt(self.file.array(v["name"]), "file", self.path, self.group, v["name"], *([True] if self.missing else []))

    def _preferred_chunks(self, v, array):
        if v["chunks"]:  # not of the list of all chunks, of which a file can claim any number
            return {d: max(1, min(c, n)) for d, c, n in zip(v["dims"], v["chunks"], v["shape"])}
        return {d: c[0] if c else 1 for d, c in zip(v["dims"], array.chunks)}

    def close(self):
        # Arrays keep what they need of the file; the last of them closes it.
        self._file = None


def _read_how(v, array):
    """Whether a variable is read on the thread that asks, and whether it is kept."""
    chunk = math.prod(v["shards"] or v["chunks"] or v["shape"]) * array.itemsize
    one_file = array.shape == tuple(v["shape"])
    short = one_file and array.nbytes <= _SHORT_BYTES and chunk <= _SHORT_CHUNK_BYTES
    return short, list(v["dims"]) == [v["name"]] and array.nbytes <= _MOST_KEPT_BYTES


def element_code(v):
    """Opaque items of files are bytes of text; texts of a fixed number of characters are NumPy's."""
    return f"<U{v['text_width']}" if v["text_width"] else v["dtype"].replace("|V", "|S")


def _storage_encoding(v, format):
    if format.startswith("zarr"):
        encoding = {"codec": v["compression"] or "none"}
        encoding.update({k: v[k] for k in ("chunks", "shards") if v[k]})
        return encoding
    encoding = {"chunksizes": v["chunks"], "contiguous": v["chunks"] is None}
    if format == "netcdf4":
        encoding.update(_filters(v["compression"].replace(",", " ").split()))
    return encoding


def _filters(words):
    """As netCDF4-python names them."""
    found = {name: name in words for name in ("szip", "zstd", "bzip2", "fletcher32")}
    deflate = words.index("deflate") if "deflate" in words else None
    level = words[deflate + 1 : deflate + 2] if deflate is not None else ["0"]
    found.update(zlib=deflate is not None, complevel=int(level[0]) if level and level[0].isdigit() else 4, blosc=False)
    found["shuffle"] = "shuffle" in words and "blosc" not in words
    if "blosc" in words:
        shuffle = 2 if "bitshuffle" in words else int("shuffle" in words)
        found["blosc"] = {"compressor": f"blosc_{words[words.index('blosc') + 1]}", "shuffle": shuffle}
    return found


class CratonBackend(BackendEntrypoint):
    description = "NetCDF-3, NetCDF-4, Zarr, GeoTIFF and kerchunk references, read by Craton without locks"
    supports_groups = True
    open_dataset_parameters = None

    def guess_can_open(self, filename_or_obj):
        # Only on request: other engines own the usual suffixes.
        return False

    def open_dataset(
        self,
        filename_or_obj,
        *,
        mask_and_scale=True,
        decode_times=True,
        concat_characters=True,
        decode_coords=True,
        drop_variables=None,
        use_cftime=None,
        decode_timedelta=None,
        group=None,
        storage_options=None,
        consolidated=None,
        use_zarr_fill_value_as_mask=None,
        unreadable="raise",
    ):
        # consolidated is for programs that were written for engine="zarr": whatever is there is found either way. use_zarr_fill_value_as_mask as
        # xarray describes it; of files it changes nothing.
        if unreadable not in ("raise", "missing"):
            raise ValueError(f"craton: unreadable is 'raise' or 'missing', not {unreadable!r}")
        store = CratonStore(path_here(_references(filename_or_obj, storage_options)), group, unreadable == "missing", use_zarr_fill_value_as_mask)
        with close_on_error(store):
            return StoreBackendEntrypoint().open_dataset(
                store,
                mask_and_scale=mask_and_scale,
                decode_times=decode_times,
                concat_characters=concat_characters,
                decode_coords=decode_coords,
                drop_variables=drop_variables,
                use_cftime=use_cftime,
                decode_timedelta=decode_timedelta,
            )

    def open_groups_as_dict(self, filename_or_obj, *, group=None, **options):
        """{"/": Dataset, "/a": Dataset, "/a/b": ...}, from the group on."""
        path, found = path_here(_references(filename_or_obj, options.pop("storage_options", None))), {}
        begin = "/".join(n for n in (group or "").split("/") if n)
        pending = [""]
        while pending:
            below = pending.pop()
            where = "/".join(n for n in (begin, below) if n)
            found["/" + below] = self.open_dataset(path, group=where or None, **options)
            if len(found) > _MOST_GROUPS:
                raise ValueError(f"craton: {path} has more than {_MOST_GROUPS} groups; open those that are wanted with group=")
            pending.extend(f"{below}/{name}" if below else name for name in reversed(open_file(path, where or None).groups))
        return found

    def open_datatree(self, filename_or_obj, **options):
        from xarray.backends.common import datatree_from_dict_with_io_cleanup

        try:
            return datatree_from_dict_with_io_cleanup(self.open_groups_as_dict(filename_or_obj, **options))
        except ValueError as error:  # overviews of a raster have other coordinates than it
            if "is not aligned with its parents" in str(error):
                error.add_note("craton: xr.open_groups(path, engine='craton') gives such groups one by one, open_dataset(group=...) one of them.")
            raise
