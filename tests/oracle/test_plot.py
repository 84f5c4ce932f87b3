"""`craton plot`: the colours of known cells, against NumPy; places of the Earth in rows and for each cell; arrays larger than the picture; lines and
histograms; SVG as XML; the terminal with and without colours; what is refused.

A pixel is turned back into a value by the picture's own colour bar, whose ends are the limits; the bar itself must rise in lightness.
"""
import base64
import io
import os
import pty
import re
import subprocess
import xml.etree.ElementTree
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PIL import Image

BUILD = Path(os.environ["CRATON_BUILD"])
CRATON = BUILD / "src/cli/craton"
DATA = Path(os.environ["CRATON_DATA"])
SEED = int(os.environ.get("CRATON_SEED", "1"))
GREY = (0xC8, 0xC8, 0xC8)
SVG = "{http://www.w3.org/2000/svg}"


def craton(*arguments, status=0, **env):
    answer = subprocess.run([CRATON, *map(str, arguments)], capture_output=True, text=True, timeout=120,
                            env={**os.environ, "LC_ALL": "C.UTF-8", "COLUMNS": "80", **env})
    assert answer.returncode == status, f"{arguments}: {answer.stderr}{answer.stdout}"
    return answer


def lightness(rgb):
    """L* of CIE 1976 of sRGB."""
    c = np.asarray(rgb, "f8") / 255
    y = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]
    return np.where(y > 0.008856, 116 * np.cbrt(y) - 16, 903.3 * y)


class Picture:
    """An SVG: the field and the colour bar as they lie in it, and the texts. The same is checked to be in the PNG."""

    def __init__(self, path):
        self.root = xml.etree.ElementTree.parse(path).getroot()
        self.images = [(Image.open(io.BytesIO(base64.b64decode(i.get("{http://www.w3.org/1999/xlink}href").split(",")[1]))), i)
                       for i in self.root.findall(SVG + "image")]
        self.texts = [t.text for t in self.root.findall(SVG + "text") if t.text]
        if self.images:
            self.field = np.asarray(self.images[0][0])
            self.bar = np.asarray(self.images[1][0])[::-1, 0]

    def values(self, low, high):
        """NaN where it is grey."""
        packed, which = np.unique(self.field.reshape(-1, 3).astype("i4") @ [1 << 16, 1 << 8, 1], return_inverse=True)
        colours = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], -1)
        distance = np.abs(colours[:, None] - self.bar.astype("i4")).sum(-1)
        grey = np.all(colours == GREY, -1)
        assert np.all((distance.min(-1) <= 6) | grey), "a colour that is not in the bar"
        return np.where(grey, np.nan, low + distance.argmin(-1) / 255 * (high - low))[which].reshape(self.field.shape[:2])


def picture(path, *arguments):
    out = path.parent / (path.stem + ".svg")
    craton("plot", path, *arguments, "-o", out, "--force")
    return Picture(out)


def saved(tmp_path, ds, name="in.nc", **kwargs):
    ds.to_netcdf(tmp_path / name, **kwargs)
    return tmp_path / name


def earth(values, lat, lon, **attrs):
    return xr.Dataset({"v": (("lat", "lon"), values, attrs)}, {"lat": ("lat", lat, {"units": "degrees_north"}),
                                                               "lon": ("lon", lon, {"units": "degrees_east"})})


