"""What `craton` does with files: arithmetic between them, ensembles, points and tables as CSV, one result in several files, comparison of two,
statistics of what is stored; dimensions by what they are; and what people are told who come from CDO. Against xarray and NumPy.
"""
import csv
import io
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

CRATON = Path(os.environ["CRATON_BUILD"]) / "src/cli/craton"
DATA = Path(os.environ["CRATON_DATA"])
SEED = int(os.environ.get("CRATON_SEED", "1"))


def craton(*arguments, status=0, cwd=None):
    answer = subprocess.run([CRATON, *map(str, arguments)], capture_output=True, text=True, timeout=120, cwd=cwd, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert answer.returncode == status, f"{arguments}: {answer.stderr}{answer.stdout}"
    return answer


def opened(path):
    with xr.open_dataset(path, engine="zarr" if Path(path).is_dir() else "netcdf4") as ds:
        return ds.load()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two fields on the same labels, with names of dimensions that say nothing, and holes."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng([SEED, 21])
    time = np.datetime64("1999-11-16", "ns") + np.arange(0, 400 * 7, 7).astype("m8[D]")
    for name in ("a", "b"):
        values = rng.normal(280, 9, (400, 3, 6, 8))
        values[rng.random(values.shape) < 0.1] = np.nan
        ds = xr.Dataset({"tas": (("t", "z", "y", "x"), values, {"units": "K", "grid_mapping": "crs"}), "orog": (("y", "x"), rng.random((6, 8))), "crs": ((), 0)},
                        {"t": ("t", time, {"bounds": "t_bnds"}), "z": ("z", [1000.0, 850, 500], {"units": "hPa", "positive": "down"}),
                         "y": ("y", np.arange(6) * 10.0, {"units": "degrees_north"}), "x": ("x", np.arange(8) * 45.0, {"units": "degrees_east"})})  # fmt: skip
        ds.to_netcdf(folder / f"{name}.nc")
    return folder


def test_arithmetic_between_files(folder, tmp_path):
    a, b = opened(folder / "a.nc"), opened(folder / "b.nc")
    craton("calc", "* - obs.*", folder / "a.nc", f"obs={folder}/b.nc", "-o", tmp_path / "all.nc")
    ours = opened(tmp_path / "all.nc")
    np.testing.assert_array_equal(ours.tas, a.tas - b.tas)
    np.testing.assert_array_equal(ours.orog, a.orog - b.orog)
    craton("calc", "m.tas - (o.\"tas\" | mean time)", f"m={folder}/a.nc", f"o={folder}/b.n?", "-o", tmp_path / "two.nc")
    np.testing.assert_allclose(opened(tmp_path / "two.nc").tas, a.tas - b.tas.mean("t"), rtol=1e-12)
    craton("calc", "*, b.extra", folder / "a.nc", f"b={tmp_path}/more.nc", status=3)
    (b[["tas"]].rename(tas="extra")).to_netcdf(tmp_path / "more.nc")
    craton("calc", "*, b.extra", folder / "a.nc", f"b={tmp_path}/more.nc", "-o", tmp_path / "merged.nc")
    assert set(opened(tmp_path / "merged.nc").data_vars) == {"tas", "orog", "crs", "extra"}
    assert "no file is called c" in craton("calc", "c.tas", folder / "a.nc", status=3).stderr
    answer = craton("calc", "b.nothing", folder / "a.nc", f"b={folder}/b.nc", status=3).stderr
    assert "no variable nothing in b" in answer and "tas, orog" in answer
    b.assign_coords(t=b.t + np.timedelta64(1, "D")).to_netcdf(tmp_path / "later.nc")
    assert "labels of t differ" in craton("calc", "tas - b.tas", folder / "a.nc", f"b={tmp_path}/later.nc", status=2).stderr
    # A file whose name has "=" in it is that file.
    (tmp_path / "x=1.nc").write_bytes((folder / "a.nc").read_bytes())
    craton("calc", "tas | max", "x=1.nc", cwd=tmp_path)


def test_ensembles(folder, tmp_path):
    a, b = opened(folder / "a.nc"), opened(folder / "b.nc")
    both = xr.concat([a.tas, b.tas], "member")
    craton("calc", "m = tas | mean member; s = tas | std1 member; q = tas | quantile 0.9 member; m, s, q", folder / "a.nc", folder / "b.nc", "--along", "member",
           "-o", tmp_path / "out.nc")  # fmt: skip
    ours = opened(tmp_path / "out.nc")
    np.testing.assert_allclose(ours.m, both.mean("member"), rtol=1e-13)
    np.testing.assert_allclose(ours.s, both.std("member", ddof=1), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(ours.q, both.quantile(0.9, "member"), rtol=1e-13)
    rows = craton("calc", "tas | mean time lev lat lon", "a.nc", "b.nc", "--along", "member", "-f", "csv", cwd=folder).stdout.splitlines()
    assert rows[0] == "member,tas" and [r.split(",")[0] for r in rows[1:]] == ["a.nc", "b.nc"]
    answer = craton("calc", "tas", folder / "a.nc", folder / "b.nc", status=2).stderr
    assert "--along member" in answer and "NAME=FILE" in answer


@pytest.mark.parametrize("ours, theirs", [
    ("mean lat lon", lambda t: t.mean(["y", "x"])), ("max lev", lambda t: t.max("z")), ("sel lev=850 lat=10:30", lambda t: t.sel(z=850, y=slice(10, 30))),
    ("rolling time=3 mean", lambda t: t.rolling(t=3).mean()), ("resample time=\"14D\" max", lambda t: t.resample(t="14D").max()),
    ("groupby(\"time.month\") mean time", lambda t: t.groupby("t.month").mean()), ("transpose lon lat lev time", lambda t: t.transpose("x", "y", "z", "t")),
    ("isel longitude=-1 level=0", lambda t: t.isel(x=-1, z=0)), ("sel lon=-90:90", lambda t: t.roll(x=2).isel(x=slice(0, 5))),
])  # fmt: skip
def test_dimensions_by_what_they_are(folder, tmp_path, ours, theirs):
    craton("calc", f"tas | {ours}", folder / "a.nc", "-o", tmp_path / "out.nc")
    wanted = theirs(opened(folder / "a.nc").tas)
    got = opened(tmp_path / "out.nc").tas
    assert got.dims == wanted.dims
    np.testing.assert_allclose(got.values, wanted.values, rtol=1e-12)
    assert "has no dimension depth" in craton("calc", "tas | mean depth", folder / "a.nc", status=3).stderr


def test_lines(folder, tmp_path):
    """Slope and rest where values are missing, by NumPy's fit of each series."""
    craton("calc", "b = tas | trend time; r = tas | detrend time; l = tas | trend lev; b, r, l", folder / "a.nc", "-o", tmp_path / "out.nc")
    ours, tas = opened(tmp_path / "out.nc"), opened(folder / "a.nc").tas
    years = ((tas.t - tas.t[0]) / np.timedelta64(1, "s")).values / (365.2425 * 86400)
    values = tas.values.reshape(400, -1)
    for k in range(values.shape[1]):
        there = np.isfinite(values[:, k])
        slope, at = np.polyfit(years[there], values[there, k], 1)
        assert ours.b.values.ravel()[k] == pytest.approx(slope, rel=1e-8, abs=1e-9)
        np.testing.assert_allclose(ours.r.values.reshape(400, -1)[there, k], values[there, k] - at - slope * years[there], atol=1e-8)
    assert (np.isnan(ours.r.values) == np.isnan(tas.values)).all() and ours.b.attrs["units"] == "K year-1" and ours.r.attrs["units"] == "K"
    z = tas.z.values
    whole = np.isfinite(tas.values).all(1)
    slopes = np.polyfit(z, tas.values.transpose(1, 0, 2, 3)[:, whole], 1)[0]
    np.testing.assert_allclose(ours.l.values[whole], slopes, rtol=1e-9, atol=1e-11)
    assert np.isnan(craton_value(folder, "tas.isel(time=[0]) | trend time | isel lev=0 lat=0 lon=0"))


def craton_value(folder, expression):
    value = json.loads(craton("calc", expression, folder / "a.nc", "--json").stdout)["data_vars"]["tas"]["data"]
    return np.nan if value is None else value


def test_points_as_csv(folder, tmp_path):
    tas = opened(folder / "a.nc").tas
    craton("calc", "tas.sel(lev=850) | points lat=[11, 50, 0] lon=[-46, 100, 359]", folder / "a.nc", "-o", tmp_path / "out.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    wanted = tas.sel(z=850).sel(y=xr.DataArray([10.0, 50, 0], dims="p"), x=xr.DataArray([315.0, 90, 0], dims="p")).transpose("p", "t")
    assert list(rows[0]) == ["point", "y", "x", "t", "tas"] and len(rows) == 1200
    np.testing.assert_array_equal([float(r["tas"] or "nan") for r in rows], wanted.values.ravel())  # in all their digits
    assert any(r["tas"] == "" for r in rows) and {(r["y"], r["x"]) for r in rows} == {("10", "315"), ("50", "90"), ("0", "0")}
    assert [r["t"] for r in rows[:2]] == ["1999-11-16", "1999-11-23"]
    craton("calc", "tas", folder / "a.nc", "-o", tmp_path / "out.csv", status=4)
    assert "other dimensions" in craton("calc", "tas, orog", folder / "a.nc", "-f", "csv", status=2).stderr
    assert "lists of labels" in craton("calc", "tas | points lat=[1, 2] lon=3", folder / "a.nc", status=2).stderr
    xr.Dataset({"n": ("who", [1.0])}, {"who": ["a, \"b\""]}).to_netcdf(tmp_path / "text.nc")
    assert craton("calc", "n", tmp_path / "text.nc", "-f", "csv", "-o", "-").stdout == 'who,n\n"a, ""b""",1\n'


def test_several_files_out_of_one(folder, tmp_path):
    a = opened(folder / "a.nc")
    craton("calc", "tas, orog", folder / "a.nc", "-o", tmp_path / "y_{year}.nc")
    years = sorted(set(a.t.dt.year.values))
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"y_{y}.nc" for y in years]
    for year in years:
        ours = opened(tmp_path / f"y_{year}.nc")
        xr.testing.assert_equal(ours.tas, a.tas.isel(t=(a.t.dt.year == year).values))
        np.testing.assert_array_equal(ours.orog, a.orog)
        assert "crs" in ours and "bounds" not in ours.t.attrs  # what is named is there, or is not named
    craton("calc", "tas, orog", folder / "a.nc", "-o", tmp_path / "v/{variable}.zarr", status=3)
    (tmp_path / "v").mkdir()
    craton("calc", "tas, tas.mean(time) | name m", folder / "a.nc", "-o", tmp_path / "v/{variable}_{lev}_{season}.nc", status=3)
    assert not list((tmp_path / "v").iterdir())  # nothing is written when one of the names is wrong
    craton("calc", "tas | by season mean, tas.mean(time) | name m", folder / "a.nc", "-o", tmp_path / "v/{variable}_{lev}.nc")
    assert len(list((tmp_path / "v").glob("*.nc"))) == 6
    np.testing.assert_allclose(opened(tmp_path / "v/m_850.nc").m, a.tas.mean("t").sel(z=850), rtol=1e-12)
    assert "{depth} is no dimension" in craton("calc", "tas", folder / "a.nc", "-o", tmp_path / "{depth}.nc", status=3).stderr
    craton("calc", "tas", folder / "a.nc", "-o", tmp_path / "y_{year}.nc", status=4)


def test_diff(folder, tmp_path):
    a = opened(folder / "a.nc")
    other = a.copy(deep=True)
    other.tas.values[3, 1, 2, 2:5] = [np.nan, 300.0, a.tas.values[3, 1, 2, 4] + 1e-9]
    a.tas.values[3, 1, 2, 2:5] = [1.0, 290.0, a.tas.values[3, 1, 2, 4]]
    other["text"], a["text"] = ("y", list("abcdef")), ("y", list("abcdeg"))
    other["more"] = 1
    other["orog"] = other.orog.isel(x=slice(0, 4)).rename(x="half")
    a.to_netcdf(tmp_path / "a.nc")
    other.to_zarr(tmp_path / "b.zarr")
    assert "0 of 8 variables differ" in craton("diff", tmp_path / "a.nc", tmp_path / "a.nc").stdout
    answer = json.loads(craton("diff", tmp_path / "a.nc", tmp_path / "b.zarr", "--json", status=1).stdout)
    found = {v["name"]: v for v in answer["variables"]}
    apart = np.abs(other.tas.values - a.tas.values)
    assert found["tas"]["differ"] == 2 and found["tas"]["missing_in_one"] == 1 and found["tas"]["values"] == a.tas.size
    assert found["tas"]["most"] == np.nanmax(apart) and found["tas"]["relative"] == pytest.approx(10 / 300)
    assert found["text"]["differ"] == 1 and found["orog"]["problem"] == "other shape" and found["more"]["problem"] == "only in the second file"
    assert not answer["same"] and found["t"]["same"] and found["x"]["same"]
    page = craton("diff", tmp_path / "a.nc", tmp_path / "b.zarr", status=1).stdout
    assert "5 of 10 variables differ" in page and "0.0333333" in page
    tolerant = json.loads(craton("diff", tmp_path / "a.nc", tmp_path / "b.zarr", "--json", "--abs", "1e-6", "-v", "tas", status=1).stdout)
    assert tolerant["variables"][0]["differ"] == 1
    tolerant = json.loads(craton("diff", tmp_path / "a.nc", tmp_path / "b.zarr", "--json", "--rel", "0.04", "-v", "tas", status=1).stdout)
    assert tolerant["variables"][0]["differ"] == 0 and tolerant["variables"][0]["missing_in_one"] == 1
    big = xr.Dataset({"n": ("x", np.array([2**60, 5], "i8"))})
    big.to_netcdf(tmp_path / "n.nc")
    (big + 1).to_netcdf(tmp_path / "m.nc")  # the first of them is no double
    assert json.loads(craton("diff", tmp_path / "n.nc", tmp_path / "m.nc", "--json", status=1).stdout)["variables"][0]["differ"] == 2
    warm = xr.Dataset({"n": ("x", [1.0], {"units": "K"})})
    warm.to_netcdf(tmp_path / "k.nc")
    warm.assign(n=warm.n.assign_attrs(units="degC")).to_netcdf(tmp_path / "c.nc")
    assert 'units "K", "degC"' in craton("diff", tmp_path / "k.nc", tmp_path / "c.nc", status=1).stdout
    for wrong, code in ((["k.nc"], 2), (["k.nc", "nothing.nc"], 3), (["k.nc", "c.nc", "--abs", "x"], 2), (["k.nc", "c.nc", "-v", "z"], 3)):
        craton("diff", *wrong, status=code, cwd=tmp_path)


def test_stats(folder):
    tas = opened(folder / "a.nc").tas
    ours = json.loads(craton("info", "--stats", "--json", folder / "a.nc").stdout)["variables"]["tas"]
    assert ours["values"] == tas.size and ours["missing"] == int(tas.isnull().sum())
    assert ours["minimum"] == float(tas.min()) and ours["maximum"] == float(tas.max()) and ours["mean"] == pytest.approx(float(tas.mean()), rel=1e-13)
    lines = craton("info", "--stats", folder / "a.nc").stdout.splitlines()
    assert lines[1].split() == ["variable", "values", "missing", "minimum", "mean", "maximum"] and lines[2].split()[0] == "tas"


def test_times_of_a_year_that_is_not(tmp_path):
    """COADS counts from the year 0, which its calendar does not have: times stay numbers, and that is said."""
    answer = craton("calc", "SST | mean time", DATA / "coads_climatology.cdf", "-o", tmp_path / "out.nc")
    assert "TIME stays numbers" in answer.stderr and "year 0" in answer.stderr
    with xr.open_dataset(DATA / "coads_climatology.cdf", decode_times=False) as ds:
        np.testing.assert_allclose(opened(tmp_path / "out.nc").SST, ds.SST.astype("f8").mean("TIME"), rtol=1e-6)
    assert not craton("calc", "SST | mean", DATA / "coads_climatology.cdf", "--quiet").stderr
    assert "no dimension with times" in craton("calc", "SST | monthly mean", DATA / "coads_climatology.cdf", status=3).stderr


def test_pipes(folder):
    assert "standard input" in craton("calc", "tas", "-", status=2, cwd=folder).stderr
    assert "--format csv" in craton("calc", "tas", "a.nc", "-o", "-", status=2, cwd=folder).stderr
    line = subprocess.run(["bash", "-c", f"set -o pipefail; {CRATON} calc tas a.nc -f csv | head -1"], capture_output=True, text=True, cwd=folder, timeout=60)
    assert line.stdout == "t,z,y,x,tas\n" and not line.stderr


def test_labels_name_no_other_folder(tmp_path):
    """Files that are called by labels stay where they were wanted, whatever the labels are."""
    xr.Dataset({"n": ("who", [1.0, 2, 3])}, {"who": ["../up", "/etc/x", "{who}"]}).to_netcdf(tmp_path / "in.nc")
    (tmp_path / "out").mkdir()
    craton("calc", "n", tmp_path / "in.nc", "-o", tmp_path / "out/{who}.nc")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [".._up.nc", "_etc_x.nc", "_who_.nc"] and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("words, told", [
    (["yearmean", "in.nc", "out.nc"], "craton calc '* | yearly mean' in.nc -o out.nc"), (["-sellonlatbox,0,9,0,9", "in.nc"], "sel lon="),
    (["ncview", "in.nc"], "craton plot in.nc"), (["calc", "tas | fldmean", "a.nc"], "fldmean is here: weighted mean lat lon"),
    (["calc", "ymonstd1(tas)", "a.nc"], "by month std1"), (["calc", "tas | timpctl", "a.nc"], "quantile 0.9 time"),
    (["calc", "tas | frobnicate", "a.nc"], "craton help calc"), (["calc", "tas", "a.nc", "out.nc"], "-o out.nc"),
])  # fmt: skip
def test_who_comes_from_cdo(folder, words, told):
    answer = subprocess.run([CRATON, *words], capture_output=True, text=True, timeout=60, cwd=folder)
    assert answer.returncode in (2, 3) and told in answer.stderr and len(answer.stderr.splitlines()) <= 4, answer.stderr


def test_operands_in_either_order(folder):
    assert craton("calc", folder / "a.nc", "tas | max").stdout == craton("calc", "tas | max", folder / "a.nc").stdout
    assert craton("plot", "orog", folder / "a.nc").stdout == craton("plot", folder / "a.nc", "orog").stdout


def test_cells_that_are_no_rows(tmp_path):
    """NEMO's grid: places by latitude and longitude of each cell; files in a row by times that are no labels."""
    paths = [p for p in sorted(DATA.glob("nemo_1m_*.nc"))]
    whole = xr.concat([xr.open_dataset(p, engine="netcdf4").tos.load() for p in paths], "time_counter", join="override", coords="minimal", compat="override")
    places = [(0, -29.6), (40, 330), (-65.5, 179.9)]
    lat, lon = np.deg2rad(whole.nav_lat.values.astype("f8")), np.deg2rad(whole.nav_lon.values.astype("f8"))
    cells = []
    for y, x in np.deg2rad(places):
        near = np.sin(lat) * np.sin(y) + np.cos(lat) * np.cos(y) * np.cos(lon - x)
        cells.append(np.unravel_index(np.argmax(near), near.shape))
    craton("calc", f"tos | points lat={[p[0] for p in places]} lon={[p[1] for p in places]}", *reversed(paths), "-o", tmp_path / "points.nc")
    ours = opened(tmp_path / "points.nc")
    np.testing.assert_array_equal(ours.tos.transpose("point", "time_counter"), np.stack([whole.values[:, j, i] for j, i in cells]))
    np.testing.assert_array_equal(ours.nav_lon, [whole.nav_lon.values[c] for c in cells])
    craton("calc", "tos.sel(lat=0, lon=-29.6, method=nearest), tos | mean lat lon | name m", *paths, "-o", tmp_path / "one.nc")
    ours = opened(tmp_path / "one.nc")
    np.testing.assert_array_equal(ours.tos, whole.values[:, cells[0][0], cells[0][1]])
    np.testing.assert_allclose(ours.m, whole.astype("f8").mean(["y", "x"]), rtol=1e-6)
    assert "nav_lat" in craton("calc", "tos.sel(lat=-30:30)", paths[0], status=3).stderr
    assert "no dimension lat" in craton("calc", "tos | mean lat", paths[0], status=3).stderr


@pytest.mark.parametrize("expression, status, told", [
    ("tas | quantile 90 time", 2, "quantile 0.9"), ("tas.std", 2, "brackets: x.mean(time)"), ("mean tas", 2, "x | mean time"), ("tas | rolling time=3", 2, "rolling DIM=N mean"),
    ("tas | to C", 7, "degC"), ("tas | interp lev=[850, 2000]", 3, "go from 500 to 1000"), ("tas | interp lev=high", 2, "no number"), ("tas.sel(month=13)", 3, "no time"),
    ("tas.sel(season=XYZ)", 2, "DJF, MAM, JJA, SON"), ("tas.sel(year=2001:2000)", 2, "larger to the smaller"), ("tas | trend depth", 3, "no dimension depth"),
    ("tas.corr(t, time)", 2, "numbers"), ("tas | points z=[1, 2] y=[1]", 2, "as long as each other"), ("tas | interp lat=0:50:-1", 2, "no row"),
])  # fmt: skip
def test_what_is_said(folder, expression, status, told):
    assert told in craton("calc", expression, folder / "a.nc", status=status).stderr


def test_either_quote(folder):
    answer = json.loads(craton("calc", "tas.mean() | attrs long_name='it\\'s \"air\"' other=\"a'b\"", folder / "a.nc", "--json").stdout)["data_vars"]["tas"]["attrs"]
    assert answer["long_name"] == "it's \"air\"" and answer["other"] == "a'b"
