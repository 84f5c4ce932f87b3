"""to_zarr(group=...): parents, consolidated metadata and data against xarray with zarr-python; several writers at once, kills, refusals; reading
groups and whole trees."""
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

import craton  # noqa: F401  (the accessor)
from craton import _craton, grouping
from craton.runtime import context

WRITE = """
import sys, numpy as np, xarray as xr, craton
for k in range(int(sys.argv[3])):
    xr.Dataset({"v": ("x", np.full(10, k))}, attrs={"k": k}).craton.to_zarr(sys.argv[1], group=sys.argv[2].format(k), mode="w", zarr_format=int(sys.argv[4]))
"""


def dataset(k, n=6):
    return xr.Dataset({"v": (("x", "y"), np.arange(n * 4.0).reshape(n, 4) + k)}, {"x": np.arange(n) * 1.0}, {"k": k})


def same_metadata(ours, theirs, version):
    """Which nodes the root tells of, and what of groups."""
    name = "zarr.json" if version == 3 else ".zmetadata"
    a, b = (json.loads((p / name).read_text()) for p in (ours, theirs))
    a, b = ((d["consolidated_metadata"] if version == 3 else d)["metadata"] for d in (a, b))
    assert set(a) == set(b)
    for key, node in b.items():
        if node.get("node_type") == "group":
            assert a[key] == node, key
        if node.get("node_type") == "array":
            assert a[key]["shape"] == node["shape"] and a[key]["attributes"] == node["attributes"], key
            assert a[key] == json.loads((ours / key / "zarr.json").read_text()), key


def check(ours, theirs, groups):
    for group in groups:
        expected = xr.open_zarr(theirs, group=group).load().drop_encoding()
        xr.testing.assert_identical(xr.open_zarr(ours, group=group).load().drop_encoding(), expected)
        xr.testing.assert_identical(xr.open_zarr(ours, group=group, consolidated=False).load().drop_encoding(), expected)
        xr.testing.assert_identical(xr.open_dataset(ours, engine="craton", group=group).load().drop_encoding(), expected)
    expected = xr.open_datatree(theirs, engine="zarr").load()
    xr.testing.assert_identical(xr.open_datatree(ours, engine="craton").load(), expected)
    xr.testing.assert_identical(xr.open_datatree(ours, engine="zarr").load(), expected)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("with_root", [True, False])
def test_as_xarray(tmp_path, version, with_root):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    steps = [(None, {}, 0)] if with_root else []
    steps += [("a/b", {}, 1), ("a/c", {"mode": "w"}, 2), ("/d/", {"mode": "w-"}, 3), ("a/c", {"mode": "w"}, 4), ("d", {"append_dim": "x"}, 5), ("a/b", {"mode": "a"}, 6)]
    for group, options, k in steps:
        # In a tree the lengths of a parent's dimensions hold below it too.
        ds = dataset(k) if group else xr.Dataset({"r": ("z", np.arange(3))}, attrs={"k": k})
        fresh = {} if "append_dim" in options else {"zarr_format": version}
        ds.chunk(chunked_array_type="craton").craton.to_zarr(ours, group=group, **{**options, **({} if options.get("mode") == "a" else fresh)})
        ds.to_zarr(theirs, group=group, consolidated=True, **{"zarr_format": version, **options})
        same_metadata(ours, theirs, version)
    check(ours, theirs, [None, "a", "a/b", "a/c", "d"])
    # and the other program goes on with ours
    dataset(7).to_zarr(ours, group="d", append_dim="x", consolidated=True)
    dataset(7).to_zarr(theirs, group="d", append_dim="x", consolidated=True)
    check(ours, theirs, ["d"])


def test_into_a_store_without_consolidated_metadata(tmp_path):
    dataset(0).to_zarr(tmp_path / "s", zarr_format=3, consolidated=False)
    dataset(1).craton.to_zarr(tmp_path / "s", group="a")
    assert "consolidated_metadata" not in json.loads((tmp_path / "s/zarr.json").read_text())
    xr.testing.assert_identical(xr.open_zarr(tmp_path / "s", group="a", consolidated=False).load().drop_encoding(), dataset(1))
    xr.testing.assert_identical(xr.open_zarr(tmp_path / "s", consolidated=False).load().drop_encoding(), dataset(0))


