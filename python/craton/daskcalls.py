"""dask.compute(x) and its like look in what they are given for collections of dask's, and give everything else back as it is: a lazy array of
Craton, alone or in objects of xarray, would come back lazy without a word, and a write that is still to be done would not be done. They look by
asking for `__dask_graph__`, as everybody does who only wants to know whether an array is dask's. Who asks is told by the frames above the question; only a
look for something to do is refused.

Lazy arrays are asked that some dozen times in each operation of xarray, so it has to cost less than a microsecond: a few names of functions are looked at,
no module is imported.
"""

# Between the array and who wants to know: dask's own question, xarray's wrappers of it, and the parts of an object of xarray's that pass it on.
_QUESTIONS = frozenset(("is_dask_collection", "is_duck_dask_array", "__dask_graph__", "__dask_exprs__", "<dictcomp>"))
_OF_CLIENTS = ("compute", "persist")

_INSTEAD = {
    "dask.persist": "x.persist()",
    "dask.optimize": "x.compute(): what is computed together is planned together",
    "dask.visualize": "craton.explain(x), which says in words what would be done",
    "client.compute": "x.compute(cluster=client), or craton.compute(a, b, cluster=client)",
    "client.persist": "x.persist(cluster=client)",
}


def refuse(frame, what="this lazy array of Craton", instead=None):
    """frame: of who looks for __dask_graph__."""
    if frame.f_globals.get("__name__") != "dask.base":
        return
    while frame is not None and frame.f_code.co_name in _QUESTIONS:
        frame = frame.f_back
    asking = _asking(frame)
    if asking is not None:
        instead = instead or _INSTEAD.get(asking, "x.compute(), or craton.compute(a, b) for several, which are computed together")
        raise TypeError(f"craton: {asking} knows dask's own objects only, and would give {what} back as it is. Write {instead}.")


def _asking(frame):
    """Which function of dask's looks for something to do; None: none does."""
    module = _module(frame)
    if module == "dask.base":                      # unpack_collections, on behalf of the function of dask's that a user called
        name = None
        while _module(frame).partition(".")[0] == "dask":
            name, frame = frame.f_code.co_name, frame.f_back
        return f"dask.{name}"
    if module == "dask.delayed":                   # f(x) of a delayed function hands x to f, which may compute it; but the client makes lists and dicts delayed
        while _module(frame).partition(".")[0] in ("dask", "toolz", "tlz", "cytoolz"):
            frame = frame.f_back
    while _module(frame) == "distributed.client":  # comprehensions have frames of their own before Python 3.12
        if frame.f_code.co_name in _OF_CLIENTS:
            return f"client.{frame.f_code.co_name}"
        if frame.f_code.co_name not in ("<listcomp>", "<genexpr>"):
            break
        frame = frame.f_back
    return None


def _module(frame):
    return "" if frame is None else frame.f_globals.get("__name__") or ""
