"""xarray's tests of its backends, on Craton's: what xarray writes is opened by engine="craton", what `.craton.to_netcdf` and `.craton.to_zarr` write is
opened by xarray's engines."""

import contextlib

import pytest
import xarray as xr
from xarray.tests import test_backends as theirs


class _OpenedByCraton:
    @contextlib.contextmanager
    def open(self, path, **kwargs):
        with xr.open_dataset(path, engine="craton", **kwargs) as ds:
            yield ds


class TestNetCDF4OpenedByCraton(_OpenedByCraton, theirs.TestNetCDF4Data):
    pass


class TestNetCDF4OpenedByCratonLazily(_OpenedByCraton, theirs.TestNetCDF4ViaDaskData):
    @contextlib.contextmanager
    def roundtrip(self, data, save_kwargs=None, open_kwargs=None, allow_cleanup_failure=False):
        open_kwargs = {"chunks": -1, **(open_kwargs or {})}
        with theirs.TestNetCDF4Data.roundtrip(self, data, save_kwargs or {}, open_kwargs, allow_cleanup_failure) as ds:
            yield ds


class TestNetCDF3OpenedByCraton(_OpenedByCraton, theirs.TestNetCDF3ViaNetCDF4Data):
    pass


@pytest.fixture(params=[2, 3])
def default_zarr_format(request):
    with theirs.zarr.config.set(default_zarr_format=request.param):
        yield request.param


class TestZarrOpenedByCraton(theirs.TestZarrDirectoryStore):
    @contextlib.contextmanager
    def open(self, path, **kwargs):
        with xr.open_dataset(path, engine="craton", **kwargs) as ds:
            yield ds


class _Saved:
    """As xarray's method is called; what is only for its engines is not passed on."""

    def save_netcdf(self, dataset, path, **kwargs):
        kwargs.pop("format", None), kwargs.pop("engine", None)
        return dataset.craton.to_netcdf(path, **{"mode": "w", **kwargs})


class TestNetCDF4WrittenByCraton(_Saved, theirs.CFEncodedBase):
    engine = "netcdf4"

    def save(self, dataset, path, **kwargs):
        return self.save_netcdf(dataset, path, **kwargs)

    @contextlib.contextmanager
    def create_store(self):
        with theirs.create_tmp_file() as path:
            with theirs.backends.NetCDF4DataStore.open(path, mode="w") as store:
                yield store


class TestNetCDF4WrittenAndOpenedByCraton(_OpenedByCraton, TestNetCDF4WrittenByCraton):
    pass


class TestZarrWrittenByCraton(theirs.TestZarrDirectoryStore):
    def save(self, dataset, store_target, **kwargs):
        return dataset.craton.to_zarr(store_target, **{"zarr_format": theirs.zarr.config.get("default_zarr_format"), **kwargs})


# Not collected here: the classes above are.
TestNetCDF4Data = TestZarrDirectoryStore = None
