"""Data of the engine benches, made once per folder from fixed seeds.

    make_data.py FOLDER NAME [--small]      prints the path

w1       two bands of a satellite scene, 36 months x 2048 x 2048, int16, NetCDF-4 with deflate 4 and shuffle, chunks 1 x 512 x 512
w1-zarr  the same as Zarr 3, Blosc with Zstandard 3 and shuffle, chunks 4 x 512 x 512
w2       daily surface temperature of 20 years without leap days, 7300 x 192 x 288, float32, deflate 1 and shuffle, chunks 73 x 96 x 144
maps     the values of w2, a chunk for each day, as models write them
records  maps with an unlimited time, which NCO wants
series   the values of w2, chunks of all days x 8 x 12 cells
regions  500 regions on the grid of w1, and 0 outside of them
"""
import argparse
import os

import netCDF4
import numpy as np


def create(path, dims):
    nc = netCDF4.Dataset(path, "w")
    for name, n in dims.items():
        nc.createDimension(name, n)
    return nc


def axis(nc, name, values, **attrs):
    v = nc.createVariable(name, "f8", (name,))
    v.setncatts(attrs)
    v[:] = values


def make_w1(path, sizes):
    months, size = sizes["months"], sizes["size"]
    rng = np.random.default_rng(1)
    nc = create(path, {"time": months, "y": size, "x": size})
    axis(nc, "time", np.arange(months) * 30.4375, units="days since 2018-01-15", calendar="standard")
    axis(nc, "y", np.arange(size) * 10.0)
    axis(nc, "x", np.arange(size) * 10.0)
    land = np.cumsum(np.cumsum(rng.standard_normal((size, size)), 0), 1)
    land = (land - land.min()) / np.ptp(land)
    chunk = min(512, size)
    for band, base, swing in (("red", 900, -500), ("nir", 2200, 1800)):
        v = nc.createVariable(band, "i2", ("time", "y", "x"), zlib=True, complevel=4, shuffle=True, chunksizes=(1, chunk, chunk), fill_value=-9999)
        v.scale_factor = 0.0001
        v.set_auto_maskandscale(False)
        for t in range(months):
            field = base + swing * land * (0.6 + 0.4 * np.sin(2 * np.pi * t / 12)) + rng.normal(0, 12, (size, size))
            field = np.clip(field, 1, 9999).astype("i2")
            field[rng.random((size // 64, size // 64)).repeat(64, 0).repeat(64, 1) < 0.08] = -9999  # clouds
            v[t] = field
    nc.close()


def make_w1_zarr(path, sizes):
    import zarr
    source = netCDF4.Dataset(path_of(os.path.dirname(path), "w1", sizes is SMALL_SCENE))
    source.set_auto_maskandscale(False)
    root = zarr.open_group(path, mode="w", zarr_format=3)
    for name, v in source.variables.items():
        if v.ndim == 1:
            a = root.create_array(name, shape=v.shape, dtype=v.dtype, dimension_names=v.dimensions)
        else:
            chunks = [min(4, v.shape[0]), *v.chunking()[1:]]
            codec = zarr.codecs.BloscCodec(cname="zstd", clevel=3, shuffle="shuffle")
            a = root.create_array(name, shape=v.shape, dtype=v.dtype, chunks=chunks, compressors=codec, fill_value=-9999, dimension_names=v.dimensions)
        a.attrs.update({k: x.item() if isinstance(x, np.generic) else x for k, x in v.__dict__.items()})
        step = 4 if v.ndim > 1 else v.shape[0]
        for begin in range(0, v.shape[0], step):
            a[begin:begin + step] = v[begin:begin + step]
    source.close()


def temperature(path, sizes, chunks, unlimited=False):
    """The file of w2 without values, and its variable."""
    days, ny, nx = sizes["days"], sizes["ny"], sizes["nx"]
    nc = create(path, {"time": None if unlimited else days, "lat": ny, "lon": nx})
    axis(nc, "time", np.arange(days) + 0.5, units="days since 1995-01-01", calendar="noleap", standard_name="time")
    axis(nc, "lat", np.linspace(-90, 90, ny), units="degrees_north", standard_name="latitude")
    axis(nc, "lon", np.arange(nx) * 360 / nx, units="degrees_east", standard_name="longitude")
    v = nc.createVariable("tas", "f4", ("time", "lat", "lon"), zlib=True, complevel=1, shuffle=True,
                          chunksizes=[min(c, n) for c, n in zip(chunks, (days, ny, nx))])
    v.units = "K"
    return nc, v


def make_w2(path, sizes, chunks=(73, 96, 144), unlimited=False):
    days, ny, nx = sizes["days"], sizes["ny"], sizes["nx"]
    rng = np.random.default_rng(2)
    nc, v = temperature(path, sizes, chunks, unlimited)
    step = 73
    warm = 300 - 45 * np.sin(np.deg2rad(np.linspace(-90, 90, ny)))[:, None] ** 2
    for begin in range(0, days, step):
        t = np.arange(begin, min(begin + step, days))[:, None, None]
        season = 12 * np.sin(2 * np.pi * (t % 365) / 365) * np.sign(np.linspace(-1, 1, ny))[None, :, None]
        noise = rng.normal(0, 2, (len(t), ny, nx))
        v[begin:begin + len(t)] = np.round((warm[None] + season + noise) * 16) / 16
    nc.close()


def make_maps(path, sizes):
    make_w2(path, sizes, (1, sizes["ny"], sizes["nx"]))


def make_records(path, sizes):
    make_w2(path, sizes, (1, sizes["ny"], sizes["nx"]), unlimited=True)


def make_series(path, sizes):
    source = netCDF4.Dataset(path_of(os.path.dirname(path), "w2", sizes is SMALL["series"]))
    rows = 8
    nc, v = temperature(path, sizes, (sizes["days"], rows, 12))
    for begin in range(0, sizes["ny"], 12 * rows):
        band = source["tas"][:, begin:begin + 12 * rows].filled()
        for at in range(0, band.shape[1], rows):
            v[:, begin + at:begin + at + rows] = band[:, at:at + rows]
    nc.close()


def make_regions(path, sizes):
    """Cells of 25 x 20 with bent borders; a disc in the middle of the scene is in none."""
    size = sizes["size"]
    y, x = np.meshgrid(np.arange(size) / size, np.arange(size) / size, indexing="ij")
    row = np.clip((y + 0.015 * np.sin(40 * x)) * 25, 0, 24).astype("i4")
    column = np.clip((x + 0.015 * np.cos(35 * y)) * 20, 0, 19).astype("i4")
    region = 1 + 20 * row + column
    region[(y - 0.5) ** 2 + (x - 0.5) ** 2 < 0.01] = 0
    nc = create(path, {"y": size, "x": size})
    axis(nc, "y", np.arange(size) * 10.0)
    axis(nc, "x", np.arange(size) * 10.0)
    nc.createVariable("region", "i4", ("y", "x"), zlib=True)[:] = region
    nc.close()


SCENE, YEARS = {"months": 36, "size": 2048}, {"days": 7300, "ny": 192, "nx": 288}
SMALL_SCENE, SMALL_YEARS = {"months": 12, "size": 256}, {"days": 730, "ny": 48, "nx": 72}
MAKERS = {"w1": make_w1, "w1-zarr": make_w1_zarr, "w2": make_w2, "maps": make_maps, "records": make_records, "series": make_series, "regions": make_regions}
FULL = {"w1": SCENE, "w1-zarr": SCENE, "w2": YEARS, "maps": YEARS, "records": YEARS, "series": YEARS, "regions": SCENE}
SMALL = {"w1": SMALL_SCENE, "w1-zarr": SMALL_SCENE, "w2": SMALL_YEARS, "maps": SMALL_YEARS, "records": SMALL_YEARS, "series": SMALL_YEARS, "regions": SMALL_SCENE}


def path_of(folder, name, small):
    kind = name.rpartition("-")[2] if name.endswith("-zarr") else "nc"
    path = os.path.join(folder, f"{name.removesuffix('-zarr')}{'-small' if small else ''}.{kind}")
    if not os.path.exists(path):
        MAKERS[name](path + ".part", (SMALL if small else FULL)[name])
        os.replace(path + ".part", path)
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("name", choices=MAKERS)
    parser.add_argument("--small", action="store_true")
    o = parser.parse_args()
    print(path_of(o.folder, o.name, o.small))
