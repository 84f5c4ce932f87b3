"""Reductions in parts, without a cluster: every part computed on its own, with other threads and limits, and combined, has the bits of the whole."""

import numpy as np
import programs
import pytest

import craton
from craton import _craton
from craton.conversion import as_array
from craton.graph import make
from craton.parts import first_reductions

CONTEXTS = [_craton.Context(threads=1), _craton.Context(threads=2, memory_limit=24 << 20), _craton.Context(threads=7, simd_level=0)]


def whole(nodes):
    values = [np.empty(n.shape, n.dtype) for n in nodes]
    CONTEXTS[0].compute(tuple(nodes), tuple(values))
    return [v.tobytes() for v in values]


def in_parts(nodes, wanted, n_parts):
    """Through bytes, as on a cluster."""
    graph = _craton.encode_graph(tuple(nodes), 1 << 30)
    parts = []
    for i in range(n_parts):
        parts.append(_craton.part_compute(CONTEXTS[i % 3], _craton.decode_graph(graph), wanted, i))
    values = [np.empty(n.shape, n.dtype) for n in nodes]
    _craton.part_combine(CONTEXTS[0], tuple(nodes), wanted, tuple(parts), tuple(values))
    return [v.tobytes() for v in values], parts


def check(nodes, what):
    """The number of cuts that were seen, of reductions that can be cut."""
    by_scan, cuts = {}, 0
    for node, (scan, _, _, _) in zip(nodes, _craton.part_look(CONTEXTS[0], tuple(nodes), 1)):
        by_scan.setdefault(scan, []).append(node)
    by_scan.pop(-1, None)
    for together in by_scan.values():
        here = whole(together)
        for wanted in (1, 2, 3, 8, 50):
            _, n_parts, state_bytes, cost = _craton.part_look(CONTEXTS[0], tuple(together), wanted)[0]
            assert n_parts <= 2 * wanted and cost > 0
            values, parts = in_parts(together, wanted, n_parts)
            assert values == here, f"{what}: {wanted} parts wanted, {n_parts} made"
            assert sum(map(len, parts)) >= state_bytes
            cuts += n_parts > 1
    return cuts


def test_random_programs():
    cuts = 0
    for seed in range(programs.SEED, programs.SEED + programs.CASES):
        nodes = first_reductions([v.lazy._node for v in programs.run_program(seed, length=8)])
        if nodes:
            cuts += check(nodes, f"seed {seed}")
    assert cuts > programs.CASES / 5


def data(shape=(4200, 3, 4), chunks=(1, 3, 4), dtype="f4", seed=3):
    """64 chunks are a cell, so that there are 64 blocks along the first axis."""
    rng = np.random.default_rng(seed)
    values = rng.normal(280, 20, shape).astype(dtype)
    if np.dtype(dtype).kind == "f":
        values[rng.random(shape) < 0.1] = np.nan
    return as_array(values, chunks=chunks)


REDUCTIONS = ("sum", "prod", "mean", "min", "max", "count", "var", "std", "any", "all", "first", "last", "argmin", "argmax")


@pytest.mark.parametrize("name", REDUCTIONS)
def test_every_reduction_is_cut_along_what_it_reduces(name):
    for dtype, axes in (("f4", (0,)), ("f8", (0,)), ("i2", (0,)), ("f4", (0, 1, 2)), ("f4", (0, 2))):
        if name in ("argmin", "argmax") and axes == (0, 2):
            continue
        a = data(dtype=dtype)._node
        node = make("reduce", (a,), name, axes, name != "argmax" and dtype != "i2", False, 0, 0, None)
        assert _craton.part_look(CONTEXTS[0], (node,), 8)[0][1] == 8
        assert check([node], f"{name} of {dtype} over {axes}") == 4


