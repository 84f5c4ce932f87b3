"""Computing on Dask clusters: the same bits as here; and what can go wrong: dead workers, other versions, missing files, Ctrl-C."""

import contextlib
import copy
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

import dask
import numpy as np
import programs
import pytest
import xarray as xr

pytest.importorskip("distributed")
from distributed import Client, LocalCluster, Security  # noqa: E402

import craton  # noqa: E402
from craton import cluster as clusters, parts  # noqa: E402
from craton.conversion import as_array  # noqa: E402

craton.enable()
WAIT_S = 180                 # an upper bound, for a machine that does much else


@pytest.fixture(scope="module", autouse=True)
def dask_as_before():
    """A client makes its cluster what dask computes on; the tests of other files have none."""
    before = copy.deepcopy(dask.config.config)
    yield
    dask.config.config.clear()
    dask.config.config.update(before)


@pytest.fixture(scope="module")
def client():
    with LocalCluster(n_workers=2, threads_per_worker=2, processes=True, memory_limit="1GiB", dashboard_address=":0") as cluster, Client(cluster) as client:
        yield client


@contextlib.contextmanager
def started_by_hand(folder, *options, security=None):
    """`dask scheduler` and two of `dask worker`, as people and batch systems start them, with a client of theirs."""
    file = folder / "scheduler.json"
    started = []

    def start(*command):
        started.append(subprocess.Popen([sys.executable, "-m", "dask", *command, *options, "--scheduler-file", file], cwd=folder, stderr=subprocess.DEVNULL))

    start("scheduler", "--port", "0", "--no-dashboard", "--host", "127.0.0.1")
    try:
        for _ in range(2):
            start("worker", "--no-nanny", "--nthreads", "1", "--memory-limit", "1GiB", "--no-dashboard")
        wait_until(file.exists)
        with Client(scheduler_file=str(file), security=security) as client:
            client.wait_for_workers(2, timeout=WAIT_S)
            yield client
    finally:
        for p in reversed(started):
            p.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):      # one that waits for a scheduler which has forgotten it
                p.wait(5)
            p.kill()
            p.wait(WAIT_S)


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """Over TLS, each showing a certificate."""
    folder = tmp_path_factory.mktemp("dask")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=dask"],
                   cwd=folder, check=True, capture_output=True)  # fmt: skip
    key, cert = str(folder / "key.pem"), str(folder / "cert.pem")
    security = Security(require_encryption=True, tls_ca_file=cert, tls_client_key=key, tls_client_cert=cert)
    with started_by_hand(folder, "--protocol", "tls", "--tls-ca-file", cert, "--tls-cert", cert, "--tls-key", key, security=security) as client:
        yield client


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two years of daily values of two variables, packed, with holes."""
    rng = np.random.default_rng(1)
    path = tmp_path_factory.mktemp("store") / "two.nc"
    dims, coords = ("time", "lat", "lon"), {"time": xr.date_range("2001-01-01", periods=730), "lat": np.linspace(-80, 80, 17), "lon": np.arange(0, 360, 15.0)}
    ds = xr.Dataset({n: (dims, rng.normal(280, 20, (730, 17, 24)).round(1)) for n in ("tas", "pr")}, coords)
    ds.tas[40:60, 3] = np.nan
    encoding = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 273.15, "_FillValue": -32768, "chunksizes": (31, 17, 12), "zlib": True}
    ds.to_netcdf(path, engine="netcdf4", encoding={"tas": encoding, "pr": encoding})
    return path


def analyses(ds):
    month = ds.time.dt.month
    climatology = ds.groupby(month).mean()
    weights = np.cos(np.deg2rad(ds.lat))
    return {
        "mean": ds.mean("time"),
        "sum of all": ds.sum(),
        "std": ds.std("lon"),
        "climatology": climatology,
        "weighted anomaly": (ds.groupby(month) - climatology).weighted(weights).mean(("lat", "lon")),
        "monthly": ds.resample(time="1MS").max(),
        "quantile": ds.quantile([0.1, 0.9], "time"),
        "window": ds.isel(lat=slice(3, 7)).rolling(time=7).mean(),
    }


def same(a, b):
    xr.testing.assert_identical(a, b)
    for name in a.variables:
        assert a[name].values.tobytes() == b[name].values.tobytes(), name


@pytest.mark.parametrize("which", ["client", "processes"])
def test_bits_are_those_of_a_local_run(request, store, which):
    client = request.getfixturevalue(which)
    with xr.open_dataset(store, engine="craton", chunks={}) as ds:
        for name, lazy in analyses(ds).items():
            here = lazy.compute()
            same(lazy.craton.compute(cluster=client), here)
        with craton.set_cluster(client):
            same(lazy.compute(), here)
    if which == "processes":
        assert client.scheduler.address.startswith("tls://")


def test_every_spelling(client, store):
    with xr.open_dataset(store, engine="craton", chunks={}) as ds:
        mean, default = ds.mean("time"), Client.current()
        here = mean.compute()
        same(mean.compute(cluster=client), here)             # xarray passes it on
        same(mean.compute(cluster=client.cluster), here)
        assert clusters.cluster_of(client.cluster).client is clusters.cluster_of(client.cluster).client
        assert Client.current() is default                   # what dask computes on elsewhere
        same(craton.compute(mean, cluster=client)[0], here)
        for call, given in ((client.compute, mean), (client.compute, [mean]), (client.compute, {"a": [mean.tas]}), (client.persist, mean), (client.persist, [mean])):
            with pytest.raises(TypeError, match=rf"craton: client\.{call.__name__} .* Write .*cluster=client"):
                call(given)                                  # distributed's own would give it back as it is
        for future in (client.submit(len, mean, pure=False), client.compute(dask.delayed(len)(mean))):
            assert future.result(WAIT_S) == 2                # a function gets it as it is
        assert mean.tas.variable._data.compute(cluster=client).tobytes() == here.tas.values.tobytes()
        assert mean.tas.compute(cluster=client).values.flags.writeable


def test_it_runs_there_in_few_tasks_with_the_workers_limits(client, store, monkeypatch):
    seen = []
    submit = client.submit
    monkeypatch.setattr(client, "submit", lambda *args, **kwargs: seen.append(args[1]) or submit(*args, **kwargs))
    with xr.open_dataset(store, engine="craton", chunks={}) as ds:
        ds.mean("time").compute(cluster=client)
        assert len(seen) == 2                                # tas and pr share nothing
        seen.clear()
        (ds.tas - ds.pr).mean("time").compute(cluster=client)
        assert len(seen) == 1
        seen.clear()
        xr.Dataset({"a": ds.tas.mean("time"), "b": ds.tas.max("lon"), "c": ds.pr.min() * 2}).compute(cluster=client)
        assert len(seen) == 2                                # a and b are one scan
    contexts = client.run(lambda: [(k, str(v)) for k, v in __import__("craton.cluster").cluster._contexts.items()])
    used = [key for answer in contexts.values() for key, _ in answer]
    assert used and all(threads == 2 and memory == int(2**30 * 0.6) for threads, memory in used)
    assert os.getpid() not in client.run(os.getpid).values()


def test_memory_is_sent_up_to_a_limit(client):
    da = xr.DataArray(np.random.default_rng(2).normal(size=(50, 40)).astype("f4"), dims=("y", "x")).chunk(y=7)
    here = da.mean("y").compute()
    same(da.mean("y").to_dataset(name="v").compute(cluster=client), here.to_dataset(name="v"))
    with craton.set_cluster(client, send_limit="4 KiB"), pytest.raises(craton.LimitError, match=r"4096 bytes that may be sent(.|\n)*to_zarr"):
        da.mean("y").compute()
    with craton.set_cluster(client, result_limit=100), pytest.raises(MemoryError, match="results have 160 bytes, more than the 100"):
        da.mean("y").compute()


def test_errors_name_the_operation_the_file_and_the_worker(client, store, tmp_path):
    path = tmp_path / "gone.nc"
    path.write_bytes(store.read_bytes())
    with xr.open_dataset(path, engine="craton", chunks={}) as ds:
        mean = ds.tas.mean("time")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=rf"{path}(.|\n)*on the worker tcp://"):
        mean.compute(cluster=client)
    nan = xr.DataArray(np.full((3, 4), np.nan), dims=("y", "x")).chunk(y=2)
    with pytest.raises(ValueError, match=r"argmin(.|\n)*on the worker tcp://"):
        nan.argmin("y").compute(cluster=client)
    holds = threading.Lock()
    used = xr.apply_ufunc(lambda b: b if holds else None, nan, dask="parallelized", output_dtypes=[float])
    with pytest.raises(NotImplementedError, match="cannot be sent to a cluster(.|\n)*lambda(.|\n)*pickle"):
        used.compute(cluster=client)

    def fails(block):
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match=r"no such thing(.|\n)*on the worker tcp://"):
        xr.apply_ufunc(fails, nan, dask="parallelized", output_dtypes=[float]).compute(cluster=client)


def test_workers_that_cannot_take_part_are_refused_before_anything_is_sent(client, monkeypatch):
    da = xr.DataArray(np.ones((3, 4)), dims=("y", "x")).chunk(y=2)
    monkeypatch.setattr(client, "submit", lambda *args, **kwargs: pytest.fail("something was sent"))
    monkeypatch.setattr(client, "run", lambda f: {"tcp://w:1": ("0.0.7", 1)})
    with pytest.raises(RuntimeError, match=rf"tcp://w:1 has Craton 0.0.7 \(graphs of version 1\), here is Craton {craton.__version__}"):
        da.sum().compute(cluster=client)
    monkeypatch.setattr(client, "run", lambda f: {})
    with pytest.raises(RuntimeError, match="no workers yet"):
        da.sum().compute(cluster=client)


def test_workers_without_craton_are_refused(monkeypatch):
    da = xr.DataArray(np.ones((3, 4)), dims=("y", "x")).chunk(y=2)
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster, Client(cluster) as client:
        client.run(exec, "import sys; sys.modules['craton'] = None; sys.modules['craton._craton'] = None")
        monkeypatch.setattr(client, "submit", lambda *args, **kwargs: pytest.fail("something was sent"))
        with pytest.raises(RuntimeError, match=r"worker tcp://.* has no Craton that could be imported \(ModuleNotFoundError(.|\n)*here is version"):
            da.sum().compute(cluster=client)


def slow(rows):
    """The mean of rows times 20,000 sines of 0.5, which take their time."""
    y, x = as_array(np.full((rows, 1), 0.25), chunks=(100, 1)), as_array(np.full((1, 20_000), 0.25), chunks=(1, 1000))
    angles = y + x
    for _ in range(6):
        angles = np.arcsin(np.sin(angles))
    return xr.DataArray(np.sin(angles), dims=("y", "x")).mean()


def running(client):
    return [worker for worker, keys in client.processing().items() if keys]


def wait_until(condition, seconds=WAIT_S):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return value


def work_and_kill(client, work):
    """work() in a thread, and a worker killed while it has a task. Which process it is has to be known before: a busy worker answers late. The first of
    several workloads, each twice the one before, that is not done sooner than its task is seen."""
    pids = client.run(os.getpid)
    for size in (1, 2, 4, 8):
        thread = threading.Thread(target=work, args=(size,))
        thread.start()
        busy = wait_until(lambda: running(client) or not thread.is_alive())
        if busy is not True:
            os.kill(pids[busy[0]], signal.SIGKILL)
        thread.join(WAIT_S * 2)
        assert not thread.is_alive()
        if busy is not True:
            return
    pytest.fail("no task was ever seen")


def whole_again(client):
    """The nanny starts another one. On a machine that does much else it may have given that up; then the cluster does."""
    def both():
        client.cluster.scale(2)
        return len(client.scheduler_info(n_workers=-1)["workers"]) == 2
    wait_until(both, 3 * WAIT_S)


def test_a_dying_worker_is_replaced(client):
    answers = []
    work_and_kill(client, lambda size: answers.append(float(slow(10_000 * size).compute(cluster=client))))
    assert answers and answers == [pytest.approx(np.sin(0.5), abs=1e-12)] * len(answers)
    whole_again(client)


CTRL_C = """
import signal, sys, time
import numpy as np
from distributed import Client, LocalCluster
sys.path.insert(0, {folder!r})
from test_cluster import running, slow, wait_until

