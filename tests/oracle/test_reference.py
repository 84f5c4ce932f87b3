"""kerchunk's references through engine="craton": real references of real and made files against xarray's result of the originals;
the JSON of the specification against fsspec; what is refused, and how."""

import base64
import json
import os
import pathlib
import pickle
import shutil
import subprocess

import numpy as np
import pytest
import xarray as xr
from fsspec.implementations.reference import ReferenceFileSystem
from kerchunk.combine import MultiZarrToZarr
from kerchunk.hdf import SingleHdf5ToZarr
from kerchunk.netCDF3 import NetCDF3ToZarr

import craton

craton.enable()
DATA = pathlib.Path(os.environ["CRATON_DATA"])
CRATON = pathlib.Path(os.environ["CRATON_BUILD"]) / "src/cli/craton"


def save(path, references):
    path.write_text(json.dumps(references))
    return path


def ours(path, **kwargs):
    return xr.open_dataset(path, engine="craton", **kwargs)


def made(path, seed=1, offset=0, engine="netcdf4"):
    """Packed, masked, chunked and compressed; small variables that kerchunk inlines; a chunk that was never written."""
    rng = np.random.default_rng(seed)
    time = xr.date_range("2001-01-01", periods=12, freq="D") + np.timedelta64(12 * offset, "D")
    data = rng.normal(280, 5, (12, 20, 30))
    data[3, 4] = np.nan
    ds = xr.Dataset(
        {
            "tas": (("time", "lat", "lon"), data, {"units": "K", "cell_methods": "time: mean"}),
            "orog": (("lat", "lon"), rng.normal(size=(20, 30)).astype("f4")),
            "crs": ((), np.int32(1), {"grid_mapping_name": "latitude_longitude"}),
        },
        {"time": time, "lat": np.linspace(-90, 90, 20), "lon": np.arange(0, 360, 12.0)},
        {"title": "made for a test", "numbers": [1.5, 2.5]},
    )
    encoding = {
        "tas": {"dtype": "i2", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": np.int16(-32768)},
        "time": {"units": "days since 2000-01-01"},
    }
    if engine == "netcdf4":
        encoding["tas"].update(zlib=True, shuffle=True, chunksizes=(4, 8, 30))
    ds.to_netcdf(path, engine=engine, encoding=encoding, format="NETCDF3_64BIT" if engine == "scipy" else None)
    return path


def same(answer, original):
    """Values, types and coordinates; attributes up to what kerchunk itself adds and leaves out."""
    assert set(answer.variables) == set(original.variables)
    for name, v in original.variables.items():
        assert answer[name].dims == v.dims, name
        assert answer[name].dtype == v.dtype or name == "crs", name  # 0 becomes the fill value of integers, and so a mask
        np.testing.assert_array_equal(answer[name].values, v.values, err_msg=name)
        for key in ("units", "long_name", "standard_name", "cell_methods", "grid_mapping_name"):
            assert answer[name].attrs.get(key) == v.attrs.get(key), (name, key)


def by_fsspec(path, **kwargs):
    """The same references by zarr-python and fsspec."""
    options = {"fo": str(path), "remote_protocol": "file"}
    return xr.open_dataset("reference://", engine="zarr", backend_kwargs={"consolidated": False, "storage_options": options}, **kwargs).load()


def check(path, original):
    same(ours(path), original)
    xr.testing.assert_identical(ours(path).load(), by_fsspec(path))
    lazy = ours(path, chunks={})
    assert all(lazy[name].chunks for name in lazy.data_vars if lazy[name].ndim)
    same(lazy.compute(), original)
    same(pickle.loads(pickle.dumps(lazy)).compute(), original)
    part = {d: slice(n // 3, None, 2) for d, n in original.sizes.items()}
    same(lazy.isel(part).compute(), original.isel(part))


@pytest.mark.parametrize("threshold", [0, 100, 100000])
def test_hdf5(tmp_path, threshold):
    source = made(tmp_path / "one.nc")
    references = SingleHdf5ToZarr(str(source), inline_threshold=threshold).translate()
    with xr.open_dataset(source, engine="netcdf4") as original:
        check(save(tmp_path / "one.json", references), original.load())
        check(save(tmp_path / "version0.json", references["refs"]), original)


@pytest.mark.parametrize("name", ["ostia_monthly.nc", "A1B_north_america.nc"])
def test_real_data(tmp_path, name):
    """Real files, classic or HDF5, where they are installed."""
    path = DATA / name
    classic = path.read_bytes()[:3] == b"CDF"
    translator = NetCDF3ToZarr(str(path), inline_threshold=100) if classic else SingleHdf5ToZarr(str(path), inline_threshold=100)
    with xr.open_dataset(path, engine="netcdf4", decode_timedelta=False) as original:
        references = save(tmp_path / "real.json", translator.translate())
        answer = ours(references, chunks={}, decode_timedelta=False)
        xr.testing.assert_identical(answer.compute(), by_fsspec(references, decode_timedelta=False))
        for v in original.data_vars:
            if original[v].ndim:       # the values of scalars that only hold attributes become fill values in references
                np.testing.assert_array_equal(answer[v].values, original[v].values)


def test_many_files_are_one(tmp_path):
    paths = [made(tmp_path / f"part{i}.nc", seed=i, offset=i) for i in range(3)]
    singles = [SingleHdf5ToZarr(str(p), inline_threshold=100).translate() for p in paths]
    whole = MultiZarrToZarr(singles, concat_dims=["time"], identical_dims=["lat", "lon", "crs", "orog"]).translate()
    path = save(tmp_path / "whole.json", whole)
    xr.testing.assert_identical(ours(path).load(), by_fsspec(path))
    with xr.open_mfdataset(paths, engine="netcdf4", combine="by_coords", chunks=None, data_vars="minimal", coords="minimal",
                           compat="override") as original:
        for name in ("tas", "time", "lat", "lon"):
            np.testing.assert_array_equal(ours(path, chunks={})[name].values, original[name].values)
    shown = subprocess.run([CRATON, "info", "--json", path], capture_output=True, text=True, timeout=60)
    assert json.loads(shown.stdout)["targets"] == [str(p) for p in paths]
    text = subprocess.run([CRATON, "info", path], capture_output=True, text=True, timeout=60).stdout
    assert "Values from:" in text and str(paths[2]) in text


def test_opened_as_fsspec_is(tmp_path):
    source = made(tmp_path / "one.nc")
    path = save(tmp_path / "one.json", SingleHdf5ToZarr(str(source), inline_threshold=100).translate())
    options = {"fo": str(path), "remote_protocol": "file"}
    ds = xr.open_dataset("reference://", engine="craton", chunks={}, backend_kwargs={"consolidated": False, "storage_options": options})
    with xr.open_dataset(source) as original:
        same(ds.compute(), original)
        same(xr.open_datatree("reference://", engine="craton", storage_options=options).to_dataset().load(), original)
    mean = ds.tas.mean("time")
    np.testing.assert_allclose(mean.values, original.tas.mean("time").values, rtol=1e-6)
    both = xr.open_mfdataset([path, path], engine="craton", combine="nested", concat_dim="again", chunks={})
    np.testing.assert_array_equal(both.tas.isel(again=1).values, original.tas.values)
    for bad, word in (({"fo": {"version": 1}}, "json.dump"), ({"fo": str(path), "remote_protocol": "s3"}, "remote_protocol"),
                      ({"fo": str(path), "templates": {}}, "templates"), ({}, "fo")):
        with pytest.raises((TypeError, NotImplementedError), match=word):
            xr.open_dataset("reference://", engine="craton", backend_kwargs={"storage_options": bad})
    with pytest.raises(TypeError, match="storage_options"):
        xr.open_dataset("reference://", engine="craton")


def array_v2(shape, chunks, dtype="<i4"):
    return json.dumps({"zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": dtype, "compressor": None, "fill_value": -1, "order": "C",
                       "filters": None})


def numbers(tmp_path, n=60):
    values = np.arange(n, dtype="<i4") * 3
    (tmp_path / "numbers.bin").write_bytes(b"12345678" + values.tobytes())
    return values


def read(path, name="v"):
    return ours(path, mask_and_scale=False)[name].values


def test_kinds_of_values(tmp_path):
    """Text, base64, a whole file, a range; relative, absolute, file://; a chunk that is absent; an object in place of its text."""
    values = numbers(tmp_path)
    (tmp_path / "whole.bin").write_bytes(values[:10].tobytes())
    refs = {
        ".zgroup": {"zarr_format": 2},
        ".zattrs": {"title": "a title"},
        "v/.zarray": array_v2([65], [10]),
        "v/.zattrs": json.dumps({"_ARRAY_DIMENSIONS": ["x"]}),
        "v/0": ["whole.bin"],
        "v/1": ["numbers.bin", 48, 40],
        "v/2": [str(tmp_path / "numbers.bin"), 88, 40],
        "v/3": [f"file://{tmp_path}/numbers.bin", 128, 40],
        "v/4": "base64:" + base64.b64encode(values[40:50].tobytes()).decode(),
        "v/5": "ABCD" * 10,
    }
    text = np.frombuffer(b"ABCD" * 10, "<i4")
    expected = np.concatenate([values[:50], text, np.full(5, -1, "<i4")])
    for path in (save(tmp_path / "v0.json", refs), save(tmp_path / "v1.json", {"version": 1, "refs": refs})):
        np.testing.assert_array_equal(read(path), expected)
        assert ours(path).attrs == {"title": "a title"}


def test_zarr_3_inside(tmp_path):
    values = numbers(tmp_path)
    array = {"zarr_format": 3, "node_type": "array", "shape": [60], "data_type": "int32", "fill_value": 0, "dimension_names": ["x"],
             "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [30]}},
             "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
             "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]}
    refs = {"zarr.json": json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {}}), "v/zarr.json": json.dumps(array),
            "v/c/0": ["numbers.bin", 8, 120], "v/c/1": ["numbers.bin", 128, 120], "deep/down/zarr.json": json.dumps(array)}
    np.testing.assert_array_equal(read(save(tmp_path / "r.json", refs)), values)


def test_templates_and_gen_are_fsspecs(tmp_path):
    """The forms that the specification shows, expanded by fsspec and by us."""
    values = numbers(tmp_path)
    (tmp_path / "numbers_7.bin").write_bytes((tmp_path / "numbers.bin").read_bytes())
    (tmp_path / "n_007.bin").write_bytes((tmp_path / "numbers.bin").read_bytes())
    document = {
        "version": 1,
        "templates": {"u": str(tmp_path), "f": "{{c}}.bin", "g": str(tmp_path) + "/{{ name }}_{{ n + 1 }}.bin"},
        "gen": [
            {"key": "v/{{i}}", "url": "{{u}}/numbers.bin", "offset": "{{(i + 1) * 40 - 4 * 8}}", "length": "40", "dimensions": {"i": {"stop": 3}}},
            {"key": "w/{{ i // 2 }}.{{ i % 2 }}", "url": "{{u}}/{{ 'n_%03d.bin' % j }}", "offset": "{{ 8 + 40 * i }}", "length": "{{ 20 + 20 }}",
             "dimensions": {"i": {"start": 0, "stop": 4, "step": 1}, "j": [7]}},
        ],
        "refs": {
            ".zgroup": json.dumps({"zarr_format": 2}),
            "v/.zarray": array_v2([60], [10]), "v/.zattrs": json.dumps({"_ARRAY_DIMENSIONS": ["x"]}),
            "w/.zarray": array_v2([20, 2], [10, 1]), "w/.zattrs": json.dumps({"_ARRAY_DIMENSIONS": ["y", "z"]}),
            "v/3": ["{{u}}/numbers.bin", 128, 40], "v/4": ["{{u}}/{{f(c='numbers')}}", 168, 40],
            "v/5": ["{{g(name='numbers', n=6)}}", 208, 40],
        },
    }
    path = save(tmp_path / "t.json", document)
    fs = ReferenceFileSystem(str(path), remote_protocol="file", simple_templates=False)
    np.testing.assert_array_equal(read(path), np.concatenate([np.frombuffer(fs.cat(f"v/{i}"), "<i4") for i in range(6)]))
    np.testing.assert_array_equal(read(path), values)
    w = read(path, "w")
    for key in ("0.0", "0.1", "1.0", "1.1"):
        y, z = map(int, key.split("."))
        np.testing.assert_array_equal(w[10 * y : 10 * y + 10, z], np.frombuffer(fs.cat(f"w/{key}"), "<i4"))


def test_a_missing_file_is_no_fill(tmp_path):
    values = numbers(tmp_path)
    refs = {".zgroup": {"zarr_format": 2}, "v/.zarray": array_v2([20], [10]), "v/.zattrs": json.dumps({"_ARRAY_DIMENSIONS": ["x"]}),
            "v/0": ["numbers.bin", 8, 40], "v/1": ["elsewhere.bin", 8, 40]}
    path = save(tmp_path / "r.json", refs)
    np.testing.assert_array_equal(ours(path).v[:10].values, values[:10])
    with pytest.raises(OSError, match="elsewhere.bin"):
        ours(path).v.load()
    shutil.copy(tmp_path / "numbers.bin", tmp_path / "elsewhere.bin")
    np.testing.assert_array_equal(ours(path).v[10:].values, values[:10])
    (tmp_path / "elsewhere.bin").write_bytes(b"1234567")
    with pytest.raises(Exception, match="8 [+] 40 .*elsewhere.bin.* 7"):
        ours(path).v.load()
    os.remove(tmp_path / "elsewhere.bin")
    os.mkfifo(tmp_path / "elsewhere.bin")
    with pytest.raises(Exception, match="not a regular file"):
        ours(path).v.load()


def test_a_replaced_file_is_noticed(tmp_path):
    values = numbers(tmp_path)
    refs = {".zgroup": {"zarr_format": 2}, "v/.zarray": array_v2([20], [10]), "v/.zattrs": json.dumps({"_ARRAY_DIMENSIONS": ["x"]}),
            "v/0": ["numbers.bin", 8, 40], "v/1": ["numbers.bin", 48, 40]}
    ds = ours(save(tmp_path / "r.json", refs), mask_and_scale=False)
    np.testing.assert_array_equal(ds.v[:10].values, values[:10])
    (tmp_path / "new.bin").write_bytes(bytes(300))
    os.replace(tmp_path / "new.bin", tmp_path / "numbers.bin")
    with pytest.raises(Exception, match="was changed while"):
        ds.v[10:].values


BASE = {".zgroup": {"zarr_format": 2}, "v/.zarray": array_v2([20], [10])}
COUNT = {"key": "v/{{i}}", "url": "x", "dimensions": {"i": {"stop": 2}}}


@pytest.mark.parametrize("document, words", [
    ({**BASE, "v/0": ["s3://bucket/x.nc", 0, 40]}, ["s3://bucket/x.nc", "not a file on this machine", "copy"]),
    ({**BASE, "v/0": ["simplecache::file:///x.nc", 0, 40]}, ["simplecache::", "not a file on this machine"]),
    ({**BASE, "v/0": ["x", -1, 40]}, ["offset", "v/0"]),
    ({**BASE, "v/0": ["x", 1]}, ["neither [url] nor"]),
    ({**BASE, "v/0": 5}, ["v/0", "neither text nor a list"]),
    ({**BASE, "v/0": "base64:****"}, ["v/0", "base64"]),
    ({**BASE, "../x": "a"}, ["../x", "not a valid key"]),
    ({"version": 2, "refs": BASE}, ["version 2"]),
    ({"type": "FeatureCollection", "features": []}, ["not references"]),
    ({"version": 1, "refs": {**BASE, "v/0": ["{{nobody}}", 0, 4]}, "templates": {}}, ["nobody", "not defined"]),
    ({"version": 1, "refs": {**BASE, "v/0": ["{{a}}", 0, 4]}, "templates": {"a": "{{b}}", "b": "{{a}}"}}, ["deeper than"]),
    ({"version": 1, "refs": {**BASE, "v/0": ["{{a|upper}}", 0, 4]}, "templates": {"a": "x"}}, ["not understood", "|upper"]),
    ({"version": 1, "refs": {**BASE, "v/0": ["{% if x %}{{a}}", 0, 4]}, "templates": {"a": "x"}}, ["statement of Jinja"]),
    ({"version": 1, "refs": BASE, "gen": [{**COUNT, "dimensions": {"i": {"stop": 10**9}}}]}, ["more than 8388608"]),
    ({"version": 1, "refs": BASE, "gen": [{**COUNT, "dimensions": {a: {"stop": 10**6} for a in "ijklm"}}]}, ["more than 8388608"]),
    ({"version": 1, "refs": BASE, "gen": [{**COUNT, "offset": "{{i // 0}}", "length": "4"}]}, ["divided by zero"]),
    ({"version": 1, "refs": BASE, "gen": [{**COUNT, "offset": "4"}]}, ["only one of"]),
    ({"version": 1, "refs": {**BASE, "v/0": "a"}, "gen": [COUNT]}, ["two references", "v/0"]),
])
def test_refusals(tmp_path, document, words):
    path = save(tmp_path / "bad.json", document)
    answer = subprocess.run([CRATON, "info", path], capture_output=True, text=True, timeout=60)
    assert answer.returncode > 0
    for word in words:
        assert word in answer.stderr, answer.stderr


def test_other_json_and_parquet(tmp_path):
    (tmp_path / "cut.json").write_text('{"version": 1, "refs": {')
    (tmp_path / "p").mkdir()
    save(tmp_path / "p" / ".zmetadata", {"metadata": {".zgroup": {"zarr_format": 2}}, "record_size": 10000})
    for name, word in (("cut.json", "not valid JSON"), ("p", "Parquet")):
        answer = subprocess.run([CRATON, "info", tmp_path / name], capture_output=True, text=True, timeout=60)
        assert answer.returncode > 0 and word in answer.stderr, answer.stderr


def test_a_hundred_thousand_references_open_quickly(tmp_path):
    """No step is quadratic: ten times as many take about ten times as long; and the last chunk is right."""
    values = numbers(tmp_path)
    n = 100_000
    refs = {".zgroup": {"zarr_format": 2}, "v/.zarray": array_v2([n * 10], [10]), "v/.zattrs": json.dumps({"_ARRAY_DIMENSIONS": ["x"]})}
    refs.update({f"v/{i}": ["numbers.bin", 8 + 4 * (i % 50), 40] for i in range(n)})
    ds = ours(save(tmp_path / "many.json", {"version": 1, "refs": refs}), mask_and_scale=False)
    i = (n - 1) % 50
    np.testing.assert_array_equal(ds.v[-10:].values, values[i : i + 10])
