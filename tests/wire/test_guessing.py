"""Guesses at passwords, many at once and from many addresses: they are slowed down, and the person they are aimed at is not locked out."""
import collections
import itertools
import re
import threading
import time
from urllib.parse import urlencode

import pytest
from hub_client import PASSWORD, Person, wait_for
from test_floods import FORM, ask
from test_signin import wrong_until_refused

DEVICE = "__Host-craton-device"
numbers = itertools.count(1)


def guess_at_once(platform, name, sources, known=None):
    """One guess from each of the sources, all at the same moment; {} in the name is the number of the guess. The statuses and the longest
    Retry-After."""
    host = f"127.0.0.1:{platform.port}"
    page = {"Host": host, "Accept": "text/html", "Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "navigate"}
    statuses, waits, together = [], [0], threading.Barrier(len(sources))
    stranger = Person(platform)
    token = stranger.csrf("/hub/login")
    cookies = stranger.cookie_header() + (f"; {DEVICE}={known}" if known else "")

    def guess(i, source):
        together.wait()
        status, headers, text = ask(platform.port, "/hub/login", source, "POST",
                                    urlencode({"username": name.format(i), "password": f"guess {i} of many", "_csrf": token}),
                                    Cookie=cookies, Origin=platform.hub, Content_Type=FORM, **page)
        statuses.append(status)
        if status == 429:
            assert "Try again in" in text
            waits.append(int(headers["Retry-After"]))

    threads = [threading.Thread(target=guess, args=(i, s)) for i, s in enumerate(sources)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return collections.Counter(statuses), max(waits)


def shut(platform, name, network):
    """Guesses until strangers have to wait for at least eight seconds."""
    addresses = itertools.count(1)
    wait_for(lambda: guess_at_once(platform, name, [f"{network}.{next(addresses) % 250 + 1}" for _ in range(40)])[1] >= 8, 120, 0.5)


@pytest.fixture
def victim(platform, admin):
    name = f"guessed{next(numbers)}"
    person = platform.add_person(admin, name)
    person.name = name
    return person


def test_sixty_guesses_at_once(platform, victim):
    begin = time.monotonic()
    seen, _ = guess_at_once(platform, victim.name, ["127.0.8.1"] * 60)
    # Five are free; later ones only as time passes (one after 1, 2, 4 ... seconds).
    assert seen[403] <= 5 + max(1, int(time.monotonic() - begin)) and seen[403] + seen[429] == 60, seen


def test_guesses_from_many_addresses(platform, victim):
    """What the whole world may guess at one name: 30, then one per pause. The person signs in all the same."""
    known = victim.jar[DEVICE]
    begin = time.monotonic()
    seen = collections.Counter()
    for network in range(3):
        more, wait = guess_at_once(platform, victim.name, [f"127.0.9.{network * 40 + i + 1}" for i in range(40)])
        seen += more
    assert 30 <= seen[403] <= 30 + 3 + int(time.monotonic() - begin) / 2 and seen[429] >= 60, seen
    # The name is shut to strangers, with the right password too.
    shut(platform, victim.name, "127.0.9")
    stranger = Person(platform)
    refused = stranger.sign_in(victim.name)
    assert refused.status == 429 and "__Host-craton-login" not in stranger.jar
    # Known browser: in, from any address, while the attack goes on.
    at_home = Person(platform)
    at_home.jar[DEVICE] = known
    attack = threading.Thread(target=guess_at_once, args=(platform, victim.name, [f"127.0.9.{i}" for i in range(130, 170)]))
    attack.start()
    assert at_home.sign_in(victim.name).status == 303
    attack.join()
    assert at_home.get("/hub/home").status == 200
    assert at_home.jar[DEVICE] != known and len(at_home.jar[DEVICE]) == 56
    # The wait that is told is true: afterwards the right password opens from anywhere. On a slow machine it is over already.
    again = stranger.sign_in(victim.name)
    if again.status == 429:
        time.sleep(int(again.headers["Retry-After"]))
        again = stranger.sign_in(victim.name)
    assert again.status == 303


def test_a_known_browser_is_limited_too(platform, victim):
    """A copy of the cookie is worth five guesses, and the person's own browser does not notice, having a newer one."""
    copy = victim.jar[DEVICE]
    assert victim.post("/hub/logout", {}, "/hub/home").status == 303
    assert victim.sign_in(victim.name).status == 303
    begin = time.monotonic()
    seen, _ = guess_at_once(platform, victim.name, ["127.0.10.1"] * 20, known=copy)
    assert seen[403] <= 7 + int(time.monotonic() - begin) // 4 and seen[403] + seen[429] == 20, seen
    assert victim.post("/hub/logout", {}, "/hub/home").status == 303
    assert victim.sign_in(victim.name).status == 303


def test_cookie_of_another_name_or_made_up(platform, admin, victim, person):
    shut(platform, victim.name, "127.0.11")
    for cookie in (person.jar[DEVICE], "0" * 56, victim.jar[DEVICE][:-1] + ("0" if victim.jar[DEVICE][-1] != "0" else "1"), "x", ""):
        stranger = Person(platform)
        stranger.jar[DEVICE] = cookie
        assert stranger.sign_in(victim.name).status == 429, cookie
    stranger = Person(platform)
    stranger.jar[DEVICE] = victim.jar[DEVICE]
    assert stranger.sign_in(victim.name).status == 303      # the control


def test_cookie_has_its_rules(platform, victim, person):
    answer = Person(platform).sign_in(victim.name)
    line = [c for c in answer.cookies() if c.startswith(DEVICE + "=")]
    assert len(line) == 1
    for part in ("HttpOnly", "Secure", "SameSite=Lax", "Path=/;", "Max-Age=15552000"):
        assert part in line[0] + ";"
    assert re.fullmatch(DEVICE + "=[0-9a-f]{56}", line[0].partition(";")[0])
    assert victim.name not in line[0]
    # Signing out keeps it: it says who was here before, not who is.
    assert not any(c.startswith(DEVICE) for c in victim.post("/hub/logout", {}, "/hub/home").cookies())
    # Two people of one browser have an entry each.
    both = Person(platform)
    both.jar[DEVICE] = victim.jar[DEVICE]
    assert both.sign_in(person.name).status == 303
    assert re.fullmatch(r"[0-9a-f]{56}\." + victim.jar[DEVICE], both.jar[DEVICE])


def test_change_of_password_is_limited_by_itself(platform, victim):
    guess_at_once(platform, victim.name, [f"127.0.12.{i + 1}" for i in range(45)])
    new = {"password": "glaciers and deltas", "password_again": "glaciers and deltas"}
    refused, _, pause = wrong_until_refused(lambda: victim.post("/hub/password", {**new, "password_now": "wrong wrong"}, "/hub/password"))
    wait = int(refused.headers["Retry-After"])
    assert 1 <= wait <= pause
    time.sleep(wait)
    assert victim.post("/hub/password", {**new, "password_now": PASSWORD}, "/hub/password").status == 303


def test_queue_keeps_places_for_known_browsers(platform, victim, admin):
    """Names that nobody has, from many addresses: strangers are told to wait, a known browser signs in."""
    sources = [f"127.0.{13 + i // 200}.{i % 200 + 1}" for i in range(200)]
    results = []
    attack = threading.Thread(target=lambda: results.append(guess_at_once(platform, "nobody{}", sources)))
    attack.start()
    at_home = Person(platform)
    at_home.jar[DEVICE] = victim.jar[DEVICE]
    assert at_home.sign_in(victim.name).status == 303
    attack.join()
    assert results[0][0][503] > 50, results
    wait_for(lambda: Person(platform).sign_in(victim.name).status == 303, 30)
