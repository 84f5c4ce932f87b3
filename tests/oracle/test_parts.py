"""Reductions in parts, without a cluster: every part computed on its own, with other threads and limits, and combined, has the bits of the whole."""

import numpy as np
import programs
import pytest
import sources
import xarray as xr

import craton
from craton import _craton, parts as cutting
from craton.conversion import as_array
from craton.graph import make, memory
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
    for node, (scan, *_) in zip(nodes, _craton.part_look(CONTEXTS[0], tuple(nodes), 1)):
        by_scan.setdefault(scan, []).append(node)
    by_scan.pop(-1, None)
    for together in by_scan.values():
        here = whole(together)
        for wanted in (1, 2, 3, 8, 50):
            _, n_parts, state_bytes, cost, _ = _craton.part_look(CONTEXTS[0], tuple(together), wanted)[0]
            assert n_parts <= 2 * wanted and cost > 0
            values, parts = in_parts(together, wanted, n_parts)
            assert values == here, f"{what}: {wanted} parts wanted, {n_parts} made"
            assert sum(map(len, parts)) >= state_bytes
            cuts += n_parts > 1
    return cuts


def test_random_programs():
    cuts = 0
    for seed in range(programs.SEED, programs.SEED + programs.CASES):
        with sources.without_functions():
            values = programs.run_program(seed, length=8)
        nodes = first_reductions([v.lazy._node for v in values])
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
    (_, n, states, *_), = _craton.part_look(CONTEXTS[0], (np.mean(a, 0)._node,), 16)
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


# ---- boxes ----


@pytest.mark.parametrize(("shape", "chunks", "least"), [
    ((46, 200, 200), (46, 50, 50), 4), ((200, 100, 100), (100, 50, 50), 4), ((400, 40, 40), (10, 10, 10), 0), ((40, 45, 45), (1, 10, 10), 0),
    ((64, 8, 600), (2, 8, 300), 0),
])  # fmt: skip
def test_reductions_in_boxes_of_what_they_keep(shape, chunks, least, tmp_path, monkeypatch):
    """Of small chunks several are one cell, how many depends on the length of all axes: there the fold tree of a piece is another one."""
    monkeypatch.setattr(cutting, "PART_NS", 1.0)
    values = np.random.default_rng(6).normal(size=shape)
    xr.Dataset({"v": (("t", "y", "x"), values)}).craton.to_zarr(tmp_path / "s", encoding={"v": {"chunks": chunks}})
    with xr.open_dataset(tmp_path / "s", engine="craton", chunks={}, chunked_array_type="craton") as ds:
        for axes in (0, (0, 1), 2):
            nodes = [function(ds.v.data, axes)._node for function in (np.sum, np.std, np.max)]
            cut = cutting.reductions_in_boxes(CONTEXTS[0], nodes, 6, 2)
            if least and axes == 0:
                assert len(cut) >= least
            if cut is None:
                continue
            for node, bits in zip(nodes, whole(nodes)):
                result = np.empty(node.shape, node.dtype)
                for k, box in enumerate(cut):
                    piece, start, count = cutting.reduced_box(node, box)
                    value = np.empty(piece.shape, piece.dtype)
                    CONTEXTS[k % 3].compute((piece,), (value,))
                    result[tuple(slice(a, a + n) for a, n in zip(start, count))] = value
                assert result.tobytes() == bits, (axes, len(cut))


def in_boxes(node, wanted, monkeypatch, n_least=2):
    """The values from boxes, each through bytes and by another context; the number of boxes."""
    monkeypatch.setattr(cutting, "PART_NS", 1.0)
    boxes = cutting.boxes((node,), wanted)
    assert boxes is not None and n_least <= len(boxes) <= 2 * wanted, boxes
    result = np.empty(node.shape, node.dtype)
    for k, (start, count) in enumerate(boxes):
        (box,) = _craton.decode_graph(_craton.encode_graph((cutting.box_of(node, start, count),), 1 << 30))
        values = np.empty(count, node.dtype)
        CONTEXTS[k % 3].compute((box,), (values,))
        result[tuple(slice(a, a + n) for a, n in zip(start, count))] = values
    return result, boxes


QUANTILES = [
    lambda a: np.nanquantile(a, 0.3, axis=0), lambda a: np.nanquantile(a, [0.1, 0.5, 0.9], axis=0), lambda a: np.nanmedian(a, axis=2),
    lambda a: np.quantile(a, [0.2, 0.7], axis=(0, 2), method="hazen", keepdims=True), lambda a: np.moveaxis(np.nanquantile(a * 2 + 1, [0.25, 0.75], axis=1), 0, -1),
    lambda a: np.nanpercentile(np.transpose(a, (2, 0, 1)), 40, axis=1).astype("f4"),
]


@pytest.mark.parametrize("which", range(len(QUANTILES)))
@pytest.mark.parametrize("dtype", ["f4", "f8", "i2"])
def test_quantiles_in_boxes_of_what_they_keep(which, dtype, monkeypatch):
    a = data((60, 40, 30), (60, 7, 6), dtype)
    function = QUANTILES[which]
    node, plain = function(a)._node, function(np.asarray(a.compute()))
    result, boxes = in_boxes(node, 5, monkeypatch)
    assert [result.tobytes()] == whole([node])
    np.testing.assert_allclose(result, plain, rtol=1e-6, equal_nan=True)


