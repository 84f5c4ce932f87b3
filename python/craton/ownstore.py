"""Writing into a store from itself (mode="r+", region): chunks are written while others are still read, so that what is made of values at other
places than those that are written, or of another variable that is written too, would be made of old and new ones mixed. That is refused.

Safe is what reads the places that it writes, element by element; what reads places that are not written; and reductions, which are finished before
the first chunk is written, of what reads element by element.
"""

import os

from .array import Array
from .decoding import ApplyToBlock

_ELEMENTWISE = {"map", "cast", "unpack", "rechunk", "python"}
_REDUCTIONS = {"reduce", "group", "quantile"}


def check(path, written):
    """written: {name: (variable, its place in the array as [(begin, end)], whether what was there stays)}."""
    places = {_place(path, None, name): box for name, (variable, box, stays) in written.items() if not stays and not _is_as_it_was(path, name, variable)}
    if not places:
        return
    for name, (variable, _, _) in written.items():
        if isinstance(variable._data, Array) and not _is_safe(variable._data._node, _place(path, None, name), places):
            raise ValueError(
                f"craton: {name!r} is made of values of the store that it is written into, at other places, or of another variable that is written with it: some "
                "would be read when they are written over already. Call .compute() on it first, or write into another store"
            )


def _place(path, group, name):
    return os.path.realpath(os.path.join(path, *(group or "").strip("/").split("/"), str(name)))


def _is_as_it_was(path, name, variable):
    """Written back unchanged: whoever reads it meanwhile finds the same."""
    node = variable._data._node if isinstance(variable._data, Array) else None
    while node is not None and node.recipe[0] in ("unpack", "rechunk"):
        node = node.recipe[1][0]
    return node is not None and node.recipe[0] == "file" and _place(*node.recipe[2][:3]) == _place(path, None, name)


def _is_safe(node, own, places):
    """A way down to a file is "straight" as long as it goes element by element, "finished" below a reduction, "astray" after anything else."""
    stack, seen = [(node, "straight", None)], set()
    while stack:
        node, way, chosen = stack.pop()
        if (id(node), way, chosen) in seen:
            continue
        seen.add((id(node), way, chosen))
        operation, inputs, parameters = node.recipe
        if operation == "file":
            place = _place(*parameters[:3])
            if place in places and not _may_be_read(way, place == own, chosen or tuple((0, n, 1) for n in node.shape), places[place]):
                return False
        elif operation == "slice":
            before, chosen = chosen, tuple((a, a + s * (n - 1) + (1 if s > 0 else -1) if n else a, s) for a, s, n in zip(*parameters))
            stack.append((inputs[0], "astray" if before is not None else way, chosen if before is None else None))
        elif operation in _REDUCTIONS:
            stack += [(i, "finished" if way != "astray" or chosen is None else way, None) for i in inputs]
        else:
            straight = operation in _ELEMENTWISE and (operation != "python" or isinstance(parameters[0], ApplyToBlock))
            stack += [(i, way, chosen) if straight and i.shape == node.shape else (i, "astray", None) for i in inputs]
    return True


def _may_be_read(way, is_own, chosen, written):
    """chosen: (first, end, step) of what is read; written: (begin, end), per axis."""
    for (first, end, step), (begin, stop) in zip(chosen, written):
        low, high = (first, end) if step > 0 else (end + 1, first + 1)
        if low >= stop or high <= begin:
            return True
    if not is_own or way == "astray":
        return False
    return way == "finished" or all((first, end, step) == (begin, stop, 1) for (first, end, step), (begin, stop) in zip(chosen, written))
