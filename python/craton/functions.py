"""The table of operations, and what they all say and check.

`FUNCTIONS` has every operation under its NumPy names; operations.py lists the modules that fill it. To add one, write it with
@function where it belongs. What is not in the table raises NotImplementedError: nothing is ever computed behind the user's back.
"""

import numpy as np

FUNCTIONS = {}


def function(*names):
    def register(f):
        for name in names or (f.__name__,):
            FUNCTIONS[name] = f
        return f

    return register


def unsupported(what, instead=None):
    hint = instead or "Select what you need, .compute() it, and go on with NumPy."
    return NotImplementedError(f"craton: {what} is not available on lazy arrays yet. {hint}")


def refuse(name, **arguments):
    """Options that NumPy has and Craton has not: an error unless they are at their default (None)."""
    for key, value in arguments.items():
        if value is not None and value is not np._NoValue:
            raise unsupported(f"{name}(..., {key}=)")


def sorted_axes(axis, ndim):
    """Sorted positions of the axes meant; None means all."""
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    wanted = []
    for a in axes:
        a = int(a)
        if not -ndim <= a < ndim:
            raise np.exceptions.AxisError(a, ndim)
        wanted.append(a % ndim if ndim else 0)
    if len(set(wanted)) != len(wanted):
        raise ValueError("duplicate value in 'axis'")
    return tuple(sorted(wanted))
