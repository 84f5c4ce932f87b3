"""People with a browser, as both sides see them: they sign in, start their server, open JupyterLab, run cells, and work for a while."""
import random
import threading
import time

from browser import Browser, Refused, forms
from kernel import Server
from sides import PASSWORD

PATIENCE_S = 400
CELL = "import numpy, xarray\nprint(6 * 7)"
POLL_S, SAVE_S = 10, 120        # how often JupyterLab asks for files, kernels and terminals, and saves by itself

# What somebody does with the file of data_file(): the same on both sides, by xarray as it is installed.
WORK = [
    "import numpy as np\nimport xarray as xr",
    "ds = xr.open_dataset({path!r})\nds",
    "climatology = ds.tos.groupby('time.month').mean()\nfloat(climatology.mean())",
    "anomaly = ds.tos.groupby('time.month') - climatology\nfloat(anomaly.std())",
    "series = ds.tos.weighted(np.cos(np.deg2rad(ds.lat))).mean(('lat', 'lon'))\nseries.to_pandas().describe()",
    "field = ds.tos.isel(time=slice(0, 120)).quantile(0.9, 'time')\nfield.shape",
    "ds.tos.sel(lat=slice(-30, 30)).resample(time='YS').mean().max().item()",
]

DATA = """
import sys
import numpy as np, pandas as pd, xarray as xr
time, lat, lon = pd.date_range("2000-01-01", periods=240, freq="MS"), np.arange(-89.0, 90, 2), np.arange(1.0, 360, 2)
values = 15 + 10 * np.random.default_rng(1).standard_normal((time.size, lat.size, lon.size), dtype="float32")
xr.Dataset({"tos": (("time", "lat", "lon"), values)}, {"time": time, "lat": lat, "lon": lon}).to_netcdf(sys.argv[1])
"""


class Visitor(threading.Thread):
    """One person. begin: when all press the button; ready: a barrier where all meet with their server; go: when the first cells are run."""

    def __init__(self, side, name, begin, ready, go):
        super().__init__(daemon=True)
        self.side, self.name_of, self.begin, self.at_ready, self.go = side, name, begin, ready, go
        self.seconds_ready = self.seconds_cell = None
        self.error = None

    def run(self):
        try:
            self.begin.wait()
            self.sign_in_and_start()
        except Exception as e:  # noqa: BLE001
            self.error = f"start: {e!r}"[:300]
        self.at_ready.wait()
        self.go.wait()
        try:
            if not self.error:
                self.then()
        except Exception as e:  # noqa: BLE001
            self.error = f"cell: {e!r}"[:300]

    def sign_in_and_start(self):
        start, name = time.monotonic(), self.name_of
        self.browser = Browser(timeout=PATIENCE_S)
        page = self.browser.get(self.side.hub + "/hub/login")
        form = next(f for f in forms(page.text) if "password" in f.names)
        page = self.browser.submit(page, form, {"username": name, "password": PASSWORD})
        self.side.begin(self.browser, page, name)
        base = f"{self.side.origin(name)}/user/{name}/"
        while True:
            try:
                lab = self.browser.get(self.side.hub + "/hub/user-redirect/lab" if "localhost" in base else base + "lab")
                if f"/user/{name}/lab" in lab.url and "/hub/" not in lab.url and "jupyter-config-data" in lab.text:
                    break
            except (Refused, OSError):
                pass
            if time.monotonic() - start > PATIENCE_S:
                raise TimeoutError(f"the server is not ready after {PATIENCE_S} s")
            time.sleep(0.5)
        self.server = Server(self.browser, base)
        self.server.api("GET", "status")
        self.seconds_ready = time.monotonic() - start

    def then(self):
        """The first cell."""
        start = time.monotonic()
        with self.server.start_kernel("bench.ipynb") as kernel:
            outputs = kernel.run(CELL)
            assert any("42" in str(o.get("text", "")) for o in outputs[0]), outputs
            self.seconds_cell = time.monotonic() - start


class Worker(Visitor):
    """Works with a notebook for some minutes, the last tenth of them without doing anything; keeps the kernel until `measured` is set."""

    def __init__(self, side, name, begin, ready, go, minutes, data):
        super().__init__(side, name, begin, ready, go)
        self.minutes, self.data = minutes, data
        self.rng = random.Random(name)
        self.cells = 0
        self.worked, self.measured = threading.Event(), threading.Event()

    def run(self):
        super().run()
        self.worked.set()

    def then(self):
        begin = time.monotonic()
        self.open_page()
        with self.server.start_kernel("work.ipynb") as kernel:
            self.work(kernel, begin + self.minutes * 54)
            self.look_on(begin + self.minutes * 60)
            self.worked.set()
            self.measured.wait()

    def open_page(self):
        """What the page of JupyterLab asks for when it is opened."""
        for path in ("kernelspecs", "sessions", "terminals", "contents?content=1", "me"):
            self.server.api("GET", path)
        self.browser.get(self.server.url + "lab/api/settings")
        self.save([])

    def save(self, sources):
        cells = [{"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "execution_count": None, "id": f"c{i}"}
                 for i, source in enumerate(sources)]
        notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
        self.server.api("PUT", "contents/work.ipynb", {"type": "notebook", "format": "json", "content": notebook})

    def work(self, kernel, until):
        written, saved = [], time.monotonic()
        while time.monotonic() < until:
            source = WORK[self.cells] if self.cells < len(WORK) else self.rng.choice(WORK[2:])
            source = source.format(path=self.data)
            kernel.run(source)
            self.cells += 1
            written.append(source)
            self.look_on(min(until, time.monotonic() + self.rng.uniform(5, 25)))
            if time.monotonic() - saved > SAVE_S:
                self.save(written)
                saved = time.monotonic()
        self.save(written)

    def look_on(self, until):
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, POLL_S))
            if left >= POLL_S:
                for path in ("kernels", "sessions", "terminals", "contents?content=1"):
                    self.server.api("GET", path)
