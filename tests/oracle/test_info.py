"""`craton info`: what it says of real files is what xarray says; damaged and odd files get a clear message and the right exit code."""
import json
import os
import subprocess
from pathlib import Path

import cftime

import netCDF4
import numpy as np
import pytest
import xarray as xr

CRATON = Path(os.environ["CRATON_BUILD"]) / "src/cli/craton"
DATA = Path(os.environ["CRATON_DATA"])
NETCDF = sorted(DATA.glob("*.nc"))


def info(*arguments, **environment):
    return subprocess.run([CRATON, "info", *arguments], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "LC_ALL": "C.UTF-8", **environment})


def described(path):
    answer = info("--json", path)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def text_of(value, stored):
    """A decoded coordinate value as `craton info` writes it."""
    if isinstance(value, cftime.datetime) or np.issubdtype(np.asarray(value).dtype, np.datetime64):
        iso = value.isoformat() if isinstance(value, cftime.datetime) else str(np.datetime64(value, "us"))
        day, clock = iso.split("T")
        clock = clock.removesuffix(".000000")
        return day if clock == "00:00:00" else f"{day} {clock.removesuffix(':00')}"
    return f"{value:.6g}" if np.issubdtype(stored, np.floating) else str(value)


@pytest.mark.parametrize("path", NETCDF, ids=lambda p: p.name)
def test_real_files(path):
    ours, ds = described(path), xr.open_dataset(path, decode_timedelta=False)
    raw = xr.open_dataset(path, decode_cf=False)
    assert {k: d["length"] for k, d in ours["dimensions"].items()} == dict(raw.sizes)
    assert {k for k, v in ours["variables"].items() if v["coordinate"]} == set(ds.coords)
    for name, v in ours["variables"].items():
        assert v["shape"] == list(raw[name].shape) and v["dimensions"] == list(raw[name].dims) and v["dtype"] == str(raw[name].dtype)
        if v["coordinate"] and raw[name].ndim < 2:
            values = np.atleast_1d(ds[name].values)
            shown = values if len(values) <= 3 else [values[0], values[1], values[-1]]
            assert v["values"] == [text_of(x, raw[name].dtype) for x in shown]
        for key, value in raw[name].attrs.items():
            assert v["attributes"][key] == (value if isinstance(value, str) else np.asarray(value).tolist())


@pytest.mark.parametrize("calendar", ["noleap", "360_day", "standard", "julian"])
@pytest.mark.parametrize("kind", ["netcdf3", "netcdf4", "zarr2", "zarr3"])
def test_formats_and_calendars(tmp_path, kind, calendar):
    times = xr.DataArray(np.arange(5) * 30, dims="time", attrs={"units": "days since 1999-12-30 06:00", "calendar": calendar})
    ds = xr.Dataset({"t": (("time", "x"), np.arange(10, dtype="i2").reshape(5, 2), {"scale_factor": 0.1, "units": "K"})}, {"time": times})
    path = tmp_path / "file"
    if kind.startswith("zarr"):
        ds.to_zarr(path, zarr_format=int(kind[-1]), consolidated=False)
    else:
        ds.to_netcdf(path, format={"netcdf3": "NETCDF3_CLASSIC", "netcdf4": "NETCDF4"}[kind])
    ours = described(path)
    decoded = xr.decode_cf(ds, decode_times=xr.coders.CFDatetimeCoder(use_cftime=True)).time.values
    assert ours["variables"]["time"]["values"] == [text_of(decoded[i], times.dtype) for i in (0, 1, 4)]
    assert ours["format"].startswith(kind) and ours["variables"]["t"]["decoded"] == "float32"
    page = info(path).stdout
    assert "* time" in page and f"{calendar}\n" in page and "int16 → float32" in page


@pytest.mark.parametrize("kind", ["netcdf3", "netcdf4"])
def test_packed_times_and_unsigned_numbers(tmp_path, kind):
    """Coordinates whose stored numbers are not what they mean."""
    path = tmp_path / "file.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC" if kind == "netcdf3" else "NETCDF4") as f:
        f.set_auto_maskandscale(False)
        for name, dtype, values, attrs in (
                ("time", "i2", [0, 10, 20], {"units": "days since 2000-01-01", "scale_factor": 0.5}),
                ("later", "i4", [0, 3, 9], {"units": "hours since 2000-01-01", "scale_factor": 6.0, "add_offset": 12.0, "calendar": "noleap"}),
                ("u", "i1", [1, -1, -56], {"_Unsigned": "true"}),
                ("w", "i2", [-1, 4, -32768], {"_Unsigned": "true", "_FillValue": np.int16(4)})):
            f.createDimension(name, 3)
            v = f.createVariable(name, dtype, (name,), fill_value=attrs.pop("_FillValue", None))
            v.set_auto_maskandscale(False)
            v.setncatts(attrs)
            v[:] = np.array(values, dtype)
    ours, ds = described(path)["variables"], xr.open_dataset(path, decode_timedelta=False)
    for name in ("time", "later"):
        assert ours[name]["values"] == [text_of(x, "i2") for x in ds[name].values], name
    assert ours["u"]["values"] == [str(int(x)) for x in ds["u"].values] == ["1", "255", "200"]
    assert ours["w"]["values"] == ["65535", "nan", "32768"] and np.isnan(ds["w"].values[1]) and ds["w"].values[2] == 32768