if __name__ == "__main__":
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=True, dashboard_address=":0") as cluster, Client(cluster) as client:
        assert float(slow(20).compute(cluster=client)) - np.sin(0.5) < 1e-9
        lazy = slow(1_000_000)
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, 3)
        try:
            lazy.compute(cluster=client)
            sys.exit("it was not stopped")
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        wait_until(lambda: not any(client.run(lambda: __import__("craton.cluster").cluster._turn.locked()).values()))
        print("idle", flush=True)
        assert abs(float(slow(20).compute(cluster=client)) - np.sin(0.5)) < 1e-9
        print("right", flush=True)
"""


def test_ctrl_c_stops_the_workers(tmp_path):
    """In a process of its own: an interrupt that comes late must not meet the tests that follow."""
    (tmp_path / "program.py").write_text(CTRL_C.format(folder=os.path.dirname(__file__)))
    told = subprocess.run([sys.executable, tmp_path / "program.py"], capture_output=True, text=True, timeout=4 * WAIT_S, cwd=tmp_path)
    assert told.returncode == 0 and told.stdout.split() == ["interrupted", "idle", "right"], told.stdout + told.stderr[-3000:]


def test_progress_of_the_workers_is_shown_here(client):
    reports = []
    lazy = slow(10_000).variable._data
    clusters.compute_on(clusters.cluster_of(client), [lazy._node], [lazy.dtype], lambda *report: reports.append(report))
    done = [r[0] / r[1] for r in reports]
    assert any(0 < d < 1 for d in done) and done == sorted(done), done


def test_a_closed_client_is_named(client):
    closed = Client(client.cluster)
    closed.close()
    with craton.set_cluster(closed), pytest.raises(RuntimeError, match="the client of the cluster is closed"):
        slow(20).values  # noqa: B018
    assert float(slow(20)) == pytest.approx(np.sin(0.5))


def test_what_is_no_cluster_is_refused():
    with pytest.raises(TypeError, match="distributed.Client or a Dask cluster, not str"):
        craton.set_cluster("tcp://here")
    assert pathlib.Path(clusters.__file__).name == "cluster.py" and clusters.cluster_of(None) is None


# ---- parts and boxes ----


def counted(client, monkeypatch):
    """Names of the tasks that are sent."""
    seen, submit = [], client.submit
    monkeypatch.setattr(client, "submit", lambda *args, **kwargs: seen.append(args[0].__name__) or submit(*args, **kwargs))
    return seen


@pytest.fixture()
def finely(monkeypatch):
    """What is small is cut too."""
    monkeypatch.setattr(parts, "PART_NS", 1.0)


@pytest.fixture(scope="module")
def long_store(tmp_path_factory):
    """Enough chunks for many sections of the fold tree."""
    rng = np.random.default_rng(4)
    path = tmp_path_factory.mktemp("store") / "long.zarr"
    dims, coords = ("time", "lat", "lon"), {"time": xr.date_range("1950-01-01", periods=6400), "lat": np.linspace(-60, 60, 26), "lon": np.arange(26.0)}
    ds = xr.Dataset({n: (dims, rng.normal(280, 20, (6400, 26, 26)).round(1).astype("f4")) for n in ("tas", "pr")}, coords)
    ds.tas[40:60, 3] = np.nan
    ds.craton.to_zarr(path, encoding={n: {"chunks": (100, 26, 26)} for n in ("tas", "pr")})
    return path


def test_parts_have_the_bits_of_a_local_run(client, long_store, finely, monkeypatch):
    seen = counted(client, monkeypatch)
    with xr.open_dataset(long_store, engine="craton", chunks={}) as ds:
        for name, lazy in analyses(ds).items():
            here = lazy.compute()
            seen.clear()
            same(lazy.craton.compute(cluster=client), here)
            assert len(seen) <= 60, (name, seen)
            if name not in ("quantile", "window", "std"):
                assert seen.count("run_part") >= 4, (name, seen)
        two = xr.Dataset({"a": ds.tas.mean("time"), "b": ds.tas.max(), "c": ds.pr.min() * 2})
        seen.clear()
        same(two.compute(cluster=client), two.compute())
        assert seen.count("run_part") >= 6 and set(seen) == {"run_part"}


def test_many_independent_results_are_computed_whole(client, long_store, tmp_path, finely, monkeypatch):
    """Each by one task, which reads its store once; of few ones each is cut."""
    seen, anomaly = counted(client, monkeypatch), {}
    with contextlib.ExitStack() as files:
        for i in range(7):
            shutil.copytree(long_store, tmp_path / f"member{i}.zarr", copy_function=os.link)
            tas = files.enter_context(xr.open_dataset(tmp_path / f"member{i}.zarr", engine="craton", chunks={})).tas
            anomaly[f"a{i}"] = (tas.groupby("time.month") - tas.groupby("time.month").mean()).mean(("lat", "lon"))
        for n in (7, 2):
            lazy = xr.Dataset({name: anomaly[name] for name in list(anomaly)[:n]})
            here = lazy.compute()
            seen.clear()
            same(lazy.compute(cluster=client), here)
            assert seen.count("run_part") >= 4 if n == 2 else seen == ["run_graph"] * 7, (n, seen)


def test_what_goes_along_an_axis_is_cut_too(client, long_store, tmp_path, finely, monkeypatch):
    """Quantiles along what is not cut; running sums along what is: in parts what their blocks leave, then boxes."""
    seen = counted(client, monkeypatch)
    with xr.open_dataset(long_store, engine="craton", chunks={}) as ds:
        for name, lazy in {"cumsum": ds.tas.cumsum("time"), "ffill": ds.tas.ffill("time"), "bfill": ds.tas.bfill("time", limit=3) + 1,
                           "rolling": ds.tas.rolling(time=30, min_periods=5).mean()}.items():
            seen.clear()
            same(lazy.to_dataset(name="v").compute(cluster=client), lazy.compute().to_dataset(name="v"))
            assert seen.count("run_graph") == 6, (name, seen)
            assert seen.count("run_part") >= 4 or name in ("bfill", "rolling"), (name, seen)
        encoding = {"tas": {"chunks": (6400, 5, 5)}}
        ds[["tas"]].craton.to_zarr(tmp_path / "series.zarr", encoding=encoding)
    with xr.open_dataset(tmp_path / "series.zarr", engine="craton", chunks={}) as ds:
        high = ds.tas.quantile([0.5, 0.95], "time")
        seasons = ds.tas.groupby("time.season").median()
        both = xr.Dataset({"high": high, "above": (ds.tas > high.isel(quantile=1, drop=True)).sum("time"), "seasons": seasons})
        seen.clear()
        same(both.compute(cluster=client), both.compute())
        assert seen.count("run_graph") >= 8 and seen.count("run_part") >= 2, seen


def test_times_and_functions_of_python_are_sent(client, tmp_path, monkeypatch):
    """What xarray decodes, and functions of one's own, go as Dask sends functions."""
    rng = np.random.default_rng(6)
    times = np.datetime64("2000-01-01", "ns") + rng.integers(0, 10**8, (40, 6, 5)).astype("m8[s]")
    times[3], times[:, 2, 2] = "NaT", "NaT"
    ds = xr.Dataset({"t": (("time", "y", "x"), times), "v": (("time", "y", "x"), rng.normal(size=times.shape))}, {"time": xr.date_range("2000-01-01", periods=40)})
    ds.craton.to_zarr(tmp_path / "times.zarr", encoding={n: {"chunks": (7, 6, 5)} for n in ("t", "v")})
    seen = counted(client, monkeypatch)
    with xr.open_dataset(tmp_path / "times.zarr", engine="craton", chunks={}) as lazy:
        for what in (lambda d: d.t.min("time"), lambda d: d.t.max(), lambda d: d.t.max(("y", "x"), skipna=False), lambda d: d.t.count("x"),
                     lambda d: (d.t - d.t.min("time")).max("time"), lambda d: d.v.idxmin("time"), lambda d: d.v.coarsen(time=8).mean(),
                     lambda d: xr.apply_ufunc(lambda b: np.sort(b, axis=-1), d.v, input_core_dims=[["x"]], output_core_dims=[["x"]], dask="parallelized",
                                              output_dtypes=[float]).mean("time")):  # fmt: skip
            seen.clear()
            there = what(lazy).to_dataset(name="r").compute(cluster=client)
            assert seen
            same(there, what(lazy).to_dataset(name="r").compute())
            xr.testing.assert_allclose(there, what(ds).to_dataset(name="r"))
        with craton.set_cluster(client, send_limit=200), pytest.raises(craton.LimitError, match=r"have \d+ bytes, more than the 200 bytes that may be sent"):
            (lazy.t.max("time") - xr.DataArray(times[0], dims=("y", "x"))).compute()


