"""What stands for missing values, in every type: in C and at the shell it is looked for among the values as they are stored (CF 2.5.1), by a reference
written here in NumPy; under `engine="craton"` the answer is xarray's. Where the two differ `craton explain` says so, and only there.
"""
import itertools
import os
import subprocess
import warnings
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr

CRATON = Path(os.environ["CRATON_BUILD"]) / "src/cli/craton"
STORED = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"]
# The type of the attribute, and its value: odd, large, between two numbers of float32 or float64, in no integer type, between whole numbers.
FILLS = [("i1", -1), ("i2", -9999), ("i4", -2147483647), ("i8", 2**53 + 1), ("u1", 255), ("u4", 2**32 - 1), ("f4", 1e20), ("f4", -999.9), ("f8", 1e20), ("f8", -999.9),
         ("f8", -9999.0), ("f8", 16777217.0), ("f8", np.nan)]  # fmt: skip
FACTORS = {"": {}, "f4": {"scale_factor": np.float32(0.5)}, "f8": {"scale_factor": 0.5}, "both": {"scale_factor": np.float32(0.5), "add_offset": np.float32(3)},
           "whole": {"scale_factor": np.int16(3)}}  # fmt: skip


def as_stored(kind, value, stored):
    """The fill value in the type that is stored; None: no value of that type is it."""
    value, stored = np.dtype(kind).type(value), np.dtype(stored)
    if stored.kind == "f":
        with np.errstate(over="ignore"):
            return value.astype(stored)
    if np.isnan(value) or int(value) != value or not np.iinfo(stored).min <= int(value) <= np.iinfo(stored).max:
        return None
    return stored.type(int(value))


def values_of(kind, value, stored):
    """The fill value, what lies beside it, and others."""
    values = np.arange(1, 5).astype(stored)
    fill = as_stored(kind, value, stored)
    if fill is None or fill != fill:
        return values
    near = np.nextafter(fill, fill.dtype.type([-np.inf, np.inf])) if fill.dtype.kind == "f" else np.array(
        [v for v in (int(fill) - 1, int(fill) + 1) if np.iinfo(stored).min <= v <= np.iinfo(stored).max], stored)  # fmt: skip
    return np.concatenate([values, [fill], near]).astype(stored)


def cases(form):
    for (i, (kind, value)), (j, stored), turn in itertools.product(enumerate(FILLS), enumerate(STORED), range(2)):
        factor = list(FACTORS)[turn and 1 + (i + j) % 4]  # none, and one of the others
        if form == "zarr" and (factor == "both" or kind in ("f4", "i1", "i2", "u1")):
            continue  # numbers of JSON have no types: the same as others
        if (kind, value) == ("i8", 2**53 + 1) and form == "zarr":
            continue
        yield f"{stored}_{kind}_{str(value).translate(str.maketrans('-.+', 'm_p'))}_{factor}", kind, value, stored, FACTORS[factor]


