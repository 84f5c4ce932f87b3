"""Sums of products: einsum, and what can be said with it."""

from numbers import Number

import numpy as np

from .conversion import as_array, astype
from .dtypes import result_type
from .functions import function, refuse, unsupported
from .reductions import reduction
from .shapes import broadcast_to, expand_dims, ravel, transpose
from .windows import Windows


@function()
def einsum(subscripts, *operands, out=None, optimize=None, **kwargs):
    """Sums of products over named axes: multiply what is aligned, then sum what is not wanted."""
    refuse("einsum", out=out, **kwargs)
    if not isinstance(subscripts, str):
        raise unsupported("einsum without a subscripts string")
    arrays = [as_array(a) for a in operands]
    inputs, output = _subscripts(subscripts.replace(" ", ""), [a.ndim for a in arrays])
    letters = list(output) + [c for c in dict.fromkeys("".join(map("".join, inputs))) if c not in output]
    dtype = result_type(*arrays)
    if dtype.kind not in "biuf":
        raise unsupported(f"einsum of {dtype}")
    weighted = _weighted_windows(arrays, operands, inputs, output, dtype)
    if weighted is not None:
        return weighted
    product = None
    for a, names in zip(arrays, inputs):
        if len(set(names)) != len(names):
            raise unsupported(f"einsum with a repeated index ({subscripts})")
        a = transpose(a, [names.index(c) for c in letters if c in names])
        a = expand_dims(a, tuple(i for i, c in enumerate(letters) if c not in names)) if len(names) < len(letters) else a
        product = a if product is None else (product & a if dtype == bool else product * a)
    shape = np.broadcast_shapes(product.shape, *[_extents(a, n, letters) for a, n in zip(arrays, inputs)])
    product = astype(broadcast_to(product, shape), dtype)
    axes = tuple(range(len(output), len(letters)))
    if not axes:
        return product
    return reduction("any", product, axes) if dtype == bool else reduction("sum", product, axes, dtype)


MOST_WEIGHTS = 512      # of windows that are summed term by term


def _weighted_windows(arrays, operands, inputs, output, dtype):
    """Moving windows times weights in memory, one for each place in the window (a filter of Lanczos): the sum of the shifted arrays times their weight,
    element by element; the windows themselves are never made. None: it is something else."""
    for i in (0, 1) if len(arrays) == 2 else ():
        windows, weights, names = arrays[i]._windows, operands[1 - i], inputs[i]
        if not isinstance(windows, Windows) or len(windows.spans) != 1 or inputs[1 - i] != names[-1:] or names[-1] in output or len(set(names)) != len(names):
            continue
        if dtype.kind != "f" or not isinstance(weights, np.ndarray) or weights.size > MOST_WEIGHTS:
            continue
        base, terms = astype(windows.base, np.float64), weights.astype(np.float64)
        shifted = Windows(base, windows.spans)
        total = shifted.at((0,)) * terms[0]
        for k in range(1, len(terms)):
            total = total + shifted.at((k,)) * terms[k]
        summed = [c for c in names[:-1] if c not in output]
        total = transpose(total, [names.index(c) for c in (*output, *summed)])
        return astype(reduction("sum", total, tuple(range(len(output), total.ndim))) if summed else total, dtype)
    return None


def _extents(a, names, letters):
    sizes = dict(zip(names, a.shape))
    return tuple(sizes.get(c, 1) for c in letters)


def _subscripts(text, ndims):
    """Index names of every operand and of the result. An ellipsis stands for the names "0", "1", ... counted from the right."""
    left, arrow, right = text.partition("->")
    inputs, widest = [], 0
    parts = left.split(",")
    if len(parts) != len(ndims):
        raise ValueError(f"einsum: {len(parts)} subscripts for {len(ndims)} arrays")
    for part, ndim in zip(parts, ndims):
        n = ndim - len(part.replace("...", ""))
        if n < 0 or n > 0 and "..." not in part:
            raise ValueError(f"einsum: {part!r} does not fit an array of {ndim} dimensions")
        widest = max(widest, n)
        names = [str(i) for i in reversed(range(n))]
        before, dots, after = part.partition("...")
        inputs.append(list(before) + (names if dots else []) + list(after))
    everything = [str(i) for i in reversed(range(widest))]
    if arrow:
        before, dots, after = right.partition("...")
        output = list(before) + (everything if dots else []) + list(after)
    else:
        flat = [c for names in inputs for c in names if c not in everything]
        output = everything + sorted(c for c in set(flat) if flat.count(c) == 1)
    return inputs, output


@function()
def tensordot(a, b, axes=2):
    a, b = as_array(a), as_array(b)
    if isinstance(axes, Number):
        axes = (range(a.ndim - axes, a.ndim), range(axes))
    left, right = ([x] if isinstance(x, Number) else list(x) for x in axes)
    letters = [chr(97 + i) for i in range(a.ndim + b.ndim)]
    of_a, of_b = letters[: a.ndim], letters[a.ndim :]
    for i, j in zip(left, right):
        of_b[j] = of_a[i]
    summed = {of_a[i] for i in left}
    output = [c for c in of_a + of_b if c not in summed]
    return einsum(f"{''.join(of_a)},{''.join(of_b)}->{''.join(output)}", a, b)


@function()
def vecdot(a, b, axis=-1):
    product = as_array(a) * as_array(b)
    return astype(reduction("sum", product, axis), product.dtype)


@function()
def dot(a, b, out=None):
    refuse("dot", out=out)
    a, b = as_array(a), as_array(b)
    if not a.ndim or not b.ndim:
        return a * b
    return tensordot(a, b, axes=([a.ndim - 1], [max(0, b.ndim - 2)]))


def matmul(a, b):
    a, b = as_array(a), as_array(b)
    if not a.ndim or not b.ndim:
        raise ValueError("matmul: Input operand does not have enough dimensions")
    names = {(1, 1): "i,i->", (1, 2): "i,...ij->...j", (2, 1): "...ij,j->...i", (2, 2): "...ij,...jk->...ik"}
    return einsum(names[min(a.ndim, 2), min(b.ndim, 2)], a, b)


@function()
def outer(a, b, out=None):
    refuse("outer", out=out)
    return expand_dims(ravel(a), 1) * expand_dims(ravel(b), 0)