def test_what_may_be_missing_is_not_sent(client, tmp_path):
    """A worker's list of unreadable chunks is seen by nobody: neither a graph nor recipes with functions take them there, nor what such a function has
    in its closure."""
    xr.Dataset({"v": ("x", np.arange(40.0))}).craton.to_zarr(tmp_path / "v.zarr", encoding={"v": {"chunks": (10,)}})
    (tmp_path / "v.zarr/v/c/1").write_bytes(b"damaged")
    with xr.open_dataset(tmp_path / "v.zarr", engine="craton", chunks={}, unreadable="missing") as ds:
        for lazy in (ds.v, xr.apply_ufunc(lambda b: b + 1, ds.v, dask="parallelized", output_dtypes=[float])):
            with pytest.raises(NotImplementedError, match="cannot be sent: its unreadable chunks"):
                lazy.mean().to_dataset(name="r").compute(cluster=client)
        whole = xr.DataArray(np.arange(40.0), dims="x").chunk(x=10, chunked_array_type="craton")
        for held in (ds, ds.v, ds.v.data, ds.v.mean(), [{"deep": ds.v.variable}]):
            lazy = xr.apply_ufunc(lambda b: b + (held is None), whole, dask="parallelized", output_dtypes=[float])
            with pytest.raises(NotImplementedError, match="cannot be sent: its unreadable chunks"):
                lazy.mean().to_dataset(name="r").compute(cluster=client)
            assert float(lazy.mean()) == 19.5  # here it may


