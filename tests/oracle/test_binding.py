"""What a user of the Python package relies on beside right values: errors, interruption, pickling, progress, refusals."""

import copy
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import craton
from craton.conversion import as_array
from craton.making import full

craton.enable()


def lazy(shape=(30, 20), chunks=(7, 6), dtype="f8"):
    return as_array(np.arange(np.prod(shape), dtype=dtype).reshape(shape), chunks=chunks)


def run(program, **kwargs):
    return subprocess.run([sys.executable, "-W", "error::FutureWarning:craton", "-c", program], capture_output=True, text=True, timeout=120, **kwargs)


# ---- interruption ---------------------------------------------------------------------------------------------------------


def test_ctrl_c_stops_within_a_second_and_the_session_lives():
    program = """
import signal, sys, time
import numpy as np
from craton.making import full
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has it ignored
a = np.sin(full((400_000, 20_000), 0.5, chunks=(1000, 1000))).sum()
print("begin", flush=True)
try:
    a.compute()
except KeyboardInterrupt:
    print("stopped", time.monotonic(), time.process_time(), flush=True)
print(float(np.ones(3).sum() + np.asarray(full((10,), 2.0).sum())), flush=True)
"""
    p = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert p.stdout.readline() == "begin\n"
    time.sleep(0.7)
    sent, used = time.monotonic(), time.clock_gettime(~p.pid << 3 | 2)       # its CPU clock, as clock_getcpuclockid(3) gives it
    p.send_signal(signal.SIGINT)
    word, when, computed = p.stdout.readline().split()
    # By the clock; or by what it has computed since, where others keep the processors.
    assert word == "stopped" and min(float(when) - sent, float(computed) - used) < 1.0
    assert p.stdout.read() == "23.0\n"
    assert p.wait(30) == 0


def test_ctrl_c_while_another_thread_computes():
    """The waiting computation gives up; the running one goes on."""
    program = """
import signal, threading, time
import numpy as np
from craton.making import full
a = np.sin(full((20_000, 20_000), 0.5, chunks=(1000, 1000))).sum()
answers = []
t = threading.Thread(target=lambda: answers.append(float(a.compute())))
t.start()
time.sleep(0.3)
signal.setitimer(signal.ITIMER_REAL, 0.3)
signal.signal(signal.SIGALRM, signal.default_int_handler)
try:
    full((10,), 1.0).sum().compute()
    print("not interrupted: too fast a machine")
except KeyboardInterrupt:
    print("interrupted")
signal.setitimer(signal.ITIMER_REAL, 0)
t.join()
print(abs(answers[0] - np.sin(0.5) * 4e8) < 1)
"""
    p = run(program)
    assert p.returncode == 0, p.stderr
    assert p.stdout.endswith("interrupted\nTrue\n") or p.stdout.startswith("not interrupted"), p.stdout


# ---- errors ---------------------------------------------------------------------------------------------------------------


class Unhappy(Exception):
    pass


def fail_in_block(x):
    raise Unhappy("no such luck")


def test_an_exception_of_a_users_function_arrives_as_it_was():
    da = xr.DataArray(np.ones((4, 5)), dims=("y", "x")).chunk(y=2)
    result = xr.apply_ufunc(fail_in_block, da, dask="parallelized", output_dtypes=[float])
    with pytest.raises(Unhappy, match="no such luck"):
        result.compute()
    assert float(da.sum()) == 20


def test_a_block_function_of_the_wrong_shape_is_named():
    da = xr.DataArray(np.ones((4, 5)), dims=("y", "x")).chunk(y=2)
    result = xr.apply_ufunc(lambda x: x[:1, :2], da, dask="parallelized", output_dtypes=[float])
    with pytest.raises(ValueError, match="returned an array of shape"):
        result.compute()


def test_errors_come_when_the_expression_is_built():
    a = lazy()
    with pytest.raises(ValueError, match="fit together"):
        a + lazy((3, 3), (2, 2))
    with pytest.raises(IndexError):
        a[40]
    with pytest.raises(IndexError):
        a[:, :, 0]
    with pytest.raises(ValueError):
        a.sum(axis=(0, 0))
    with pytest.raises(np.exceptions.AxisError):
        a.sum(axis=2)
    with pytest.raises(TypeError, match="cannot hold"):
        as_array(np.array([{}], object))
    with pytest.raises(OverflowError):
        lazy(dtype="u1", shape=(3,), chunks=(2,)) + 300
    with pytest.raises(IndexError):
        a[40] = 1
    with pytest.raises(ValueError):
        a[0] = np.ones(3)


