"""A catalogue of small xarray programs, run with NumPy (the reference), with dask and with Craton.

    fields.py       the data that the programs work on
    registry.py     how a program is written down; all of them by name
    kinds_*.py      the programs
    outcomes.py     running one and judging what came of it
    expected.tsv    where the outcome under Craton is not "lazy and right", with the reason
"""
