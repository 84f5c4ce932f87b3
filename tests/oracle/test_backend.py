"""Files through engine="craton" against xarray's own engines: values, types, attributes, coordinates, encodings that matter."""

import os
import pathlib
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
import raw_netcdf
import xarray as xr

import craton

craton.enable()
DATA = pathlib.Path(os.environ.get("CRATON_DATA", "/nonexistent"))


def reference(path, **kwargs):
    engine = "zarr" if path.is_dir() else "netcdf4"
    if engine == "zarr":
        kwargs["consolidated"] = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with xr.open_dataset(path, engine=engine, **kwargs) as ds:
            return ds.load()


def ours(path, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return xr.open_dataset(path, engine="craton", **kwargs)


def identical(answer, expected):
    xr.testing.assert_identical(answer, expected)
    for name, variable in expected.variables.items():
        assert answer.variables[name].dtype == variable.dtype, (name, answer.variables[name].dtype, variable.dtype)


def check(path, **kwargs):
    """Without chunks, with chunks, a part, and after pickling."""
    expected = reference(path, **kwargs)
    identical(ours(path, **kwargs).load(), expected)
    lazy = ours(path, chunks={}, **kwargs)
    identical(lazy.compute(), expected)
    identical(pickle.loads(pickle.dumps(lazy)).compute(), expected)
    part = {d: slice(n // 3, None, 2) for d, n in expected.sizes.items()}
    identical(lazy.isel(part).compute(), expected.isel(part))
    identical(ours(path, **kwargs).isel(part).load(), expected.isel(part))
    small = ours(path, chunks={d: max(1, n // 3) for d, n in expected.sizes.items()}, **kwargs)
    identical(small.compute(), expected)
    return lazy, expected


def raw(n=40, seed=0):
    return np.random.default_rng(seed).integers(-120, 120, (n, 6)).astype("i2")


PACKINGS = {
    "fill only": {"_FillValue": np.int16(-7)},
    "scale f4": {"scale_factor": np.float32(0.1)},
    "scale f8": {"scale_factor": np.float64(0.1)},
    "scale and offset f4": {"scale_factor": np.float32(0.01), "add_offset": np.float32(273.15)},
    "scale and offset f8": {"scale_factor": 0.01, "add_offset": 273.15},
    "scale f4, offset f8": {"scale_factor": np.float32(0.01), "add_offset": 273.15},
    "offset f4 only": {"add_offset": np.float32(0.5)},
    "everything f4": {"scale_factor": np.float32(0.01), "add_offset": np.float32(1), "_FillValue": np.int16(-7)},
    "everything f8": {"scale_factor": 0.01, "add_offset": 1.0, "_FillValue": np.int16(-7), "missing_value": np.int16(-7)},
    "two fills": {"_FillValue": np.int16(-7), "missing_value": np.int16(9)},
    "list of missing": {"missing_value": np.array([3, 4, 5], "i2")},
    "valid_range is kept": {"valid_range": np.array([-5, 5], "i2")},
    "integer scale": {"scale_factor": np.int16(2)},
}


@pytest.mark.parametrize("name", PACKINGS)
@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "u1", "u2"])
def test_packing(tmp_path, name, dtype):
    attrs = {k: np.asarray(v).astype(dtype)[()] if k in ("_FillValue", "missing_value") and np.asarray(v).min() >= 0 or dtype[0] == "i" and k
             in ("_FillValue", "missing_value") else v for k, v in PACKINGS[name].items()}  # fmt: skip
    if dtype[0] == "u":
        attrs = {k: (np.abs(np.asarray(v)).astype(dtype)[()] if k in ("_FillValue", "missing_value") else v) for k, v in attrs.items()}
    raw_netcdf.write_raw(tmp_path / "f.nc", raw().astype(dtype), attrs)
    check(tmp_path / "f.nc")


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("attrs", [{"_FillValue": 1e20}, {"missing_value": np.float64(1e20)}, {"_FillValue": np.nan}, {"scale_factor": 2.0}, {}])
def test_floats(tmp_path, dtype, attrs):
    values = raw().astype(dtype)
    values[3:5] = 1e20
    values[7] = np.nan
    attrs = {k: np.dtype(dtype).type(v) if k == "_FillValue" else v for k, v in attrs.items()}
    raw_netcdf.write_raw(tmp_path / "f.nc", values, attrs)
    check(tmp_path / "f.nc")


@pytest.mark.parametrize("unsigned, dtype", [("true", "i1"), ("true", "i2"), ("false", "u1")])
def test_unsigned(tmp_path, unsigned, dtype):
    raw_netcdf.write_raw(tmp_path / "f.nc", raw().astype(dtype), {"_Unsigned": unsigned, "_FillValue": np.dtype(dtype).type(1)})
    check(tmp_path / "f.nc")


@pytest.mark.parametrize("format", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF4", "NETCDF4_CLASSIC"])
def test_formats(tmp_path, format):
    raw_netcdf.write_raw(tmp_path / "f.nc", raw(), {"scale_factor": 0.5, "units": "m"}, format=format)
    check(tmp_path / "f.nc")


@pytest.mark.parametrize("calendar", ["standard", "proleptic_gregorian", "noleap", "360_day", "all_leap", "julian"])
@pytest.mark.parametrize("units", ["days since 1850-01-01", "hours since 2000-02-28 12:00", "seconds since 1970-01-01"])
@pytest.mark.parametrize("dtype", ["i4", "f8"])
def test_times(tmp_path, calendar, units, dtype):
    raw_netcdf.write_times(tmp_path / "f.nc", dtype, units, calendar)
    check(tmp_path / "f.nc")
    check(tmp_path / "f.nc", decode_times=False)


def test_text_scalars_and_flags(tmp_path):
    ds = xr.Dataset(
        {
            "name": ("x", np.array(["Roma", "Zürich", ""], object)),
            "fixed": ("x", np.array([b"ab", b"c", b"def"], "S3")),
            "flag": ("x", np.array([True, False, True])),
            "one": ((), np.float32(2.5), {"a": 1, "b": [1.0, 2.0], "c": "text", "d": ["x", "y"]}),
            "empty": (("y", "x"), np.zeros((0, 3))),
        },
        coords={"x": [10, 20, 30], "height": 2.0},
        attrs={"title": "ä", "n": 3},
    )
    ds.to_netcdf(tmp_path / "f.nc", engine="netcdf4")
    check(tmp_path / "f.nc")
    check(tmp_path / "f.nc", drop_variables=["name"])
    check(tmp_path / "f.nc", mask_and_scale=False)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr(tmp_path, zarr_format):
    ds = xr.Dataset(
        {
            "t": (("time", "y", "x"), np.where(np.random.default_rng(1).random((20, 7, 9)) < 0.2, np.nan, 1.5).astype("f4"), {"units": "K"}),
            "packed": (("y", "x"), np.random.default_rng(2).integers(0, 50, (7, 9)) / 10),
            "n": ("time", np.arange(20)),
            "flag": ("x", np.arange(9) % 2 == 0),
        },
        coords={"time": xr.date_range("2000-01-01", periods=20, calendar="noleap", use_cftime=True), "y": np.arange(7.0)},
        attrs={"title": "zarr", "number": 1.5},
    )
    encoding = {"t": {"chunks": (6, 4, 4)}, "packed": {"dtype": "i2", "scale_factor": 0.1, "_FillValue": -1, "chunks": (3, 3)}}
    ds.to_zarr(tmp_path / "f.zarr", zarr_format=zarr_format, encoding=encoding, consolidated=False)
    lazy, _ = check(tmp_path / "f.zarr")
    assert lazy.t.chunks == ((6, 6, 6, 2), (4, 3), (4, 4, 1))


FILES = ["ostia_monthly.nc", "A1B_north_america.nc", "E1_north_america.nc"]


@pytest.mark.parametrize("name", FILES)
def test_real_files(name):
    if not DATA.is_dir():
        pytest.fail("CRATON_DATA must name the folder with the open data (./up or ./check install it)")
    lazy, expected = check(DATA / name)
    variable = next(k for k, v in expected.data_vars.items() if v.ndim == 3)
    with xr.set_options(use_bottleneck=False, use_numbagg=False):
        exact = expected[variable].astype("f8")
        for f in (
            lambda v: v.mean("time"),
            lambda v: v.groupby("time.year").mean("time"),
            lambda v: v.groupby("time.month") - v.groupby("time.month").mean("time"),
            lambda v: v.weighted(np.cos(np.deg2rad(v.latitude.astype("f8")))).mean(["latitude", "longitude"]),
        ):
            got = f(lazy[variable])
            assert isinstance(got.data, craton.Array)
            want = f(exact)
            np.testing.assert_allclose(got.compute().values, want.values, rtol=2e-6, atol=2e-4)


# ---- writing -------------------------------------------------------------------------------------------------------------


def sample():
    rng = np.random.default_rng(5)
    return xr.Dataset(
        {
            "t": (("time", "y", "x"), np.where(rng.random((30, 11, 13)) < 0.1, np.nan, rng.normal(280, 5, (30, 11, 13))), {"units": "K"}),
            "n": (("y", "x"), rng.integers(0, 9, (11, 13)).astype("i4")),
            "flag": ("y", np.arange(11) % 3 == 0),
            "label": ("y", np.array([f"row {i}" for i in range(11)], object)),
            "one": ((), np.float32(1.25)),
        },
        coords={"time": xr.date_range("1999-12-15", periods=30), "y": np.linspace(0, 1, 11), "area": (("y", "x"), rng.random((11, 13)))},
        attrs={"title": "sample"},
    ).chunk({"time": 7, "y": 5, "x": 13})


@pytest.mark.parametrize("how", ["zarr3", "zarr2", "netcdf"])
def test_own_writers(tmp_path, how):
    ds = sample()
    path = tmp_path / ("f.nc" if how == "netcdf" else "f.zarr")
    if how == "netcdf":
        ds.craton.to_netcdf(path)
    else:
        ds.craton.to_zarr(path, format=how)
    expected = ds.compute()
    back = reference(path)
    for name, variable in expected.variables.items():
        np.testing.assert_array_equal(back[name].values, variable.values, err_msg=name)
        assert back[name].dims == variable.dims and back[name].attrs == variable.attrs
    assert back.attrs == expected.attrs and set(back.coords) == set(expected.coords)
    identical(ours(path).load(), back)
    with pytest.raises(FileExistsError):
        ds.t.craton.to_zarr(path) if how != "netcdf" else ds.t.craton.to_netcdf(path)
    # Reading what is replaced: the old store stays until the new one is whole.
    mode = 0o700 if path.is_dir() else 0o600
    path.chmod(mode)
    doubled = ours(path, chunks={})[["t"]] * 2
    (doubled.craton.to_netcdf if how == "netcdf" else doubled.craton.to_zarr)(path, overwrite=True)
    np.testing.assert_array_equal(reference(path).t.values, expected.t.values * 2)
    assert path.stat().st_mode & 0o777 == mode  # what was private stays private


@pytest.mark.parametrize("how", ["zarr3", "netcdf"])
def test_packed_writing(tmp_path, how):
    ds = sample()[["t"]]
    encoding = {"t": {"dtype": "i2", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -32768}}
    path = tmp_path / "f"
    (ds.craton.to_netcdf if how == "netcdf" else ds.craton.to_zarr)(path, encoding=encoding)
    raw = reference(path, mask_and_scale=False)
    assert raw.t.dtype == np.int16
    np.testing.assert_allclose(reference(path).t.values, ds.t.values, atol=0.00501)
    ds.compute().to_netcdf(tmp_path / "by-xarray.nc", encoding=encoding)
    np.testing.assert_array_equal(raw.t.values, reference(tmp_path / "by-xarray.nc", mask_and_scale=False).t.values)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_xarray_writes_zarr(tmp_path, zarr_format):
    ds = sample()
    encoding = {"t": {"chunks": (7, 5, 13)}}
    ds.to_zarr(tmp_path / "f.zarr", zarr_format=zarr_format, encoding=encoding, consolidated=False)
    xr.testing.assert_equal(reference(tmp_path / "f.zarr"), ds.compute())
    (ds[["t"]].fillna(0).isel(time=slice(7, 14)) * 0 + 1).drop_vars(["y", "area"]).to_zarr(tmp_path / "f.zarr", region={"time": slice(7, 14)}, consolidated=False)
    again = reference(tmp_path / "f.zarr").t
    assert float(again.isel(time=slice(7, 14)).max()) == 1 and float(again.isel(time=slice(14, None)).min()) > 200


@pytest.mark.parametrize("engine", ["netcdf4", "h5netcdf"])
def test_xarray_writes_netcdf(tmp_path, engine):
    ds = sample().drop_vars("label")
    ds.to_netcdf(tmp_path / "f.nc", engine=engine)
    xr.testing.assert_equal(reference(tmp_path / "f.nc"), ds.compute())


# ---- what is refused ------------------------------------------------------------------------------------------------------


def test_refusals(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing.nc"):
        ours(tmp_path / "missing.nc")
    (tmp_path / "noise.nc").write_bytes(b"not a file of arrays" * 10)
    with pytest.raises(craton.FormatError):
        ours(tmp_path / "noise.nc")
    with pytest.raises(NotImplementedError, match="not on this machine"):
        ours("https://example.org/a.nc")
    with pytest.raises(TypeError, match="paths"):
        ours(5)
    sample().craton.to_netcdf(tmp_path / "f.nc")
    with pytest.raises((KeyError, ValueError), match="nogroup"):
        ours(tmp_path / "f.nc", group="nogroup")
    data = (tmp_path / "f.nc").read_bytes()
    (tmp_path / "cut.nc").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises((craton.FormatError, OSError)):
        ours(tmp_path / "cut.nc", chunks={}).compute()


def test_works_without_being_enabled(tmp_path):
    """In a process that only names the engine and the manager; dask and flox are installed beside it."""
    sample().craton.to_netcdf(tmp_path / "f.nc")
    program = f"""
import xarray as xr
ds = xr.open_dataset({str(tmp_path / "f.nc")!r}, engine="craton", chunks={{}}, chunked_array_type="craton")
assert type(ds.t.data).__module__ == "craton.array", type(ds.t.data)
print(float(ds.t.mean()))
try:
    ds.t.groupby("time.month").mean().compute()
    print("computed behind the user's back")
except NotImplementedError as error:
    assert "craton.enable()" in str(error), error
    print("said what to do")
"""
    out = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=120)
    assert out.returncode == 0, out.stderr
    assert "said what to do" in out.stdout, out.stdout


@pytest.mark.parametrize("dtype", ["i2", "i4", "i8"])
def test_missing_times_are_packed_lazily(tmp_path, dtype):
    """The fill value stands for them, not what is left of the lowest int64 in a smaller type."""
    days = np.array([1, "NaT", 3, 400], "m8[D]").astype("m8[ns]")
    encoding = {"units": "days", "dtype": np.dtype(dtype), "_FillValue": np.dtype(dtype).type(-1)}
    ds = xr.Dataset({"lasted": ("x", days), "seen": ("x", np.datetime64("2001-01-01", "ns") + days)}, {"x": np.arange(4)})
    ds.lasted.encoding.update(encoding)
    ds.seen.encoding.update(encoding, units="days since 2001-01-01", calendar="standard")
    lazy = ds.chunk(x=2, chunked_array_type="craton")
    lazy.craton.to_zarr(tmp_path / "ours.zarr")
    lazy.craton.to_netcdf(tmp_path / "ours.nc")
    for seen in (xr.open_zarr(tmp_path / "ours.zarr", chunks=None, decode_timedelta=True),
                 xr.open_dataset(tmp_path / "ours.nc", engine="netcdf4", decode_timedelta=True)):  # fmt: skip
        with seen:
            xr.testing.assert_equal(seen.load(), ds)
            assert seen.lasted.encoding["dtype"] == seen.seen.encoding["dtype"] == np.dtype(dtype)
