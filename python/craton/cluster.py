"""Computing on a Dask cluster: the graph goes to workers as bytes, results come back (docs/cluster.md, docs/decisions/0019-cluster.md).

This file imports distributed when it is used, not before. What runs in a worker is `run_graph` alone.
"""

import inspect
import math
import threading
import time
import uuid
from collections import namedtuple

import numpy as np

from . import _craton
from .chunks import parse_bytes
from .graph import flatten

MEMORY_BYTES = 16 << 20      # arrays of this process that are sent along
RESULT_BYTES = 1 << 30       # that come back
SHARE = 0.6                  # of a worker's memory limit
REPORT_S = 0.25

Cluster = namedtuple("Cluster", "client send_limit result_limit")
_current = None


class set_cluster:
    """Computations run on this Dask cluster from now on; as a context manager, for the time of the block.

    cluster        a distributed.Client, or a cluster that has one (LocalCluster, GatewayCluster, SLURMCluster ...). None: here again.
    send_limit     bytes, or text like "16 MiB": what arrays in this process's memory may come to that have to be sent along.
    result_limit   the same, of results that come back.
    """

    def __init__(self, cluster, *, send_limit=MEMORY_BYTES, result_limit=RESULT_BYTES):
        global _current
        self._old = _current
        _current = None if cluster is None else Cluster(_client_of(cluster), parse_bytes(send_limit), parse_bytes(result_limit))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        global _current
        _current = self._old


def cluster_of(cluster):
    """What a computation runs on: what its argument `cluster` says, else what set_cluster said; None: this process."""
    return _current if cluster is None else Cluster(_client_of(cluster), MEMORY_BYTES, RESULT_BYTES)


def _own_client(cluster):
    """One for each cluster that was given itself; what dask computes on elsewhere stays as it was."""
    from distributed import Client

    client = getattr(cluster, "_craton_client", None)
    if client is None or client.status in ("closing", "closed"):
        if "set_as_default" in inspect.signature(cluster.get_client).parameters:  # of dask-gateway: knows its certificates
            client = cluster.get_client(set_as_default=False)
        else:
            client = Client(cluster, set_as_default=False)
        cluster._craton_client = client
    return client


def _client_of(thing):
    client = _own_client(thing) if hasattr(thing, "get_client") and not hasattr(thing, "submit") else thing
    if not (hasattr(client, "submit") and hasattr(client, "run")):
        raise TypeError(f"craton: cluster is a distributed.Client or a Dask cluster, not {type(thing).__name__}")
    if getattr(client, "asynchronous", False):
        raise TypeError("craton: the client is asynchronous; make one with asynchronous=False")
    return client


# ---- who takes part --------------------------------------------------------------------------------------------------------

# Travels as source, because a worker without Craton can import nothing of Craton.
_ABOUT = """
def about():
    import sys
    from importlib import import_module, metadata
    try:
        return metadata.version("craton"), import_module("craton._craton").GRAPH_VERSION
    except Exception as error:
        return f"{type(error).__name__}: {error}", sys.prefix
"""


def _about():
    names = {"__name__": "__main__"}
    exec(_ABOUT, names)
    return names["about"]


def check_workers(client):
    """RuntimeError when there is no worker, or one that could not compute what is sent; says both versions."""
    if getattr(client, "status", None) in ("closed", "closing"):  # distributed would raise an AttributeError, which xarray takes for its own
        raise RuntimeError("craton: the client of the cluster is closed; make another, or craton.set_cluster(None) to compute here")
    mine = _about()()
    theirs = client.run(_about())
    if not theirs:
        raise RuntimeError("craton: the cluster has no workers yet; scale it, or wait: client.wait_for_workers(1)")
    for worker, answer in sorted(theirs.items()):
        if isinstance(answer[1], str):
            raise RuntimeError(
                f"craton: the worker {worker} has no Craton that could be imported ({answer[0]}; its Python environment is {answer[1]}), "
                f"here is version {mine[0]}. Install the same version there, or start the workers in this environment."
            )
        if tuple(answer) != tuple(mine):
            raise RuntimeError(
                f"craton: the worker {worker} has Craton {answer[0]} (graphs of version {answer[1]}), here is Craton {mine[0]} (graphs of "
                f"version {mine[1]}). Install the same version there, or start the workers in this environment."
            )


# ---- what is sent -----------------------------------------------------------------------------------------------------------


def independent(nodes):
    """Indices of nodes in groups that share no operation and no stored array: what shares something is computed by one scan."""
    steps, wanted = flatten(nodes)
    parent, files = list(range(len(steps))), {}

    def root(i):
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, (operation, inputs, parameters) in enumerate(steps):
        if operation == "file":
            parent[root(i)] = root(files.setdefault(parameters, i))
        for j in inputs:
            if steps[j][1] or steps[j][0] == "file":  # constants may be shared by anything
                parent[root(i)] = root(j)
    groups = {}
    for i, step in enumerate(wanted):
        groups.setdefault(root(step), []).append(i)
    return list(groups.values())


