"""Computing on a Dask cluster: the graph goes to workers as bytes, results come back (docs/cluster.md, docs/decisions/0019-cluster.md).

How a computation is cut is told in parts.py; here is who computes what. This file imports distributed when it is used, not before. What runs
in a worker is the functions run_*, at the end.
"""

import contextlib
import errno
import inspect
import math
import os
import threading
import time
import uuid
from collections import namedtuple

import numpy as np

from . import _craton, parts, sending
from .chunks import parse_bytes
from .graph import flatten
from .runtime import KEPT_BYTES, compute_nodes, context

MEMORY_BYTES = 16 << 20      # arrays of this process that are sent along
RESULT_BYTES = 1 << 30       # that come back
SHARE = 0.6                  # of a worker's memory limit
STATES_HERE = 16 << 20       # of parts that are combined here, not on a worker
PARTS_PER_WORKER = 3         # few, and enough that no worker waits long for the last
DIRECT = 4 << 20             # results from which on it is worth a connection to each worker
REPORT_S = 0.25
TRIES = 3                    # of a computation whose connection to the scheduler is lost
IDLE_S = 5.0
STAGING = ".craton-staging"  # of a store that workers write: there chunks are made
_ANY = 1 << 40               # that may be sent: seen to before

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
    import os, sys
    from importlib import import_module, metadata
    try:
        with open("/proc/sys/kernel/random/boot_id") as machine:
            place = machine.read() + os.readlink("/proc/self/ns/net")
    except OSError:
        place = ""
    try:
        return metadata.version("craton"), import_module("craton._craton").GRAPH_VERSION, place
    except Exception as error:
        return f"{type(error).__name__}: {error}", sys.prefix
