"""Data of the engine benches, made once per folder from a fixed seed.

w1  two bands of a satellite scene, 36 months x 2048 x 2048, int16, NetCDF-4 with deflate 4 and shuffle, chunks 1 x 512 x 512
w2  daily surface temperature of 20 years without leap days, 7300 x 192 x 288, float32, deflate 1 and shuffle, chunks 73 x 96 x 144
"""
import os

import netCDF4
import numpy as np


def create(path, dims):
    nc = netCDF4.Dataset(path + ".part", "w")
    for name, n in dims.items():
        nc.createDimension(name, n)
    return nc


def axis(nc, name, values, **attrs):
    v = nc.createVariable(name, "f8", (name,))
    v.setncatts(attrs)
    v[:] = values


def make_w1(path, months=36, size=2048):
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


def make_w2(path, days=7300, ny=192, nx=288):
    rng = np.random.default_rng(2)
    nc = create(path, {"time": days, "lat": ny, "lon": nx})
    axis(nc, "time", np.arange(days) + 0.5, units="days since 1995-01-01", calendar="noleap")
    axis(nc, "lat", np.linspace(-90, 90, ny), units="degrees_north")
    axis(nc, "lon", np.arange(nx) * 360 / nx, units="degrees_east")
    step = 73
    v = nc.createVariable("tas", "f4", ("time", "lat", "lon"), zlib=True, complevel=1, shuffle=True,
                          chunksizes=(min(step, days), min(96, ny), min(144, nx)))
    v.units = "K"
    warm = 300 - 45 * np.sin(np.deg2rad(np.linspace(-90, 90, ny)))[:, None] ** 2
    for begin in range(0, days, step):
        t = np.arange(begin, min(begin + step, days))[:, None, None]
        season = 12 * np.sin(2 * np.pi * (t % 365) / 365) * np.sign(np.linspace(-1, 1, ny))[None, :, None]
        noise = rng.normal(0, 2, (len(t), ny, nx))
        v[begin:begin + len(t)] = np.round((warm[None] + season + noise) * 16) / 16
    nc.close()


MAKERS = {"w1": make_w1, "w2": make_w2}
SMALL = {"w1": {"months": 12, "size": 256}, "w2": {"days": 730, "ny": 48, "nx": 72}}


def path_of(folder, name, small):
    path = os.path.join(folder, f"{name}{'-small' if small else ''}.nc")
    if not os.path.exists(path):
        print(f"making {path}", flush=True)
        MAKERS[name](path, **(SMALL[name] if small else {}))
        os.replace(path + ".part", path)
    return path