def _encoded(nodes, groups, limit):
    """Bytes per group; the limit is for all together."""
    graphs = []
    for group in groups:
        graphs.append(_craton.encode_graph(tuple(nodes[i] for i in group), limit))
        limit = max(0, limit - len(graphs[-1]))
    return graphs


def compute_on(cluster, nodes, dtypes, progress=None):
    """Computes nodes on the cluster; the results are NumPy arrays of these types, with the bits of a computation here."""
    from distributed import wait

    nodes = tuple(nodes)
    if not nodes:
        return []
    expected = sum(math.prod(node.shape) * dtype.itemsize for node, dtype in zip(nodes, dtypes))
    if expected > cluster.result_limit:
        raise MemoryError(
            f"craton: the results have {expected} bytes, more than the {cluster.result_limit} that may come back from a cluster. Reduce them, write "
            "them here with ds.craton.to_zarr, or raise set_cluster(..., result_limit=...)."
        )
    client, groups = cluster.client, independent(nodes)
    graphs = _encoded(nodes, groups, cluster.send_limit)
    check_workers(client)
    name = f"craton-{uuid.uuid4().hex[:12]}"
    reports = _Reports(len(groups), progress)
    if progress is not None:
        client.subscribe_topic(name, reports)
    futures = []
    try:
        futures = [client.submit(run_graph, graph, i, name, key=f"{name}-{i}", pure=False) for i, graph in enumerate(graphs)]
        while progress is not None and not all(f.done() for f in futures):
            reports.show()
            try:
                wait(futures, timeout=REPORT_S)
            except TimeoutError:
                pass
        answers = client.gather(futures)  # raises the first error
    except BaseException:  # Ctrl-C too: what was not begun is forgotten, what runs stops at its next report
        client.cancel(futures)
        raise
    finally:
        if progress is not None:
            client.unsubscribe_topic(name)
    results = [None] * len(nodes)
    for group, answer in zip(groups, answers):
        for i, values in zip(group, answer):
            results[i] = np.frombuffer(values, dtypes[i]).reshape(nodes[i].shape)
    # What came over a wire may be read-only memory; results belong to who asked.
    return [r if r.flags.writeable else r.copy() for r in results]


class _Reports:
    """What workers say of their progress, as one."""

    def __init__(self, n, progress):
        self.parts, self.progress = [(0.0, 1.0, 0, 1)] * n, progress

    def __call__(self, event):
        _, message = event
        self.parts[message["part"]] = tuple(message["report"])

    def show(self):
        done = sum(d / t for d, t, _, _ in self.parts if t > 0)
        slowest = min(self.parts, key=lambda p: p[0] / p[1] if p[1] > 0 else 0)
        self.progress(done, float(len(self.parts)), slowest[2], slowest[3])


# ---- in a worker --------------------------------------------------------------------------------------------------------------

_turn = threading.Lock()     # tasks of a process run one after the other, each with all threads and all of the memory
_contexts = {}


def _context(threads, memory):
    if (threads, memory) not in _contexts:
        _contexts.clear()
        _contexts[threads, memory] = _craton.Context(threads=threads, memory_limit=memory)
    return _contexts[threads, memory]


class _Watch:
    """Stops a computation when nobody wants its task any more: distributed forgets tasks, but cannot interrupt them."""

    def __init__(self, worker, key, context):
        self.worker, self.key, self.context = worker, key, context
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, name=f"watch {key}", daemon=True)

    def _unwanted(self):
        task = self.worker.state.tasks.get(self.key)
        return task is None or task.state in ("cancelled", "released", "forgotten")

    def _watch(self):
        while not self.over.wait(REPORT_S):
            if self._unwanted():
                self.context.cancel()

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *exc):
        self.over.set()
        self.thread.join()


def run_graph(graph, part, topic):
    """The task: values of all results of a graph, as bytes."""
    from distributed import get_worker

    worker = get_worker()
    last = time.monotonic()

    def report(done, total, phase, n_phases):
        nonlocal last
        if time.monotonic() - last >= REPORT_S:
            last = time.monotonic()
            worker.log_event(topic, {"part": part, "report": (done, total, phase, n_phases)})

    try:
        nodes = _craton.decode_graph(graph)
        values = [bytearray(math.prod(n.shape) * np.dtype(n.dtype).itemsize) for n in nodes]
        views = tuple(np.frombuffer(v, n.dtype).reshape(n.shape) for v, n in zip(values, nodes))
        limit = worker.memory_manager.memory_limit
        with _turn:
            context = _context(worker.state.nthreads, int(limit * SHARE) if limit else 0)
            with _Watch(worker, f"{topic}-{part}", context):
                context.compute(nodes, views, report)
    except KeyboardInterrupt:  # of the watch; what a worker does with an interrupt is its own affair
        raise RuntimeError(f"craton: the task {topic}-{part} was cancelled") from None
    except Exception as error:
        raise _told(error, worker.address) from None
    return [bytes(v) for v in values]


def _told(error, address):
    """The same kind of error, with the worker that it happened on."""
    text = f"{error.args[0] if len(error.args) == 1 else error} (on the worker {address})"
    try:
        return type(error)(text)
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {text}")