@pytest.mark.parametrize("falling", [False, True])
def test_cells_have_their_colours(tmp_path, falling):
    """Each cell of a small map: north is above, east is right, missing is grey; the file in Zarr gives the same picture."""
    values = np.random.default_rng([SEED, 1]).permutation(24).reshape(4, 6).astype("f4")
    values[1, 2] = np.nan
    ds = earth(values, np.array([-45.0, -15, 15, 45]), np.arange(30.0, 390, 60), units="K")
    ds = ds.isel(lat=slice(None, None, -1)) if falling else ds
    path = saved(tmp_path, ds)
    p = picture(path)
    low, high = np.nanmin(values), np.nanmax(values)
    h, w = p.field.shape[:2]
    got = p.values(low, high)[h // 8::h // 4, w // 12::w // 6][:4, :6]
    np.testing.assert_allclose(got, ds.v.sortby("lat", ascending=False), atol=(high - low) / 200)
    assert {"60°E", "180°", "60°W", "0°", "30°N", "30°S", "v [K]"} <= set(p.texts), p.texts
    ds.to_zarr(tmp_path / "in.zarr", consolidated=False)
    assert np.array_equal(picture(tmp_path / "in.zarr").field, p.field)


def test_colour_maps(tmp_path):
    """Lightness rises evenly; with both signs 0 is white and in the middle, falls evenly to both sides."""
    p = picture(saved(tmp_path, earth(np.arange(6.0).reshape(2, 3) + 1, [0, 1], [0, 1, 2])))
    steps = np.diff(lightness(p.bar[::5]))
    assert np.all(steps > 0.2) and steps.max() < 4 * steps.mean(), steps
    p = picture(saved(tmp_path, earth(np.arange(6.0).reshape(2, 3) - 2, [0, 1], [0, 1, 2])))
    light = lightness(p.bar[::5])
    assert np.all(p.bar[127:129] > 235) and np.all(np.diff(light)[:24] > 0) and np.all(np.diff(light)[-24:] < 0)
    np.testing.assert_allclose(light[:25], light[::-1][:25], atol=6)
    np.testing.assert_allclose(p.values(-3, 3)[-10, 10], -2, atol=0.05)
    p = picture(saved(tmp_path, earth(np.linspace(-0.5, 30, 6).reshape(2, 3), [0, 1], [0, 1, 2])))
    assert np.all(np.diff(lightness(p.bar[::5])) > 0.2)            # hardly anything is below 0: one direction


def test_limits(tmp_path):
    path = saved(tmp_path, earth(np.arange(6.0).reshape(2, 3), [0, 1], [0, 1, 2]))
    p = picture(path, "--low", "1", "--high", "4")
    got = p.values(1, 4)
    assert got[-1, 0] == 1 and got[0, -1] == 4 and abs(got[-1, -1] - 2) < 0.02


def test_cells_with_places_of_their_own(tmp_path):
    """A turned grid: each pixel near a cell has its value; the seam of longitudes is covered from both sides."""
    i, j = np.meshgrid(np.linspace(-1, 1, 60), np.linspace(-1, 1, 80), indexing="ij")
    lat, lon = 30 * i + 12 * j + 5, 179 + 25 * j - 14 * i
    value = lat * 2 + np.sin(np.deg2rad(lon)) * 10
    lon = (lon + 180) % 360 - 180
    attrs = {"lat": {"units": "degrees_north"}, "lon": {"units": "degrees_east"}}
    ds = xr.Dataset({"v": (("y", "x"), value)}, {"lat": (("y", "x"), lat, attrs["lat"]), "lon": (("y", "x"), lon, attrs["lon"])})
    p = picture(saved(tmp_path, ds), "v", "--low", "-100", "--high", "100")
    h, w = p.field.shape[:2]
    got = p.values(-100, 100)
    turned = np.where(lon < 0, lon + 360, lon)
    side = max(np.ptp(turned), np.ptp(lat)) / 80 / 2 + 0.01
    west, east, south, north = turned.min() - side, turned.max() + side, lat.min() - side, lat.max() + side
    pixel = got[((north - lat) / (north - south) * h).astype(int), ((turned - west) / (east - west) * w).astype(int)]
    assert not np.isnan(pixel).any()
    np.testing.assert_allclose(pixel, value, atol=3)
    assert np.isnan(got[5, 5]) and np.isnan(got[-5, -5]) and 0.3 < np.isfinite(got).mean() < 0.9


def test_the_ocean_model(tmp_path):
    """NEMO's grid, whose cells turn around two poles: sea is coloured, land is not."""
    path = DATA / "nemo_1m_20150101-20150201_grid-T.nc"
    craton("plot", path, "-o", tmp_path / "x.svg")
    p = Picture(tmp_path / "x.svg")
    ds = xr.open_dataset(path, decode_times=False)
    known = next(v for v in ds.data_vars.values() if v.attrs.get("long_name") == "Sea Surface Temperature").isel(time_counter=0).values
    got = p.values(np.nanmin(known), np.nanmax(known))
    h, w = got.shape
    lon, lat, sea = ds.nav_lon.values % 360, ds.nav_lat.values, known
    x = np.clip((lon + 0.5) / 360 * w, 0, w - 1).astype(int)
    north, south = min(lat.max() + 0.6, 90), lat.min() - 0.6
    y = np.clip((north - lat) / (north - south) * h, 0, h - 1).astype(int)
    open_sea = np.isfinite(sea) & (np.abs(lat) < 55)
    assert np.mean(np.abs(got[y, x] - sea)[open_sea] < 2) > 0.97
    land = ~np.isfinite(sea) & (np.abs(lat) < 55)
    assert np.mean(np.isnan(got[y, x])[land]) > 0.9
    assert "Sea Surface Temperature" in p.texts and "Sea Surface Temperature [degree_C]" in p.texts


def test_larger_than_the_picture(tmp_path):
    """Means of all cells, not every fourth: a board of 0 and 1 is 0.5 all over; a corner without values is grey; within a memory limit, and the same
    bytes for any number of threads."""
    board = ((np.arange(3000)[:, None] + np.arange(5000)[None]) % 2).astype("f4")
    board[:600, :1000] = np.nan
    ds = earth(board, np.linspace(-80, 80, 3000), np.linspace(0, 359, 5000))
    path = saved(tmp_path, ds, encoding={"v": {"chunksizes": (500, 500), "zlib": True, "complevel": 1}})
    p = picture(path, "--memory", "48M", "-t", "1", "--low", "0", "--high", "1")
    bytes_of_one = (tmp_path / "in.svg").read_bytes()
    got = p.values(0, 1)
    h, w = got.shape
    np.testing.assert_allclose(got[:int(h * 0.78)], 0.5, atol=0.04)
    np.testing.assert_allclose(got[:, int(w * 0.22):], 0.5, atol=0.04)
    assert np.isnan(got[int(h * 0.82):, :int(w * 0.18)]).all()
    picture(path, "--memory", "48M", "-t", "3", "--low", "0", "--high", "1")
    assert (tmp_path / "in.svg").read_bytes() == bytes_of_one


def test_png_is_the_same_picture(tmp_path):
    path = saved(tmp_path, earth(np.arange(48.0).reshape(6, 8), np.arange(6), np.arange(8), long_name="name", units="m"))
    p = picture(path)
    craton("plot", path, "-o", tmp_path / "a.png")
    craton("plot", path, "-o", tmp_path / "b.png", "--width", "1920")
    small, large = Image.open(tmp_path / "a.png"), Image.open(tmp_path / "b.png")
    small.load(), large.load()
    assert small.mode == "RGB" and small.width == 960 and large.width == 1920 and abs(large.height - 2 * small.height) <= 2
    x, y = (round(float(p.images[0][1].get(k))) for k in ("x", "y"))
    h, w = p.field.shape[:2]
    inside = np.asarray(small)[y + 2:y + h - 2, x + 2:x + w - 2]
    assert np.array_equal(inside, p.field[2:-2, 2:-2])
    pixels = np.asarray(small)
    assert (pixels[5:40, x:x + 80] < 100).any() and np.all(pixels[-3:] == 255)            # a title is drawn; paper to the edge
    assert (pixels[y:y + h, :x - 8].min(-1) < 100).any() and (pixels[y + h + 8:, x:x + w].min(-1) < 100).any()


def line(tmp_path, values, **attrs):
    return saved(tmp_path, xr.Dataset({"v": ("time", values, attrs)},
                                      {"time": xr.date_range("2000-01-01", periods=len(values), freq="h", calendar="noleap", use_cftime=True)}))


def points(p):
    """All lines of the data, as lists of (x, y)."""
    lines = [e.get("points") for e in p.root.findall(SVG + "polyline") if e.get("stroke") == "#1f5fa8"]
    return [np.array([[float(v) for v in xy.split(",")] for xy in text.split()]) for text in lines]


def test_line(tmp_path):
    """As many points as values, in proportion; a gap where values are missing; months of the calendar below."""
    values = np.random.default_rng([SEED, 2]).random(600)
    values[200:210] = np.nan
    p = picture(line(tmp_path, values, units="m s-1"))
    first, second = points(p)
    assert len(first) == 200 and len(second) == 390
    xy = np.concatenate([first, second])
    kept = np.isfinite(values)
    for got, wanted in ((xy[:, 0], np.arange(600.0)[kept]), (xy[:, 1], -values[kept])):
        scaled = (got - got[0]) / (got[-1] - got[0]) - (wanted - wanted[0]) / (wanted[-1] - wanted[0])
        assert np.abs(scaled).max() < 1e-3
    assert {"2000-01-11", "v [m s-1]"} <= set(p.texts) and not any("02-29" in t for t in p.texts)


def test_no_peak_is_lost(tmp_path):
    values = np.zeros(100_000)
    values[54_321], values[77_777] = 5, -7
    p = picture(line(tmp_path, values))
    (xy,) = points(p)
    assert len(xy) < 5000
    left, right = xy[:, 0].min(), xy[:, 0].max()
    for at, extreme in ((54_321, xy[:, 1].argmin()), (77_777, xy[:, 1].argmax())):
        assert abs((xy[extreme, 0] - left) / (right - left) - at / 1e5) < 1e-3


@pytest.mark.parametrize("bins", [1, 7, 40])
def test_histogram_counts(tmp_path, bins):
    values = np.random.default_rng([SEED, 3]).normal(size=(50, 40))      # none on a border, which may differ in the last bit
    values[3] = np.nan
    path = saved(tmp_path, xr.Dataset({"v": (("y", "x"), values)}))
    known, borders = np.histogram(values[np.isfinite(values)], bins)
    text = craton("plot", path, "--bins", bins).stdout
    rows = re.findall(r"^ *(-?[\d.e-]+) [█▏▎▍▌▋▊▉]* ?(\d+)$", text, re.M)
    assert [int(n) for _, n in rows] == known.tolist() and "40 are missing" in text
    np.testing.assert_allclose([float(b) for b, _ in rows], borders[:-1], rtol=1e-4, atol=1e-4)
    p = picture(path, "--hist", "--bins", bins)
    bars = [float(r.get("height")) for r in p.root.findall(SVG + "rect") if r.get("fill") == "#1f5fa8"]
    np.testing.assert_allclose(np.array(bars) / max(bars), known[known > 0] / known.max(), rtol=1e-4)


def test_first_of_other_dimensions(tmp_path):
    ds = xr.Dataset({"small": ("z", [1.0]), "v": (("time", "level", "y", "x"), np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5))},
                    {"time": xr.date_range("2001-02-03", periods=2), "level": [1000.0, 850, 500]})
    path = saved(tmp_path, ds)
    p = picture(path)
    assert "time 2001-02-03 (first of 2), level 1000 (first of 3)" in p.texts and p.texts[0] == "v"
    assert abs(p.values(0, 19)[-1, -1] - 4) < 0.1 or abs(p.values(0, 19)[0, -1] - 19) < 0.1
    p = picture(path, "v | isel time=1 level=2 | mean x")
    assert not any("first of" in t for t in p.texts) and len(points(p)[0]) == 4


