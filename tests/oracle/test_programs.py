"""Random array programs: Craton against NumPy, and against itself with other threads and memory limits."""

import pickle

import cells
import numpy as np
import programs
import pytest

import craton
from craton import _craton
from craton.elementwise import ALIASES
from craton.operations import FUNCTIONS, MISSING

CELLS = programs.comparable(cells.chosen(programs.OPERATIONS, left_out=programs.left_out, most=8))
COUNTS = cells.Counts(CELLS, programs.comparable(cells.every(programs.OPERATIONS, left_out=programs.left_out)))


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_operation(cell):
    """One operation on every element type, kind of chunks and pattern of missing values."""
    try:
        values = programs.run_cell(cell)
    except programs.Refused:
        return COUNTS.add(cell, refused=True)
    answers = craton.compute(*(v.lazy for v in values))
    for value, answer in zip(values, answers):
        programs.check(value, answer, f"seed {cells.SEED}, {cell}, {value.lazy!r}")
    COUNTS.add(cell)


@pytest.mark.parametrize("operation", programs.OPERATIONS)
def test_what_is_left_out_is_refused(operation):
    for dtype in (t for o, t in cells.without([operation], programs.left_out)):
        if (operation, np.dtype(dtype).kind) not in programs.NOT_COMPARABLE:
            programs.refuse_cell(operation, dtype)


def test_every_function_is_drawn():
    """What lazy arrays can do by NumPy's names is an operation of the cells, or programs.NOT_DRAWN says why not."""
    drawn = {name for o in programs.OPERATIONS for name in o.split()} | set(programs.NOT_DRAWN)
    same = {id(FUNCTIONS[name]) for name in drawn if name in FUNCTIONS}
    ufuncs = [name for name in dir(np) if isinstance(getattr(np, name), np.ufunc) and _craton.map_arity(ALIASES.get(name, name))]
    left = [n for n in FUNCTIONS if n not in drawn and n not in MISSING and id(FUNCTIONS[n]) not in same] + [n for n in ufuncs if ALIASES.get(n, n) not in drawn]
    assert not left, f"neither drawn nor in NOT_DRAWN: {', '.join(left)}"
    assert not [n for n in programs.NOT_DRAWN if n not in FUNCTIONS]


def test_no_cell_is_empty(request):
    cells.check(request.session.items, "test_operation", COUNTS)


@pytest.mark.parametrize("seed", range(programs.SEED, programs.SEED + programs.CASES))
def test_array_program(seed):
    values = programs.run_program(seed)
    lazy = [v.lazy for v in values]
    answers = craton.compute(*lazy)
    for i, (value, answer) in enumerate(zip(values, answers)):
        programs.check(value, answer, f"seed {seed}, value {i} from the end, {value.lazy!r}")


@pytest.mark.parametrize("seed", range(programs.SEED, programs.SEED + programs.CASES, 5))
def test_bits_do_not_depend_on_threads_or_memory(seed):
    lazy = [v.lazy for v in programs.run_program(seed, length=8)]
    lazy = pickle.loads(pickle.dumps(lazy))
    reference = None
    for threads, memory in ((1, None), (2, None), (7, None), (2, "16 MiB"), (7, "24 MiB")):
        with craton.set_options(threads=threads, memory_limit=memory):
            answers = [np.ascontiguousarray(a).tobytes() for a in craton.compute(*lazy)]
        reference = answers if reference is None else reference
        assert answers == reference, f"seed {seed}: {threads} threads, memory {memory}"
    for i, a in enumerate(lazy):
        assert np.ascontiguousarray(a.compute()).tobytes() == reference[i], f"seed {seed}: value {i} alone differs from together"
