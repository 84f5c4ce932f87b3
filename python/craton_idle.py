"""Memory of an idle kernel: an IPython extension that gives back what the C library keeps of freed arrays.

Arrays of up to 32 MiB are taken from the heap once the first of their size was freed, and a small object above them keeps the heap from shrinking: after some minutes of
work a kernel holds about as much that is free as its user's data. Giving it back takes milliseconds; the next cell that wants it gets new pages. So it is
done when a kernel has had nothing to do for a few seconds, and not after every cell. Kernels that are forked on a Craton platform load it (share/start/kernels.py).
"""
import asyncio
import ctypes

IDLE_S = 5

_waiting = None


def load_ipython_extension(shell):
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except AttributeError:  # another C library than glibc
        return

    def wait_for_idleness(_result=None):
        global _waiting
        if _waiting is not None:
            _waiting.cancel()
        try:
            _waiting = asyncio.get_running_loop().call_later(IDLE_S, trim, 0)
        except RuntimeError:  # no loop of asyncio runs what is computed here: a cell of trio's, or a shell without a kernel
            _waiting = None

    shell.events.register("post_run_cell", wait_for_idleness)