@pytest.mark.parametrize(
    "key, value",
    [
        ((0,), 1.5),
        ((slice(3, 9), 1), np.arange(6.0)),
        ((slice(None, None, -2), slice(1, 3)), np.arange(20.0).reshape(10, 2)),
        (([2, 5, 19], slice(None)), np.arange(12.0).reshape(3, 4)),
        (([2, 5], 3), np.array([7.0, 8.0])),
        ((np.arange(20) % 3 == 0,), 0.0),
        ((-1, -1), 4.0),
        ((Ellipsis, 2), np.arange(20.0)),
        ((slice(4, 4),), 9.0),
        ((slice(0, 5),), np.arange(4.0)),
        ((slice(0, 2), slice(0, 2)), np.array([[[1.0, 2.0], [3.0, 4.0]]])),
    ],
)
def test_assignment_is_that_of_numpy_and_does_not_reach_what_was_made_before(key, value):
    values = np.random.default_rng(3).normal(size=(20, 4))
    a = as_array(values.copy(), chunks=(7, 3))
    before, copy = a + 0, a.copy()
    a[key] = value
    expected = values.copy()
    expected[key] = value
    np.testing.assert_array_equal(a.compute(), expected)
    np.testing.assert_array_equal(before.compute(), values)
    np.testing.assert_array_equal(copy.compute(), values)
    a[a > 0] = -1.0
    np.testing.assert_array_equal(a.compute(), np.where(expected > 0, -1.0, expected))


def test_assignment_to_points_is_refused():
    """Several lists are points, for NumPy and for xarray; an array that gave their whole box the value would be wrong without a word."""
    a = lazy((6, 4), (2, 3))
    da = xr.DataArray(a, dims=("y", "x"))
    for assign in (lambda: a.__setitem__(([0, 1], [0, 1]), 5.0), lambda: a.__setitem__((np.arange(6) < 2, [0, 1]), 5.0),
                   lambda: lazy((3, 4, 2), (2, 2, 1)).__setitem__((0, slice(None), [0, 1]), np.zeros((2, 4))),
                   lambda: da.__setitem__({"y": xr.DataArray([0, 1], dims="p"), "x": xr.DataArray([0, 1], dims="p")}, 5.0)):  # fmt: skip
        with pytest.raises(NotImplementedError, match="single points.*where"):
            assign()
    np.testing.assert_array_equal(a.compute(), np.arange(24.0).reshape(6, 4))
    da[{"y": [0, 1], "x": [0, 1]}] = 5.0  # of xarray each list by itself
    expected = np.arange(24.0).reshape(6, 4)
    expected[:2, :2] = 5
    np.testing.assert_array_equal(da.values, expected)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u8"])
def test_positions_of_any_integer_type(dtype):
    values, positions = np.arange(400.0), np.array([1, 120, 3, 3], dtype)
    np.testing.assert_array_equal(as_array(values, chunks=(70,))[positions].compute(), values[positions])
    if dtype[0] == "i":
        np.testing.assert_array_equal(as_array(values, chunks=(70,))[-positions].compute(), values[-positions])


def test_all_missing_argmin_raises_when_it_runs():
    a = as_array(np.full((3, 4), np.nan), chunks=(2, 2))
    with pytest.raises(ValueError):
        np.nanargmin(a, axis=0).compute()


def test_a_memory_limit_that_is_too_small_is_refused_before_running(tmp_path):
    write_in_one_chunk(tmp_path / "f.nc")
    ds = xr.open_dataset(tmp_path / "f.nc", engine="craton", chunks={})
    with craton.set_options(memory_limit="2 MiB"):
        with pytest.raises(MemoryError) as error:
            ds.v.mean("x").compute()
    assert "MiB" in str(error.value)
    assert float(ds.v.mean()) == 1.5


