"""Maps of labels (regions on a grid): which group each pixel belongs to, found once and held once.

A map has millions of pixels, and several reductions are made with the same one. xarray numbers its groups anew for each, by hashing, with 8 bytes a
pixel and several arrays of that size beside it. Here labels that are whole numbers of a moderate range are numbered by a table, a piece at
a time, and whoever comes with equal labels or codes gets the same array: read-only, of 32 bits, which the nodes of the engine share too. It is gone
with the last of its users.
"""

import hashlib
import os
import threading
import weakref

import numpy as np

MANY = 1 << 16          # fewer pixels are not worth it
_PIECE = 1 << 18        # pixels at a time
_MOST_RANGE = 1 << 22   # of labels: the table has 4 bytes for each

_lock = threading.Lock()
_codes = weakref.WeakValueDictionary()     # {content of codes: codes}
_numbered = {}                             # {content of labels: (reference to codes, their labels)}


def _content(array):
    digest = hashlib.blake2b(repr((array.shape, array.dtype.str)).encode(), digest_size=20)
    digest.update(array.reshape(-1).view(np.uint8).data if array.flags.c_contiguous else array.tobytes())
    return digest.digest()


def _pieces(array):
    flat = array.reshape(-1)
    for begin in range(0, flat.size, _PIECE):
        yield begin, flat[begin : begin + _PIECE]


def _forget_lock():
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_lock)


def shared(codes):
    """These codes, of 32 bits and such that nobody can change them: those that are in use already, if they are equal. Few are left as they are, or
    copied, so that they can be written: the engine copies what can."""
    for known in list(_codes.values()):
        if (codes is known or codes.base is known) and codes.size == known.size and codes.dtype == known.dtype and codes.flags.c_contiguous:
            return codes
    own = np.ascontiguousarray(codes, np.int32)
    others = np.may_share_memory(own, codes)
    if own.size < MANY:
        return own if own.flags.writeable else own.copy()
    return _shared(own, others)


def _shared(codes, others):
    key = _content(codes)
    with _lock:
        known = _codes.get(key)
        if known is None:
            known = codes.copy() if others else codes
            known.flags.writeable = False
            _codes[key] = known
        return known


def numbered(labels):
    """(codes, the labels in order) of a map of whole numbers; None: of another kind, or too far apart."""
    if labels.dtype.kind not in "iu" or not labels.dtype.isnative or labels.size < MANY:
        return None
    least, most = int(labels.min()), int(labels.max())
    if most - least >= min(_MOST_RANGE, max(labels.size, MANY)) or most > np.iinfo(np.int64).max:
        return None
    key = _content(labels)
    with _lock:
        for gone in [k for k, (codes, _) in _numbered.items() if codes() is None]:
            del _numbered[gone]
        reference, names = _numbered.get(key, (None, None))
        codes = reference and reference()
    if codes is None:
        codes, names = _number(labels, least, most)
        codes = _shared(codes, others=False)
        names.flags.writeable = False     # they become coordinates of several results
        with _lock:
            _numbered[key] = weakref.ref(codes), names
    return codes, names


def _number(labels, least, most):
    there = np.zeros(most - least + 1, bool)
    for _, piece in _pieces(labels):
        there[piece.astype(np.int64) - least] = True
    table = np.cumsum(there, dtype=np.int32)
    table -= 1
    codes = np.empty(labels.size, np.int32)
    for begin, piece in _pieces(labels):
        np.take(table, piece.astype(np.int64) - least, out=codes[begin : begin + piece.size], mode="clip")
    codes.shape = labels.shape
    return codes, (np.flatnonzero(there) + least).astype(labels.dtype)


def counts(codes, n_groups):
    """How many elements each group has; negative codes belong to none."""
    total = np.zeros(n_groups, np.int64)
    for _, piece in _pieces(codes):
        total += np.bincount(piece[piece >= 0], minlength=n_groups)
    return total


def groups_of_labels_or(factorize):
    """xarray's UniqueGrouper.factorize, for maps in memory."""

    def unique_groups(self, group):
        data = getattr(getattr(group, "variable", None), "_data", None)
        if self.labels is not None or group.ndim < 2 or not isinstance(data, np.ndarray):
            return factorize(self, group)
        found = numbered(data)
        if found is None:
            return factorize(self, group)
        import pandas as pd
        from xarray.core.coordinates import coordinates_from_variable
        from xarray.core.variable import Variable
        from xarray.groupers import EncodedGroups

        self.group = group
        codes, names = found
        codes = group.copy(data=codes, deep=False)
        names = pd.Index(names)
        unique = Variable(codes.name, names, group.attrs)
        return EncodedGroups(codes=codes, full_index=names, unique_coord=unique, coords=coordinates_from_variable(unique))

    return unique_groups
