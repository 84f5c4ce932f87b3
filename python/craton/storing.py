"""How the arrays of a Zarr store are stored: chunks, shards and codecs, from xarray's encoding and the arguments of to_zarr.

What was asked for in this call is done or refused. What a variable brings along from the file that it was read from is kept where it fits.
"""

import difflib
import math
import re
from collections.abc import Mapping

import numpy as np

from . import chunks as grids
from .array import Array

# What other engines leave in .encoding about their own storage, without a meaning here.
FOREIGN_KEYS = (
    "source", "original_shape", "preferred_chunks", "contiguous", "fletcher32", "szip", "zstd", "bzip2", "blosc", "compression",
    "compression_opts", "object_codec", "endian", "fill_value", "least_significant_digit", "quantize_mode", "significant_digits",
    "filters", "serializer", "write_empty_chunks",
)  # fmt: skip
STORAGE_KEYS = ("chunks", "chunksizes", "shards", "codec", "compressors", "compressor", "level", "complevel", "shuffle", "zlib", "contiguous",
                "fletcher32", "fill_value")  # fmt: skip
# What xarray's coders understand.
CF_KEYS = (
    "dtype", "scale_factor", "add_offset", "_FillValue", "missing_value", "_Unsigned", "units", "calendar", "_Encoding", "char_dim_name", "coordinates",
    "bounds", "grid_mapping", "climatology", "geometry", "node_coordinates", "node_count", "part_node_count", "interior_ring", "cell_measures",
    "formula_terms",
)  # fmt: skip
# What may be asked for and changes nothing, and what it may be.
_NEUTRAL = {
    "filters": lambda v: _is_nothing(v),
    "serializer": lambda v: _is_default(v) or _configured(v)[0] == "bytes" and str(_configured(v)[1].get("endian")) in ("little", "None"),
    "write_empty_chunks": lambda v: v in (False, None),
    "contiguous": lambda v: not v,
    **dict.fromkeys(("fletcher32", "szip", "zstd", "bzip2", "blosc", "compression"), lambda v: not v),
}
_MOST = 2**40
# In NetCDF-4, of other writers, or of Zarr.
_NOT_NETCDF = ("shards", "compressors", "compressor", "fill_value", "szip", "zstd", "bzip2", "blosc", "compression", "compression_opts", "filters",
               "serializer", "least_significant_digit", "quantize_mode", "significant_digits")  # fmt: skip
_QUIET = ("source", "original_shape", "preferred_chunks", "object_codec", "endian")


def split(name, inherited, asked, format):
    """Takes what is about storage out of encodings: (the rest, storage). asked: the encoding of the call, refused where it cannot be done."""
    zarr = format.startswith("zarr")
    if not isinstance(asked, Mapping):
        raise ValueError(f"craton: encoding of {name!r} must be castable to dict: {{'dtype': 'i2', ...}}, not {asked!r}")
    if unknown := sorted(str(k) for k in asked if k not in (*FOREIGN_KEYS, *STORAGE_KEYS, *CF_KEYS)):
        near = {k: n[0] for k in unknown if (n := difflib.get_close_matches(k, (*STORAGE_KEYS, *CF_KEYS), 1))}
        hint = f"; did you mean {', '.join(map(repr, near.values()))}?" if near else f". {', '.join((*STORAGE_KEYS, *CF_KEYS[:8]))} are understood"
        raise ValueError(f"craton: encoding of {name!r}: unexpected encoding parameters {', '.join(map(repr, unknown))}{hint}")
    if not zarr:
        inherited, asked = _in_words_of_netcdf(name, inherited, asked)
    elif format != "zarr3" and asked.get("fill_value") is not None:
        raise ValueError(f"craton: encoding of {name!r}: fill_value is of Zarr version 3; in version 2 `_FillValue` is the fill_value of the array")
    for key, value in asked.items():
        foreign = key in FOREIGN_KEYS and key not in _QUIET and (key, format) != ("fill_value", "zarr3") if zarr else key in _NOT_NETCDF
        if foreign and value is not None and not _NEUTRAL.get(key, lambda v: False)(value):
            where = "Zarr" if zarr else "NetCDF-4"
            raise ValueError(f"craton: encoding of {name!r}: {key}={value!r} has no meaning in {where}, or not yet; leave it out")
    asked = {k: v for k, v in asked.items() if v is not None or k not in ("shards", "chunks", "chunksizes", "codec")}
    elsewhere = ("contiguous", "fletcher32") if zarr else ()
    elsewhere = (*elsewhere, "fill_value") if format != "zarr3" else elsewhere
    storage = {k: v for k, v in {**inherited, **asked}.items() if k in STORAGE_KEYS and k not in elsewhere}
    storage["asked"] = {k for k in asked if k in storage}
    if "shards" in asked:
        storage["shards"] = _whole_numbers(name, "shards", asked["shards"])
        if format != "zarr3":
            raise ValueError(f"craton: encoding of {name!r}: shards are of Zarr version 3, not of {format}; leave them out, or use zarr_format=3")
    _check_contiguous(name, storage)
    rest = {k: v for k, v in {**inherited, **asked}.items() if k not in FOREIGN_KEYS and k not in STORAGE_KEYS}
    if "char_dim_name" in rest and "original_shape" in inherited:  # whether it still counts as many characters
        rest["original_shape"] = inherited["original_shape"]
    return rest, storage


