"""What users set: options of the process, and the one word that puts Craton under xarray."""

from .chunks import parse_bytes
from .runtime import OPTIONS, options_changed

LEAST_MEMORY, MOST_MEMORY, MOST_THREADS = 1 << 20, 1 << 62, 1024  # as context.c has it


def _memory(value):
    n = 0 if value is None else parse_bytes(value)
    if n and not LEAST_MEMORY <= n <= MOST_MEMORY:
        raise ValueError(f"craton: memory_limit={value!r}: it is at least 1 MiB, as in '2 GiB', or None for the default")
    return n


def _threads(value):
    n = 0 if value is None else int(value)
    if not 0 <= n <= MOST_THREADS:
        raise ValueError(f"craton: threads={value!r}: 1 to {MOST_THREADS} are possible, or None for the default")
    return n


_CHECKS = {
    "memory_limit": _memory,
    "threads": _threads,
    "progress": bool,
    "implicit_compute": lambda v: v,
}


class set_options:
    """Options of this process; as a context manager, for the time of the block.

    memory_limit       bytes, or text like "2 GiB", that computations may hold beyond their results. None: a quarter of what
                       the machine or the container allows.
    threads            worker threads. None: what the machine or the container allows.
    progress           True shows a bar for computations that take longer than half a second.
    implicit_compute   what happens when a library would load a whole lazy array by itself: "raise", "warn" or "allow".
    """

    def __init__(self, **options):
        unknown = set(options) - set(OPTIONS)
        if unknown:
            raise ValueError(f"craton: there is no option {', '.join(sorted(unknown))}; options are {', '.join(OPTIONS)}")
        if options.get("implicit_compute", "raise") not in ("raise", "warn", "allow"):
            raise ValueError("craton: implicit_compute is 'raise', 'warn' or 'allow'")
        new = {name: _CHECKS[name](value) for name, value in options.items()}
        self._old = {name: OPTIONS[name] for name in new}
        self._apply(new)

    @staticmethod
    def _apply(values):
        changed = any(OPTIONS[name] != values[name] for name in ("memory_limit", "threads") if name in values)
        OPTIONS.update(values)
        if changed:
            options_changed()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._apply(self._old)


def progress():
    """`with craton.progress(): ...` shows a bar, the rate and the time left."""
    return set_options(progress=True)


def enable():
    """Makes Craton what xarray works with, in this process: chunks belong to Craton unless dask is asked for by name, and
    groupby and resample of lazy arrays run in Craton (through flox, where it is installed)."""
    import xarray as xr

    from .floxless import reduce_without_flox
    from .groupby import install
    from .hooks import hook_xarray
    from .lightly import answer_without_dask

    answer_without_dask()   # before xarray looks for chunk managers
    try:
        xr.set_options(chunk_manager="craton")
    except ValueError as error:
        raise ImportError("craton.enable() needs xarray 2026.9 or later") from error
    install()
    reduce_without_flox()
    _quantiles_without_dask()
    hook_xarray()


def _quantiles_without_dask():
    """xarray hands a lazy array to its own quantile as it is only where dask is installed; else block by block, and refuses
    dimensions in several chunks. The array has a quantile of its own: whether dask is there does not matter."""
    from xarray.core import variable
    from xarray.namedarray.utils import module_available

    asked = ("dask", "2024.11.0")
    if module_available(*asked) or variable.module_available is not module_available:
        return
    variable.module_available = lambda module, minversion=None: (module, minversion) == asked or module_available(module, minversion)