def test_names_of_files_are_text(tmp_path):
    """What a file says cannot end an element, nor steer a terminal."""
    name = "<b>&amp; \"x\" ]]> \x1b[31m \x07 é漢"
    path = saved(tmp_path, earth(np.arange(6.0).reshape(2, 3), [0, 1], [0, 1, 2], long_name=name, units="<script>"))
    p = picture(path)
    assert p.texts[0] == re.sub(r"[\x00-\x1f]", " ", name) and not p.root.findall(".//" + SVG + "script")
    craton("plot", path, "-o", tmp_path / "x.png")
    shown = craton("plot", path).stdout
    assert "\x1b" not in shown and "\x07" not in shown and "\\x1b[31m" in shown


def on_terminal(*arguments, **env):
    """What a terminal gets."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update({"LC_ALL": "C.UTF-8", "COLUMNS": "60", "TERM": "xterm-256color", **env})
        os.execv(CRATON, ["craton", *map(str, arguments)])
    out = b""
    while True:
        try:
            more = os.read(terminal, 65536)
        except OSError:
            break
        if not more:
            break
        out += more
    os.close(terminal)
    assert os.waitpid(child, 0)[1] == 0, out
    return out.decode()


def test_terminal(tmp_path):
    path = saved(tmp_path, earth(np.arange(48.0).reshape(6, 8), np.linspace(-50, 50, 6), np.arange(0, 80, 10.0), units="K"))
    coloured = on_terminal("plot", path, COLORTERM="truecolor")
    assert "\x1b[38;2;" in coloured and "▀" in coloured and coloured.count("\x1b[0m") >= 10
    assert "\x1b[38;5;" in on_terminal("plot", path, COLORTERM="")
    for text in (on_terminal("plot", path, NO_COLOR="1"), craton("plot", path).stdout):
        assert "\x1b" not in text and {"░", "▒", "▓", "█"} <= set(text)
    for text in (on_terminal("plot", path, "--ascii"), craton("plot", path, LC_ALL="C").stdout):
        assert text.isascii() and "\x1b" not in text and "v [K]" in text
        rows = [row[9:] for row in text.replace("\r", "").splitlines()[1:-2]]
        marks = ".:-=+*#%@"
        assert marks.index(rows[0][-1]) > marks.index(rows[-2][0]) and len({len(r) for r in rows[:-1]}) == 1
    assert max(len(row) for row in craton("plot", path, COLUMNS="40").stdout.splitlines()) <= 60


def test_line_on_the_terminal(tmp_path):
    path = line(tmp_path, np.arange(100.0))
    rows = craton("plot", path, "--ascii").stdout.splitlines()[1:-1]
    places = [row.find("*") for row in rows]
    assert min(places) > 0 and places == sorted(places, reverse=True)           # it rises
    assert re.search(r"[\u2801-\u28ff]", craton("plot", path).stdout)


def test_what_is_refused(tmp_path):
    path = saved(tmp_path, earth(np.arange(6.0).reshape(2, 3), [0, 1], [0, 1, 2]).assign(
        word=("lat", ["a", "b"]), one=5.0, none=(("lat", "lon"), np.full((2, 3), np.nan)), far=("lat", [-1e308, 1e308])))
    for arguments, status, pattern in (
            ((), 2, "needs the name of a file"), ((path, "v", "w"), 2, "needs the name of a file"), ((path, "v", "-o", "x.jpg"), 2, r"End it in \.png or \.svg"),
            ((path, "nothing"), 3, "nothing"), ((path, "v +"), 2, r"\^"), ((path, "word"), 2, "not numbers"), ((path, "one"), 2, "a single value"),
            ((path, "none"), 2, "missing"), ((path, "v, far"), 2, "2 results"), ((path, "v", "--low", "x"), 2, "--low is a number"),
            ((path, "v", "--low", "5", "--high", "1"), 2, "above the highest"), ((path, "v", "--width", "9"), 2, "200 to"),
            ((path, "v", "--bins", "5000"), 2, "1 to 1000"), ((path, "v", "--ascii", "-o", "x.png"), 2, "one of both"),
            ((path, "far"), None, "cannot be drawn"), ((tmp_path / "no.nc",), 3, "no.nc"), ((path, "v", "-o", tmp_path / "no/x.png"), 3, "no")):  # fmt: skip
        answer = subprocess.run([CRATON, "plot", *map(str, arguments)], capture_output=True, text=True, timeout=60, cwd=tmp_path)
        assert answer.returncode == status or (status is None and answer.returncode > 0), (arguments, answer)
        assert re.search(pattern, answer.stderr) and not answer.stdout, (arguments, answer.stderr)
    assert not list(tmp_path.glob("*.png"))


def test_what_is_there_stays(tmp_path):
    path = saved(tmp_path, earth(np.arange(6.0).reshape(2, 3), [0, 1], [0, 1, 2]))
    (tmp_path / "x.png").write_text("mine")
    assert "--force" in craton("plot", path, "-o", tmp_path / "x.png", status=4).stderr and (tmp_path / "x.png").read_text() == "mine"
    craton("plot", path, "-o", tmp_path / "x.png", "--force")
    assert Image.open(tmp_path / "x.png").size[0] == 960 and len(list(tmp_path.iterdir())) == 2