def _in_words_of_netcdf(name, inherited, asked):
    """Deflate as netCDF4-python calls it, whoever else has named it."""
    if asked.get("compression") in ("zlib", "gzip"):
        asked = {"zlib": True, **({"complevel": asked["compression_opts"]} if asked.get("compression_opts") is not None else {}), **asked}
        asked = {k: v for k, v in asked.items() if k not in ("compression", "compression_opts")}
    elif "compression" in asked and not asked["compression"]:
        asked = {"zlib": False, **{k: v for k, v in asked.items() if k != "compression"}}
    endian = {**inherited, **asked}.get("endian")
    if endian not in (None, "native", "little"):
        raise NotImplementedError(f"craton: encoding of {name!r}: endian={endian!r}: numbers are written in little-endian order, which every reader turns round; "
                                  "leave it out")  # fmt: skip
    if inherited.get("zlib") is False:  # what is said of a codec that there was not
        inherited = {k: v for k, v in inherited.items() if k not in ("zlib", "shuffle", "complevel")}
    return inherited, asked


def _check_contiguous(name, storage):
    asked = storage["asked"]
    if not is_contiguous(storage):
        return
    other = [k for k in ("chunksizes", "chunks", "zlib", "shuffle", "fletcher32", "codec") if k in asked and storage.get(k) not in (None, False, "none")]
    if other:
        raise ValueError(f"craton: encoding of {name!r}: contiguous=True has no chunks, which {other[0]}={storage[other[0]]!r} needs; leave out one of them")


def is_contiguous(storage):
    return bool(storage.get("contiguous")) and "contiguous" in storage["asked"]


def _whole_numbers(name, what, sizes):
    good = isinstance(sizes, (tuple, list)) and all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in sizes)
    if not good or any(not 1 <= n <= _MOST for n in sizes):
        raise ValueError(f"craton: encoding of {name!r}: {what}={sizes!r}; one whole number from 1 to 2**40 for each dimension is needed")
    return tuple(int(n) for n in sizes)


# ---- chunks and shards ----


def sizes_of(name, variable, storage, data, shards, format):
    """(chunks, shards) of one variable; None for what the engine chooses, and for no shards. shards: the argument of the call."""
    asked = storage["asked"]
    if is_contiguous(storage):
        return tuple(max(1, int(n)) for n in variable.shape), None
    chunks = _chunks_of(name, variable.ndim, storage)
    if chunks is None and isinstance(data, Array) and data.ndim and max(len(c) for c in data.chunks) > 1 and all(map(grids.is_regular, data.chunks)):
        chunks = tuple(grids.grid_size(c) for c in data.chunks)
    wanted = _shards_of(name, variable, storage, shards, chunks, format)
    if wanted is None:
        return chunks and tuple(max(1, min(int(n), extent)) for n, extent in zip(chunks, variable.shape)), None
    if chunks is not None and not asked & {"chunks", "chunksizes"}:
        chunks = tuple(_divisor(shard, int(chunk)) for shard, chunk in zip(wanted, chunks))
    return chunks and tuple(int(n) for n in chunks), wanted


