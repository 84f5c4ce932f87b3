"""Times of all calendars, decoded by libcraton in C and by cftime."""
import os
import random
import subprocess
from fractions import Fraction
from pathlib import Path

import cftime
import pytest

SEED = int(os.environ.get("CRATON_SEED", "1"))
DRIVER = Path(os.environ["CRATON_BUILD"]) / "tests/unit/engine/cf_dates"
CALENDARS = ["standard", "gregorian", "proleptic_gregorian", "julian", "noleap", "365_day", "all_leap", "366_day", "360_day"]
UNITS = {"microseconds": 10**13, "milliseconds": 10**12, "seconds": 10**10, "sec": 10**10, "minutes": 10**9, "min": 10**9, "hours": 10**7,
         "hr": 10**7, "h": 10**7, "days": 10**6, "d": 10**6}


def decode(lines):
    answer = subprocess.run([DRIVER], input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=120, check=True)
    return answer.stdout.splitlines()


def expected(calendar, units, value):
    try:
        d = cftime.num2date(value, units, calendar, only_use_cftime_datetimes=True)
    except (ValueError, OverflowError):
        return None
    return f"{d.year} {d.month} {d.day} {d.hour} {d.minute} {d.second} {d.microsecond}"


@pytest.mark.parametrize("calendar", CALENDARS)
def test_random_times(calendar):
    rng = random.Random(f"{SEED} {calendar}")
    cases = []
    for _ in range(3000):
        unit = rng.choice(list(UNITS))
        year = rng.choice([rng.randint(1, 3000), rng.randint(1, 9999), 1582, 1, 2000])
        text = f"{year:0{rng.choice([1, 4])}d}-{rng.randint(1, 12):0{rng.choice([1, 2])}d}-{rng.randint(1, 28):02d}"
        if rng.random() < 0.5:
            text += rng.choice([" ", "T"]) + f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}" + rng.choice(["", ":07", ":07.25"])
            text += rng.choice(["", "", "Z", " +02:00", " -0530", " +03"])
        value = rng.randint(-UNITS[unit], UNITS[unit])
        cases.append((f"{unit} since {text}", value))
    got = decode(f"{calendar}|{units}|i|{value}" for units, value in cases)
    compared = 0
    for (units, value), ours in zip(cases, got, strict=True):
        theirs = expected(calendar, units, value)
        if theirs is None:
            continue
        compared += 1
        assert ours == theirs, f"seed {SEED}: {calendar} {units} {value}"
    assert compared > 2500


@pytest.mark.parametrize("calendar", CALENDARS)
def test_fractions(calendar):
    rng = random.Random(f"{SEED} float {calendar}")
    cases = [("days since 1850-01-01", rng.randint(-200000, 200000) + rng.choice([0, 0.25, 0.5, 0.125])) for _ in range(1000)]
    cases += [("hours since 1900-01-01 06:00", rng.randint(-10**6, 10**6) / 4) for _ in range(1000)]
    got = decode(f"{calendar}|{units}|f|{value!r}" for units, value in cases)
    for (units, value), ours in zip(cases, got, strict=True):
        assert ours == expected(calendar, units, value), f"seed {SEED}: {calendar} {units} {value}"


@pytest.mark.parametrize("calendar", CALENDARS)
def test_fractions_that_no_double_is(calendar):
    """Rounded to the nearest microsecond; cftime, in whose arithmetic one in five is one off, is given whole microseconds."""
    rng = random.Random(f"{SEED} seconds {calendar}")
    values = [rng.randint(-100000, 200000) + rng.randint(0, 86399) / 86400 for _ in range(1000)]
    got = decode(f"{calendar}|days since 1850-01-01|f|{value!r}" for value in values)
    for value, ours in zip(values, got, strict=True):
        exact = round(Fraction(value) * 86_400_000_000)
        assert ours == expected(calendar, "microseconds since 1850-01-01", exact), f"seed {SEED}: {calendar} {value}"


@pytest.mark.parametrize("units", ["days since 2000-02-30", "days since 2000-13-01", "days since 0000-00-00", "fortnights since 2000-01-01",
                                   "days after 2000-01-01", "days since", "days since yesterday", "days since 2000-01-01 25:00:00"])
def test_what_cftime_refuses(units):
    with pytest.raises(ValueError):
        cftime.num2date(1, units, "standard")
    assert decode([f"standard|{units}|i|1"])[0].startswith("error ")
