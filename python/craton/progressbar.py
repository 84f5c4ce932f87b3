"""The progress bar: in terminals one line that is written over, in notebooks one output that is updated."""

import sys
import time

from .array import human_bytes

SHOW_AFTER_S = 0.5


def source_bytes(nodes):
    """About how many decoded bytes of sources these nodes look at. Views are taken to look at their share only."""
    total, share = 0.0, {}
    stack = [(node, 1.0) for node in nodes]
    while stack:
        node, part = stack.pop()
        if part <= share.get(node.id, 0.0):
            continue
        share[node.id] = part
        inputs = node.inputs
        for i in inputs:
            elements = _elements(i)
            stack.append((i, part * min(1.0, _elements(node) / elements) if node.op in ("slice", "take") and elements else part))
        if not inputs:
            total += part * _elements(node) * _itemsize(node)
    return total


def _elements(node):
    n = 1
    for extent in node.shape:
        n *= extent
    return n


def _itemsize(node):
    return int(node.dtype[2:])


def _notebook():
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return type(get_ipython()).__name__ == "ZMQInteractiveShell"


def duration(seconds):
    seconds = int(round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes} min {seconds:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


class Bar:
    """Called with (done, total, phase, n_phases); knows nothing of what runs."""

    def __init__(self, nodes):
        self.begin = time.monotonic()
        self.bytes = source_bytes(nodes)
        self.fraction = 0.0
        self.handle = None
        self.shown = False
        self.notebook = _notebook()
        self.terminal = not self.notebook and sys.stderr.isatty()

    def text(self):
        elapsed = max(1e-3, time.monotonic() - self.begin)
        parts = [f"{100 * self.fraction:3.0f} %", f"{human_bytes(self.bytes * self.fraction / elapsed)}/s"]
        if self.fraction >= 1:
            parts.append(f"{duration(elapsed)}")
        elif self.fraction > 0:
            parts.append(f"{duration(elapsed / self.fraction - elapsed)} left")
        return " | ".join(parts)

    def __call__(self, done, total, phase, n_phases):
        self.fraction = min(1.0, done / total) if total > 0 else 1.0
        if time.monotonic() - self.begin >= SHOW_AFTER_S:
            self.show()

    def show(self):
        self.shown = True
        if self.notebook:
            from IPython.display import HTML, display

            html = HTML(f"<progress value='{self.fraction:.4f}' style='width:24em'></progress> <code>{self.text()}</code>")
            if self.handle is None:
                self.handle = display(html, display_id=True)
            else:
                self.handle.update(html)
        elif self.terminal:
            filled = int(30 * self.fraction)
            sys.stderr.write(f"\r[{'#' * filled}{' ' * (30 - filled)}] {self.text():<40}")
            sys.stderr.flush()

    def close(self):
        if self.shown:
            self.show()
            if self.terminal:
                sys.stderr.write("\n")
                sys.stderr.flush()
