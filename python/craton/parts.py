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
from .sending import as_there, has_functions

PART_NS = 250e6              # what a part should be worth, of one thread: a task costs a few milliseconds
LIGHT_NS = 100e6             # what is less, and has nothing to read, is computed here
STATES_BYTES = 256 << 20     # of all parts of one scan
SETTLED_BYTES = 64 << 20     # values of a reduction that are sent along to compute what is made of them

SLACK = 0.05                 # of a piece that is not worth another one

RANK_NS = 4                  # per element that is ranked
FUNCTION_NS = 10             # per element that Python makes

_REDUCTIONS = ("reduce", "group")
_RUNNING = ("cumulate", "fill_forward")
_GIVEN = ("memory", "file", "python", "scalar", "full")

# nodes: of the graph; targets: what is computed in their place
Reductions = namedtuple("Reductions", "nodes targets wanted n_parts state_bytes")
# node: a quantile; boxes: [(start, count)] of its values
Ranked = namedtuple("Ranked", "node boxes")


def _begins_later(node):
    """A running sum or fill whose blocks begin from what a reduction, nobody has given it yet, finds that others leave."""
    operation, inputs, _ = node.recipe
    return operation in _RUNNING and len(inputs) == 1 and _craton.carries(node) is not None


def _looks_back(node):
    """A fill that needs no more than its limit of what is before."""
    operation, _, parameters = node.recipe
    return operation == "fill_forward" and parameters[1] > 0


def _first(nodes):
    """What of these nodes needs all of an axis and is made of nothing else that does: reductions, quantiles, running sums in blocks."""
    after, found = set(), []
    for node in walk(nodes):
        operation, inputs, _ = node.recipe
        if any(id(i) in after for i in inputs):
            after.add(id(node))
        elif operation in _REDUCTIONS or operation == "quantile" or _begins_later(node):
            after.add(id(node))
            found.append(node)
    return found


def first_reductions(nodes):
    """The reductions of these nodes, and the running sums that begin from some, that are made of no other ones and no quantiles."""
    return [n for n in _first(nodes) if n.recipe[0] != "quantile"]


def _target(node):
    """A grouping of permuted axes is made as a permuted grouping; of running sums it is what their blocks leave."""
    if node.recipe[0] in _RUNNING:
        return _craton.carries(node)
    return node if node.axes is None else node.inputs[0]


def _as_sent(nodes):
    """What computes these nodes as a worker will have it."""
    return as_there(tuple(map(_target, nodes)))


def _worth(context, nodes, wanted):
    """Those reductions of one scan in as many parts as they are worth, or None."""
    targets = _as_sent(nodes)
    _, _, _, cost, _ = _craton.part_look(context, targets, 1)[0]
    wanted = min(wanted, int(cost / PART_NS))
    while wanted > 1:
        looks = _craton.part_look(context, targets, wanted)
        if len({scan for scan, *_ in looks}) > 1 or looks[0][1] < 2:
            return None
        states = sum(bytes for _, _, bytes, *_ in looks)
        if states <= STATES_BYTES:
            return Reductions(nodes, targets, wanted, looks[0][1], states)
        wanted //= 2
    return None


def reductions_in_parts(context, nodes, wanted):
    """[Reductions]: what of these nodes is worth computing in parts before the rest, per scan."""
    if wanted < 2:
        return []
    outputs = set(map(id, nodes))
    first = [n for n in first_reductions(nodes) if n.recipe[0] in _RUNNING or
             all(map(grids.is_regular, n.chunks)) and (id(n) in outputs or _bytes(n) <= SETTLED_BYTES)]  # fmt: skip
    with_functions = [n for n in first if has_functions((n,))]
    alike = [n for n in first if n not in with_functions], [n for n in with_functions if _target(n) is n]
    return [r for some in alike for r in _by_scan(context, some, wanted)]


def _by_scan(context, first, wanted):
    scans = {}
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


def quantiles_in_boxes(nodes, wanted):
    """[Ranked]: the quantiles of these nodes that are worth computing apart, along axes that they keep, before the rest."""
    found = [n for n in _first(nodes) if n.recipe[0] == "quantile" and all(map(grids.is_regular, n.chunks)) and _bytes(n) <= SETTLED_BYTES]
    return [Ranked(n, cut) for n in found if (cut := boxes((n,), wanted)) is not None]


def settled(nodes, found, values):
    """The nodes with values in place of what was found. Their chunks stay: they decide how later reductions are cut."""
    others = {}
    for node, value in zip(found, values):
        operation, inputs, parameters = node.recipe
        sizes = tuple(map(grids.grid_size, _target(node).chunks)) if value.ndim else None
        if operation in _RUNNING:
            others[id(node)] = make(operation, (*inputs, memory(value, sizes)), *parameters)
        else:
            others[id(node)] = memory(value, sizes) if node.axes is None else make("permute", (memory(value, sizes),), node.axes)
    return replace(nodes, others)


def _bytes(node):
    return math.prod(node.shape) * np.dtype(node.dtype).itemsize


# ---- boxes ----