def test_large_states_are_combined_on_a_worker(client, long_store, finely, monkeypatch):
    monkeypatch.setattr(clusters, "STATES_HERE", 100)
    seen = counted(client, monkeypatch)
    with xr.open_dataset(long_store, engine="craton", chunks={}) as ds:
        lazy = ds.tas.groupby("time.month").std()
        same(lazy.to_dataset(name="v").compute(cluster=client), lazy.compute().to_dataset(name="v"))
    assert seen.count("run_combine") == 1 and seen.count("run_part") >= 4


@pytest.mark.parametrize("seed", range(programs.SEED, programs.SEED + programs.CASES, 16))
def test_random_programs_in_parts_and_boxes(client, finely, seed):
    lazy = [v.lazy for v in programs.run_program(seed, length=8)]
    here = craton.compute(*lazy)
    with craton.set_cluster(client, send_limit="64 MiB"):
        there = craton.compute(*lazy)
    for i, (a, b) in enumerate(zip(here, there)):
        assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes(), f"seed {seed}, value {i}"


def test_large_results_come_in_boxes(client, long_store, finely, monkeypatch):
    seen = counted(client, monkeypatch)
    with xr.open_dataset(long_store, engine="craton", chunks={"time": 500}) as ds:
        lazy = np.sqrt(ds.tas + 2 * ds.pr).to_dataset(name="v")
        same(lazy.compute(cluster=client), lazy.compute())
        assert seen == ["run_graph"] * 6                     # 3 for each of the workers
        seen.clear()
        anomaly = (ds.tas - ds.tas.mean("time")).to_dataset(name="v")
        same(anomaly.compute(cluster=client), anomaly.compute())
        assert seen.count("run_part") >= 4 and seen.count("run_graph") == 6


