"""Kills with -9 at random instants of the hub, the proxy, the helper, the prepared parents and user servers, while people come, sign in, start
their servers, open kernels and compute. What can go on goes on; a kernel that has answered once keeps its process and its variables;
afterwards routes, database and processes agree, and no request reaches another person's server.

CRATON_SEED chooses victims and instants. In ./check 32 kills with five people: two have a kernel before the first kill, one comes with it, two
start and stop without end. With CRATON_LONG 220 kills with thirty, who come one after the other as long as there are kills, with pauses in which
the prepared parents come back, so that starts are forked as well as plain ones; or as many kills as CRATON_KILLS says.
"""
import os
import random
import time
from collections import Counter
from types import SimpleNamespace

import pytest
from hub_client import running, wait_for
from kills_world import PATIENCE_S, Guest, Restless, Supervisor, agree, calm, forked, kill_one, misrouted
from test_session import server, server_pid

SEED = int(os.environ.get("CRATON_SEED", "1"))
LONG = bool(os.environ.get("CRATON_LONG"))
KILLS = int(os.environ.get("CRATON_KILLS", "0")) or (220 if LONG else 32)
REQUESTS, GUESTS = (8000, 28) if LONG else (1500, 3)
RESTLESS = ("dora", "emil")
BEFORE = 2                            # guests who have a kernel before the first kill
ALL_THERE_AT = KILLS * 7 // 10        # kills
PAUSE_EVERY = 5
PHASES = ("signs in", "starts", "opens", "gets a kernel", "computes")


@pytest.fixture(scope="module")
def platform():
    with running(prepared=True) as p:
        yield p


def make_world(platform):
    admin = platform.administrator()
    people = [platform.add_person(admin, name) for name in RESTLESS]
    for person, name in zip(people, RESTLESS):
        person.name = name
    guests = [Guest(platform, f"guest{i:02}", random.Random(f"{SEED} guest {i}")) for i in range(GUESTS)]
    for guest in guests:
        platform.add_person(admin, guest.name_of)
    restless = [Restless(person, random.Random(f"{SEED} {person.name}")) for person in people]
    return SimpleNamespace(platform=platform, admin=admin, guests=guests, restless=restless)


def pause(platform, seconds=45):
    """Not longer than that: whatever does not come back is found by the end of the test."""
    end = time.monotonic() + seconds
    while not calm(platform) and time.monotonic() < end:
        time.sleep(0.2)


def await_somebody(world, phase, seconds=8):
    """Some steps are short: the kill comes when somebody is in the middle of this one, if anybody gets there."""
    end = time.monotonic() + seconds
    while not any(guest.phase == phase for guest in world.guests) and time.monotonic() < end:
        time.sleep(0.01)


def kill_all(world, rng):
    """What was killed how often, and what people were doing at these instants."""
    done, meanwhile, waiting = Counter(), Counter(), world.guests[BEFORE:]
    for guest in world.guests[:BEFORE]:
        guest.start()
    wait_for(lambda: all(guest.phase == "computes" or guest.wrong for guest in world.guests[:BEFORE]), 120)
    while done.total() < KILLS:
        while waiting and (GUESTS - len(waiting) - BEFORE) * ALL_THERE_AT <= done.total() * (GUESTS - BEFORE):
            waiting.pop(0).start()
        if LONG and done.total() % PAUSE_EVERY == 0:
            pause(world.platform)
        time.sleep(rng.uniform(0.02, 1.2))
        if LONG and done.total() % 3 == 0:
            await_somebody(world, rng.choice(PHASES))
        doing = Counter(guest.phase for guest in world.guests)
        name = kill_one(world, rng)
        if name:
            done[name] += 1
            meanwhile += doing
        wrong = [guest.wrong for guest in world.guests if guest.wrong]
        assert not wrong, f"seed {SEED}, {dict(done)}: {wrong}"
    return done, meanwhile


@pytest.mark.timeout(5400 if LONG else 900)
def test_kills(platform):
    rng = random.Random(SEED)
    world = make_world(platform)
    supervisor, guests = Supervisor(platform), world.guests
    for thread in (supervisor, *world.restless):
        thread.start()
    try:
        done, meanwhile = kill_all(world, rng)
        # Whoever had not come so far gets there, and everybody computes once more.
        wait_for(lambda: all(guest.phase == "computes" or guest.wrong for guest in guests), 900 if LONG else 300)
        for guest in guests:
            guest.over.set()
        for guest in guests:
            guest.join(300)
    finally:
        for thread in world.restless:
            thread.go_on = False
        for thread in world.restless:       # its last stop may wait for a hub that has just begun
            thread.join(PATIENCE_S)
        supervisor.go_on = False
        supervisor.join(60)
    print(f"seed {SEED}: {dict(done)}, restarts {supervisor.restarts}, rounds {[r.rounds for r in world.restless]}, "
          f"cells {sum(g.cells for g in guests)}, meanwhile {dict(meanwhile)}, "
          f"forked {forked(platform)} of {GUESTS}")
    assert not any(thread.is_alive() for thread in world.restless), "somebody still starts and stops"
    assert [guest.wrong for guest in guests if guest.wrong] == [], f"seed {SEED}"
    assert {guest.phase for guest in guests} == {"done"}, f"seed {SEED}"
    assert {g.name_of: server_pid(platform, g.name_of) for g in guests} == {g.name_of: g.server_pid for g in guests}, \
        f"seed {SEED}: a server that nobody killed has gone"
    assert not [r.wrong for r in world.restless if r.wrong]
    if LONG:    # each was killed, and while somebody was in the middle of each step
        assert len(done) == 5 and min(done.values()) >= KILLS // 25, done
        assert 3 <= forked(platform) < GUESTS, forked(platform)    # and others were started plainly
        assert all(meanwhile[phase] >= KILLS // 70 for phase in PHASES), meanwhile
    platform.wait_ready(40)
    # What was being started or stopped when the last kill came is brought to an end.
    people = [one.person for one in (*guests, *world.restless)]
    wait_for(lambda: all((server(person) or {"ready": True}).get("ready") for person in people), 60)
    known = wait_for(lambda: agree(platform, world.admin, [person.name for person in people]), 60, 0.5)
    assert {guest.name_of for guest in guests} <= known
    wrong = misrouted(platform, sorted(known), rng, REQUESTS)
    assert not wrong, f"seed {SEED}: requests that did not reach their server, or reached another: {wrong}"