def cost_ns(nodes):
    """Roughly: a nanosecond per element of each operation and per byte that is stored, more where elements are ranked."""
    cost = 0
    for n in walk(nodes):
        operation, inputs, _ = n.recipe
        cost += _bytes(n) if operation == "file" else 0 if operation in _GIVEN else math.prod(n.shape)
        if operation == "python":
            cost += FUNCTION_NS * math.prod(n.shape)
        if operation == "quantile":
            cost += RANK_NS * math.prod(inputs[0].shape)
    return cost


def shares(groups, wanted):
    """How many pieces each of these groups, which share nothing, should have, so that all together have about as many as are wanted: by cost. One of many is
    not cut at all: then nothing is read twice, and no states travel (docs/decisions/0036-pieces-of-independent-results.md)."""
    costs = [cost_ns(nodes) for nodes in groups]
    total = max(1, sum(costs))
    return [max(1, math.ceil(wanted * cost / total - SLACK)) for cost in costs]


def is_light(nodes):
    """Not worth a task, and nothing that would have to be read."""
    return all(n.recipe[0] not in ("file", "python") for n in walk(nodes)) and cost_ns(nodes) < LIGHT_NS


def boxes(nodes, wanted, grid=None):
    """[(start, count)]: boxes of the results of these nodes, of one shape, that are worth computing apart; None: they are not.

    grid: sizes of chunks that no box may cut, per axis; None: the chunks of the first node.
    """
    wanted = min(wanted, int(cost_ns(nodes) / PART_NS))
    if wanted < 2 or len({n.shape for n in nodes}) > 1 or 0 in nodes[0].shape or not nodes[0].shape:
        return None
    shape, borders = nodes[0].shape, [_borders(n) for n in nodes]
    if None in borders:
        return None
    last = set().union(*map(_running_axes, nodes))            # a box that begins inside of a block computes what is before it in the block again
    pieces, n = [None] * len(shape), 1
    for axis in sorted(range(len(shape)), key=lambda axis: axis in last):
        ends = [shape[axis]]
        if all(b[axis] is not None for b in borders):
            ends = borders[0][axis] if grid is None else [min(e, shape[axis]) for e in range(grid[axis], shape[axis] + grid[axis], grid[axis])]
        k = min(len(ends), -(-wanted // n))
        pieces[axis] = _cut(ends, k)
        n *= k
    if n < 2:
        return None
    return [(tuple(a for a, _ in box), tuple(c for _, c in box)) for box in itertools.product(*pieces)]


def _cut(ends, k):
    """[(start, count)]: k pieces that end where something ends."""
    cuts = [0] + [ends[(i + 1) * len(ends) // k - 1] for i in range(k)]
    return [(a, b - a) for a, b in zip(cuts, cuts[1:])]


def reductions_in_boxes(context, nodes, wanted, workers):
    """[{axis of what is reduced: (start, count)}]: pieces of these reductions along axes that all of them keep, at the borders of what is stored. None: they
    are none that can be cut so, or into fewer pieces than there are workers, or would have other bits. Of such a piece values come back, and not
    states."""
    wanted = min(wanted, int(cost_ns(nodes) / PART_NS))
    kept, wholes = [_kept_by_reduction(n) for n in nodes], [n.recipe[1][0] if n.recipe[1] else n for n in nodes]
    if wanted < 2 or None in kept or len({w.shape for w in wholes}) > 1:
        return None
    pieces, n = {}, 1
    for axis in sorted(set.intersection(*map(set, kept))):
        ends = {tuple(_source_ends(w, axis)) for w in wholes}
        if len(ends) == 1:
            ends = ends.pop()
            k = min(len(ends), -(-wanted // n))
            pieces[axis], n = _cut(ends, k), n * k
    if n < max(2, workers):
        return None
    cut = [dict(zip(pieces, box)) for box in itertools.product(*pieces.values())]
    try:
        order, there = _fold_order(context, nodes), as_there([reduced_box(n, box)[0] for box in cut for n in nodes])  # files are opened once
        alike = 0 not in order and all(_fold_order(context, there[i : i + len(nodes)]) == order for i in range(0, len(there), len(nodes)))
    except OSError:  # a file that cannot be read here
        return None
    return cut if alike else None


def _fold_order(context, nodes):
    """By which elements are put together, per node: small chunks several at once, which goes by the length of all axes."""
    return [order for *_, order in _craton.part_look(context, tuple(nodes), 1)]


def reduced_box(node, box):
    """The reduction of such a piece, and where it lies in the whole: (node, start, count)."""
    operation, (whole,), parameters = node.recipe
    kept, start, count = _kept_by_reduction(node), [0] * len(node.shape), list(node.shape)
    first, size = [0] * len(whole.shape), list(whole.shape)
    for axis, (a, n) in box.items():
        first[axis], size[axis] = start[kept[axis]], count[kept[axis]] = a, n
    piece = make("slice", (whole,), tuple(first), (1,) * len(first), tuple(size))
    return make(operation, (piece,), *parameters), tuple(start), tuple(count)


def _kept_by_reduction(node):
    """{axis of its input: axis of the result} of a reduction of what the engine makes element by element; None: it is no such."""
    operation, inputs, parameters = node.recipe
    apart = (*_REDUCTIONS, *_RUNNING, "quantile", "python")
    if operation not in _REDUCTIONS or node.axes is not None or 0 in node.shape or any(n.recipe[0] in apart for n in walk(inputs)):
        return None
    axes, keepdims = parameters[1], operation == "reduce" and parameters[3]
    kept, at, grouped = {}, 0, False
    for axis in range(len(inputs[0].shape)):
        if axis not in axes:
            kept[axis] = at
        at += axis not in axes or keepdims or operation == "group" and not grouped
        grouped = grouped or axis in axes
    return kept if at == len(node.shape) and all(inputs[0].shape[a] == node.shape[to] for a, to in kept.items()) else None


def _ends(sizes):
    return list(itertools.accumulate(sizes))


def _kept_axes(node):
    """Of a quantile: {axis of its input: axis of the result}, for those that it keeps."""
    _, (whole,), (axes, q, _, _, keepdims, _, codes, _) = node.recipe
    kept, at, grouped = {}, int(q is not None), False
    for axis in range(len(whole.shape)):
        if axis not in axes:
            kept[axis] = at
        at += axis not in axes or keepdims or codes is not None and not grouped
        grouped = grouped or axis in axes
    return kept


def _source_ends(node, axis):
    """Borders of what is stored, where the node has the axis of a file whole; else of its own chunks."""
    files = [n for n in walk((node,)) if n.recipe[0] == "file" and len(n.shape) == len(node.shape) and n.shape[axis] == node.shape[axis]]
    return _ends((max(files, key=_bytes) if files else node).chunks[axis])


def _borders(node):
    """Per axis the ends between which the node may be cut, None: nowhere; None for all: it is made of what needs all of some axis."""
    operation, inputs, parameters = node.recipe
    if not any(n.recipe[0] == "quantile" for n in walk((node,))):
        if any(n.recipe[0] in _REDUCTIONS or _begins_later(n) for n in walk((node,))):
            return None
        whole = _running_axes(node, only_whole=True)
        return [None if axis in whole else _ends(sizes) for axis, sizes in enumerate(node.chunks)]
    if operation == "quantile":
        below = _borders(inputs[0]) if not any(n.recipe[0] == "quantile" for n in walk(inputs)) else None
        if below is None:
            return None
        result = [None] * len(node.shape)
        for axis, to in _kept_axes(node).items():
            result[to] = None if below[axis] is None else _source_ends(inputs[0], axis)
        return result
    below = _borders(inputs[0]) if operation in ("permute", "squeeze", "cast") else None
    if below is None:
        return None
    if operation == "permute":
        return [below[axis] for axis in parameters[0]]
    return below if operation == "cast" else [b for axis, b in enumerate(below) if axis != parameters[0]]


def _running_axes(root, only_whole=False):
    """Axes of a node along which a running sum or fill goes that it is made of. only_whole: of those that are one block."""
    along = {}
    for node in walk((root,)):
        operation, inputs, parameters = node.recipe
        found = set()
        for i in inputs[:1] if operation in _RUNNING else inputs:
            below = along[id(i)]
            if operation == "permute":
                found |= {parameters[0].index(axis) for axis in below}
            elif operation == "expand":
                found |= {axis + (axis >= parameters[0]) for axis in below}
            elif operation == "squeeze":
                found |= {axis - (axis > parameters[0]) for axis in below}
            elif operation == "quantile":
                found |= {to for axis, to in _kept_axes(node).items() if axis in below}
            elif operation in ("regrid", "python") and below:
                found |= set(range(len(node.shape)))
            else:
                found |= {axis + len(node.shape) - len(i.shape) for axis in below}
        if operation in _RUNNING and not (only_whole and (len(inputs) > 1 or _looks_back(node))):
            found.add(parameters[0])
        along[id(node)] = found
    return along[id(root)]


def box_of(node, start, count):
    """A box of what boxes() has cut."""
    operation, inputs, parameters = node.recipe
    if operation not in ("permute", "squeeze", "cast", "quantile") or not any(n.recipe[0] == "quantile" for n in walk((node,))):
        return make("slice", (node,), start, (1,) * len(start), count)
    whole = inputs[0]
    first, size = [0] * len(whole.shape), list(whole.shape)
    if operation == "quantile":
        places = _kept_axes(node)
    elif operation == "permute":
        places = {axis: to for to, axis in enumerate(parameters[0])}
    else:
        places = {axis: axis - (operation == "squeeze" and axis > parameters[0]) for axis in range(len(whole.shape))}
    for axis, to in places.items():
        if operation != "squeeze" or axis != parameters[0]:
            first[axis], size[axis] = start[to], count[to]
    if operation == "quantile":
        return make("quantile", (make("slice", (whole,), tuple(first), (1,) * len(first), tuple(size)),), *parameters)
    return make(operation, (box_of(whole, tuple(first), tuple(size)),), *parameters)
