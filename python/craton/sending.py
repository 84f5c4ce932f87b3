"""How what is to be computed travels to a worker: as a graph of the engine; or, where Python functions are part of it, as pickled recipes.

A graph (craton/serialize.h) is read by checks alone, and everything that the engine does itself goes that way. A function (of map_blocks and
apply_ufunc, of xarray's decoders, the reader of another library) can only be pickled, as Dask sends every function; who may compute on a Dask
cluster may run any function there. Values come from the same blocks as here.
"""

import contextlib
import pickle
import threading

from . import _craton
from .graph import flatten, rebuild, walk

_PICKLED = b"\x80"           # a graph begins with another byte


def has_functions(nodes):
    """Whether Python functions are part of it. Nodes without recipes came as a graph."""
    return all(n.recipe is not None for n in nodes) and any(n.recipe[0] == "python" for n in walk(nodes))


def encode(nodes, limit):
    """Bytes of a graph, or of pickled recipes; limit: of arrays in memory that are part of it."""
    nodes = tuple(nodes)
    if not has_functions(nodes):
        return _craton.encode_graph(nodes, limit)
    _refuse_unreadable(nodes)
    from distributed.protocol import pickle as by_value                # also functions that no worker can import

    try:
        with _sending():
            recipes = by_value.dumps(flatten(nodes))
    except _CannotBeSent as error:
        raise NotImplementedError(*error.args) from None
    except Exception as error:
        functions = ", ".join(sorted({_name(n.recipe[2][0]) for n in walk(nodes) if n.recipe[0] == "python"}))
        raise NotImplementedError(
            f"craton: a function that is part of this cannot be sent to a cluster ({functions}): {type(error).__name__}: {error}. Compute what it makes "
            "here first, or write it to a store and go on from there."
        ) from error
    if len(recipes) > limit:
        raise _craton.LimitError(
            f"craton: the functions and arrays in memory that this needs have {len(recipes)} bytes, more than the {limit} bytes that may be sent along. Write "
            "arrays where all machines can read them (to_zarr, to_netcdf), or raise set_cluster(..., send_limit=...)."
        )
    return recipes


class _CannotBeSent(Exception):
    """From inside of a pickler, to encode()."""


_here = threading.local()


@contextlib.contextmanager
def _sending():
    _here.sends = True
    try:
        yield
    finally:
        _here.sends = False


def check_sent(node):
    """Of an array that is pickled: it may be one that a function which is being sent has in its closure."""
    if getattr(_here, "sends", False):
        try:
            _refuse_unreadable([node])
        except NotImplementedError as error:
            raise _CannotBeSent(*error.args) from None


def _refuse_unreadable(nodes):
    """As the engine does for graphs: nobody here would be told what was missing there."""
    for node in walk(nodes):
        operation, _, parameters = node.recipe
        if operation == "file" and any(parameters[3:]):
            path, _, name = parameters[:3]
            raise NotImplementedError(
                f"craton: {name!r} of {path} cannot be sent: its unreadable chunks are to be missing, and listed, here. Compute it in this process, or "
                "open it so that an unreadable chunk is an error"
            )


def _name(call):
    return repr(call)[:100]


def decode(sent):
    """The nodes, where they are computed."""
    if bytes(sent[:1]) == _PICKLED:
        return tuple(rebuild(*pickle.loads(sent)))
    return _craton.decode_graph(sent)


def as_there(nodes):
    """The nodes as a worker will have them: those that are equal here need not be one there, and scans are found by what is one."""
    nodes = tuple(nodes)
    return tuple(rebuild(*flatten(nodes))) if has_functions(nodes) else _craton.decode_graph(_craton.encode_graph(nodes, 1 << 40))