def write(path, form):
    if form == "zarr":
        group = zarr.create_group(path, zarr_format=2)
        for name, kind, value, stored, factors in cases(form):
            values = values_of(kind, value, stored)
            attrs = {"missing_value": np.dtype(kind).type(value).item(), "_ARRAY_DIMENSIONS": [f"x_{name}"], **{k: np.asarray(v).item() for k, v in factors.items()}}
            group.create_array(name, data=values, fill_value=None, attributes=attrs)
        return
    with netCDF4.Dataset(path, "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, kind, value, stored, factors in cases(form):
            values = values_of(kind, value, stored)
            file.createDimension(f"x_{name}", len(values))
            v = file.createVariable(name, stored, (f"x_{name}",))
            v.set_auto_maskandscale(False)
            v[:] = values
            v.setncatts({"missing_value": np.dtype(kind).type(value), **factors})


def decoded(name, kind, value, stored, factors, like):
    """By the letter of CF, in xarray's types."""
    values = values_of(kind, value, stored)
    fill = as_stored(kind, value, stored)
    answer = values.astype(like)
    if factors:
        answer = (answer * factors["scale_factor"]).astype(like)
    if "add_offset" in factors:
        answer = (answer + factors["add_offset"]).astype(like)
    if fill is not None and fill == fill:
        answer[values == fill] = np.nan
    return answer


@pytest.mark.filterwarnings("ignore::xarray.SerializationWarning")
@pytest.mark.parametrize("form", ["netcdf4", "zarr"])
def test_every_type(tmp_path, form):
    path, out = tmp_path / "in", tmp_path / "out.zarr"
    write(path, form)
    assert subprocess.run([CRATON, "calc", "-q", "* + 0", path, "-o", out], capture_output=True, timeout=120).returncode == 0
    answer = subprocess.run([CRATON, "explain", "*", path], capture_output=True, text=True, timeout=120)
    assert answer.returncode == 0, answer.stderr
    said = dict(line.strip().split(": ", 1) for line in answer.stdout.partition("not as xarray decodes it:\n")[2].splitlines())
    kinds = {"same": 0, "differs": 0, "refused": 0}
    with xr.open_zarr(out, chunks=None, mask_and_scale=False) as ours, xr.open_dataset(path, engine=form, decode_times=False) as theirs, \
            xr.open_dataset(path, engine="craton", decode_times=False) as letter:  # fmt: skip
        for name, kind, value, stored, factors in cases(form):
            got = ours[name].values
            try:
                expected = theirs[name].load().values
            except ValueError as error:
                assert "NaN" in str(error) and "whole number" in said.pop(name) and got.dtype == "f8"
                expected, kinds["refused"] = None, kinds["refused"] + 1
            else:
                assert got.dtype == expected.dtype, name
                np.testing.assert_array_equal(letter[name].values, expected, err_msg=name)
            np.testing.assert_array_equal(got, decoded(name, kind, value, stored, factors, got.dtype), err_msg=name)
            if expected is not None:
                same = np.array_equal(got, expected, equal_nan=True)
                assert (name in said) != same, f"{name}: {got} instead of {expected}: {said.get(name)}"
                said.pop(name, None)
                kinds["same" if same else "differs"] += 1
    assert not said and min(kinds.values()) > 5, (said, kinds)
    print(form, kinds)


@pytest.mark.parametrize("stored, factors", [("i2", {}), ("i2", {"scale_factor": 0.5}), ("i4", {"scale_factor": np.float32(0.5)}), ("f4", {})])
def test_several_values(tmp_path, stored, factors):
    """_FillValue and a list in missing_value, in one step of the engine or in several."""
    with netCDF4.Dataset(tmp_path / "d.nc", "w") as file:
        file.createDimension("x", 9)
        v = file.createVariable("v", stored, ("x",), fill_value=7)
        v.set_auto_maskandscale(False)
        v[:] = [1, 7, -3, 0, 4, -5, 6, 8, 7]
        v.setncatts({"missing_value": np.array([-3, -5], stored), **factors})
    assert subprocess.run([CRATON, "calc", "-q", "v + 0", tmp_path / "d.nc", "-o", tmp_path / "out.zarr"], timeout=120).returncode == 0
    with xr.open_zarr(tmp_path / "out.zarr", chunks=None) as ours, xr.open_dataset(tmp_path / "d.nc", engine="netcdf4") as theirs:
        assert np.isnan(theirs.v).sum() == 4
        np.testing.assert_array_equal(ours.v.values, theirs.v.values)


@pytest.mark.parametrize("stored, odd, wide", [("i4", 2**24 + 1, "f8"), ("i8", 2**53 + 1, "f4"), ("u8", 2**53 + 1, "f8")])
def test_more_values_than_one_step_takes(tmp_path, stored, odd, wide):
    """One of them lies between two numbers of the floats that come out; its neighbours are values."""
    missing = np.array([3, 4, 5, 6, odd], stored)
    values = np.array([1, odd, odd - 1, *missing[:4], odd + 1, 0, 7], stored)
    scale, offset = np.float32(0.5), np.dtype(wide).type(270)
    with netCDF4.Dataset(tmp_path / "d.nc", "w") as file:
        file.createDimension("x", 10)
        v = file.createVariable("v", stored, ("x",))
        v.set_auto_maskandscale(False)
        v[:] = values
        v.setncatts({"missing_value": missing, "scale_factor": scale, "add_offset": offset})
    assert subprocess.run([CRATON, "calc", "-q", "v + 0", tmp_path / "d.nc", "-o", tmp_path / "out.zarr"], timeout=120).returncode == 0
    with xr.open_zarr(tmp_path / "out.zarr", chunks=None) as ours:
        assert ours.v.dtype == ("f4" if stored == "i8" else "f8")
        np.testing.assert_array_equal(ours.v.values, np.where(np.isin(values, missing), np.float32(np.nan), values.astype(ours.v.dtype) * scale + offset))


def test_sums_of_float32_are_told(tmp_path):
    xr.Dataset({"v": ("x", np.arange(5, dtype="f4")), "w": ("x", np.arange(5.0))}).to_netcdf(tmp_path / "d.nc")
    for expression, told in (("v | mean", True), ("v | max", False), ("w | mean", False), ("v | rolling x=2 mean", True)):
        answer = subprocess.run([CRATON, "explain", expression, tmp_path / "d.nc"], capture_output=True, text=True, timeout=120)
        assert ("float32 is summed in float64" in answer.stdout) == told, answer