# ---- writing ----


def written(path):
    return xr.open_zarr(path, consolidated=True).load()


@pytest.mark.parametrize("version", [2, 3])
def test_workers_write_a_store(client, long_store, tmp_path, finely, monkeypatch, version):
    seen = counted(client, monkeypatch)
    with xr.open_dataset(long_store, engine="craton", chunks={"time": 800}) as ds:
        result = xr.Dataset({
            "anomaly": (ds.tas - ds.tas.mean("time")).chunk({"time": 700}), "monthly": ds.pr.groupby("time.month").mean(), "total": ds.tas.sum(),
            "name": ("lat", list("abcdefghijklmnopqrstuvwxyz")), "nothing": ("none", np.empty(0)),
        })  # fmt: skip
        encoding = {"anomaly": {"dtype": "i2", "scale_factor": 0.01, "_FillValue": -32768, "chunks": (700, 26, 20)}}
        result.craton.to_zarr(tmp_path / "here", zarr_format=version, encoding=encoding)
        assert not seen
        result.craton.to_zarr(tmp_path / "there", zarr_format=version, encoding=encoding, cluster=client)
        assert seen.count("run_write") == 5 and seen.count("run_part") >= 4
        same(written(tmp_path / "there"), written(tmp_path / "here"))
        with craton.set_cluster(client), pytest.raises(FileExistsError):
            result.craton.to_zarr(tmp_path / "there")
        with craton.set_cluster(client):
            seen.clear()
            result[["monthly"]].craton.to_zarr(tmp_path / "there", mode="w")
            assert seen
        assert list(written(tmp_path / "there").data_vars) == ["monthly"]
    assert sorted(os.listdir(tmp_path)) == ["here", "there"]