@pytest.mark.parametrize("grouped", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize("q", [None, (0.5,), (0.1, 0.9)])
def test_grouped_quantiles_in_boxes(grouped, q, monkeypatch):
    a = data((60, 40, 30), (60, 7, 6))._node
    codes = np.random.default_rng(8).integers(-1, 5, [a.shape[i] for i in grouped]).astype(np.int32)
    node = make("quantile", (a,), grouped, q, "linear", True, False, False, codes, 6)
    result, _ = in_boxes(node, 4, monkeypatch)
    assert [result.tobytes()] == whole([node])


def test_quantiles_that_keep_no_border_are_not_cut(monkeypatch):
    monkeypatch.setattr(cutting, "PART_NS", 1.0)
    a = data((60, 40, 30), (1, 40, 30))
    for lazy in (np.nanquantile(a, 0.5), np.nanquantile(a, 0.5, axis=0), np.nanquantile(a - np.nanmean(a), 0.5, axis=(1, 2)), np.nanmedian(a, axis=0) + 1):
        assert cutting.boxes((lazy._node,), 4) is None
        assert cutting.quantiles_in_boxes((lazy._node,), 4) == []
    assert len(cutting.quantiles_in_boxes((np.nanmedian(a, axis=1)._node,), 4)) == 1


RUNNING = [
    lambda a: np.cumsum(a, 0), lambda a: np.nancumsum(a, 1), lambda a: np.nancumprod(a * 0.003, 0), lambda a: np.cumsum(np.transpose(a, (1, 2, 0)), 2) + 1,
    lambda a: np.sqrt(np.abs(np.nancumsum(a[::-1], 0)))[10:50, None],
]


@pytest.mark.parametrize("which", range(len(RUNNING)))
@pytest.mark.parametrize("chunks", [(3, 40, 30), (60, 7, 6), (9, 7, 30)])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i2"])
def test_running_sums_in_boxes(which, chunks, dtype, monkeypatch):
    """What their blocks leave is computed in parts; then any box of them by itself."""
    node = RUNNING[which](data((60, 40, 30), chunks, dtype))._node
    (running,) = [n for n in cutting.walk((node,)) if n.recipe[0] == "cumulate"]
    here, carries = whole([node]), _craton.carries(running)
    if carries is None:
        assert first_reductions((node,)) == []
    else:
        assert cutting.boxes((node,), 1 << 20) is None       # each box would need all that is before it
        assert first_reductions((node,)) == [running]
        check([carries], "carries")
        values = np.empty(carries.shape, carries.dtype)
        CONTEXTS[0].compute((carries,), (values,))
        (node,) = cutting.settled((node,), [running], [values])
        assert whole([node]) == here and first_reductions((node,)) == []
    result, _ = in_boxes(node, 5, monkeypatch)
    assert [result.tobytes()] == here


def test_fills_in_boxes(monkeypatch):
    a = data((60, 40, 30), (3, 7, 30))
    from craton.along import push
    for limit in (None, 5):
        node = push(a, limit, 0)._node
        here = whole([node])
        for running in first_reductions((node,)):
            values = np.empty(_craton.carries(running).shape, _craton.carries(running).dtype)
            CONTEXTS[0].compute((_craton.carries(running),), (values,))
            (node,) = cutting.settled((node,), [running], [values])
        result, _ = in_boxes(node, 5, monkeypatch)
        assert [result.tobytes()] == here


def test_what_blocks_leave_is_checked():
    node = np.cumsum(data((60, 4, 3), (3, 4, 3)), 0)._node
    carries = _craton.carries(node)
    assert carries.shape[1:] == (4, 3) and 1 < carries.shape[0] <= 20
    with pytest.raises(ValueError, match="float64 of shape"):
        _craton.with_carries(node, memory(np.zeros((1, 4, 3))))
    with pytest.raises(ValueError, match="float64 of shape"):
        _craton.with_carries(node, memory(np.zeros(carries.shape, "f4")))
    with pytest.raises(ValueError, match="no blocks whose values could be given"):
        _craton.with_carries(memory(np.zeros(3)), memory(np.zeros(1)))
    other = _craton.with_carries(node, memory(np.ones(carries.shape)))     # they are taken as they are
    assert whole([other]) != whole([node])
    (again,) = _craton.decode_graph(_craton.encode_graph((other,), 1 << 20))
    assert whole([again]) == whole([other])


def test_groups_share_pieces_by_cost():
    def cost(n):
        return (np.sin(as_array(np.zeros((n, 1000)), chunks=(10, 1000)))._node,)

    assert cutting.shares([cost(900), cost(20)], 6) == [6, 1]
    assert [cutting.shares([cost(10)] * n, 6) for n in (0, 1, 2, 5, 25)] == [[], [6], [3] * 2, [2] * 5, [1] * 25]
    assert cutting.shares([(as_array(np.zeros(3))._node,)], 6) == [1]  # nothing to do
