"""Nodes with recipes: every node remembers how it was made, so that a lazy expression can be pickled and explained.

A recipe is (operation, inputs, parameters): the inputs are nodes, the parameters plain picklable values. `make` is the
only place where nodes come from.
"""

import numpy as np

from . import _craton
from .dtypes import as_stored


def _build_memory(inputs, array, chunks):
    stored, code = as_stored(array)
    return _craton.from_buffer(stored, code, chunks)


def open_file(path, group=None, missing=False):
    """path: of a file on this machine, or a FileObject."""
    if isinstance(path, str):
        return _craton.File(path, group=group, unreadable_missing=missing)
    return _craton.File(path.name, group=group, unreadable_missing=missing, read=path.read, size=path.size)


def _build_file(inputs, path, group, name, missing=False):
    return open_file(path, group, missing).array(name)


def _build_python(inputs, call, code, shape, chunks, serial):
    from .runtime import guarded_call

    return _craton.callback(guarded_call(call, inputs, shape, code), code, shape, chunks, serial)


def _begun(node, carries=None):
    """carries: values of what the blocks of a running sum leave; None: they are computed."""
    return node if carries is None else _craton.with_carries(node, carries)


BUILDERS = {
    "memory": _build_memory,
    "file": _build_file,
    "python": _build_python,
    "scalar": lambda inputs, code, value, weak: _craton.scalar(code, value, weak),
    "full": lambda inputs, code, shape, value, chunks: _craton.full(code, shape, value, chunks),
    "slice": lambda inputs, start, step, count: _craton.slice(inputs[0], start, step, count),
    "take": lambda inputs, axis, index: _craton.take(inputs[0], axis, index),
    "permute": lambda inputs, axes: _craton.permute(inputs[0], axes),
    "expand": lambda inputs, axis: _craton.expand(inputs[0], axis),
    "squeeze": lambda inputs, axis: _craton.squeeze(inputs[0], axis),
    "broadcast": lambda inputs, shape: _craton.broadcast(inputs[0], shape),
    "rechunk": lambda inputs, chunks: _craton.rechunk(inputs[0], chunks),
    "concat": lambda inputs, axis: _craton.concat(inputs, axis),
    "map": lambda inputs, name: _craton.map(name, inputs),
    "cast": lambda inputs, code: _craton.cast(inputs[0], code),
    "unpack": lambda inputs, *packing: _craton.unpack(inputs[0], *packing),
    "reduce": lambda inputs, name, *options: _craton.reduce(name, inputs[0], *options),
    "cumulate": lambda inputs, axis, product, skipna: _begun(_craton.cumulate(inputs[0], axis, product, skipna), *inputs[1:]),
    "fill_forward": lambda inputs, axis, limit: _begun(_craton.fill_forward(inputs[0], axis, limit), *inputs[1:]),
    "window": lambda inputs, name, *options: _craton.window(name, inputs[0], *options),
    "quantile": lambda inputs, axes, q, *options: _craton.quantile(inputs[0], axes, None if q is None else np.array(q), *options),
    "regrid": lambda inputs, weights, *options: _craton.regrid(inputs[0], weights._native, *options),
    "group": lambda inputs, name, *options: _craton.group(name, inputs[0], *options),
}


def make(operation, inputs=(), *parameters):
    """A new node with its recipe."""
    node = BUILDERS[operation](inputs, *parameters)
    node.recipe = (operation, inputs, parameters)
    return node


def adopt(node, operation, *parameters):
    """Gives a recipe to a node that was made elsewhere (by an open file)."""
    node.recipe = (operation, (), parameters)
    return node


def walk(nodes):
    """All nodes that these need, inputs first, each once. Iterative: an expression may be thousands of operations deep."""
    seen, ordered = set(), []
    for root in nodes:
        stack = [(root, False)]
        while stack:
            node, ready = stack.pop()
            if id(node) in seen:
                continue
            if ready:
                seen.add(id(node))
                ordered.append(node)
            else:
                stack.append((node, True))
                stack.extend((i, False) for i in reversed(node.recipe[1]) if id(i) not in seen)
    return ordered


def flatten(nodes):
    """All nodes that these need, inputs first: [(operation, indices of inputs, parameters)], and the index of each of `nodes`."""
    index, steps = {}, []
    for node in walk(nodes):
        operation, inputs, parameters = node.recipe
        index[id(node)] = len(steps)
        steps.append((operation, tuple(index[id(i)] for i in inputs), parameters))
    return steps, [index[id(n)] for n in nodes]


def replace(nodes, others):
    """The same nodes with others in place of some that they are made of; others: {id of a node: node}."""
    made = dict(others)
    for node in walk(nodes):
        if id(node) in made:
            continue
        operation, inputs, parameters = node.recipe
        new = tuple(made[id(i)] for i in inputs)
        made[id(node)] = node if all(a is b for a, b in zip(new, inputs)) else make(operation, new, *parameters)
    return [made[id(n)] for n in nodes]


def rebuild(steps, wanted):
    """The inverse of flatten. Files are opened once each."""
    nodes, files = [], {}
    for operation, inputs, parameters in steps:
        if operation == "file":
            path, group, name, *missing = parameters
            file = (path, group, *missing)
            if file not in files:
                files[file] = open_file(path, group, bool(missing and missing[0]))
            nodes.append(adopt(files[file].array(name), "file", *parameters))
        else:
            nodes.append(make(operation, tuple(nodes[i] for i in inputs), *parameters))
    return [nodes[i] for i in wanted]


def memory(array, chunks=None):
    array = np.asarray(array)
    if array.ndim == 0:
        stored, code = as_stored(array)
        if code.startswith("|V"):
            return make("squeeze", (make("memory", (), array.reshape(1), None),), 0)
        return make("scalar", (), code, stored.tobytes(), False)
    return make("memory", (), array, chunks)
