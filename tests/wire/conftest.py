"""One platform for all tests of this folder; tests make their own people in it."""
import itertools
import sys
from pathlib import Path

# Its plugin would import it at the very end; after some errors of Dask's client Python 3.11's parser then miscounts, and stops pytest.
import hypothesis  # noqa: F401
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from hub_client import running  # noqa: E402

numbers = itertools.count(1)


@pytest.fixture(scope="session")
def platform():
    with running() as p:
        yield p


@pytest.fixture(scope="session")
def admin(platform):
    return platform.administrator()


@pytest.fixture
def person(platform, admin):
    """A fresh person, signed in."""
    name = f"p{next(numbers)}"
    p = platform.add_person(admin, name)
    p.name = name
    return p