"""


def _about():
    names = {"__name__": "__main__"}
    exec(_ABOUT, names)
    return names["about"]


def check_workers(client):
    """The number of workers, and whether all are reached from here as they are from the scheduler: on this machine. RuntimeError when there is none, or one
    that could not compute what is sent; says both versions."""
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
        if tuple(answer[:2]) != tuple(mine[:2]):
            raise RuntimeError(
                f"craton: the worker {worker} has Craton {answer[0]} (graphs of version {answer[1]}), here is Craton {mine[0]} (graphs of "
                f"version {mine[1]}). Install the same version there, or start the workers in this environment."
            )
    return len(theirs), bool(mine[2]) and all(answer[2] == mine[2] for answer in theirs.values())


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
        graphs.append(sending.encode(tuple(nodes[i] for i in group), limit))
        limit = max(0, limit - len(graphs[-1]))
    return graphs


class _Run:
    """One computation on the cluster: its tasks, and what they say of their progress. On leaving by an error, Ctrl-C too, what was not begun
    is forgotten, and what runs stops at its next report."""

    def __init__(self, cluster, progress):
        self.client, self.progress = cluster.client, progress
        self.workers, self.near = check_workers(cluster.client)
        self.wanted = PARTS_PER_WORKER * self.workers
        self.name = f"craton-{uuid.uuid4().hex[:12]}"
        self.futures, self.reports = [], _Reports(progress)

    def __enter__(self):
        if self.progress is not None:
            self.client.subscribe_topic(self.name, self.reports)
        return self

    def __exit__(self, kind, *exc):
        if self.progress is not None:
            self.client.unsubscribe_topic(self.name)
        if kind is not None:
            self.client.cancel(self.futures)

    def submit(self, function, *args):
        number = len(self.futures)
        self.futures.append(self.client.submit(function, self.name, number, *args, key=f"{self.name}-{number}", pure=False))
        self.reports.add()
        return self.futures[-1]

    def gather(self, futures, expected_bytes=0):
        """Their answers, or the first error. Large ones come from the workers themselves, and not by way of the scheduler, where these can be
        reached."""
        from distributed import wait

        while self.progress is not None and not all(f.done() for f in futures):
            self.reports.show(self.futures)
            try:
                wait(futures, timeout=REPORT_S)
            except TimeoutError:
                pass
        return self.client.gather(futures, direct=True if self.near and expected_bytes >= DIRECT else None)

    def drop(self, futures):
        """Their answers are not needed any more, neither here nor there."""
        for future in futures:
            future.release()


def _went_with_the_connection(error):
    groups = getattr(error, "error_groups", [error])
    return bool(groups) and all(getattr(g, "reason", "") == "scheduler-connection-lost" for g in groups)


def _connected_again(client):
    """distributed connects again by itself, for as long as a connection may take at first."""
    while client.status == "connecting":
        time.sleep(REPORT_S)
    return client.status == "running"


def _whatever_happens_to_the_connection(cluster, compute):
    """compute(); once more when its tasks were forgotten because the connection to the scheduler was lost, as by a proxy in between that was restarted.
    Nothing of it depends on which try it is."""
    from distributed import CancelledError

    for tries_left in reversed(range(TRIES)):
        try:
            return compute()
        except CancelledError as error:
            if not tries_left or not _went_with_the_connection(error) or not _connected_again(cluster.client):
                raise


def compute_on(cluster, nodes, dtypes, progress=None):
    """Computes nodes on the cluster; the results are NumPy arrays of these types, with the bits of a computation here."""
    nodes = tuple(nodes)
    if not nodes:
        return []
    expected = sum(math.prod(node.shape) * dtype.itemsize for node, dtype in zip(nodes, dtypes))
    if expected > cluster.result_limit:
        raise MemoryError(
            f"craton: the results have {expected} bytes, more than the {cluster.result_limit} that may come back from a cluster. Reduce them, have "
            "the workers write them with ds.craton.to_zarr(path, cluster=...), or raise set_cluster(..., result_limit=...)."
        )
    _encoded(nodes, independent(nodes), cluster.send_limit)  # what cannot be sent is refused before anything is
    return _whatever_happens_to_the_connection(cluster, lambda: _compute(cluster, nodes, dtypes, progress))


def _compute(cluster, nodes, dtypes, progress):
    with _Run(cluster, progress) as run:
        results, tasks, rest = [None] * len(nodes), [], []
        for group, wanted in _shared_out(run, nodes):
            chosen = tuple(nodes[i] for i in group)
            cut = parts.reductions_in_boxes(context(), chosen, wanted, min(run.workers, wanted))
            for box in cut or []:
                boxed, *places = zip(*(parts.reduced_box(n, box) for n in chosen))
                tasks.append((group, list(zip(*places)), run.submit(run_graph, sending.encode(boxed, _ANY))))
            if not cut:
                rest.append((group, chosen, wanted))
        for (whole, before, wanted), left in zip(rest, _settle(run, [(chosen, wanted) for _, chosen, wanted in rest])):
            for group in independent(left):
                chosen, group = tuple(left[i] for i in group), [whole[i] for i in group]
                if left is not before and parts.is_light(chosen):
                    for i, value in zip(group, compute_nodes(chosen, [dtypes[i] for i in group])):
                        results[i] = value
                    continue
                # One task for what one scan serves, unless its results are worth cutting.
                for start, count in parts.boxes(chosen, wanted) or [(None, None)]:
                    boxed = chosen if start is None else tuple(parts.box_of(n, start, count) for n in chosen)
                    tasks.append((group, [(start, count)] * len(group), run.submit(run_graph, sending.encode(boxed, _ANY))))
        sent = {i for group, _, _ in tasks for i in group}
        answers = run.gather([t[-1] for t in tasks], sum(math.prod(nodes[i].shape) * dtypes[i].itemsize for i in sent))
        for (group, places, _), answer in zip(tasks, answers):
            for i, (start, count), values in zip(group, places, answer):
                shape = nodes[i].shape
                if start is None or tuple(count) == tuple(shape):
                    results[i] = np.frombuffer(values, dtypes[i]).reshape(shape)
                    continue
                if results[i] is None:
                    results[i] = np.empty(shape, dtypes[i])
                results[i][tuple(slice(a, a + n) for a, n in zip(start, count))] = np.frombuffer(values, dtypes[i]).reshape(count)
    # What came over a wire may be read-only memory; results belong to who asked.
    return [r if r.flags.writeable else r.copy() for r in results]


def _shared_out(run, nodes):
    """[(indices of nodes that one scan serves, into how many pieces it should be cut)]"""
    groups = independent(nodes)
    return list(zip(groups, parts.shares([[nodes[i] for i in group] for group in groups], run.wanted)))


def _settle(run, groups):
    """Of each group, (nodes, pieces): its nodes with values in place of those reductions and quantiles that were worth computing in parts. Round by round, what
    is made of the values of one round may be reduced in the next; a round is of all groups. Where no group has such they are the same tuples."""
    lefts = [nodes for nodes, _ in groups]
    while True:
        found = [(g, r) for g, (_, wanted) in enumerate(groups) for r in parts.reductions_in_parts(context(), lefts[g], wanted)]
        ranked = [(g, r) for g, (_, wanted) in enumerate(groups) for r in parts.quantiles_in_boxes(lefts[g], wanted)]
        if not found and not ranked:
            return lefts
        boxes = [[run.submit(run_graph, sending.encode((parts.box_of(r.node, *box),), _ANY)) for box in r.boxes] for _, r in ranked]
        graphs = [sending.encode(r.targets, _ANY) for _, r in found]
        shares = [[run.submit(run_part, graph, r.wanted, i) for i in range(r.n_parts)] for (_, r), graph in zip(found, graphs)]
        # States that are large go from worker to worker; only the values come here.
        there = [run.submit(run_combine, graph, r.wanted, *futures) if r.state_bytes > STATES_HERE else None
                 for (_, r), graph, futures in zip(found, graphs, shares)]  # fmt: skip
        reductions, values = [[] for _ in groups], [[] for _ in groups]
        for (g, r), futures, combined in zip(found, shares, there):
            reductions[g] += r.nodes
            if combined is not None:
                answer = run.gather([combined])[0]
                values[g] += [np.frombuffer(v, n.dtype).reshape(n.shape) for v, n in zip(answer, r.targets)]
            else:
                values[g] += _combined(context(), r.targets, r.wanted, run.gather(futures))
            run.drop(futures)
        for (g, r), futures in zip(ranked, boxes):
            reductions[g].append(r.node)
            values[g].append(_assembled(r.node, r.boxes, [answer[0] for answer in run.gather(futures)]))
            run.drop(futures)
        lefts = [parts.settled(*known) for known in zip(lefts, reductions, values)]


def _assembled(node, boxes, answers):
    """Values of a quantile as it is made: of permuted axes, before they are permuted."""
    result = np.empty(node.shape, node.dtype)
    for (start, count), values in zip(boxes, answers):
        result[tuple(slice(a, a + n) for a, n in zip(start, count))] = np.frombuffer(values, node.dtype).reshape(count)
    return result if node.axes is None else np.ascontiguousarray(result.transpose(np.argsort(node.axes)))


def _combined(context, nodes, wanted, states):
    values = [np.empty(n.shape, n.dtype) for n in nodes]
    _craton.part_combine(context, nodes, wanted, tuple(states), tuple(values))
    return values


def write_on(cluster, path, nodes, progress=None):
    """Writes nodes, {name: node}, into the Zarr store at path, which all workers see and nobody reads yet: each task whole chunks (shards) of its
    own."""
    names, all_nodes = list(nodes), tuple(nodes.values())
    # What cannot be sent is refused before anything is; what is light stays here.
    _encoded(all_nodes, [g for g in independent(all_nodes) if not parts.is_light([all_nodes[i] for i in g])], cluster.send_limit)
    _whatever_happens_to_the_connection(cluster, lambda: _write(cluster, path, names, all_nodes, progress))


def _write(cluster, path, names, all_nodes, progress):
    chunks = {v["name"]: v["shards"] or v["chunks"] or v["shape"] for v in _craton.File(path).variables}
    here, futures = [], []
    try:
        with _Staging(path), _Run(cluster, progress) as run:
            shared = [([names[i] for i in group], tuple(all_nodes[i] for i in group), wanted) for group, wanted in _shared_out(run, all_nodes)]
            for (called, _, wanted), left in zip(shared, _settle(run, [(chosen, wanted) for _, chosen, wanted in shared])):
                for group in independent(left):
                    chosen = tuple(left[i] for i in group)
                    if parts.is_light(chosen):
                        here += [(called[i], left[i], (0,) * len(left[i].shape)) for i in group]
                        continue
                    grids = {tuple(max(1, c) for c in chunks[called[i]]) for i in group}
                    cut = parts.boxes(chosen, wanted, next(iter(grids))) if len(grids) == 1 else None
                    for start, count in cut or [(None, None)]:
                        boxed = chosen if start is None else tuple(parts.box_of(n, start, count) for n in chosen)
                        places = [(called[i], (0,) * len(left[i].shape) if start is None else start) for i in group]
                        futures.append(run.submit(run_write, sending.encode(boxed, _ANY), path, places))
            if here:
                _craton.update(context(), path, here, None)
            run.gather(futures)
    except BaseException:
        _wait_until_idle(cluster.client)
        raise


class _Staging:
    """Where chunks of a store are made before they are moved into place. When it is gone nobody can write into the store any more, not even a worker
    that lost its connection in the middle of a chunk and goes on later: its task ran again elsewhere, and the store may since be in use."""

    def __init__(self, path):
        self.path = os.path.join(path, STAGING)

    def __enter__(self):
        os.mkdir(self.path)

    def __exit__(self, *exc):
        end = time.monotonic() + IDLE_S
        while True:
            for name in os.listdir(self.path):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(self.path, name))
            try:
                return os.rmdir(self.path)
            except OSError as error:                         # somebody still begins new ones
                if error.errno != errno.ENOTEMPTY or time.monotonic() > end:
                    raise


def _wait_until_idle(client):
    """What writes is told to stop; the store is removed when it has."""
    end = time.monotonic() + IDLE_S
    with contextlib.suppress(Exception):
        while any(client.run(_is_busy).values()) and time.monotonic() < end:
            time.sleep(REPORT_S)


class _Reports:
    """What workers say of their progress, as one, which never runs backwards, also when a round of parts brings new tasks."""

    def __init__(self, progress):
        self.parts, self.progress, self.shown = [], progress, 0.0

    def add(self):
        self.parts.append((0.0, 1.0, 0, 1))

    def __call__(self, event):
        _, message = event
        self.parts[message["part"]] = tuple(message["report"])

    def show(self, futures):
        shares = [1.0 if future.done() else d / t if t > 0 else 0.0 for future, (d, t, _, _) in zip(futures, self.parts)]
        slowest = self.parts[min(range(len(shares)), key=shares.__getitem__)]
        self.shown = max(self.shown, sum(shares) / len(shares))
        self.progress(self.shown, 1.0, slowest[2], slowest[3])


# ---- in a worker --------------------------------------------------------------------------------------------------------------

_turn = threading.Lock()     # tasks of a process run one after the other, each with all threads and all of the memory
_contexts = {}


def _context(threads, memory):
    if (threads, memory) not in _contexts:
        _contexts.clear()
        _contexts[threads, memory] = _craton.Context(threads=threads, memory_limit=memory, keep=KEPT_BYTES)
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


def _work(topic, part, graph, function):
    """function(context, nodes, report) on the nodes of a graph, with the threads and the memory of this worker."""
    from distributed import get_worker

    worker = get_worker()
    last = time.monotonic()

    def report(done, total, phase, n_phases):
        nonlocal last
        if time.monotonic() - last >= REPORT_S:
            last = time.monotonic()
            worker.log_event(topic, {"part": part, "report": (done, total, phase, n_phases)})

    try:
        nodes = sending.decode(graph)
        limit = worker.memory_manager.memory_limit
        with _turn:
            context = _context(worker.state.nthreads, int(limit * SHARE) if limit else 0)
            with _Watch(worker, f"{topic}-{part}", context):
                return function(context, nodes, report)
    except KeyboardInterrupt:  # of the watch; what a worker does with an interrupt is its own affair
        raise RuntimeError(f"craton: the task {topic}-{part} was cancelled") from None
    except Exception as error:
        raise _told(error, worker.address) from None


def run_graph(topic, part, graph):
    """The task: values of all results of a graph, as bytes in arrays: these are sent as they lie in memory, where bytes would be copied into a pickle."""

    def compute(context, nodes, report):
        values = [np.empty(n.shape, n.dtype) for n in nodes]
        context.compute(nodes, tuple(values), report)
        return [_bytes_of(v) for v in values]

    return _work(topic, part, graph, compute)


def _bytes_of(values):
    return values.reshape(-1).view(np.uint8)


def run_part(topic, part, graph, wanted, number):
    """The task: the states of one part of the reductions of a graph."""
    return _work(topic, part, graph, lambda context, nodes, report: _craton.part_compute(context, nodes, wanted, number, report))


def run_combine(topic, part, graph, wanted, *states):
    """The task: values of the reductions of a graph from the states of all parts, as run_graph gives them."""
    return _work(topic, part, graph, lambda context, nodes, report: [_bytes_of(v) for v in _combined(context, nodes, wanted, states)])


def run_write(topic, part, graph, path, places):
    """The task: values of a graph into whole chunks of a store; places: (name, where it begins) per result. Done twice, it writes the same."""

    def write(context, nodes, report):
        _craton.update(context, path, [(name, node, start) for node, (name, start) in zip(nodes, places)], report, STAGING)

    return _work(topic, part, graph, write)


def _is_busy():
    return _turn.locked()


def _told(error, address):
    """The same kind of error, with the worker that it happened on."""
    text = f"{error.args[0] if len(error.args) == 1 else error} (on the worker {address})"
    try:
        return type(error)(text)
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {text}")
