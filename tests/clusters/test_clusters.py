"""Craton's plans on Dask clusters that others start: dask's SSHCluster at a real sshd, and dask-jobqueue's SLURMCluster at a real Slurm.

What tests/oracle/test_cluster.py shows on a LocalCluster holds here as well: the bits of a local run, a worker that is killed, errors that name file and
worker, stores that workers write. What is different on such clusters is how workers come and go: over a connection of SSH, by jobs.
"""

import contextlib
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import xarray as xr
from services import Slurm, Sshd
from test_cluster import WAIT_S, analyses, dask_as_before, same, slow, store, wait_until, work_and_kill, written  # noqa: F401

import craton
from craton import parts

distributed = pytest.importorskip("distributed")

KINDS = ("ssh", "slurm")


@contextlib.contextmanager
def by_ssh(folder):
    """A scheduler and two workers, each on a connection of its own."""
    sshd = Sshd(folder)
    try:
        sshd.start_all()
        with distributed.SSHCluster(["127.0.0.1"] * 3, connect_options=sshd.options(), remote_python=sys.executable,
                                    scheduler_options={"port": 0, "host": "127.0.0.1", "dashboard": False},
                                    worker_options={"nthreads": 1, "memory_limit": "1GiB", "local_directory": str(folder)}) as cluster:  # fmt: skip
            yield cluster, sshd
    finally:
        sshd.stop()


@contextlib.contextmanager
def by_slurm(folder):
    """The scheduler in this process, two workers as jobs."""
    from dask_jobqueue import SLURMCluster

    if os.geteuid() != 0:
        pytest.skip("needs root: Slurm starts jobs as their users")
    slurm, before = Slurm(folder), dict(os.environ)
    os.environ.update(slurm.environment)
    try:
        slurm.start_all()
        with SLURMCluster(queue="batch", cores=1, processes=1, memory="1GiB", walltime="00:30:00", python=sys.executable, local_directory=str(folder),
                          log_directory=str(folder), scheduler_options={"host": "127.0.0.1", "dashboard": False}) as cluster:  # fmt: skip
            cluster.scale(jobs=2)
            yield cluster, slurm
        wait_until(lambda: not slurm.jobs())
    finally:
        slurm.stop()
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="module", params=KINDS)
def made(request, tmp_path_factory):
    """(cluster, its client, the service behind it); nothing of it is left afterwards."""
    folder = tmp_path_factory.mktemp(request.param)
    with {"ssh": by_ssh, "slurm": by_slurm}[request.param](folder) as (cluster, service):
        with distributed.Client(cluster) as client:
            client.wait_for_workers(2, timeout=WAIT_S)
            yield cluster, client, service
            pids = list(client.run(os.getpid).values())
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids) and not nannies_in(folder))


def nannies_in(folder):
    """The programs that Dask has started have this folder among their arguments."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in listed if str(folder) in line and "distributed.cli" in line]


@pytest.fixture()
def finely(monkeypatch):
    """What is small is cut too."""
    monkeypatch.setattr(parts, "PART_NS", 1.0)


def test_bits_are_those_of_a_local_run(made, store, finely):  # noqa: F811
    """The client, and the cluster itself, which Craton makes a client of."""
    cluster, client, _ = made
    assert os.getpid() not in client.run(os.getpid).values()
    with xr.open_dataset(store, engine="craton", chunks={}) as ds:
        for name, lazy in analyses(ds).items():
            here = lazy.compute()
            same(lazy.compute(cluster=client), here)
        same(lazy.compute(cluster=cluster), here)


def test_workers_write_a_store(made, store, tmp_path, finely):  # noqa: F811
    _, client, _ = made
    with xr.open_dataset(store, engine="craton", chunks={}) as ds:
        lazy = ds - ds.mean("time")
        lazy.craton.to_zarr(tmp_path / "there", cluster=client)
        same(written(tmp_path / "there"), lazy.compute())


def test_a_file_that_is_not_there(made, store, tmp_path):  # noqa: F811
    _, client, _ = made
    path = tmp_path / "gone.nc"
    path.write_bytes(store.read_bytes())
    with xr.open_dataset(path, engine="craton", chunks={}) as ds:
        mean = ds.tas.mean("time")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=rf"{path}(.|\n)*on the worker tcp://"):
        mean.compute(cluster=client)


def test_a_dying_worker_is_replaced(made):
    _, client, _ = made
    answers = []
    work_and_kill(client, lambda size: answers.append(float(slow(10_000 * size).compute(cluster=client))))
    assert answers and answers == [pytest.approx(np.sin(0.5), abs=1e-12)] * len(answers)
    client.wait_for_workers(2, timeout=3 * WAIT_S)                  # its nanny lives


@pytest.mark.parametrize("made", ["slurm"], indirect=True)
def test_a_job_that_ends_in_the_middle(made):
    """As at the end of its wall time: the worker, its nanny and all go at once, and what they had is computed by those that are left."""
    cluster, client, slurm = made
    jobs = {worker["name"]: cluster.workers[worker["name"]].job_id for worker in client.scheduler_info(n_workers=-1)["workers"].values()}
    names = {address: worker["name"] for address, worker in client.scheduler_info(n_workers=-1)["workers"].items()}
    assert set(jobs.values()) == slurm.jobs() and len(jobs) == 2
    answers = []
    for size in (1, 2, 4, 8):
        thread = threading.Thread(target=lambda size=size: answers.append(float(slow(10_000 * size).compute(cluster=client))))
        thread.start()
        busy = wait_until(lambda: [w for w, keys in client.processing().items() if keys] or not thread.is_alive())
        if busy is not True:
            subprocess.run([slurm.programs.program("scancel"), "--full", "--signal=KILL", jobs[names[busy[0]]]], env=slurm.environment, check=True)
        thread.join(2 * WAIT_S)
        assert not thread.is_alive()
        if busy is not True:
            break
    assert busy is not True and answers == [pytest.approx(np.sin(0.5), abs=1e-12)] * len(answers)
    wait_until(lambda: jobs[names[busy[0]]] not in slurm.jobs())
    assert len(client.scheduler_info(n_workers=-1)["workers"]) == 1


def test_versions_are_asked_for_there(made, monkeypatch):
    """By a function that travels by value: what is installed there is named with the worker, before anything is sent."""
    _, client, _ = made
    client.run(exec, "import sys; sys.modules['craton._craton'] = None")
    monkeypatch.setattr(client, "submit", lambda *args, **kwargs: pytest.fail("something was sent"))
    with pytest.raises(RuntimeError, match=rf"worker tcp://.* has no Craton that could be imported(.|\n)*here is version {craton.__version__}"):
        slow(20).compute(cluster=client)
