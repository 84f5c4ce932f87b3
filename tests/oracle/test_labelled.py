"""Random labelled programs: xarray on Craton against xarray on NumPy, and against itself with other threads and memory limits."""

import cells
import labelled
import numpy as np
import pytest
import xarray as xr

import craton

craton.enable()
OPERATIONS = sorted(labelled.CATALOGUE)
CELLS = cells.chosen(OPERATIONS, labelled.CALENDARS)
COUNTS = cells.Counts(CELLS, cells.every(OPERATIONS, labelled.CALENDARS))
# The reference is the program itself, in the types of its input, where nothing is accumulated.
PLAIN = ("comparison", "where", "functions", "combine", "shape")


def case(cell):
    rng = labelled.rng_of(cells.SEED, *str(cell).encode())
    ds = labelled.dataset(rng, cell)
    return rng, ds, labelled.CATALOGUE[cell.operation](rng, ds)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_labelled_program(cell):
    rng, ds, function = case(cell)
    what = f"seed {cells.SEED}: {cell}"
    try:
        expected = labelled.run(function, ds)
    except (TypeError, ValueError, OverflowError) as error:
        with pytest.raises((TypeError, ValueError, OverflowError, NotImplementedError)):
            labelled.run(function, labelled.chunked(rng, ds, cell.chunks)).compute()
            pytest.fail(f"{what}: NumPy refuses it: {error}")
        return COUNTS.add(cell, refused=True)
    exact = expected if cell.operation in PLAIN else labelled.run(function, labelled.in_double(ds))
    lazy = labelled.run(function, labelled.chunked(rng, ds, cell.chunks))
    assert labelled.lazy_variables(lazy), f"{what} is not lazy"
    answer = lazy.compute()
    labelled.same_labels(answer, expected, what)
    # corr() and cov() mask whole numbers of one and two bytes, which xarray makes float32 for that.
    narrow = cell.operation == "products" and any(v.dtype.kind in "iu" and v.dtype.itemsize < 4 for v in ds.variables.values())
    labelled.same_values(answer, exact, what, single=narrow or any(v.dtype == np.float32 for v in ds.variables.values()))
    COUNTS.add(cell)


@pytest.mark.parametrize("cell", CELLS[cells.SEED % 12 :: 12], ids=str)
def test_bits_of_labelled_programs(cell):
    rng, ds, function = case(cell)
    try:
        lazy = labelled.run(function, labelled.chunked(rng, ds, cell.chunks))
    except (TypeError, ValueError, NotImplementedError):
        return  # what NumPy refuses too, as above
    reference = None
    for threads, memory in ((1, None), (2, "16 MiB"), (7, None)):
        with craton.set_options(threads=threads, memory_limit=memory):
            answer = lazy.compute()
        if reference is not None:
            xr.testing.assert_identical(answer, reference)
            for k in labelled.lazy_variables(lazy):
                a, b = (o.to_dataset(name="__value__") if isinstance(o, xr.DataArray) else o for o in (answer, reference))
                assert a[k].values.tobytes() == b[k].values.tobytes(), f"seed {cells.SEED}: {cell}, {k}, {threads} threads, memory {memory}"
        reference = answer


def test_no_cell_is_empty(request):
    cells.check(request.session.items, "test_labelled_program", COUNTS)
