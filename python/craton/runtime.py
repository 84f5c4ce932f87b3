"""Running: contexts, options, and Python functions that the engine calls back.

One context serves the process. Code that the engine calls back may itself compute something (xarray's decoders reading
from a file through Craton, say): that runs in a small context of its own, since the outer one is busy.
"""

import os
import sys
import threading
import warnings

import numpy as np

from . import _craton
from .dtypes import node_code

OPTIONS = {
    "memory_limit": 0,
    "threads": 0,
    "progress": False,
    "implicit_compute": "raise",
}

# Decoded chunks that a computation keeps to read them again. Somebody waits at a prompt, beside whose Python and xarray this is not much.
KEPT_BYTES = 512 << 20

_lock = threading.Lock()
_context = None
_here = threading.local()


def _forget_context():
    # The worker threads of the parent do not exist in a forked child. The old context is left alone on purpose: freeing it
    # would wait for them.
    global _context, _lock, _here
    if _context is not None:
        _abandoned.append(_context)
    _context = None
    _lock = threading.Lock()
    _here = threading.local()


_abandoned = []
os.register_at_fork(after_in_child=_forget_context)


def context():
    global _context
    if getattr(_here, "depth", 0):
        if getattr(_here, "context", None) is None:
            _here.context = _craton.Context(threads=1, memory_limit=OPTIONS["memory_limit"])
        return _here.context
    with _lock:
        if _context is None:
            _context = _craton.Context(threads=OPTIONS["threads"], memory_limit=OPTIONS["memory_limit"], keep=KEPT_BYTES)
        return _context


def options_changed():
    """The next computation makes a context with the new options."""
    global _context
    with _lock:
        _context = None


def progress_callback(nodes):
    if getattr(_here, "depth", 0) or not OPTIONS["progress"]:
        return None
    from .progressbar import Bar

    return Bar(nodes)


def compute_nodes(nodes, dtypes):
    """Computes nodes together; the results are NumPy arrays of these types."""
    nodes = tuple(nodes)
    results = [np.empty(node.shape, dtype) for node, dtype in zip(nodes, dtypes)]
    if not nodes:
        return results
    # The buffer protocol does not know times and text: show their memory as stored items. 0-d arrays need no special case.
    buffers = tuple(r.view(node_code(r.dtype)) for r in results)
    bar = progress_callback(nodes)
    try:
        context().compute(nodes, buffers, bar)
    finally:
        computation_ended()
        if bar is not None:
            bar.close()
    warn_of_unreadable()
    return results


def compute_short(node, dtype):
    """The same for one node of a file that is read within a moment: no thread is started, and Ctrl-C waits for it."""
    if getattr(_here, "depth", 0) or OPTIONS["progress"]:
        return compute_nodes([node], [dtype])[0]
    values = np.empty(node.shape, dtype)
    context().compute((node,), (values.view(node_code(dtype)),), None, True)
    warn_of_unreadable()
    return values


def cluster_for_user(cluster):
    """The Dask cluster that the user has named, here or by set_cluster; None: this process."""
    if cluster is None and "craton.cluster" not in sys.modules or getattr(_here, "depth", 0):
        return None
    from .cluster import cluster_of

    return cluster_of(cluster)


def compute_for_user(nodes, dtypes, cluster=None):
    """The same, on the Dask cluster that the user has named."""
    cluster = cluster_for_user(cluster)
    if cluster is None:
        return compute_nodes(nodes, dtypes)
    from .cluster import compute_on

    nodes = tuple(nodes)
    bar = progress_callback(nodes) if nodes else None
    try:
        return compute_on(cluster, nodes, dtypes, bar)
    finally:
        if bar is not None:
            bar.close()


def compute_to(nodes, functions, chunks):
    """Computes nodes together; functions[i](start, count, bytes) gets every box of the grid chunks[i], one at a time."""
    nodes = tuple(nodes)
    if not nodes:
        return
    bar = progress_callback(nodes)
    try:
        context().compute_to(nodes, tuple(functions), tuple(chunks), bar)
    finally:
        computation_ended()
        if bar is not None:
            bar.close()
    warn_of_unreadable()


class UnreadableWarning(UserWarning):
    """Chunks of files opened with unreadable="missing" could not be read, and are missing values."""


_warned = 0


def warn_of_unreadable():
    """Once for every chunk that was taken for missing since the last time."""
    global _warned
    news, _ = _craton.unreadable(_warned)
    if news:
        _warned += len(news)
        shown = "".join(f"\n  {text}" for text in news[:5])
        warnings.warn(
            f"craton: {len(news)} chunks could not be read, and are missing values:{shown}"
            + (f"\n  and {len(news) - 5} more: see craton.unreadable()" if len(news) > 5 else ""),
            UnreadableWarning,
            stacklevel=3,
        )


def unreadable():
    """The chunks that this process has taken for missing so far, of files that were opened with unreadable="missing": a list of
    texts, each with the place and the reason."""
    texts, more = _craton.unreadable()
    return texts + (["others that are not listed"] if more else [])


def computation_ended():
    """What map_blocks keeps for the time of a computation goes; not when one inside of it ends."""
    blocks = sys.modules.get("craton.mapblocks")
    if blocks is not None and not getattr(_here, "depth", 0):
        blocks.forget()


class called_back:
    """Marks that this thread runs inside a callback of the engine."""

    def __enter__(self):
        _here.depth = getattr(_here, "depth", 0) + 1

    def __exit__(self, *exc):
        _here.depth -= 1


def guarded_call(call, inputs, shape, code):
    """The function that fills boxes of a node made by Python: call(inputs, start, count) returns the values of a box."""

    def fill(start, count, view):
        with called_back():
            values = np.asarray(call(inputs, start, count))
        if values.shape != tuple(count):
            raise ValueError(
                f"craton: {call!r} returned an array of shape {values.shape} for a block of shape {tuple(count)}. A function "
                "that is applied block by block must keep the shape of its blocks."
            )
        target = np.frombuffer(view, code).reshape(count)
        if values.dtype.kind in "mMSU":
            values = values.astype(values.dtype.newbyteorder("="), copy=False)
            if node_code(values.dtype) != code:
                raise TypeError(f"craton: {call!r} returned elements of type {values.dtype}, which was not what it promised")
            values = values.view(code)
        target[...] = values

    return fill


def read_box(node, start, count, dtype):
    """The values of one box of a node."""
    from .graph import make

    box = make("slice", (node,), tuple(start), (1,) * len(start), tuple(count)) if len(start) else node
    return compute_nodes([box], [dtype])[0]
