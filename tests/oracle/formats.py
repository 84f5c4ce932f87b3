"""Reads files with libcraton through the test program format_dump, for comparison with other libraries.

CRATON_BUILD names the build directory (default: build/ of the source tree)."""

import json
import os
import pathlib
import subprocess
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CRATON_BUILD", ROOT / "build"))
DUMP = BUILD / "tests" / "unit" / "engine" / "format_dump"
WRITE = BUILD / "tests" / "unit" / "engine" / "format_write"

# The order of cr_dtype.
DTYPES = ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "S", "O"]


class CratonError(Exception):
    def __init__(self, status, message):
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class Variable:
    def __init__(self, d, directory, index):
        self.__dict__.update(d)
        self.dtype = DTYPES[d["dtype"]]
        self.attrs = {k: attr_value(v) for k, v in d["attrs"].items()}
        self.values = None
        if "failure" in d:
            self.failure = CratonError(d["failure"]["status"], d["failure"]["error"])
            return
        self.failure = None
        raw = pathlib.Path(directory) / f"{index}.raw"
        if "strings" in d:
            self.values = np.array(d["strings"], dtype=object).reshape(self.shape)
        elif raw.exists():
            dtype = f"S{self.itemsize}" if self.dtype == "S" else self.dtype
            data = raw.read_bytes()
            self.values = np.frombuffer(data, dtype=dtype).reshape(self.shape) if data else np.empty(self.shape, dtype)
        if self.fill is not None:
            dtype = f"S{self.itemsize}" if self.dtype == "S" else self.dtype
            self.fill = np.frombuffer(bytes.fromhex(self.fill), dtype)[0]


def attr_value(a):
    """A string, a list of strings, or a 1-d array."""
    kind = DTYPES[a["dtype"]]
    if kind == "O":
        return a["values"][0] if len(a["values"]) == 1 else a["values"]
    if kind in ("f2", "f4", "f8"):
        return np.array([float.fromhex(v) if v not in ("nan", "-nan", "inf", "-inf") else float(v) for v in a["values"]], kind)
    return np.array([int(v) for v in a["values"]], kind)


class File:
    def __init__(self, d, directory):
        self.format = d["format"]
        self.dims = {x["name"]: x["length"] for x in d["dims"]}
        self.unlimited = {x["name"] for x in d["dims"] if x["unlimited"]}
        self.attrs = {k: attr_value(v) for k, v in d["attrs"].items()}
        self.groups = d["groups"]
        self.variables = {v["name"]: Variable(v, directory, i) for i, v in enumerate(d["variables"])}

    def __getitem__(self, name):
        return self.variables[name]


def run(*args, timeout=120):
    """Output of a program that must end by itself, with status 0 or 1."""
    p = subprocess.run([str(a) for a in args], capture_output=True, timeout=timeout)
    assert p.returncode in (0, 1), f"{args}: exit {p.returncode}\n{p.stderr.decode(errors='replace')[-4000:]}"
    assert not p.stderr, p.stderr.decode(errors="replace")[-4000:]
    return p.returncode, p.stdout


def read(path, group=""):
    with tempfile.TemporaryDirectory(prefix="craton-oracle-") as directory:
        code, out = run(DUMP, path, group, directory)
        d = json.loads(out)
        if code:
            raise CratonError(d["status"], d["error"])
        return File(d, directory)


def same(a, b):
    """Equal bits, NaN payloads aside."""
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape, (a.shape, b.shape)
    if a.dtype.kind in "fc" and b.dtype.kind in "fc":
        assert a.dtype.newbyteorder("=") == b.dtype.newbyteorder("="), (a.dtype, b.dtype)
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(np.signbit(a[~np.isnan(a)]), np.signbit(b[~np.isnan(b)]))
    else:
        np.testing.assert_array_equal(a, b)