def _chunks_of(name, ndim, storage):
    """What was asked for in this call is right or refused; what came along is left out where it does not fit."""
    asked = [k for k in ("chunks", "chunksizes") if k in storage["asked"]]
    key = asked[0] if asked else "chunks" if storage.get("chunks") is not None else "chunksizes"
    chunks = storage.get(key)
    if isinstance(chunks, (int, np.integer)) and not isinstance(chunks, bool):  # one size for all dimensions, as xarray has it
        chunks = (chunks,) * ndim
    if asked:
        chunks = _whole_numbers(name, key, chunks)
        if len(chunks) != ndim:
            raise ValueError(f"craton: encoding of {name!r}: {key}={chunks} for a variable of {ndim} dimensions")
    elif chunks is not None and (len(chunks) != ndim or not all(isinstance(n, (int, np.integer)) and n > 0 for n in chunks)):
        return None
    return chunks


def _shards_of(name, variable, storage, shards, chunks, format):
    asked = storage["asked"]
    wanted = storage.get("shards")
    if "shards" in asked:
        if len(wanted) != variable.ndim:
            raise ValueError(f"craton: encoding of {name!r}: shards={wanted} for a variable of {variable.ndim} dimensions")
        return wanted
    if any(d in shards for d in variable.dims):
        whole = [max(n, 1) for n in variable.shape] if chunks is None else [int(n) for n in chunks]
        return tuple(_shard(shards[d], n, c) if d in shards else c for d, n, c in zip(variable.dims, variable.shape, whole))
    # What was read from shards is written in shards again, as long as they are whole chunks.
    if format != "zarr3" or not wanted or chunks is None or len(wanted) != variable.ndim or any(s < 1 or s % c for s, c in zip(wanted, chunks)):
        return None
    return tuple(int(n) for n in wanted)


