"""Operations on lazy arrays, by their NumPy names: all of them, once this module is imported.

One table, `FUNCTIONS`, answers three callers: the methods and operators of Array, the namespace that xarray asks for, and
NumPy's own functions called on an Array (`__array_function__`). The modules that fill it, each of which imports only those before it
(or while it is called):

    functions      the table itself, and the words of a refusal
    windows        views of moving windows, which know what they are a view of
    conversion     values of every kind as lazy arrays; other types of elements
    shapes         axes moved, added, taken away; arrays joined, repeated
    making         new arrays
    rolling        what xarray's rolling() makes, as one operation
    elementwise    ufuncs, and functions made of them
    moving         moving windows made and reduced
    reductions     sums, means, extremes, spreads
    products       einsum and its relatives
    along          in order along one axis: running sums, differences, filling of gaps
    quantiles      quantiles and medians
    padding        more elements before and behind

times (datetime64, timedelta64) and bynumpy (text, and what the engine has not) are imported when they are needed.
"""

from importlib import import_module

from .functions import FUNCTIONS, unsupported

for _name in ("shapes", "making", "elementwise", "moving", "reductions", "products", "along", "quantiles", "padding"):
    import_module(f"craton.{_name}")

# What needs more than the engine has today: the reason, and what to write instead.
MISSING = {
    "nonzero": "How many elements are true is not known without computing: call .compute() on the mask, as in where(mask.compute(), drop=True).",
    "cross": "Write the products of the components.",
}


def _missing(name, instead):
    def f(*args, **kwargs):
        raise unsupported(name, instead)

    f.__name__ = name
    return f


for _name, _instead in MISSING.items():
    FUNCTIONS[_name] = _missing(_name, _instead)
