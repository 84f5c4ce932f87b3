"""How a computation is cut for a cluster: reductions by ranges of the fold tree, large results by boxes (docs/decisions/0019-cluster.md).

Nothing here knows of a cluster. Bits are those of the whole: a reduction's states are merged as the whole merges them (craton/part.h), its
values then stand in its place with its chunks, by which alone later reductions are cut; and an element of a box is computed from the same
elements as in the whole.
"""

import itertools
import math
from collections import namedtuple

import numpy as np

from . import _craton
from . import chunks as grids
from .graph import make, memory, replace, walk

PART_NS = 250e6              # what a part should be worth, of one thread: a task costs a few milliseconds
LIGHT_NS = 100e6             # what is less, and has nothing to read, is computed here
STATES_BYTES = 256 << 20     # of all parts of one scan
SETTLED_BYTES = 64 << 20     # values of a reduction that are sent along to compute what is made of them

_REDUCTIONS = ("reduce", "group")
_BARRIERS = (*_REDUCTIONS, "quantile")
_RUNNING = ("cumulate", "fill_forward")
_GIVEN = ("memory", "file", "python", "scalar", "full")

# nodes: of the graph; targets: what is computed in their place
Reductions = namedtuple("Reductions", "nodes targets wanted n_parts state_bytes")


def first_reductions(nodes):
    """The reductions of these nodes that are not made of other reductions or quantiles."""
    after, found = set(), []
    for node in walk(nodes):
        operation, inputs, _ = node.recipe
        if any(id(i) in after for i in inputs):
            after.add(id(node))
        elif operation in _BARRIERS:
            after.add(id(node))
            if operation in _REDUCTIONS:
                found.append(node)
    return found


def _target(node):
    """A grouping of permuted axes is made as a permuted grouping."""
    return node if node.axes is None else node.inputs[0]


def _as_sent(nodes):
    """What computes these nodes as a worker will have it: nodes that are equal here need not be one there, and scans are found by what is one."""
    return _craton.decode_graph(_craton.encode_graph(tuple(map(_target, nodes)), 1 << 40))


def _worth(context, nodes, wanted):
    """Those reductions of one scan in as many parts as they are worth, or None."""
    targets = _as_sent(nodes)
    _, _, _, cost = _craton.part_look(context, targets, 1)[0]
    wanted = min(wanted, int(cost / PART_NS))
    while wanted > 1:
        looks = _craton.part_look(context, targets, wanted)
        if len({scan for scan, *_ in looks}) > 1 or looks[0][1] < 2:
            return None
        states = sum(bytes for _, _, bytes, _ in looks)
        if states <= STATES_BYTES:
            return Reductions(nodes, targets, wanted, looks[0][1], states)
        wanted //= 2
    return None


def reductions_in_parts(context, nodes, wanted):
    """[Reductions]: what of these nodes is worth computing in parts before the rest, per scan."""
    outputs, scans = set(map(id, nodes)), {}
    first = [n for n in first_reductions(nodes) if all(map(grids.is_regular, n.chunks)) and (id(n) in outputs or _bytes(n) <= SETTLED_BYTES)]
    if not first:
        return []
    try:
        sent = _as_sent(first)
    except OSError:  # a file that cannot be read here may be there; a worker that cannot names it, and itself
        return []
    for node, (scan, *_) in zip(first, _craton.part_look(context, sent, 1)):
        if scan >= 0:
            scans.setdefault(scan, []).append(node)
    return [r for r in (_worth(context, tuple(group), wanted) for group in scans.values()) if r is not None]


def settled(nodes, reductions, values):
    """The nodes with values in place of reductions. Their chunks stay: they decide how later reductions are cut."""
    others = {}
    for node, value in zip(reductions, values):
        sizes = tuple(map(grids.grid_size, _target(node).chunks)) if value.ndim else None
        others[id(node)] = memory(value, sizes) if node.axes is None else make("permute", (memory(value, sizes),), node.axes)
    return replace(nodes, others)


def _bytes(node):
    return math.prod(node.shape) * np.dtype(node.dtype).itemsize


# ---- boxes ----


def cost_ns(nodes):
    """Roughly: a nanosecond per element of each operation and per byte that is stored."""
    return sum(_bytes(n) if n.recipe[0] == "file" else 0 if n.recipe[0] in _GIVEN else math.prod(n.shape) for n in walk(nodes))


def is_light(nodes):
    """Not worth a task, and nothing that would have to be read."""
    return all(n.recipe[0] not in ("file", "python") for n in walk(nodes)) and cost_ns(nodes) < LIGHT_NS


def boxes(nodes, wanted, grid=None):
    """[(start, count)]: boxes of the results of these nodes, of one shape, that are worth computing apart; None: they are not.

    grid: sizes of chunks that no box may cut, per axis; None: the chunks of the first node.
    """
    wanted = min(wanted, int(cost_ns(nodes) / PART_NS))
    operations = {n.recipe[0] for n in walk(nodes)}
    if wanted < 2 or len({n.shape for n in nodes}) > 1 or operations.intersection(_BARRIERS + _RUNNING):
        return None
    shape = nodes[0].shape
    if 0 in shape or not shape:
        return None
    pieces, n = [], 1
    for axis, extent in enumerate(shape):
        ends = list(itertools.accumulate(nodes[0].chunks[axis])) if grid is None else [min(e, extent) for e in range(grid[axis], extent + grid[axis], grid[axis])]
        k = min(len(ends), -(-wanted // n))
        cuts = [0] + [ends[(i + 1) * len(ends) // k - 1] for i in range(k)]
        pieces.append([(a, b - a) for a, b in zip(cuts, cuts[1:])])
        n *= k
    if n < 2:
        return None
    return [(tuple(a for a, _ in box), tuple(c for _, c in box)) for box in itertools.product(*pieces)]


def box_of(node, start, count):
    return make("slice", (node,), start, (1,) * len(start), count)