@pytest.mark.parametrize("name", REDUCTIONS[:-2])
@pytest.mark.parametrize("axes", [(0,), (0, 1)])
def test_groups(name, axes):
    """Groups that lie in one part, in all, and nowhere."""
    a = data()._node
    rng = np.random.default_rng(5)
    for n_groups in (3, 12, 70):
        codes = (np.arange(4200) * n_groups // 4200 if n_groups == 70 else rng.integers(-1, n_groups - 1, 4200)).astype(np.int32)
        codes = codes if axes == (0,) else np.repeat(codes, 3).reshape(4200, 3)
        node = _craton.group(name, a, axes, codes, n_groups, True, 0, 0, None)
        assert check([node], f"{name} of {n_groups} groups") > 0


def test_several_of_one_scan_over_different_axes():
    a = data()
    nodes = [np.mean(a, 0)._node, np.nanmax(a)._node, np.sum(a, (1, 2))._node, np.mean(a, 0)._node, np.std(a, 1)._node]
    assert len({scan for scan, *_ in _craton.part_look(CONTEXTS[0], tuple(nodes), 8)}) == 1
    assert check(nodes, "several") == 4


def test_kept_axes_are_cut_first():
    a = data((64, 256, 256), (16, 128, 128))
    (_, n, states, _), = _craton.part_look(CONTEXTS[0], (np.mean(a, 0)._node,), 16)
    assert n >= 2 and states < 256 * 256 * 16 + n * 64      # one state per element: nothing has to be merged
    assert check([np.mean(a, 0)._node], "kept") == 4


def test_what_cannot_be_cut_says_so():
    a = data()
    nodes = (np.mean(a)._node, (a + 1)._node, np.std(a - np.mean(a, 0), 0)._node, np.quantile(a, 0.5, axis=0)._node, np.mean(a[:0])._node)
    scans = [_craton.part_look(CONTEXTS[0], (node,), 4)[0][0] for node in nodes]
    assert scans[0] >= 0 and scans[1:] == [-1] * 4
    for node in nodes[1:]:
        with pytest.raises(ValueError, match="cannot be computed in parts"):
            _craton.part_compute(CONTEXTS[0], (node,), 4, 0)
    with pytest.raises(ValueError, match="no part 4: these arrays are cut into 4"):
        _craton.part_compute(CONTEXTS[0], nodes[:1], 4, 4)
    for wanted in (0, -1, 1 << 20):
        with pytest.raises(ValueError, match="there are 1 to 65536 parts"):
            _craton.part_look(CONTEXTS[0], nodes, wanted)


def test_parts_of_something_else_are_refused():
    a, b = np.mean(data(), 0)._node, np.mean(data(), (0, 1))._node
    parts = in_parts([a], 4, 4)[1]
    out = (np.empty(a.shape, a.dtype),)

    def combine(*parts, node=a, wanted=4):
        _craton.part_combine(CONTEXTS[0], (node,), wanted, parts, out if node is a else (np.empty(node.shape, node.dtype),))

    combine(*parts)
    with pytest.raises(ValueError, match="3 parts were given, these arrays are cut into 4"):
        combine(*parts[:3])
    with pytest.raises(craton.FormatError, match="part 1 of 4 of 1 arrays, not part 0"):
        combine(parts[1], parts[0], *parts[2:])
    with pytest.raises(craton.FormatError, match="part 0 has .* bytes"):
        combine(*parts, node=b)
    c = np.max(data(), 0)._node
    with pytest.raises(craton.FormatError):
        combine(*in_parts([c], 4, 4)[1])
    for at in range(0, len(parts[2]), 97):
        damaged = bytearray(parts[2])
        damaged[at] ^= 4
        with pytest.raises((craton.FormatError, NotImplementedError)):
            combine(parts[0], parts[1], bytes(damaged), parts[3])
    with pytest.raises(craton.FormatError, match="part 3"):
        combine(*parts[:3], parts[3][:-1])
    with pytest.raises(craton.FormatError, match="not a part of a computation"):
        combine(b"", *parts[1:])