@pytest.mark.parametrize("version", [2, 3])
def test_writers_at_once(tmp_path, version):
    """Each its own groups, with common parents that nobody made before: no writer loses what another told the root."""
    store, rounds = tmp_path / "s", 6
    groups = ["a/one{}", "a/two{}", "b/c/three{}"]
    writers = [subprocess.Popen([sys.executable, "-c", WRITE, store, g, str(rounds), str(version)], stderr=subprocess.PIPE, text=True) for g in groups]
    for w in writers:
        assert w.wait(200) == 0, w.stderr.read()
    root = zarr.open_group(store, mode="r", use_consolidated=True)
    for group in groups:
        for k in range(rounds):
            np.testing.assert_array_equal(root[f"{group.format(k)}/v"][...], np.full(10, k))
            xr.open_zarr(store, group=group.format(k), consolidated=True).load()
    assert set(xr.open_datatree(store, engine="craton").groups) == set(xr.open_datatree(store, engine="zarr").groups)
    assert not [p for p in store.rglob("*") if p.name.endswith(".tmp") or ".craton-" in p.name]


BEGIN = """
import sys, time
from craton import grouping
for k in range(150):
    moment = float(sys.argv[2]) + k * 0.02
    time.sleep(max(0, moment - time.time() - 0.001))
    while time.time() < moment: pass
    grouping.make_parents(f"{sys.argv[1]}/{k}", ["a", "b"], int(sys.argv[3]))
    with grouping.locked(f"{sys.argv[1]}/{k}", int(sys.argv[3])): pass
"""