def write_in_one_chunk(path):
    ds = xr.Dataset({"v": (("y", "x"), np.full((1000, 1000), 1.5))})
    ds.to_netcdf(path, engine="netcdf4", encoding={"v": {"chunksizes": (1000, 1000), "zlib": True}})


def test_what_is_missing_says_so():
    a = lazy()
    for function, word in [(np.argsort, "argsort"), (np.sort, "sort"), (np.linalg.norm, "norm"), (np.fft.fft, "fft"), (np.unique, "unique")]:
        with pytest.raises(NotImplementedError, match=word) as error:
            function(a)
        assert "craton" in str(error.value)
    da = xr.DataArray(np.ones((20, 4)), dims=("time", "x")).chunk(time=5)
    for operation, word in [
        (lambda: da.astype("M8[ns]").median("time"), "median"),
        (lambda: da.data.astype("i8").view("m8[ns]").cumprod(axis=0), "cumprod"),
    ]:
        with pytest.raises((NotImplementedError, ValueError, TypeError), match=word):
            operation()
    with pytest.raises(NotImplementedError, match="compute"):
        np.exp(a + 1j)


def test_no_library_loads_a_whole_array_by_itself():
    times = xr.DataArray(np.arange("2000-01-01", "2000-01-11", dtype="M8[D]").astype("M8[ns]"), dims="x").chunk(x=3)
    with pytest.raises(NotImplementedError, match="implicit_compute"):
        pd.isna(times.data)
    numbers = as_array(np.arange(4.0), chunks=(3,))
    with pytest.raises(NotImplementedError, match="implicit_compute"):
        pd.Series(numbers)
    with craton.set_options(implicit_compute="allow"):
        assert pd.Series(numbers).tolist() == [0, 1, 2, 3]
    with craton.set_options(implicit_compute="warn"), pytest.warns(UserWarning, match="craton"):
        pd.Series(numbers)
    assert times.dt.month.chunks and times.dt.month.values.tolist() == [1] * 10
    times[3] = np.datetime64("NaT", "ns")
    with pytest.raises(ValueError, match="missing values"):
        times.dt.month.compute()


def test_types_that_were_promised_lose_nothing():
    da = xr.DataArray(np.arange(6.0), dims="x").chunk(x=4)
    with pytest.raises(ValueError, match="missing values"):
        xr.apply_ufunc(lambda a: np.where(a > 4, np.nan, a), da, dask="parallelized", output_dtypes=["i4"]).compute()
    with pytest.raises(ValueError, match="longer texts"):
        xr.apply_ufunc(lambda a: np.char.add(a.astype("U1"), "long"), da, dask="parallelized", output_dtypes=["U2"]).compute()
    inferred = xr.apply_ufunc(lambda a: a.astype("f4") * 2, da, dask="parallelized")
    assert inferred.dtype == np.float32 and inferred.compute().values.tolist() == [0, 2, 4, 6, 8, 10]
    assert np.asarray(lazy()).sum() == lazy().compute().sum()  # asking for it is another matter


# ---- laziness -------------------------------------------------------------------------------------------------------------


class Counting:
    """An array-like thing that knows how often it was read."""

    def __init__(self, values):
        self.values, self.reads = values, 0
        self.shape, self.dtype, self.ndim = values.shape, values.dtype, values.ndim

    def __getitem__(self, key):
        self.reads += 1
        return self.values[key]


def counted(shape=(12, 6)):
    from craton.chunkmanager import CratonManager

    thing = Counting(np.arange(np.prod(shape), dtype="f4").reshape(shape))
    return thing, xr.DataArray(CratonManager().from_array(thing, (4, 6)), dims=("y", "x"), name="v")


def test_showing_and_building_reads_nothing():
    thing, da = counted()
    ds = ((da - da.mean("y")) / da.std()).to_dataset()
    for text in (repr(da), da._repr_html_(), repr(ds), ds._repr_html_(), repr(da.data), da.data._repr_html_(), str(craton.explain(ds))):
        assert isinstance(text, str) and text
    pickle.dumps(da * 2)
    copy.deepcopy(ds)
    ds.copy(deep=True)
    assert thing.reads == 0
    assert "craton" in repr(da)


