"""xr.map_blocks on lazy arrays of Craton against the same on dask's: functions that give different answers for other blocks."""

import numpy as np
import pytest
import xarray as xr

import craton

craton.enable()
RNG = np.random.default_rng(12)


def plain():
    """Several types, dimensions that not all variables have, coordinates with and without an index, text."""
    ds = xr.Dataset(
        {
            "t": (("time", "y", "x"), RNG.normal(size=(14, 9, 10)).astype("f4"), {"units": "K"}),
            "u": (("time", "y", "x"), RNG.normal(size=(14, 9, 10)).astype("f4")),
            "n": (("time", "x"), RNG.integers(0, 90, (14, 10)).astype("i2")),
            "when": (("time",), np.arange("2001-03-01", "2001-03-15", dtype="M8[D]").astype("M8[ns]")),
        },
        {"time": np.arange(14) * 2, "x": list("abcdefghij"), "area": (("y", "x"), RNG.random((9, 10))), "run": 3, "name": ("x", np.array(list("klmnopqrst"), object))},
        {"title": "made up"},
    )  # fmt: skip
    return ds


def both(**chunks):
    ds = plain()
    return ds.chunk(chunks, chunked_array_type="craton"), ds.chunk(chunks, chunked_array_type="dask")


def own_mean(obj):
    """Another answer for every block."""
    return obj - obj.mean()


PROGRAMS = {
    "each block by its mean": lambda ds: ds[["t", "u"]].map_blocks(own_mean),
    "an array": lambda ds: ds.t.map_blocks(own_mean),
    "values": lambda ds: ds.t.map_blocks(lambda a: a.copy(data=np.sort(np.asarray(a.data), axis=0))),
    "arguments": lambda ds: xr.map_blocks(lambda a, k, b: a * k + b.mean(), ds.t, [2, ds.u]),
    "an argument of fewer dimensions": lambda ds: xr.map_blocks(lambda a, b: a - b, ds.t, [ds.n]),
    "keywords": lambda ds: ds.t.map_blocks(lambda a, by: a / by, kwargs={"by": 4}),
    "names and attributes": lambda ds: ds[["t"]].map_blocks(lambda d: d.rename(t="v").assign_attrs(a=1)),
    "types": lambda ds: ds[["t", "n"]].map_blocks(lambda d: d.assign(n=d.n.astype("f8") / 3, t=d.t > d.t.mean())),
    "a new dimension": lambda ds: ds.t.map_blocks(lambda a: a.expand_dims(k=[1, 2, 3]) * a.sum()),
    "a new coordinate": lambda ds: ds.t.map_blocks(lambda a: a.assign_coords(lon=("x", np.arange(a.sizes["x"]) + 0.5))),
    "one dimension gone": lambda ds: ds.t.chunk(time=-1).map_blocks(lambda a: a.mean("time")),
    "template of an array": lambda ds: ds.t.chunk(time=-1).map_blocks(lambda a: a.isel(time=[0, -1]), template=ds.t.chunk(time=-1).isel(time=[0, -1])),
    "template, another length in each block": lambda ds: ds.n.chunk(time=7, x=-1).map_blocks(
        lambda a: a.isel(time=slice(None, None, 3)), template=ds.n.isel(time=[0, 3, 6, 7, 10, 13]).chunk(time=3, x=-1)),
    "template of a dataset": lambda ds: ds[["t"]].map_blocks(lambda d: d.assign(rank=d.t.copy(data=np.argsort(d.t.values, axis=1).astype("f8"))), template=ds[["t"]].assign(rank=ds.t.astype("f8"))),
    "another order of dimensions": lambda ds: ds.t.map_blocks(lambda a: a.transpose("x", "time", "y") * a.std()),
    "times": lambda ds: ds[["when"]].map_blocks(lambda d: d.assign(when=d.when + d.sizes["time"] * np.timedelta64(1, "D"))),
    "everything": lambda ds: ds.drop_vars("name").map_blocks(lambda d: d.assign(t=d.t - d.t.mean(), n=d.n * d.run)),
}  # fmt: skip
CHUNKS = [{"time": 5, "x": 4}, {"time": 14, "y": 2, "x": 10}, {"time": (6, 1, 7), "y": 4, "x": 5}]


@pytest.mark.parametrize("number", range(len(CHUNKS)))
@pytest.mark.parametrize("name", PROGRAMS)
def test_as_with_dask(name, number):
    ours, theirs = both(**CHUNKS[number])
    with xr.set_options(chunk_manager="dask"):
        expected = PROGRAMS[name](theirs)
        values = expected.compute()
    answer = PROGRAMS[name](ours)
    assert answer.chunksizes == expected.chunksizes
    for n in (*answer.coords, *getattr(answer, "data_vars", ())):
        assert n in answer.xindexes or answer[n].dtype == object or isinstance(answer[n].variable._data, craton.Array), n
    xr.testing.assert_identical(answer.compute(), values)
    for n, v in answer.compute().coords.items():
        assert v.dtype == values[n].dtype