def _shard(wanted, extent, chunk):
    return wanted if wanted != -1 else -(-max(extent, 1) // chunk) * chunk


def _divisor(shard, most):
    """The largest chunk that divides a shard and is no longer than this; when that is less than a quarter of it (a prime has 1 alone), the one that
    is nearest in proportion, which may be longer."""
    small = [k for k in range(1, math.isqrt(shard) + 1) if shard % k == 0]
    divisors = sorted({*small, *(shard // k for k in small)})
    below = max((k for k in divisors if k <= most), default=1)
    above = min((k for k in divisors if k > most), default=shard)
    return below if below >= most - most // 4 * 3 or above * below >= most * most else above


def check_shards(shards, ds, format):
    """The argument of to_zarr, as a dict."""
    shards = dict(shards or {})
    if shards and format != "zarr3":
        raise ValueError(f"craton: shards are of Zarr version 3, not of {format}; leave them out, or use zarr_format=3")
    for dim, n in shards.items():
        if dim not in ds.dims:
            raise ValueError(f"craton: shards along {dim!r}, which is not a dimension of the dataset; it has {', '.join(map(repr, ds.dims))}")
        if not isinstance(n, (int, np.integer)) or isinstance(n, bool) or not 1 <= n <= _MOST and n != -1:
            raise ValueError(f"craton: shards of {n!r} along {dim!r}; from 1 to 2**40, or -1 for the whole dimension")
    return {d: int(n) for d, n in shards.items()}


# ---- fill values ----


def fill_of(name, storage, dtype):
    """The item that absent chunks of Zarr 3 hold, of the encoding's fill_value; None: as the engine chooses."""
    if storage.get("fill_value") is None:
        return None
    value = np.asarray(storage["fill_value"])
    if value.ndim == 0 and value.dtype.kind in "biuf":
        with np.errstate(all="ignore"):
            item = value.astype(dtype)
        if item == value or value != value and item != item:
            return item.tobytes()
        # A decimal fraction that is no number of a smaller type.
        if dtype.kind == "f" and value.dtype.kind == "f" and np.isfinite(item):
            return item.tobytes()
    if "fill_value" in storage["asked"]:
        raise ValueError(f"craton: encoding of {name!r}: fill_value={storage['fill_value']!r} is no value of {dtype}, in which it is stored")
    return None


# ---- codecs ----


def codec_of(name, storage, format, itemsize):
    """(codec, level, shuffle) in the words of the engine; codec None: the default of the format."""
    asked, zarr = storage["asked"], format.startswith("zarr")
    if is_contiguous(storage):
        return "none", 0, False
    for key in ("compressors", "compressor"):
        if zarr and key in asked and not _is_default(storage[key]):
            return _codec_text(name, key, storage[key]), 0, False
    # Levels and shuffling that a variable brings along from NetCDF are those of its deflate.
    own = {k: storage[k] for k in ("level", "complevel", "shuffle") if k in storage and (not zarr or k in asked)}
    level = int(own.get("level", own.get("complevel")) or 0)
    codec = storage.get("codec")
    if "codec" not in asked and codec is not None and (" " in codec or not zarr and codec not in ("deflate", "none")):
        codec = None
    if codec is None and not zarr and storage.get("zlib") is not None:
        codec = "deflate" if storage["zlib"] else "none"
    if codec == "none" and "shuffle" not in asked:
        return codec, 0, False
    if codec is None and zarr and not asked & {"level", "complevel", "shuffle", "compressors", "compressor"}:
        text = _inherited(storage)
        if text is not None:
            return text, 0, False
    if codec is None and zarr and not own.get("shuffle", True):
        return "zstd", level or 1, False      # the default (0039) without what is not wanted of it
    shuffle = own.get("shuffle", codec is None or codec in ("deflate", "zstd", "lz4"))
    return codec, level, bool(shuffle and itemsize > 1)


def _inherited(storage):
    """How the file had it that the variable was read from; None where there was none, or it cannot be written."""
    text = storage.get("codec")
    for key in ("compressors", "compressor"):
        if text is None and key in storage and key not in storage["asked"] and not _is_default(storage[key]):
            try:
                text = _codec_text("", key, storage[key])
            except ValueError:
                return None
    text = re.sub(r"(^|, )(sharded|crc32c?|adler32|fletcher32|delta|fixedscaleoffset|identity)(?=,|$)", "", text or "").removeprefix(", ")
    return text if _WRITABLE.fullmatch(text) else None


_WRITABLE = re.compile(r"none|(zstd -?\d+|(deflate|gzip) \d|blosc (blosclz|lz4|lz4hc|zlib|zstd) \d( shuffle| bitshuffle)?)(, shuffle)?")
_SHUFFLES = {0: "", 1: " shuffle", 2: " bitshuffle", "noshuffle": "", "shuffle": " shuffle", "bitshuffle": " bitshuffle"}


def _is_default(value):
    return isinstance(value, str) and value == "auto"


def _configured(codec):
    """(name, parameters) of a codec of zarr-python or numcodecs, or of the dict that either makes of it."""
    form = codec
    for method in ("to_dict", "get_config"):
        if not isinstance(form, dict) and hasattr(codec, method):
            form = getattr(codec, method)()
    if not isinstance(form, dict):
        return str(form), {}
    name = str(form.get("name", form.get("id", "")))
    return name.removeprefix("numcodecs."), form["configuration"] if isinstance(form.get("configuration"), dict) else form


def _is_nothing(value):
    return value is None or _is_default(value) or isinstance(value, (tuple, list)) and not value


def _codec_text(name, key, value):
    codecs = [c for c in (value if isinstance(value, (tuple, list)) else [value]) if c is not None]
    texts = [_one_codec(c) for c in codecs]
    if len(texts) > 1 or None in texts:
        raise ValueError(
            f"craton: encoding of {name!r}: {key}={value!r} cannot be written. One of zstd, gzip, zlib and blosc (blosclz, lz4, lz4hc, zlib, zstd "
            "inside) can, or none"
        )
    return texts[0] if texts else "none"


def _one_codec(codec):
    name, given = _configured(codec)
    if name == "blosc":
        shuffle = given.get("shuffle", 1)
        shuffle = getattr(shuffle, "value", shuffle)
        text = f"blosc {getattr(given.get('cname'), 'value', given.get('cname', 'lz4'))} {given.get('clevel', 5)}"
        return text + _SHUFFLES[shuffle] if shuffle in _SHUFFLES and _WRITABLE.fullmatch(text) else None
    names = {"zstd": "zstd", "gzip": "gzip", "zlib": "deflate"}
    level = given.get("level", 0 if name == "zstd" else 1)
    text = f"{names.get(name, '?')} {level}"
    return text if _WRITABLE.fullmatch(text) and not given.get("checksum") else None