def test_shared_work_is_done_once():
    thing, da = counted()
    ds = xr.Dataset({"a": da * 2, "b": da + 1, "c": da.sum("y"), "d": da.mean()}).compute()
    assert 1 <= thing.reads <= 3  # three chunks at most, one scan
    reads = thing.reads
    assert float(ds.d) == thing.values.mean()
    x, y = craton.compute(da * 2, da.max())
    assert thing.reads == 2 * reads and isinstance(x.data, np.ndarray) and float(y) == 71


def test_blocks_follow_the_chunks():
    thing, da = counted()
    part = da.isel(y=slice(0, 3)).compute()
    assert thing.reads == 1 and part.shape == (3, 6)


def test_boxes_at_the_edge_of_a_function():
    """A function of Python is asked for whole boxes where not everything of them is looked at; the last ones are short."""
    values = np.arange(230.0).reshape(23, 10)
    chunked = xr.DataArray(values, dims=("y", "x")).chunk({"y": 5, "x": 4}, chunked_array_type="craton")
    made = xr.apply_ufunc(lambda block: block * 2, chunked, dask="parallelized", output_dtypes=[np.float64])
    for look in ((slice(None, None, -2), [9, 0, 3]), (22, slice(None, None, 3)), ([22, 1], slice(None)), (slice(None), 9)):
        np.testing.assert_array_equal(made[look].values, values[look] * 2)


def test_pickle_and_other_processes(tmp_path):
    xr.Dataset({"v": (("y", "x"), np.arange(12.0).reshape(3, 4))}).to_netcdf(tmp_path / "f.nc", engine="netcdf4")
    ds = xr.open_dataset(tmp_path / "f.nc", engine="craton", chunks={"y": 2})
    expression = (ds.v * 2 + 1).isel(x=[3, 1]).sum("y")
    data = pickle.dumps(expression)
    assert len(data) < 10_000
    (tmp_path / "p").write_bytes(data)
    out = run(f"import pickle; print(pickle.load(open({str(tmp_path / 'p')!r}, 'rb')).values.tolist())", cwd="/")
    assert out.stdout.strip() == str(expression.values.tolist()), out.stderr


def test_deep_expressions():
    a = full((10,), 0.0)
    for _ in range(3000):
        a = a + 1
    b = pickle.loads(pickle.dumps(a))
    assert b.compute().tolist() == [3000.0] * 10
    del a, b
    gc.collect()


def test_a_forked_child_computes():
    assert float(lazy().sum()) == np.arange(600).sum()
    child = os.fork()
    if child == 0:
        os._exit(0 if float(lazy().sum()) == np.arange(600).sum() else 1)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        time.sleep(0.05)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("the child hangs")
    assert os.waitstatus_to_exitcode(status) == 0


def test_many_python_threads():
    a = lazy((300, 200), (70, 60))
    expected = float(np.sin(np.arange(60000.0)).sum())
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(float(np.sin(a).sum()))) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(set(answers)) == 1 and abs(answers[0] - expected) < 1e-9


def test_memory_is_neither_copied_nor_lost():
    values = np.arange(1000.0)
    before = sys.getrefcount(values)
    a = as_array(values, chunks=(100,))
    b = a + 1
    values[0] = 41.0
    assert b.compute()[0] == 42.0  # the same memory
    assert sys.getrefcount(values) > before
    del a, b
    gc.collect()
    assert sys.getrefcount(values) == before


# ---- around ---------------------------------------------------------------------------------------------------------------


def test_options():
    with craton.set_options(threads=3, memory_limit="64 MiB"):
        from craton.runtime import context

        assert context().threads == 3 and context().memory_limit == 64 * 2**20
    with pytest.raises(ValueError, match="no option"):
        craton.set_options(speed=11)
    with pytest.raises(ValueError):
        craton.set_options(implicit_compute="maybe")
    with pytest.raises(ValueError):
        craton.set_options(memory_limit="much")
    # Refused where they are set, not by every computation from then on.
    for wrong in ({"threads": 10**6}, {"threads": -1}, {"memory_limit": 1000}, {"memory_limit": 2**70}, {"memory_limit": float("nan")}, {"memory_limit": "1.2.3 GiB"}):
        with pytest.raises(ValueError, match=r"memory_limit=|threads=|is not a size"):
            craton.set_options(**wrong)
    assert float(lazy().sum()) == np.arange(600).sum()