def test_text_page_fits_the_screen(tmp_path):
    xr.Dataset({"a_rather_long_name_of_a_variable": ("x", np.zeros(4))}, attrs={"history": "word " * 100}).to_netcdf(tmp_path / "f.nc")
    page = info(tmp_path / "f.nc", COLUMNS="60").stdout
    assert max(map(len, page.splitlines()[1:])) <= 60 and "…" in page
    plain = info(tmp_path / "f.nc", COLUMNS="60", LC_ALL="C").stdout
    assert plain.isascii() and "..." in plain
    assert "\x1b" not in page  # no colours outside of a terminal


def test_names_cannot_steer_a_terminal(tmp_path):
    xr.Dataset({"a": ("x", [1])}, attrs={"title": "\x1b]0;owned\x07\x1b[2J\u009b31m", "turned": "a\u202eb\u2066c\u2028d"}).to_netcdf(tmp_path / "f.nc")
    answer = info(tmp_path / "f.nc").stdout
    assert not set("\u202e\u2066\u2028") & set(answer) and r"a\xe2\x80\xaeb" in answer  # what turns the direction of writing
    assert "\x1b" not in answer and "\u009b" not in answer and "\x07" not in answer and r"\x1b]0;owned\x07" in answer


def test_groups_cannot_steer_a_terminal(tmp_path):
    for folder in (tmp_path / "s.zarr", tmp_path / "s.zarr/\x1b[31mred"):
        folder.mkdir()
        (folder / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    answer = info("--group", "\x1b[31mred", tmp_path / "s.zarr")
    assert answer.returncode == 0 and "\x1b" not in answer.stdout and r"group \x1b[31mred" in answer.stdout


def test_names_in_errors_cannot_steer_a_terminal(tmp_path):
    array = tmp_path / "s.zarr" / "v\x1b]0;owned\x07"
    array.mkdir(parents=True)
    (tmp_path / "s.zarr/.zgroup").write_text('{"zarr_format": 2}')
    (array / ".zarray").write_text('{"zarr_format": 2, "shape": [-1]}')
    answer = info(tmp_path / "s.zarr")
    assert answer.returncode == 6 and "\x1b" not in answer.stderr and "\x07" not in answer.stderr
    assert r"v\x1b]0;owned\x07" in answer.stderr


def test_several_files_and_failures(tmp_path):
    good = tmp_path / "good.nc"
    xr.Dataset({"a": ("x", [1, 2])}).to_netcdf(good)
    (tmp_path / "empty.nc").write_bytes(b"")
    (tmp_path / "cut.nc").write_bytes(good.read_bytes()[:200])
    (tmp_path / "text.nc").write_text("no array here\n")
    answer = info(good, tmp_path / "missing.nc", tmp_path / "empty.nc", tmp_path / "cut.nc", tmp_path / "text.nc", good)
    assert answer.stdout.count("Data variables:") == 2 and answer.returncode == 3
    for name in ("missing.nc", "empty.nc", "cut.nc", "text.nc"):
        assert any(name in line for line in answer.stderr.splitlines()), name
    assert info(tmp_path / "cut.nc").returncode == 6
    assert info(tmp_path).returncode != 0


def test_usage():
    def run(*arguments):
        return subprocess.run([CRATON, *arguments], capture_output=True, text=True, timeout=20)

    assert run().returncode == 2 and run("--help").returncode == 0 and run("--version").stdout.startswith("craton ")
    assert run("infos").returncode == 2 and "no command" in run("infos").stderr
    assert "--attrs" in run("info", "--help").stdout == run("help", "info").stdout
    assert run("info").returncode == 2 and "Usage" in run("info").stderr
    assert run("info", "--colour").returncode == 2
    with open("/dev/full", "w") as full:
        assert subprocess.run([CRATON, "info", NETCDF[0]], stdout=full, stderr=subprocess.PIPE).returncode == 10


def test_group(tmp_path):
    xr.Dataset({"a": ("x", [1])}).to_netcdf(tmp_path / "f.nc")
    xr.Dataset({"b": ("y", [1, 2, 3])}).to_netcdf(tmp_path / "f.nc", mode="a", group="inner/deep")
    assert "inner" in info(tmp_path / "f.nc").stdout
    assert "b " in info("--group", "inner/deep", tmp_path / "f.nc").stdout
    assert info("--group", "outer", tmp_path / "f.nc").returncode == 3
