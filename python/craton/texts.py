"""Text as files have it: in NetCDF single characters with a dimension that counts them, in Zarr items of fixed width, in both texts of any length.

What becomes what is xarray's choice for its own stores, so that a file is the same whoever writes it: `<U5` is UTF-32 of 5 characters in Zarr and texts of
any length in NetCDF; `|S5` is 5 bytes in Zarr and a dimension "string5" in NetCDF, as is any text with encoding={"dtype": "S1"}; objects and StringDType are
of any length. Text of fixed width is written from lazy arrays chunk by chunk; of any length, it is computed whole.
"""

import base64

import numpy as np
from xarray.coding import strings

from .array import Array

KINDS = "OSUT"


def encode(name, variable, format):
    """After the coders of CF: objects become numbers or text, and text what the format has."""
    from xarray.backends.common import ensure_dtype_not_object

    variable = ensure_dtype_not_object(variable, name=name)
    if variable.dtype.kind not in KINDS:
        return variable
    if isinstance(variable._data, Array) and variable.dtype.kind == "U" and variable.encoding.get("dtype") == "S1":
        variable = variable.compute()  # how long it is in UTF-8 only the values tell
    if format == "zarr3" and variable.dtype.kind == "T" and variable.dtype == np.dtypes.StringDType():
        return variable
    variable = strings.EncodedStringCoder(allows_unicode=True).encode(variable, name=name)
    if format.startswith("zarr"):
        variable = strings.ensure_fixed_length_bytes(variable)
    if variable.dtype.kind in "SU" and not variable.dtype.itemsize:  # no text in it at all
        variable = variable.astype(f"{variable.dtype.kind}1")
    return variable if format.startswith("zarr") else strings.CharacterArrayCoder().encode(variable, name=name)


def code_of(variable, format):
    """The code of an encoded variable that is stored in fixed width; None: text of any length."""
    kind, width = variable.dtype.kind, variable.dtype.itemsize
    if kind == "S" and (format.startswith("zarr") or variable.encoding.get("dtype") is not str):
        return f"|S{width}"
    return f"<U{width // 4}" if kind == "U" and format.startswith("zarr") else None


def take_fill(attrs, dtype, format):
    """Puts the attribute _FillValue of text of fixed width as the format has it; returns the item that absent chunks hold, None: there is none."""
    mark = attrs.pop("_FillValue", None)
    empty = bytes(dtype.itemsize) if format == "zarr3" else None
    if mark is None:
        return empty
    if dtype.kind == "S" and isinstance(mark, str):
        mark = mark.encode()
    item = np.array([mark]).astype(dtype)
    if item[0] != mark:
        raise ValueError(f"craton: the _FillValue {mark!r} is longer than the text, which has items of {dtype.itemsize} bytes")
    if format == "zarr3":
        attrs["_FillValue"] = base64.standard_b64encode(mark).decode() if dtype.kind == "S" else str(mark)
        return empty
    if format == "netcdf4" or dtype.kind == "U":
        attrs["_FillValue"] = mark if isinstance(mark, str) else mark.decode("latin-1")
    return item.tobytes() if format == "zarr2" else None


def read_fill(value, dtype, zarr3):
    """_FillValue of text of fixed width, as its variable has it."""
    if dtype.kind != "S" or isinstance(value, bytes):
        return value
    return np.bytes_(base64.standard_b64decode(value) if zarr3 else value.encode())


def of_any_length(name, variable):
    """All texts of a variable, in order."""
    texts = []
    for value in np.asarray(variable.values).ravel().tolist():
        if isinstance(value, bytes):
            value = value.decode("utf-8")
        if not isinstance(value, str):
            raise TypeError(f"craton: the variable {name!r} holds objects of type {type(value).__name__}, which cannot be written")
        texts.append(value)
    return texts