def test_one_call_for_a_block():
    """Whatever number of variables is asked for, as long as the blocks fit."""
    calls = []
    ours, _ = both(time=7, y=9, x=5)

    def f(d):
        calls.append(tuple(d.sizes.values()))
        return d.assign(ratio=d.t / d.u)

    answer = ours[["t", "u"]].map_blocks(f)
    calls.clear()
    answer.compute()
    assert sorted(calls) == [(7, 9, 5)] * 4
    first = answer.ratio.isel(time=slice(0, 3), x=0)
    calls.clear()
    first.variable.compute()
    assert calls == [(7, 9, 5)]


def test_one_call_for_several_outputs():
    """Of apply_ufunc: whatever number of its results is asked for, and of whatever types."""
    calls = []
    ours, theirs = both(time=-1, y=3, x=4)

    def f(a):
        calls.append(a.shape)
        return a.mean(-1), a.std(-1), a.argmax(-1), np.sort(a)

    def program(ds):
        options = {"input_core_dims": [["time"]], "output_core_dims": [[], [], [], ["time"]], "dask": "parallelized", "output_dtypes": ["f4", "f4", "i8", "f4"]}
        return xr.Dataset(dict(zip(("mean", "spread", "when", "sorted"), xr.apply_ufunc(f, ds.t, **options))))

    want = program(theirs).compute()
    answer = program(ours)
    calls.clear()
    xr.testing.assert_identical(answer.compute(), want)
    assert sum(map(np.prod, calls)) == ours.t.size
    calls.clear()
    xr.testing.assert_identical(answer.spread.isel(y=slice(1, 3), x=5).compute(), want.spread.isel(y=slice(1, 3), x=5))
    assert sum(map(np.prod, calls)) <= 9 * 10 * 14


def test_outputs_that_were_not_promised():
    ours, _ = both(time=-1, y=3, x=4)
    options = {"input_core_dims": [["time"]], "output_core_dims": [[], []], "dask": "parallelized", "output_dtypes": ["f4", "f4"]}
    for f, reason in ((lambda a: a.mean(-1), "ndarray, no tuple"), (lambda a: (a.mean(-1),) * 3, "returned 3"), (lambda a: (a.mean(-1), np.float32(0)), "of shape")):
        with pytest.raises(ValueError, match=reason):
            xr.apply_ufunc(f, ours.t, **options)[1].compute()


def test_without_being_enabled_and_of_parts():
    ours, _ = both(time=5, x=4)
    answer = ours.t.craton.map_blocks(own_mean)
    whole = answer.compute()
    part = answer.isel(time=slice(3, 9), x=[9, 0]).transpose("x", "y", "time")
    xr.testing.assert_identical(part.compute(), whole.isel(time=slice(3, 9), x=[9, 0]).transpose("x", "y", "time"))
    assert float(answer.max()) == float(whole.max())


def test_text_that_is_in_memory_stays():
    ours, _ = both(time=5, x=4)
    answer = ours[["t"]].map_blocks(own_mean)
    assert answer.name.values.tolist() == list("klmnopqrst") and answer.compute().name.dtype == object


REFUSED = {
    "cannot be tried": (lambda ds: ds.t.map_blocks(lambda a: a.isel(time=3)), ValueError, "template"),
    "no xarray object": (lambda ds: ds.t.map_blocks(lambda a: a.values), TypeError, "must return an xarray"),
    "kwargs that are lazy": (lambda ds: ds.t.map_blocks(own_mean, kwargs={"other": ds.u}), TypeError, "pass it in args"),
    "other chunks": (lambda ds: xr.map_blocks(lambda a, b: a + b, ds.t, [ds.u.chunk(time=3)]), ValueError, "Chunk sizes along dimension 'time'"),
    "other labels": (lambda ds: xr.map_blocks(lambda a, b: a + b, ds.t, [ds.u.isel(x=slice(2, None))]), ValueError, "align|equal"),
    "a template in other chunks": (lambda ds: ds.t.map_blocks(own_mean, template=ds.t.chunk(time=2)), ValueError, "one block of the input"),
    "another length": (lambda ds: ds.t.map_blocks(lambda a: a.isel(time=slice(1, None)), template=ds.t), ValueError, "Received dimension 'time' of length 3. Expected length 4"),
    "other labels than promised": (lambda ds: ds.t.map_blocks(lambda a: a.assign_coords(time=a.time + 1), template=ds.t), ValueError, "Expected index 'time'"),
    "a dimension missing": (lambda ds: ds.t.map_blocks(lambda a: a.mean("time"), template=ds.t), ValueError, "missing on returned"),
    "a variable missing": (lambda ds: ds[["t", "u"]].map_blocks(lambda d: d[["t"]], template=ds[["t", "u"]]), ValueError, "does not contain data variables"),
    "a variable more": (lambda ds: ds[["t"]].map_blocks(lambda d: d.assign(a=d.t), template=ds[["t"]]), ValueError, "unexpected data variables {'a'}"),
    "missing values among integers": (lambda ds: ds.n.map_blocks(lambda a: a.where(a > 5), template=ds.n), ValueError, "missing values"),
    "an error of the function": (lambda ds: ds.t.map_blocks(lambda a: 1 / 0, template=ds.t), ZeroDivisionError, "division"),
    "text": (lambda ds: ds[["n"]].map_blocks(lambda d: d.assign(n=d.n.astype(object))), NotImplementedError, "object"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    f, kind, reason = REFUSED[name]
    ours, _ = both(time=5, x=4)
    with pytest.raises(kind, match=reason):
        f(ours.drop_vars("name")).compute()
