"""What xarray's groupby prepares whether anybody asks or not, made when somebody does.

Grouping by a map of labels (regions on a grid) it lists the pixels of every group, as Python's numbers, and stacks the object along all pixels
with an index of their pairs of coordinates. Reductions, which go to the engine, look at neither; for four million pixels both take longer than the
reduction, and hundreds of MiB. Iterating over groups, map and the like find them as they were.
"""

import sys
import threading

import numpy as np

from .array import Array
from .labelmap import MANY, counts


class _Lists:
    """Positions of the members of each group; negative codes belong to none."""

    def __init__(self, codes, n_groups):
        self._codes, self._n_groups, self._made, self._lock = codes, n_groups, None, threading.Lock()
        self.counts = counts(codes, n_groups)

    def lists(self):
        with self._lock:
            if self._made is None:
                # NumPy sorts numbers of 16 bits by radix.
                keys = np.maximum(self._codes, -1).astype(np.int16) if self._n_groups < 1 << 15 else self._codes
                order = np.argsort(keys, kind="stable")[len(self._codes) - int(self.counts.sum()) :].tolist()
                ends = np.cumsum(self.counts).tolist()
                self._made = [order[end - count : end] for end, count in zip(ends, self.counts.tolist())]
        return self._made


class _Members:
    """Stands for the list of one group until it is asked for (_resolved)."""

    def __init__(self, of, number):
        self.of, self.number = of, number

    def __bool__(self):
        return bool(self.of.counts[self.number])


def members_of_groups(codes, n_groups):
    """xarray's _codes_to_group_indices, sorted rather than in a loop over the elements."""
    of = _Lists(codes, n_groups)
    return tuple(of.lists()) if len(codes) < MANY else tuple(_Members(of, k) for k in range(n_groups))


def _resolved(groups):
    return tuple(g.of.lists()[g.number] if isinstance(g, _Members) else g for g in groups)


class _Later:
    """A stacked object that is made when it is asked for, and a corner of it."""

    def __init__(self, make, corner):
        self.make, self.corner = make, corner


def lists_when_asked_for(cls):
    """EncodedGroups.group_indices becomes lists when it is looked at."""
    if "group_indices" in vars(cls):
        return

    def get(self):
        try:
            groups = vars(self)["group_indices"]
        except KeyError:
            raise AttributeError("group_indices") from None
        if any(isinstance(g, _Members) for g in groups):
            groups = vars(self)["group_indices"] = _resolved(groups)
        return groups

    cls.group_indices = property(get, lambda self, groups: vars(self).__setitem__("group_indices", groups))


def stacked_when_asked_for(cls):
    """GroupBy._obj is stacked when it is looked at."""
    slot = vars(cls).get("_obj")
    if slot is None or isinstance(slot, property):
        return

    def get(self):
        obj = slot.__get__(self)
        if isinstance(obj, _Later):
            # Reductions ask of what kind its arrays are, and for its dimensions: a corner of it says both.
            asks = sys._getframe(1)
            if asks.f_globals.get("__name__") == "xarray.core._aggregations" or asks.f_code.co_name == "lookup_order":
                return obj.corner
            obj = obj.make()
            slot.__set__(self, obj)
        return obj

    cls._obj = property(get, slot.__set__)


def one_dimension_or(function):
    """xarray's _ensure_1d. What it says of the labels does not depend on the sizes of the object, so a corner of it is stacked at first."""

    def ensure_1d(group, obj):
        if getattr(group, "ndim", 1) < 2 or group.size < MANY or not _is_ours(obj):
            return function(group, obj)
        obj = obj.copy(deep=False)  # variables that are put into it until then do not belong to it
        corner = obj.isel({d: slice(0, 1) for d in obj.dims})
        group1d, corner, stacked, inserted = function(group, corner)
        return group1d, _Later(lambda: function(group, obj)[1], corner), stacked, inserted

    return ensure_1d


def _is_ours(obj):
    variables = obj.variables.values() if hasattr(obj, "variables") else [obj.variable]
    return any(isinstance(v._data, Array) for v in variables)
