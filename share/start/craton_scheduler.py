"""A preload of the schedulers that the gateway starts, after dask_gateway.scheduler_preload. It adds three things to what that does:

* A client whose Python, dask or distributed is another than the scheduler's is refused when it connects, with both versions. Distributed
  itself only warns, and the first task fails with a message that nobody understands. Only here the versions of every client are known:
  dask-gateway's protocol tells the hub none.
* The first heartbeat, with which the cluster is there, is sent at once and not after a quarter of a second: the scheduler listens by now.
* A heartbeat says for how long there was nothing to do, so that the hub can tell when the cluster will end for it.

All follow what dask 2026.8 and dask-gateway 2026.3 do inside; what is not there as expected is logged and left as it was.
"""
import logging

from distributed import versions
from distributed.metrics import time

logger = logging.getLogger("distributed.craton")
COMPARED = ("python", "dask", "distributed")
VERSION_MOST = 40  # characters that a log and a message show of what a client says


def compared(told):
    """Of Python the minor version: bytecode changes with that."""
    packages = told.get("packages") if isinstance(told, dict) else None
    if not isinstance(packages, dict):
        return None
    found = {name: str(packages.get(name))[:VERSION_MOST] for name in COMPARED}
    found["python"] = ".".join(found["python"].split(".")[:2])
    return found


def spelled(found):
    return f"Python {found['python']}, dask {found['dask']} and distributed {found['distributed']}"


def mismatch(told):
    """Why this client does not fit, or None. One that tells no versions is distributed's to judge."""
    ours, theirs = compared(versions.get_versions()), compared(told)
    if theirs is None or theirs == ours:
        return None
    return (f"This program has {spelled(theirs)}, and the cluster runs {spelled(ours)}: what the one sends the other may not read. Use a notebook of the "
            "environment that is installed here, and restart your server when it is older than that.")


def refuse_others(scheduler):
    register = scheduler.handlers["register-client"]

    async def register_client(comm, client, versions=None, **more):
        why = mismatch(versions)
        if why is None:
            return await register(comm, client=client, versions=versions, **more)
        logger.warning("client refused: %s", why)
        await comm.write([{"op": "stream-start", "error": why}])  # distributed.Client raises it
        await comm.close()

    scheduler.handlers["register-client"] = register_client


def tell_idle(scheduler):
    gateway = scheduler.services["gateway"].gateway
    heartbeat = gateway.heartbeat

    async def heartbeat_with_idle(message):
        since = scheduler.idle_since  # distributed looks every quarter of a second; None: it works
        return await heartbeat({**message, "idle_seconds": max(0.0, time() - since) if since else 0.0})

    gateway.heartbeat = heartbeat_with_idle


def begin_at_once(scheduler):
    service = scheduler.services["gateway"]
    if service.heartbeat_initial < 1:  # else it sends none but when something changes
        service.heartbeat_initial = 0.0


def dask_setup(scheduler):
    for add in (refuse_others, tell_idle, begin_at_once):
        try:
            add(scheduler)
        except Exception:
            logger.exception("not as expected in this version of Dask: %s is left out", add.__name__)
