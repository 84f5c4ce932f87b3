"""xarray's own tests, as its released and pinned package brings them, on arrays of Craton.

They reach the chunked arrays they speak of by three names of `xarray.tests`: dask_array_api, dask_array_type and raise_if_dask_computes. Here these are
Craton's, and `craton.enable()` makes `.chunk()` and `chunks=` give arrays of Craton. So `pytest tests/xarray` collects, beside the
test files of this folder, the modules that modules.txt names, unchanged; of them the tests whose code speaks of chunks or dask.

expected.tsv says what does not pass and why. A line that is no longer true fails, as does a test that fails and has no line. ./check runs a
sample, chosen by CRATON_SEED, with CRATON_LONG all of them.
"""

import asyncio
import collections
import contextlib
import importlib
import inspect
import os
import re
import sys
import types
import zlib
import zoneinfo
from pathlib import Path

import lazyapi
import pytest

pytest.register_assert_rewrite("xarray.tests")

import xarray  # noqa: E402
import xarray.tests  # noqa: E402

import craton  # noqa: E402
from craton import runtime  # noqa: E402

HERE = Path(__file__).parent
THEIRS = Path(xarray.tests.__file__).parent
SEED = int(os.environ.get("CRATON_SEED", "1"))
LONG = bool(os.environ.get("CRATON_LONG"))
SHARE = 6                          # one test of so many in ./check
ABOUT = re.compile(r"chunk|dask|lazy|backend")
OUTCOMES = ("fails", "skips", "may skip", "apart")


# ---- three names ----------------------------------------------------------------------------------------------------------


class _Counted:
    def __init__(self, context, counted):
        self._context, self._counted = context, counted

    def __getattr__(self, name):
        return getattr(self._context, name)

    def compute(self, *args):
        self._counted()
        return self._context.compute(*args)

    def compute_to(self, *args):
        self._counted()
        return self._context.compute_to(*args)


@contextlib.contextmanager
def raise_if_craton_computes(max_computes=0):
    """What xarray's raise_if_dask_computes does with dask's scheduler."""
    make, total = runtime.context, 0

    def counted():
        nonlocal total
        total += 1
        if total > max_computes:
            raise RuntimeError(f"Too many computes. Total: {total} > max: {max_computes}.")

    runtime.context = lambda: make() if getattr(runtime._here, "depth", 0) else _Counted(make(), counted)
    try:
        yield
    finally:
        runtime.context = make


xarray.tests.dask_array_api = lazyapi
xarray.tests.dask_array_type = craton.Array
xarray.tests.raise_if_dask_computes = raise_if_craton_computes
craton.enable()
# Modules are imported that need packages which nothing else here does, for single tests that have nothing to do with chunks: dask's data frames
# (pyarrow), and pytz for a time zone.
for _name in ("dask.dataframe", "pytz"):
    with contextlib.suppress(ImportError):
        importlib.import_module(_name)
    sys.modules.setdefault(_name, types.ModuleType(_name))
sys.modules["pytz"].timezone = zoneinfo.ZoneInfo

from xarray.tests import conftest as _theirs  # noqa: E402

# Their fixtures: pytest looks for them here.
globals().update({name: value for name, value in vars(_theirs).items() if type(value).__name__ == "FixtureFunctionDefinition"})


def pytest_configure(config):
    for name in ("asyncio", "flaky", "mypy", "network", "skip_if_param", "skip_with_dask_array", "slow", "slow_hypothesis"):
        config.addinivalue_line("markers", f"{name}: of xarray's")
    config.pluginmanager.register(Judging(), "judging")


# ---- collecting -------------------------------------------------------------------------------------------------------------


class Modules(pytest.File):
    """modules.txt."""

    def collect(self):
        for line in self.path.read_text(encoding="utf-8").splitlines():
            name = line.partition("#")[0].strip()
            if name:
                yield pytest.Module.from_parent(self, path=THEIRS / f"{name}.py", nodeid=name)


def pytest_collect_file(file_path, parent):
    return Modules.from_parent(parent, path=file_path) if file_path == HERE / "modules.txt" else None


def key(item):
    """module::Class::test[parameters], as expected.tsv has it."""
    return item.nodeid.removeprefix("tests/xarray/").removeprefix("modules.txt::")


def is_theirs(item):
    return item.path.parent == THEIRS


