"""The REST API is JupyterHub's: a script of requests to the real JupyterHub 6.1 and to us, and every difference has a reason."""
import pytest
from hub_client import running
from rest_world import NAMED_SERVERS, OurHub, RealHub, differences, read_accepted, read_rows, write_services

ROWS = read_rows()


@pytest.fixture(scope="module")
def replies(tmp_path_factory):
    """Every row's (real, ours): asked in the order of the script, since later rows see what earlier ones did."""
    services = {}
    real = RealHub(tmp_path_factory.mktemp("real"))
    try:
        with running("--named-servers", str(NAMED_SERVERS), prepared=False, before=lambda p: services.update(write_services(p))) as platform:
            ours = OurHub(platform, services)
            yield {row.id: (row.ask(real), row.ask(ours)) for row in ROWS}
    finally:
        real.stop()


@pytest.fixture(scope="module")
def accepted():
    return read_accepted()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_same_answer(replies, accepted, row):
    real, ours = replies[row.id]
    left = [d for d in sorted(differences(real, ours)) if not accepted.accepts(row, d)]
    assert not left, f"{row.line}\n  differs in {left}\n  real {vars(real)}\n  ours {vars(ours)}"


def test_every_accepted_difference_is_there(replies, accepted):
    for row in ROWS:
        for difference in differences(*replies[row.id]):
            accepted.accepts(row, difference)
    assert not accepted.unused(), "these differences are gone: take their lines out of rest_accepted.txt"
