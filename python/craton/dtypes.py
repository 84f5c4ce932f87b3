"""Element types: what NumPy calls them, and how libcraton stores them.

Numbers and booleans are stored as they are. Times (datetime64, timedelta64) are stored as int64 with NaT as its lowest
value; fixed-width bytes and text as opaque items. Everything else (objects, complex numbers, structured types) stays
outside of lazy arrays.
"""

import numpy as np

NAT = np.iinfo(np.int64).min


def is_time(dtype):
    return dtype.kind in "mM"


def can_hold(dtype):
    """Whether a lazy array can have elements of this type."""
    return dtype.kind in "biumMSU" and dtype.itemsize > 0 or dtype.kind == "f" and dtype.itemsize <= 8


def node_code(dtype):
    """The code of the stored elements, in native byte order; TypeError for what a lazy array cannot hold."""
    dtype = np.dtype(dtype)
    if not can_hold(dtype):
        raise TypeError(
            f"craton: a lazy array cannot hold elements of type {dtype!r}. Numbers, booleans, datetime64, timedelta64 and "
            "fixed-width text are possible; compute() the array or convert it with astype() first."
        )
    if is_time(dtype):
        return "<i8"
    if dtype.kind in "SU":
        return f"|V{dtype.itemsize}"
    return dtype.newbyteorder("=").str.replace("=", "<")


def storage(dtype):
    """The NumPy type of the stored elements."""
    return np.dtype(node_code(dtype))


def logical(code):
    """The NumPy type that a node of this code has when nothing more is known."""
    return np.dtype(code)


def as_stored(array):
    """The same memory, seen as stored elements: no copy unless the byte order or the alignment asks for one."""
    array = np.asarray(array)
    code = node_code(array.dtype)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if not array.flags.aligned:
        array = array.copy()
    return array.view(code), code


def result_type(*arguments):
    """NumPy's rule for arrays, types and Python scalars mixed; arrays are not looked into."""
    return np.result_type(*[a if isinstance(a, type) else getattr(a, "dtype", a) for a in arguments])
