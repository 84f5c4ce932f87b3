"""Functions of dask that would give Craton's lazy arrays back as they are say so; everybody else sees an array that has nothing to do with dask."""

import copy
import pickle

import dask
import dask.array
import dask.base
import dask.graph_manipulation
import dask.typing
import numpy as np
import pytest
import xarray as xr

import craton
from craton.conversion import as_array

craton.enable()
VALUES = np.arange(12.0).reshape(3, 4)


def array():
    return as_array(VALUES, chunks=(1, 4)) + 1


def dataset():
    return xr.Dataset({"here": ("y", np.zeros(3)), "t": (("y", "x"), array())}, {"area": (("y", "x"), array() * 2)})


OBJECTS = {
    "array": array,
    "variable": lambda: dataset().t.variable,
    "data array": lambda: dataset().t,
    "coordinate": lambda: dataset().here.assign_coords(area=dataset().area.isel(x=0)),
    "dataset": dataset,
    "in a dict in a list": lambda: [1, {"a": dataset()}],
    "beside one of dask's": lambda: (dask.array.ones(3, chunks=1), dataset().t),
    "beside one of dask's in a dataset": lambda: xr.Dataset({"a": ("z", dask.array.ones(3, chunks=1)), "b": ("y", array()[:, 0])}),
}
FUNCTIONS = {
    dask.compute: r"x\.compute\(\), or craton\.compute\(a, b\)",
    dask.persist: r"x\.persist\(\)",
    dask.optimize: r"x\.compute\(\)",
    dask.visualize: r"craton\.explain\(x\)",
    dask.graph_manipulation.wait_on: r"x\.compute\(\)",
}


@pytest.mark.parametrize("thing", OBJECTS)
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_what_dask_would_pass_over_is_refused(function, thing):
    with pytest.raises(TypeError, match=rf"^craton: dask\.{function.__name__} knows dask's own objects only.* Write {FUNCTIONS[function]}"):
        function(OBJECTS[thing]())


def test_a_write_that_is_still_to_be_done_is_not_passed_over(tmp_path):
    write = dataset().craton.to_zarr(tmp_path / "x", compute=False)
    with pytest.raises(TypeError, match=r"craton: dask\.compute .*Write write\.compute\(\)"):
        dask.compute([write])
    assert not dask.is_dask_collection(write) and not hasattr(write, "__dask_graph__")
    write.compute()
    np.testing.assert_array_equal(xr.open_dataset(tmp_path / "x", engine="craton").t, VALUES + 1)


def test_what_the_messages_say_to_write_is_right():
    x, y = dataset().t, dataset().area
    for done in (x.compute(), x.persist().compute(), craton.compute(x, y)[0]):
        np.testing.assert_array_equal(done, VALUES + 1)
    assert isinstance(x.persist().data, craton.Array) and "scan" in craton.explain(x)


def test_what_is_in_memory_and_what_is_of_dask_goes_through():
    here = xr.DataArray(VALUES)
    theirs = here.chunk(1, chunked_array_type="dask")
    assert dask.compute(here, [here])[0] is here and dask.persist(here)[0] is here and dask.optimize(here)[0] is here
    done, again = dask.compute(theirs.sum(), dask.persist(theirs)[0].max())
    assert float(done) == VALUES.sum() and float(again) == VALUES.max()
    mixed = xr.Dataset({"a": theirs, "b": here})
    xr.testing.assert_identical(dask.compute(mixed)[0], mixed.compute())


@pytest.mark.parametrize("thing", [k for k in OBJECTS if k != "beside one of dask's in a dataset"])
def test_nobody_else_sees_anything_of_dask(thing):
    x = OBJECTS[thing]()
    assert not dask.is_dask_collection(x) and not xr.namedarray.utils.is_dask_collection(x)
    assert not list(filter(dask.is_dask_collection, [x])) and not [y for y in [x] if dask.is_dask_collection(y)]
    if isinstance(x, craton.Array):
        assert not hasattr(x, "__dask_graph__") and not isinstance(x, dask.typing.DaskCollection)
        with pytest.raises(AttributeError, match="no graph of dask's"):
            x.__dask_graph__
        assert not xr.namedarray.utils.is_duck_dask_array(x)
        x = pickle.loads(pickle.dumps(copy.deepcopy(x)))
        np.testing.assert_array_equal(x.compute(), VALUES + 1)
    elif not isinstance(x, (list, tuple)):
        assert x.__dask_graph__() is None


def test_a_delayed_function_gets_the_lazy_object():
    def total(ds):
        assert isinstance(ds["t"].data, craton.Array)
        return float(ds["t"].sum())

    for call in (dask.delayed(total)(dataset()), dask.delayed(lambda things: total(things[0]["a"]))([{"a": dataset()}])):
        assert dask.compute(call) == ((VALUES + 1).sum(),)


def test_tokens_are_refused_as_ever():
    with pytest.raises(TypeError, match="cannot become part of a dask graph"):
        dask.base.tokenize(dataset())
