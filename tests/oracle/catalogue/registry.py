"""The programs by name.

A program is a short function of a Dataset (fields.py), as users write them:

    programs("select", first_day=lambda ds: ds.tas.isel(time=0))

adds "select/first_day". A function of two arguments also gets a Run (outcomes.py), which opens files for it. Options:

    on        which data, by the names in fields.py; with several, one program for each: "group/month_mean@noleap"
    asks      the program asks for values (float(), .values, a plot): computing is what it is for
    exact     values must be the same bit for bit (selections, shapes); else within the tolerance of their type
    single    float32 data go into results of float64: the tolerance of float32
"""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Program:
    name: str
    kind: str
    function: Callable
    on: str
    asks: bool
    exact: bool
    single: bool


PROGRAMS = {}


def programs(kind, /, *, on=("standard",), asks=False, exact=False, single=False, **functions):
    for name, function in functions.items():
        for data in on:
            full = f"{kind}/{name}" + (f"@{data}" if len(on) > 1 else "")
            if full in PROGRAMS:
                raise ValueError(f"two programs are called {full}")
            PROGRAMS[full] = Program(full, kind, function, data, asks, exact, single)