@pytest.mark.parametrize("version", [2, 3])
def test_stores_begun_at_once(tmp_path, version):
    """At the same instant: the directory is there, its metadata not yet."""
    start = str(time.time() + 3)
    writers = [subprocess.Popen([sys.executable, "-c", BEGIN, tmp_path, start, str(version)], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for w in writers:
        assert w.wait(200) == 0, w.stderr.read()
    for k in (0, 149):
        assert sorted(p.name for p in (tmp_path / str(k)).iterdir() if not p.name.startswith(".z")) == (["a"] if version == 2 else ["a", "zarr.json"])


def test_files_of_somebody_else(tmp_path):
    (tmp_path / "zarr.json.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="no Zarr store"):
        dataset(0).craton.to_zarr(tmp_path, group="a")
    assert os.listdir(tmp_path) == ["zarr.json.txt"]


@pytest.mark.parametrize("version", [2, 3])
def test_an_append_to_the_root_waits_for_who_tells_of_a_group(tmp_path, version):
    """Both read the root's metadata and replace them: one after the other, or what one said is lost."""
    store, where = tmp_path / "s", tmp_path / "s" / ("zarr.json" if version == 3 else ".zmetadata")
    dataset(0).craton.to_zarr(store, zarr_format=version)
    append = threading.Thread(target=lambda: dataset(1).craton.to_zarr(store, append_dim="x"))
    with grouping.locked(store, version):
        document = json.loads(where.read_text())
        append.start()
        append.join(2)
        (document["consolidated_metadata"] if version == 3 else document)["metadata"]["told"] = {"by": "another"}
        where.write_text(json.dumps(document))
    append.join(60)
    document = json.loads(where.read_text())
    metadata = (document["consolidated_metadata"] if version == 3 else document)["metadata"]
    assert metadata["told"] == {"by": "another"} and metadata["v" if version == 3 else "v/.zarray"]["shape"] == [12, 4]


@pytest.mark.parametrize("case", range(2))
def test_killed(tmp_path, case):
    """At a random moment; what other groups and the root say stays readable, and the same again completes it."""
    random = np.random.default_rng([20261129, case])
    dataset(0).craton.to_zarr(tmp_path / "s", group="kept")
    process = subprocess.Popen([sys.executable, "-c", WRITE, tmp_path / "s", "a/again", "100000", "3"])
    deadline = time.monotonic() + 60
    while not (tmp_path / "s/a/again/zarr.json").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(float(random.random()) * 0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    xr.testing.assert_identical(xr.open_zarr(tmp_path / "s", group="kept").load().drop_encoding(), dataset(0))
    there = dict(zarr.open_group(tmp_path / "s", mode="r", use_consolidated=False).members(max_depth=None))
    assert not [name for name in there if ".craton-" in name]
    dataset(1).craton.to_zarr(tmp_path / "s", group="a/again", mode="w")
    for group, k in (("kept", 0), ("a/again", 1)):
        xr.testing.assert_identical(xr.open_zarr(tmp_path / "s", group=group, consolidated=True).load().drop_encoding(), dataset(k))
    assert os.listdir(tmp_path) == ["s"]


REPLACED = """
import os, signal, sys, numpy as np, xarray as xr, craton
from craton import grouping
grouping.tell = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
xr.Dataset({"v": ("x", np.arange(5, dtype="i2"))}).craton.to_zarr(sys.argv[1], group="a/b", mode="w", zarr_format=int(sys.argv[2]))
"""


@pytest.mark.parametrize("version", [2, 3])
def test_killed_before_a_replaced_group_is_told(tmp_path, version):
    """The new values are there; no old shape and codec is read with them: consolidated metadata do not have the group, until the same again."""
    store = tmp_path / "s"
    for group in ("a/b", "a/kept"):
        dataset(0).craton.to_zarr(store, group=group, zarr_format=version)
    ended = subprocess.run([sys.executable, "-c", REPLACED, store, str(version)], timeout=120)
    assert ended.returncode == -signal.SIGKILL
    np.testing.assert_array_equal(xr.open_zarr(store, group="a/b", consolidated=False).v, np.arange(5))
    with pytest.raises((KeyError, FileNotFoundError, ValueError)):
        xr.open_zarr(store, group="a/b", consolidated=True).v.load()
    xr.testing.assert_identical(xr.open_zarr(store, group="a/kept", consolidated=True).load().drop_encoding(), dataset(0))
    dataset(1).craton.to_zarr(store, group="a/b", mode="w", zarr_format=version)
    xr.testing.assert_identical(xr.open_zarr(store, group="a/b", consolidated=True).load().drop_encoding(), dataset(1))


@pytest.mark.parametrize("version", [2, 3])
def test_unfinished_is_no_group_of_anybody(tmp_path, version):
    """Programs that look at the folders themselves, or consolidate meanwhile, do not see what is being written."""
    store = tmp_path / "s"
    dataset(0).craton.to_zarr(store, group="a/b", zarr_format=version)
    writer = _craton.Writer(str(store / "a/c"), format=f"zarr{version}")
    values = dataset(1).v.chunk(chunked_array_type="craton").data._node
    writer.variable("v", ["x", "y"], (6, 4), None, None, "<f8", [], None, None, 0, False, values)
    hidden = Path(writer.begin())
    assert hidden.parent == tmp_path and (hidden / "v").is_dir()
    _craton.update(context(), str(hidden), [("v", values, (0, 0))], None)
    zarr.consolidate_metadata(store)
    for consolidated in (False, True):
        assert set(xr.open_datatree(store, engine="zarr", consolidated=consolidated).groups) == {"/", "/a", "/a/b"}
    assert set(xr.open_datatree(store, engine="craton").groups) == {"/", "/a", "/a/b"}
    writer.finish(context(), None)
    assert set(xr.open_datatree(store, engine="zarr", consolidated=False).groups) == {"/", "/a", "/a/b", "/a/c"}
    np.testing.assert_array_equal(zarr.open_array(store / "a/c/v")[...], dataset(1).v)
    del writer
    assert os.listdir(tmp_path) == ["s"]


def test_resume(tmp_path):
    ds = xr.Dataset({"v": ("x", np.arange(100.0))}).chunk({"x": 10}, chunked_array_type="craton")
    assert ds.craton.to_zarr(tmp_path / "s", group="a/b", resume=True, shards={"x": 20}) == (5, 0)
    assert zarr.open_array(tmp_path / "s/a/b/v").shards == (20,)
    xr.testing.assert_identical(xr.open_zarr(tmp_path / "s", group="a/b").load().drop_encoding(), ds.load())


def test_refused(tmp_path):
    ds = dataset(0)
    for group in ("..", "a/../b", ".hidden", "a/zarr.json", "x" * 201, "a\nb", "/".join("a" * 60)):
        with pytest.raises(ValueError, match="name of a group|deeper"):
            ds.craton.to_zarr(tmp_path / "s", group=group)
    assert list(tmp_path.iterdir()) == []
    ds.craton.to_zarr(tmp_path / "s", group="a")
    with pytest.raises(FileExistsError):
        ds.craton.to_zarr(tmp_path / "s", group="a")
    with pytest.raises(ValueError, match="is an array"):
        ds.craton.to_zarr(tmp_path / "s", group="a/v/b")
    with pytest.raises(ValueError, match="is Zarr version 3"):
        ds.craton.to_zarr(tmp_path / "s", group="b", zarr_format=2)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="no Zarr store"):
        ds.craton.to_zarr(tmp_path / "notes", group="a", mode="w")
    assert os.listdir(tmp_path / "notes") == ["thesis.txt"]
    (tmp_path / "refs.json").write_text("{}")
    with pytest.raises(NotADirectoryError, match="no Zarr store"):
        ds.craton.to_zarr(tmp_path / "refs.json", append_dim="x")
