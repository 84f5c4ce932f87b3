"""The gateway's protocol is dask-gateway's: a script of requests to the real dask-gateway-server and to us, and every difference has a reason."""
import pytest
from gateway_world import LIMITS, OurGateway, RealGateway, differences, read_accepted, read_calls
from hub_client import running

CALLS = read_calls()


@pytest.fixture(scope="module")
def replies(tmp_path_factory):
    """Every row's (real, ours): asked in the order of the script, since later rows see what earlier ones did."""
    real = RealGateway(tmp_path_factory.mktemp("real"))
    try:
        with running(*LIMITS) as platform:
            ours = OurGateway(platform)
            yield {call.id: (call.ask(real), call.ask(ours)) for call in CALLS}
    finally:
        real.stop()


@pytest.fixture(scope="module")
def accepted():
    return read_accepted()


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.id)
def test_same_answer(replies, accepted, call):
    real, ours = replies[call.id]
    left = [d for d in sorted(differences(real, ours)) if not accepted.accepts(call, d)]
    assert not left, f"{call.line}\n  differs in {left}\n  real {vars(real)}\n  ours {vars(ours)}"


def test_every_accepted_difference_is_there(replies, accepted):
    for call in CALLS:
        for difference in differences(*replies[call.id]):
            accepted.accepts(call, difference)
    assert not accepted.unused(), "these differences are gone: take their lines out of gateway_accepted.txt"