def test_progress_says_rate_and_time(monkeypatch):
    import craton.progressbar as progress

    class Terminal:
        text = ""

        def isatty(self):
            return True

        def write(self, text):
            self.text += text

        def flush(self):
            pass

    terminal = Terminal()
    monkeypatch.setattr(progress, "SHOW_AFTER_S", 0.0)
    monkeypatch.setattr(sys, "stderr", terminal)
    with craton.progress():
        np.sin(full((6000, 6000), 0.5, chunks=(500, 500))).sum().compute()
    monkeypatch.undo()
    assert "100 %" in terminal.text and "/s" in terminal.text and terminal.text.endswith("\n")


def test_without_dask_and_flox():
    """Groups become selections then; nothing needs to be named, since Craton is the only manager."""
    program = """
import importlib.metadata as metadata
import sys
for name in ("dask", "flox", "distributed", "numbagg", "bottleneck"):
    sys.modules[name] = None
real = metadata.entry_points
import numpy as np
import xarray as xr
from xarray.namedarray import parallelcompat, utils
assert not utils.module_available("dask")
import craton
craton.enable()
t = xr.date_range("2000-01-01", periods=24, freq="MS")
da = xr.DataArray(np.arange(48.0).reshape(24, 2), dims=("time", "x"), coords={"time": t}).chunk(time=5, chunked_array_type="craton")
clim = da.groupby("time.month").mean("time")
assert isinstance(clim.data, craton.Array)
anomaly = da.groupby("time.month") - clim
print(clim.values[0].tolist(), float(anomaly.std()))
"""
    out = run(program)
    assert out.returncode == 0, out.stderr
    assert out.stdout == "[12.0, 13.0] 12.0\n"


def test_mixing_with_dask_is_refused_clearly():
    pytest.importorskip("dask")
    ours = xr.DataArray(np.ones(6), dims="x").chunk(x=2)
    theirs = xr.DataArray(np.ones(6), dims="x").chunk(x=2, chunked_array_type="dask")
    assert isinstance(ours.data, craton.Array) and not isinstance(theirs.data, craton.Array)
    with pytest.raises(TypeError):
        (ours + theirs).compute()
    with pytest.raises(TypeError, match="chunked_array_type"):
        import dask.base

        dask.base.tokenize(ours.data)


def test_a_lazy_mask_says_what_to_write():
    da = xr.DataArray(np.arange(12.0), dims="x", coords={"x": np.arange(12)}).chunk(x=5)
    for select in (lambda: da.where(da > 3, drop=True), lambda: da[da > 3]):
        with pytest.raises(NotImplementedError, match=r"mask\.compute\(\)"):
            select()
    assert da.where((da > 3).compute(), drop=True).sum().compute() == 60


# ---- frequencies of 2022 ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("old, new", [("M", "ME"), ("2M", "2ME"), ("AS", "YS"), ("A-JUN", "YE-JUN"), ("Q-NOV", "QE-NOV"), ("12H", "12h"), ("90T", "90min")])
def test_frequencies_of_2022(old, new):
    """As notebooks of those years spell them; pandas 3 refuses them."""
    for times in (pd.date_range("2001-01-15", periods=200, freq="6h"), xr.date_range("2001-01-15", periods=200, freq="6h", calendar="noleap", use_cftime=True)):
        da = xr.DataArray(np.arange(200.0), dims="time", coords={"time": times}).chunk(time=30)
        with pytest.warns(FutureWarning, match=f"'{old}' is spelled '{new}'"):
            answer = da.resample(time=old).mean()
        assert answer.chunks
        xr.testing.assert_identical(answer.compute(), da.compute().resample(time=new).mean())


def test_other_frequencies_stay():
    from craton.frequencies import newer

    for spelling in ("MS", "ME", "QS-DEC", "5D", "h", "30min", "W-MON", "SMS", "YE-JAN", "B", "C", "ms", "1h30min"):
        assert newer(spelling) == spelling
    assert newer("1H30T") == "1h30min"
