"""Random labelled programs: xarray on Craton against xarray on NumPy, and against itself with other threads and memory limits."""

import labelled
import numpy as np
import pytest
import xarray as xr

import craton

craton.enable()
NAMES = sorted(labelled.CATALOGUE)


def case(seed):
    rng = labelled.rng_of(seed)
    ds = labelled.dataset(rng)
    name = NAMES[seed % len(NAMES)]
    function = labelled.CATALOGUE[name](rng, ds)
    return rng, ds, name, function


@pytest.mark.parametrize("seed", range(labelled.SEED, labelled.SEED + labelled.CASES))
def test_labelled_program(seed):
    rng, ds, name, function = case(seed)
    expected = labelled.run(function, ds)
    exact = labelled.run(function, labelled.in_double(ds)) if name not in ("comparison", "where", "functions", "combine", "shape") else expected
    lazy = labelled.run(function, labelled.chunked(rng, ds))
    what = f"seed {seed}: {name}"
    assert labelled.lazy_variables(lazy), f"{what} is not lazy"
    answer = lazy.compute()
    labelled.same_labels(answer, expected, what)
    labelled.same_values(answer, exact, what, single=any(v.dtype == np.float32 for v in ds.variables.values()))


@pytest.mark.parametrize("seed", range(labelled.SEED, labelled.SEED + labelled.CASES, 6))
def test_bits_of_labelled_programs(seed):
    rng, ds, name, function = case(seed)
    lazy = labelled.run(function, labelled.chunked(rng, ds))
    reference = None
    for threads, memory in ((1, None), (2, "16 MiB"), (7, None)):
        with craton.set_options(threads=threads, memory_limit=memory):
            answer = lazy.compute()
        if reference is not None:
            xr.testing.assert_identical(answer, reference)
            for k in labelled.lazy_variables(lazy):
                a, b = (o.to_dataset(name="__value__") if isinstance(o, xr.DataArray) else o for o in (answer, reference))
                assert a[k].values.tobytes() == b[k].values.tobytes(), f"seed {seed}: {name}, {k}, {threads} threads, memory {memory}"
        reference = answer