def speaks_of_chunks(item):
    """Its code, or a parameter's name, or a fixture that gives arrays of both kinds; not the half of it that is NumPy's."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    if any(params.get(name) is False for name in ("use_dask", "dask", "chunk")):
        return False
    if ABOUT.search(item.name) or "use_dask" in item.fixturenames:
        return True
    with contextlib.suppress(OSError, TypeError):
        return bool(ABOUT.search(inspect.getsource(item.function))) or bool(item.cls and "setUp" in dir(item.cls) and ABOUT.search(
            inspect.getsource(item.cls.setUp)))  # fmt: skip
    return False


def cannot_run(item):
    """Libraries that are not installed, the network: by marks, before they run."""
    if item.get_closest_marker("network"):
        return True
    params = item.callspec.params if hasattr(item, "callspec") else {}
    for mark in item.iter_markers("skip_if_param"):  # of a plugin of xarray's that is not released
        wanted = {k: v for k, v in mark.kwargs.items() if k not in ("reason", "condition")}
        if mark.kwargs.get("condition", True) and all(k in params and params[k] == v for k, v in wanted.items()):
            return True
    return any(m.name == "skip" or m.name == "skipif" and any(m.args) for m in item.iter_markers())


def pattern(text):
    return re.compile(re.escape(text).replace(r"\*", ".*"))


def read_expected(path=HERE / "expected.tsv"):
    """[(pattern, outcome, reason)]"""
    lines = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != 3 or fields[1] not in OUTCOMES or len(fields[2]) < 10:
            raise pytest.UsageError(f"{path}, line {number}: pattern, one of {OUTCOMES}, and a reason, with tabs between them")
        lines.append((pattern(fields[0]), fields[1], fields[2]))
    return lines


def pytest_collection_modifyitems(config, items):
    lines, used = read_expected(), set()
    kept, dropped, whole = [], [], not config.option.keyword
    for item in items:
        if not is_theirs(item) and item.module.__name__ != "test_backends_of_craton":
            kept.append(item)
            continue
        line = next((n for n, (p, _, _) in enumerate(lines) if p.fullmatch(key(item))), None)
        item.expected = lines[line][1:] if line is not None else None
        if is_theirs(item) and not speaks_of_chunks(item) or cannot_run(item):
            dropped.append(item)
            continue
        if line is not None:
            used.add(line)
        if item.expected and item.expected[0] == "apart" or whole and not LONG and (zlib.crc32(key(item).encode()) + SEED) % SHARE:
            dropped.append(item)
        else:
            kept.append(item)
    all_there = {is_theirs(item) for item in items} == {True, False} and whole
    unused = [p.pattern for n, (p, _, _) in enumerate(lines) if n not in used]
    if all_there and unused:
        raise pytest.UsageError(f"expected.tsv has lines about tests that are not there: {unused[:20]}")
    config.hook.pytest_deselected(items=dropped)
    items[:] = kept


# ---- judging ----------------------------------------------------------------------------------------------------------------


COUNTS = collections.Counter()


class Judging:
    """A plugin of its own: pytest does not ask a conftest about files that lie outside of its folder."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem):
        """Coroutines: xarray runs them by a plugin."""
        if not inspect.iscoroutinefunction(pyfuncitem.obj):
            return None
        asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}))
        return True

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        expected = getattr(item, "expected", None)
        wanted = {"fails": "failed", "skips": "skipped"}.get(expected[0]) if expected else None
        if hasattr(report, "wasxfail"):                     # a mark of xarray's: it knows of it
            del report.wasxfail
            report.outcome = "passed"
        elif expected and expected[0] == "may skip" and report.when == "call" and report.outcome == "skipped":
            report.outcome, report.longrepr = "passed", None
            COUNTS["skipped"] += 1
        elif wanted is None or report.when != "call":
            pass
        elif report.outcome == wanted:
            report.outcome, report.longrepr = "passed", None
            COUNTS[wanted] += 1
        else:
            text = f"expected.tsv: it {expected[0]} ({expected[1]}); it has {report.outcome}"
            report.longrepr = text if report.outcome != "failed" else f"{text}\n{report.longrepr}"
            report.outcome = "failed"
        if report.when == "call":
            COUNTS["all"] += 1
        return report


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"xarray's own tests: {COUNTS['all']} ran, {COUNTS['failed']} failed and {COUNTS['skipped']} skipped as expected.tsv says")


@pytest.fixture(autouse=True)
def settings_stay():
    """A test that fails in between leaves nothing behind for the next one."""
    from xarray.core.options import OPTIONS

    before, ours = dict(OPTIONS), dict(runtime.OPTIONS)
    yield
    OPTIONS.clear()
    OPTIONS.update(before)
    runtime.OPTIONS.update(ours)
