"""Writing into a store from itself (mode="r+", region): chunks are written while others are still read, so that what is made of values at other
places than those that are written, or of another variable that is written too, would be made of old and new ones mixed. That is refused; so is
xarray's own mode="w" over what is still to be read, which removes it first.

Safe is what reads the places that it writes, element by element; what reads places that are not written; and reductions, which are finished before
the first chunk is written, of what reads element by element.
"""

import os

from .array import Array
from .decoding import ApplyToBlock
from .graph import walk

_ELEMENTWISE = {"map", "cast", "unpack", "rechunk", "python"}
_REDUCTIONS = {"reduce", "group", "quantile"}


def check(path, written):
    """written: {name: (variable, its place in the array as [(begin, end)], whether what was there stays)}."""
    places = {_place(path, None, name): box for name, (variable, box, stays) in written.items() if not stays and not _is_as_it_was(path, name, variable)}
    if places:
        _refuse_mixtures([(name, variable._data, _place(path, None, name)) for name, (variable, _, _) in written.items()], places)


def check_targets(sources, targets, offsets):
    """The same for arrays of xarray's own writers, as far as they can be told to lie on this machine."""
    known = [(source, place, offset) for source, target, offset in zip(sources, targets, offsets) if (place := _place_of_target(target))]
    places = {place: [(o, o + n) for o, n in zip(offset, source.shape)] for source, place, offset in known}
    if places:
        _refuse_mixtures([(os.path.basename(place), source, place) for source, place, _ in known], places)
    for source, target in zip(sources, targets):
        file = getattr(getattr(target, "datastore", None), "_filename", None)
        if isinstance(file, str):
            _refuse_read_from(file, getattr(target, "variable_name", None), source)


def _refuse_mixtures(sources, places):
    for name, data, place in sources:
        if isinstance(data, Array) and not _is_safe(data._node, place, places):
            raise ValueError(
                f"craton: {name!r} is made of values of the store that it is written into, at other places, or of another variable that is written with it: some "
                "would be read when they are written over already. Call .compute() on it first, or write into another store"
            )


def _place_of_target(target):
    """Where an array of zarr-python (versions 2 and 3) lies; None: not on this machine, or not known."""
    store, inside = getattr(target, "store", None), getattr(target, "path", None)
    root = getattr(store, "root", None) or getattr(store, "path", None)
    if not isinstance(root, (str, os.PathLike)) or not isinstance(inside, str) or "://" in os.fspath(root):
        return None
    return _place(root, None, inside)


def check_replaced(path, dataset):
    """What is lazily read from path, or from below it, would be gone, or be moved, before it is read."""
    for name, variable in dataset.variables.items():
        _refuse_read_from(path, name, variable._data)


def _refuse_read_from(path, name, data):
    root = os.path.realpath(os.path.abspath(os.path.expanduser(os.fspath(path))))
    if any(place.startswith(os.path.join(root, "")) for place in _places_of(data)):
        raise ValueError(
            f"craton: {name!r} is read from {root}, which this write removes or changes before all is read. .craton.to_zarr and .craton.to_netcdf "
            "replace it when all is written; or call .load() first, or write elsewhere"
        )


def _places_of(data):
    """Of an array of Craton, or of a variable that was opened by it and is not read yet."""
    while not isinstance(data, Array):
        inner = next((i for i in map(lambda n: getattr(data, n, None), ("craton_array", "array")) if i is not None), None)
        if inner is None:
            if hasattr(data, "place"):
                yield _place(*data.place)
            return
        data = inner
    for node in walk([data._node]):
        if node.recipe[0] == "file":
            yield _place(*node.recipe[2][:3])


def _place(path, group, name):
    if not isinstance(path, (str, os.PathLike)):
        return ""  # a file object: nothing is written into those
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