def test_what_is_in_memory_is_written_here(client, long_store, tmp_path, finely, monkeypatch):
    """However large it is: it need not be sent."""
    monkeypatch.setattr(clusters, "MEMORY_BYTES", 4000)
    with xr.open_dataset(long_store, engine="craton", chunks={"time": 800}) as ds:
        result = xr.Dataset({"twice": ds.tas * 2, "weights": (("lat", "lon"), np.arange(26 * 26.0).reshape(26, 26))})
        result.craton.to_zarr(tmp_path / "there", cluster=client)
        same(written(tmp_path / "there"), result.compute())
        with pytest.raises(craton.LimitError, match="may be sent along"):
            (result[["twice"]] + result.weights).craton.to_zarr(tmp_path / "no", cluster=client)
    assert os.listdir(tmp_path) == ["there"]


def test_a_write_that_fails_leaves_the_old_store(client, long_store, tmp_path, finely):
    xr.Dataset({"v": ("x", np.arange(5.0))}).craton.to_zarr(tmp_path / "store")
    copy = tmp_path / "gone.zarr"
    shutil.copytree(long_store, copy)
    with xr.open_dataset(copy, engine="craton", chunks={"time": 800}) as ds:
        lazy = ds[["tas"]] + 1
    (copy / "tas" / "c" / "30" / "0" / "0").write_bytes(b"no chunk")
    with pytest.raises(craton.FormatError, match=r"gone.zarr(.|\n)*on the worker tcp://"):
        lazy.craton.to_zarr(tmp_path / "store", mode="w", cluster=client)
    np.testing.assert_array_equal(written(tmp_path / "store").v, np.arange(5.0))
    assert sorted(os.listdir(tmp_path)) == ["gone.zarr", "store"]


