"""ffill and bfill of NumPy arrays, by which Craton's are compared: xarray has them of numbagg or bottleneck, which are not asked for what is right."""

import unittest.mock

import numpy as np
import pandas as pd
import xarray as xr


def push(array, n=None, axis=-1):
    """The last value that is not missing, at most n steps back."""
    array = np.moveaxis(np.asarray(array), axis, 0)
    here = np.arange(len(array)).reshape((-1,) + (1,) * (array.ndim - 1))
    last = np.maximum.accumulate(np.where(pd.isnull(array), -1, here))
    filled = np.where(last < 0, array, np.take_along_axis(array, np.maximum(last, 0), 0))
    return np.moveaxis(np.where(here - last <= (len(array) if n is None else n), filled, array), 0, axis)


def filling(program):
    """A program in which xarray fills NumPy arrays by push()."""

    def prepared(ds):
        with xr.set_options(use_bottleneck=True), unittest.mock.patch("xarray.core.duck_array_ops._push", push):
            return program(ds)

    return prepared
