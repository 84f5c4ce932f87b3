"""Programs that fork (multiprocessing, joblib) while another of their threads computes: the children compute too, the parent goes on."""
import os
import signal
import threading

import numpy as np
import pytest
import xarray as xr

import craton

craton.enable()


def in_child(function):
    """Its exit status; -SIGALRM when it waits for ever."""
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        try:
            os._exit(0 if function() else 1)
        except BaseException as e:  # noqa: B036
            os.write(2, f"{e!r}\n".encode())
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_while_a_function_of_the_program_is_called():
    began, go_on, parent = threading.Event(), threading.Event(), os.getpid()

    def function(x):
        if os.getpid() == parent:
            began.set()
            assert go_on.wait(60)
        return x + 1

    da = xr.DataArray(np.ones((6, 5)), dims=("y", "x")).chunk(y=2)
    result, answers = xr.apply_ufunc(function, da, dask="parallelized", output_dtypes=[float]), []
    thread = threading.Thread(target=lambda: answers.append(float(result.sum())))
    thread.start()
    assert began.wait(60)
    try:
        assert in_child(lambda: float(result.sum()) == 60) == 0
    finally:
        go_on.set()
        thread.join()
    assert answers == [60]


@pytest.mark.parametrize("kind", ["netcdf", "sharded", "writing"])
def test_while_files_are_read_and_written(tmp_path, kind):
    """Many times, at whatever moment."""
    ds = xr.Dataset({"v": (("y", "x"), np.arange(4096).reshape(64, 64))}).chunk(y=8, x=8)
    path = tmp_path / "d"
    if kind == "sharded":
        ds.craton.to_zarr(path, encoding={"v": {"chunks": (2, 2), "shards": (16, 16)}})
    else:
        ds.craton.to_netcdf(path, encoding={"v": {"chunksizes": (2, 2)}})
    expected, over, wrong = 4096 * 4095 // 2, threading.Event(), []

    def again():
        while not over.is_set():
            found = xr.open_dataset(path, engine="craton", chunks={})
            if int(found.v.sum()) != expected:
                wrong.append(found)
            if kind == "writing":
                found.craton.to_netcdf(tmp_path / "copy", mode="w")

    thread = threading.Thread(target=again)
    thread.start()
    try:
        for i in range(10):
            opened = xr.open_dataset(path, engine="craton", chunks={})

            def in_it(opened=opened, i=i):
                if kind == "writing":
                    opened.craton.to_netcdf(tmp_path / f"child{i}")
                    opened = xr.open_dataset(tmp_path / f"child{i}", engine="craton", chunks={})
                return int(opened.v.sum()) == expected

            assert in_child(in_it) == 0
    finally:
        over.set()
        thread.join()
    assert not wrong