def test_a_dying_worker_is_replaced_while_it_writes(client, tmp_path, finely):
    errors, expected = [], 0.5
    for _ in range(60):
        expected = np.sin(expected)

    def write(size):
        values = as_array(np.full((8000 * size, 1), 0.25), chunks=(200, 1)) + as_array(np.full((1, 2000), 0.25), chunks=(1, 1000))
        for _ in range(60):
            values = np.sin(values)
        try:
            xr.DataArray(values, dims=("y", "x"), name="v").to_dataset().craton.to_zarr(tmp_path / "store", mode="w", cluster=client,
                                                                                        encoding={"v": {"chunks": (200, 1000)}})
        except BaseException as error:
            errors.append(error)

    work_and_kill(client, write)
    assert not errors
    np.testing.assert_allclose(written(tmp_path / "store").v, expected, rtol=1e-12)
    assert not [f for _, _, files in os.walk(tmp_path) for f in files if f.startswith(".tmp-")]
    whole_again(client)


def test_a_worker_that_comes_back_late_writes_nothing(tmp_path, finely):
    """It is stopped in the middle of its task and held for dead; its task runs elsewhere, the store is finished and changed; then it goes on."""
    folder, path = tmp_path / "dask", tmp_path / "store"
    folder.mkdir()
    values, errors, late = as_array(np.full((4000, 1), 0.25), chunks=(10, 1)) + as_array(np.full((1, 2000), 0.25), chunks=(1, 1000)), [], []
    for _ in range(60):
        values = np.sin(values)
    rows = xr.Dataset({"v": (("y", "x"), values)})

    async def hold_for_dead(dask_scheduler, address):
        await dask_scheduler.remove_worker(address=address, stimulus_id="test", close=False)

    def write(client):
        try:
            rows.craton.to_zarr(path, cluster=client, encoding={"v": {"chunks": (10, 1000)}})
        except BaseException as error:
            errors.append(error)

    def changes(where):
        return {os.path.join(d, f): os.stat(os.path.join(d, f)).st_mtime_ns for d, _, files in os.walk(where) for f in files}

    def chunks(where):
        return sum(f[0].isdigit() for _, _, files in os.walk(where) for f in files)

    with started_by_hand(folder) as client:
        pids = client.run(os.getpid)
        thread = threading.Thread(target=write, args=(client,))
        thread.start()
        try:
            wait_until(lambda: chunks(tmp_path) > 0 or errors, 4 * WAIT_S)   # workers import what they need first
            wait_until(lambda: late.extend(running(client)) or late or not thread.is_alive())
            assert late, errors
            os.kill(pids[late[0]], signal.SIGSTOP)
            client.run_on_scheduler(hold_for_dead, address=late[0])
            thread.join(2 * WAIT_S)
            assert not thread.is_alive() and not errors and chunks(path) == 800
            xr.Dataset({"v": (("y", "x"), np.full((4000, 2000), 7.0))}).craton.to_zarr(path, mode="r+")
            before = changes(path)
        finally:
            for worker in late[:1]:
                os.kill(pids[worker], signal.SIGCONT)
        # It goes on, and finds the directory gone in which it made its chunks.
        time.sleep(3)
        assert changes(path) == before
    assert (written(path).v == 7).all() and sorted(os.listdir(tmp_path)) == ["dask", "store"]
    assert not [name for d, names, files in os.walk(path) for name in names + files if name.startswith(".craton") or name.startswith(".tmp")]


