"""The catalogue: every program under Craton against plain NumPy, and the count against dask.

In ./check every program runs with one chunking, chosen by the seed, and a sample of them under dask; with CRATON_LONG every program
runs with all chunkings, and under dask with one of them. A table of all outcomes is written to $CRATON_RESULTS/catalogue.tsv.
"""

import collections
import csv
import fnmatch
import importlib
import importlib.util
import os
import pathlib
import pkgutil
import random
import tempfile

import catalogue
import pytest
from catalogue import fields, outcomes
from catalogue.registry import PROGRAMS

import craton

craton.enable()
for module in pkgutil.iter_modules(catalogue.__path__):
    if module.name.startswith("kinds_"):
        importlib.import_module(f"catalogue.{module.name}")

SEED = int(os.environ.get("CRATON_SEED", "1"))
LONG = bool(os.environ.get("CRATON_LONG"))
WITHOUT_DASK = importlib.util.find_spec("dask") is None  # ./check lean
DASK_SHARE = 1 if LONG else 0.06

with open(pathlib.Path(catalogue.__file__).with_name("expected.tsv"), encoding="utf-8") as file:
    EXPECTED = [line for line in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if line and not line[0].startswith("#")]

TABLE = collections.defaultdict(dict)  # program -> {(library, chunking): outcome}


def expected(program):
    for pattern, status, _, _ in EXPECTED:
        if fnmatch.fnmatchcase(program.name, pattern):
            return status
    return "value" if program.asks else "lazy"


def chunkings(name):
    names = list(fields.CHUNKINGS)
    return names if LONG else [random.Random(f"{SEED} {name}").choice(names)]


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name):
    program = PROGRAMS[name]
    with tempfile.TemporaryDirectory() as folder:
        reference, _, _ = outcomes.answer(program, None, None, folder)
    with_dask = random.Random(f"{SEED} dask {name}").random() < DASK_SHARE
    found = []
    for_dask = random.Random(f"{SEED} chunking {name}").choice(chunkings(name))
    for chunking in chunkings(name):
        asked = with_dask and chunking == for_dask or expected(program) == "refused"
        theirs = outcomes.judge(program, "dask", chunking, reference) if asked and not WITHOUT_DASK else None
        ours = outcomes.judge(program, "craton", chunking, reference)
        if ours.status == "obscure" and theirs is not None and ours.why == theirs.why:
            ours.status = "refused"  # xarray's own words for every lazy array
        if ours.status == "obscure" and asked and WITHOUT_DASK:
            ours.status = "refused"  # whose words they are is seen where dask is
        TABLE[name]["craton", chunking] = ours
        if theirs is not None:
            TABLE[name]["dask", chunking] = theirs
        if ours.status != expected(program):
            found.append(f"{chunking}: {ours.status} instead of {expected(program)}. {ours.why}")
    assert not found, "\n".join([f"{name}, seed {SEED}", *found])


def test_expected_lines_are_about_programs():
    for line in EXPECTED:
        assert len(line) == 4, f"four columns: {line}"
        pattern, status, state, reason = line
        assert fnmatch.filter(PROGRAMS, pattern), f"no program is called {pattern}"
        assert status in ("eager", "error", "refused", "wrong"), line
        assert state in ("accepted", "pending") and len(reason) > 10, line


def test_there_are_enough_programs_of_every_kind():
    kinds = collections.Counter(p.kind for p in PROGRAMS.values())
    assert len(PROGRAMS) >= 900
    assert min(kinds.values()) >= 5, kinds


def test_as_many_lazy_and_right_as_dask():
    """Of the programs that ran under both: at least as many as dask, counting what is pending for us."""
    pending = [pattern for pattern, _, state, _ in EXPECTED if state == "pending"]
    counts = collections.Counter()
    behind = []
    for name, found in TABLE.items():
        for (library, chunking), theirs in found.items():
            if library != "dask":
                continue
            ours = found["craton", chunking]
            right = ours.right or any(fnmatch.fnmatchcase(name, p) for p in pending)
            counts["dask"] += theirs.right
            counts["craton"] += right
            if theirs.right and not right:
                behind.append(f"{name} [{chunking}]: {ours.status}")
    if not counts:
        pytest.fail("no program ran under dask")
    # A sample may by chance hold more of the accepted differences.
    allowance = 0 if LONG else 3
    assert counts["craton"] + allowance >= counts["dask"], "\n".join([str(dict(counts)), *behind])


@pytest.fixture(scope="module", autouse=True)
def table():
    yield
    folder = os.environ.get("CRATON_RESULTS")
    if not folder:
        return
    with open(pathlib.Path(folder) / "catalogue.tsv", "w", encoding="utf-8") as file:
        out = csv.writer(file, delimiter="\t", lineterminator="\n")
        out.writerow(["program", "library", "chunking", "outcome", "in Python, block by block", "why"])
        for name, found in sorted(TABLE.items()):
            for (library, chunking), outcome in sorted(found.items()):
                out.writerow([name, library, chunking, outcome.status, "; ".join(outcome.in_python), outcome.why])
