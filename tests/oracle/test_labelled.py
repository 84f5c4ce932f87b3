"""Random labelled programs: xarray on Craton against xarray on NumPy, and against itself with other threads and memory limits."""

import cells
import labelled
import numpy as np
import pytest
import xarray as xr

import craton

craton.enable()
OPERATIONS = sorted(labelled.CATALOGUE)
CELLS = cells.chosen(OPERATIONS, labelled.CALENDARS, labelled.left_out, most=7)
COUNTS = cells.Counts(CELLS, cells.every(OPERATIONS, labelled.CALENDARS, labelled.left_out))
# The reference is the program itself, in the types of its input, where nothing is accumulated.
PLAIN = ("comparison", "where", "functions", "combine", "shape", "cast", "clip", "shift", "roll", "diff", "ffill", "bfill", "construct", "first_last")
REFUSALS = (TypeError, ValueError, OverflowError, AttributeError)     # AttributeError: .dt of numbers


def case(cell, attempt=0):
    rng = labelled.rng_of(cells.SEED, *str(cell).encode(), *[attempt] * (attempt > 0))
    ds = labelled.dataset(rng, cell)
    return rng, ds, labelled.CATALOGUE[cell.operation](rng, ds)


def refused(rng, ds, function, cell, what):
    """Whether xarray refuses a program on NumPy, as Craton does then; or makes Python objects, which have no place in lazy arrays."""
    try:
        expected = labelled.run(function, ds)
    except REFUSALS as error:
        with pytest.raises((*REFUSALS, NotImplementedError)):
            labelled.run(function, labelled.chunked(rng, ds, cell.chunks)).compute()
            pytest.fail(f"{what}: NumPy refuses it: {error}")
        return None
    return None if cell.dtype in cells.TIMES and labelled.has_objects(expected) else expected


def accepted(cell):
    """The first program of a cell that xarray takes on NumPy, with what it answers; None: of numbers one is drawn only, of times, of which most forms of an
    operation are refused, some."""
    for attempt in range(30 if cell.dtype in cells.TIMES else 1):
        rng, ds, function = case(cell, attempt)
        expected = refused(rng, ds, function, cell, f"seed {cells.SEED}: {cell}, attempt {attempt}")
        if expected is not None:
            return rng, ds, function, expected
    return None


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_labelled_program(cell):
    found = accepted(cell)
    if found is None:
        assert cell.dtype not in cells.TIMES, f"{cell}: xarray refuses every form that was drawn: labelled.left_out() should say why"
        return COUNTS.add(cell, refused=True)
    rng, ds, function, expected = found
    what = f"seed {cells.SEED}: {cell}"
    exact = expected if cell.operation in PLAIN or cell.dtype in cells.TIMES else labelled.run(function, labelled.in_double(ds))
    lazy = labelled.run(function, labelled.chunked(rng, ds, cell.chunks))
    assert labelled.lazy_variables(lazy), f"{what} is not lazy"
    answer = lazy.compute()
    labelled.same_labels(answer, expected, what)
    # corr() and cov() mask whole numbers of one and two bytes, which xarray makes float32 for that.
    narrow = cell.operation == "products" and any(v.dtype.kind in "iu" and v.dtype.itemsize < 4 for v in ds.variables.values())
    labelled.same_values(answer, exact, what, single=narrow or any(v.dtype == np.float32 for v in ds.variables.values()), half=cell.dtype == "f2")
    COUNTS.add(cell)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_is_left_out_is_refused(operation):
    """By xarray on NumPy, and by Craton; or by Craton alone, with its reason in the docs."""
    for dtype in (t for o, t in cells.without([operation], labelled.left_out)):
        alone = labelled.left_out(operation, dtype).startswith("Craton")
        for attempt in range(2):
            cell = cells.Cell(operation, dtype, "standard", "halves", "scattered")
            rng, ds, function = case(cell, attempt)
            what = f"{cell} is left out: {labelled.left_out(operation, dtype)}"
            if alone:
                with pytest.raises((TypeError, NotImplementedError), match="craton: |Cannot|not supported|cannot"):
                    labelled.run(function, labelled.chunked(rng, ds, cell.chunks)).compute()
                    pytest.fail(what)
            else:
                assert refused(rng, ds, function, cell, what) is None, f"{what}; xarray has an answer"


@pytest.mark.parametrize("cell", CELLS[cells.SEED % 12 :: 12], ids=str)
def test_bits_of_labelled_programs(cell):
    found = accepted(cell)
    if found is None:
        return  # what NumPy refuses too, as above
    rng, ds, function, _ = found
    lazy = labelled.run(function, labelled.chunked(rng, ds, cell.chunks))
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