GOES_AWAY = """
import sys
from distributed import Client
sys.path.insert(0, {folder!r})
import numpy as np, xarray as xr
from craton.conversion import as_array

if __name__ == "__main__":
    client = Client({address!r})
    values = as_array(np.full((400_000, 1), 0.25), chunks=(100, 1)) + as_array(np.full((1, 2000), 0.25), chunks=(1, 1000))
    for _ in range(60):
        values = np.sin(values)
    print("begins", flush=True)
    xr.Dataset({{"v": (("y", "x"), values)}}).craton.to_zarr({path!r}, cluster=client, encoding={{"v": {{"chunks": (100, 1000)}}}})
"""


def test_a_client_that_goes_away_leaves_idle_workers_and_no_store(client, tmp_path):
    program, path = tmp_path / "program.py", tmp_path / "store"
    program.write_text(GOES_AWAY.format(folder=os.path.dirname(__file__), address=client.scheduler.address, path=str(path)))
    writer = subprocess.Popen([sys.executable, program], cwd=tmp_path, stdout=subprocess.PIPE)
    try:
        assert writer.stdout.readline() == b"begins\n"
        wait_until(lambda: any(f[0].isdigit() for _, _, files in os.walk(tmp_path) for f in files) or writer.poll() is not None)
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.wait(WAIT_S)
    wait_until(lambda: not any(client.run(clusters._is_busy).values()))
    assert not path.exists()
    xr.Dataset({"v": ("x", np.arange(5.0))}).craton.to_zarr(path)        # takes what was left away
    assert sorted(os.listdir(tmp_path)) == ["program.py", "store"]
