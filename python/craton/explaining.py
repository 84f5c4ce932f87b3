"""What a computation would do, as text."""

from .array import Array


def arrays_of(thing):
    """All lazy arrays in an Array, a DataArray, a Dataset, or a list of them."""
    if isinstance(thing, Array):
        return [thing]
    if isinstance(thing, (list, tuple)):
        return [a for item in thing for a in arrays_of(item)]
    if hasattr(thing, "_to_temp_dataset"):
        thing = thing._to_temp_dataset()
    if hasattr(thing, "variables"):
        return [a for v in thing.variables.values() for a in arrays_of(getattr(v, "_data", None))]
    if hasattr(thing, "array"):
        return arrays_of(thing.array)
    return []


def explain(*things):
    """Phases, scans, bytes read per source and memory of computing these together. Nothing is computed."""
    from .runtime import context

    arrays = arrays_of(things)
    if not arrays:
        return "nothing to compute: all values are in memory"
    return context().explain(tuple(a._node for a in arrays))
