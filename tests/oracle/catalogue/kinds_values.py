"""Where values are asked for: numbers, NumPy, pandas, text, plots; and questions that need none."""

import copy
import pickle

import numpy as np
import xarray as xr

from .registry import programs

programs(
    "values",
    asks=True,
    exact=True,
    values=lambda ds: ds.tas.isel(time=0).values,
    to_numpy=lambda ds: ds.lsm.to_numpy(),
    asarray=lambda ds: np.asarray(ds.lsm),
    float_of_max=lambda ds: float(ds.tas.max()),
    int_of_count=lambda ds: int(ds.tas.count()),
    bool_of_any=lambda ds: bool((ds.tas > 300).any()),
    item=lambda ds: ds.tas.min().item(),
    tolist=lambda ds: ds.lsm.values.tolist(),
    compute=lambda ds: ds.tas.compute(),
    load=lambda ds: ds.load(),
    data_compute=lambda ds: np.asarray(ds.lsm.data),
    to_series=lambda ds: ds["index"].to_series(),
    to_dataframe=lambda ds: ds[["lsm", "region"]].to_dataframe(),
    to_dataframe_array=lambda ds: ds.tas.isel(time=slice(0, 3)).to_dataframe(),
    to_pandas=lambda ds: ds.lsm.to_pandas(),
    to_dict=lambda ds: ds.lsm.to_dict()["data"],
    to_index=lambda ds: ds.tas.time.to_index(),
    equals=lambda ds: ds.tas.equals(ds.tas + 0),
    equals_not=lambda ds: ds.tas.equals(ds.tas + 1),
    identical=lambda ds: ds.lsm.identical(ds.lsm.copy()),
    broadcast_equals=lambda ds: ds.lsm.broadcast_equals(ds.lsm),
    iterate=lambda ds: [float(v) for v in ds.lsm[0]],
    if_condition=lambda ds: "warm" if ds.tas.max() > 290 else "cold",
    format_number=lambda ds: f"{ds.tas.max().item():.3f}",
    format_lazy=lambda ds: f"{float(ds.pr.max()):.2f}",
    contains=lambda ds: 45.0 in ds.lat,
    round_of_float=lambda ds: round(float(ds.tas.max()), 2),
    range_of_int=lambda ds: list(range(int(ds.region.max()))),
    index_by_int=lambda ds: ["a", "b", "c", "d", "e"][int(ds.region.max())],
    argmax_unravelled=lambda ds: np.unravel_index(int(ds["count"].argmax()), ds["count"].shape),
    argmax_dims=lambda ds: {d: int(v) for d, v in ds["count"].argmax(...).items()},
    histogram=lambda ds: np.histogram(ds.pr.values[np.isfinite(ds.pr.values)], bins=5)[0],
    np_unique=lambda ds: np.unique(ds.region),
    np_array_equal=lambda ds: np.array_equal(ds.region, ds.region),
    np_allclose=lambda ds: np.allclose(ds.lsm, ds.lsm),
    assert_equal=lambda ds: xr.testing.assert_equal(ds.lsm, ds.lsm + 0),
    assert_allclose=lambda ds: xr.testing.assert_allclose(ds.lsm, ds.lsm + 1e-12),
    plot_line=lambda ds: _plotted(ds["index"].plot),
    plot_map=lambda ds: _plotted(ds.lsm.plot),
    plot_contour=lambda ds: _plotted(ds.lsm.plot.contourf),
    plot_hist=lambda ds: _plotted(ds.lsm.plot.hist),
    plot_facets=lambda ds: _plotted(ds.tas.groupby("time.season").mean().plot, col="season"),
)
programs(
    "questions",
    asks=True,
    exact=True,
    shape=lambda ds: ds.tas.shape,
    sizes=lambda ds: dict(ds.sizes),
    dtype=lambda ds: str(ds.tas.dtype),
    nbytes=lambda ds: ds.nbytes,
    dims=lambda ds: ds.tas.dims,
    ndim_size=lambda ds: (ds.tas.ndim, ds.tas.size, len(ds.tas)),
    attrs=lambda ds: dict(ds.tas.attrs),
    coords=lambda ds: sorted(ds.tas.coords),
    in_dataset=lambda ds: ("tas" in ds, "nothing" in ds),
    get_axis=lambda ds: ds.tas.get_axis_num("lon"),
    info=lambda ds: len(_text_of(ds.info)) > 100,
    repr=lambda ds: "tas" in repr(ds),
    repr_array=lambda ds: "time" in repr(ds.tas),
    html=lambda ds: "<div" in ds._repr_html_(),
    filter_by_attrs=lambda ds: list(ds.filter_by_attrs(units="K")),
    indexes=lambda ds: sorted(ds.indexes),
    encoding=lambda ds: sorted(ds.tas.encoding),
    is_chunked=lambda ds: ds.tas.chunks is None or sum(ds.tas.chunks[0]) == 900,
)
programs(
    "copies",
    exact=True,
    pickle=lambda ds: pickle.loads(pickle.dumps(ds)),
    pickle_expression=lambda ds: pickle.loads(pickle.dumps(ds["count"].max("time") + 1)),
    deepcopy=lambda ds: copy.deepcopy(ds.tas),
    copy=lambda ds: copy.copy(ds),
    copy_and_change=lambda ds: _changed(ds),
)


def _text_of(write):
    import io

    out = io.StringIO()
    write(out)
    return out.getvalue()


def _plotted(plot, **options):
    """The numbers of axes that a plot has made; a plot without data raises."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    plot(**options)
    figure = plt.gcf()
    n = len(figure.axes)
    plt.close("all")
    return n


def _changed(ds):
    """What is done to a copy does not reach the original."""
    other = ds.tas.copy()
    other[{"time": 0}] = 0.0
    return ds.tas
