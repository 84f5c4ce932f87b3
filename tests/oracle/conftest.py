"""For all tests of this folder."""
import gc


def pytest_collection_finish():
    """What the libraries and the thousands of collected tests hold stays to the end: every collection of cycles would go through it again, for a tenth of the time."""
    gc.collect()
    gc.freeze()
