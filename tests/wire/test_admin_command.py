"""craton admin: an administrator's deeds at the shell, for root and for who runs the hub."""
import datetime
import json
import os
import pwd
import re
import sqlite3
import subprocess

import pytest
from hub_client import BUILD, PASSWORD, Person, request, running, wait_for


@pytest.fixture(scope="module")
def own():
    with running(prepared=False) as p:
        p.admin = p.administrator()
        yield p


def run(platform, *arguments, status=0, **more):
    answer = subprocess.run([BUILD / "src/cli/craton", "admin", "--run", platform.run, *arguments], capture_output=True, text=True, timeout=60,
                            env={**os.environ, "LC_ALL": "C.UTF-8"}, **more)
    assert answer.returncode == status, (arguments, answer.stdout, answer.stderr)
    return answer


def lines(platform, *arguments):
    return [json.loads(line) for line in run(platform, *arguments, "--json").stdout.splitlines()]


def names(platform):
    return {row["name"]: row for row in lines(platform, "people")}


def audit(platform, kind):
    return lines(platform, "audit", "--kind", kind, "--limit", "1")[0]


def test_a_person_from_first_to_last(own):
    link = run(own, "add", "Ada").stdout.strip()
    assert re.fullmatch(own.hub + "/hub/join/[0-9a-f]{64}", link)
    assert (audit(own, "person-made")["on"], audit(own, "person-made")["by"], audit(own, "person-made")["via"], audit(own, "person-made")["from"]) == \
        ("ada", "operator", "shell", "uid 0")
    ada = Person(own)
    assert ada.join(link).status == 303 and ada.get("/hub/admin").status == 403
    assert run(own, "make-admin", "ada").stdout == "ada is an administrator\n"
    assert ada.get("/hub/admin").status == 200 and names(own)["ada"]["admin"] is True
    run(own, "unmake-admin", "ada")
    assert ada.get("/hub/admin").status == 403
    run(own, "disable", "ada")
    assert ada.get("/hub/home").status == 303 and names(own)["ada"]["state"] == "disabled"
    assert "ada is disabled" in run(own, "link", "ada", status=4).stderr
    run(own, "enable", "ada")
    again = run(own, "link", "ada", "--json")
    assert Person(own).join(json.loads(again.stdout)["url"], password="a new password").status == 303
    refused = run(own, "remove", "ada", status=2)
    assert "deletes all files of ada" in refused.stderr and "--yes" in refused.stderr and "ada" in names(own)
    run(own, "remove", "ada", "--yes")
    wait_for(lambda: "ada" not in names(own), 30)


def test_an_administrator_is_added_and_the_last_one_stays(own):
    link = run(own, "add", "grace", "--admin").stdout.strip()
    grace = Person(own)
    assert grace.join(link).status == 303 and grace.get("/hub/admin").status == 200
    run(own, "unmake-admin", "root1")
    for action in ("unmake-admin", "disable"):
        assert "last administrator" in run(own, action, "grace", status=4).stderr
    assert "last administrator" in run(own, "remove", "grace", "--yes", status=4).stderr
    run(own, "make-admin", "root1")
    run(own, "remove", "grace", "--yes")


def test_groups(own):
    own.add_person(own.admin, "hal")
    own.add_person(own.admin, "ida")
    run(own, "group-add", "tide tables")
    run(own, "group-join", "tide tables", "hal", "IDA")
    assert lines(own, "groups") == [{"name": "tide tables", "people": ["hal", "ida"]}]
    assert re.search(r"^tide tables +hal, ida$", run(own, "groups").stdout, re.M)
    assert "there is no user of the name 'nobody-here'" in run(own, "group-leave", "tide tables", "hal", "nobody-here", status=3).stderr
    assert lines(own, "groups")[0]["people"] == ["hal", "ida"]           # all or nobody
    assert audit(own, "group-joined")["on"] == "ida"
    run(own, "group-leave", "tide tables", "hal")
    assert lines(own, "groups")[0]["people"] == ["ida"]
    run(own, "group-remove", "tide tables")
    assert lines(own, "groups") == []
    assert "no group" in run(own, "group-join", "tide tables", "hal", status=3).stderr


def test_people_of_a_course(own):
    own.add_person(own.admin, "uma")
    rows = lines(own, "invite", "Udo", "uma", "--group", "tuesday")
    assert [r["user"] for r in rows] == ["udo", "uma"] and rows[1]["link"] == "has an account, and is in the group"
    assert Person(own).join(rows[0]["link"]).status == 303
    assert {"name": "tuesday", "people": ["udo", "uma"]} in lines(own, "groups")
    assert re.search(r"^ulf +" + own.hub + r"/hub/join/[0-9a-f]{64}$", run(own, "invite", "ulf", "--hours", "1").stdout, re.M)      # not cut
    assert "line 2 (a b)" in run(own, "invite", "one.more", "a b", status=2).stderr and "1 to 720 hours" in run(own, "invite", "x", "--hours", "0", status=2).stderr
    link = run(own, "room", "--seats", "2", "--group", "tuesday", "--note", "Tuesday <at> nine").stdout.strip()
    assert Person(own).join(link, "uwe").status == 303
    row = lines(own, "rooms")[0]
    assert (row["note"], row["seats"], row["used"], row["group"]) == ("Tuesday <at> nine", 2, 1, "tuesday") and link.rpartition("/")[2] not in json.dumps(row)
    assert "craton admin rooms" in run(own, "room-close", row["id"][:6], status=3).stderr
    run(own, "room-close", row["id"])
    assert lines(own, "rooms") == [] and Person(own).get(link.removeprefix(own.hub)).status == 404
    assert audit(own, "link-closed")["by"] == "operator" and "2 to 1000 seats" in run(own, "room", status=2).stderr
    assert lines(own, "turned-away") == []                  # with somebody in it: test_oidc.py
    run(own, "try-starts")
    assert audit(own, "breaker")["via"] == "shell"


def test_tokens(own):
    kim = own.add_person(own.admin, "kim")
    answer = kim.post("/hub/token", {"note": "culler <b>\x1b[31m", "days": "1", "scopes": "read:users!user"}, "/hub/token")
    token = re.search(r'id="token"[^>]*value="([0-9a-f]{64})"', answer.text).group(1)
    row, = lines(own, "tokens", "kim")
    assert row["scopes"] == ["read:users!user"] and row["ends"] and token not in json.dumps(row)
    assert "\x1b" not in run(own, "tokens", "kim").stdout
    assert "no token" in run(own, "revoke", "root1", row["id"], status=3).stderr    # somebody else's
    assert request("GET", own.hub + "/hub/api/user", headers={"Authorization": f"token {token}"}).status == 200
    run(own, "revoke", "kim", row["id"])
    assert request("GET", own.hub + "/hub/api/user", headers={"Authorization": f"token {token}"}).status == 403
    assert lines(own, "tokens", "kim") == [] and audit(own, "token-revoked")["detail"] == row["id"]


def test_servers(own):
    lea = own.add_person(own.admin, "lea")
    assert lea.post("/hub/spawn", {}, "/hub/home").status == 303
    row, = lines(own, "servers")
    assert row["user"] == "lea"
    run(own, "stop", "lea")
    wait_for(lambda: lines(own, "servers") == [], 30)
    assert audit(own, "server-stopped")["on"] == "lea"
    assert run(own, "servers").stdout == ""


def test_clusters(own):
    assert lines(own, "clusters") == []
    assert "no cluster" in run(own, "stop-cluster", "0123456789abcdef", status=3).stderr


def test_everybody_is_told(own):
    run(own, "announce", "On Friday <the> storage is exchanged", "--hours", "2")
    assert "On Friday &lt;the&gt; storage" in Person(own).get("/hub/login").text
    run(own, "maintenance", "on")
    mia = own.add_person(own.admin, "mia")
    assert "being maintained" in mia.post("/hub/spawn", {}, "/hub/home").text
    assert "On Friday" in mia.get("/hub/home").text          # one does not take the other away
    run(own, "maintenance", "off")
    run(own, "announce")
    assert "On Friday" not in mia.get("/hub/home").text
    for wrong in (["maintenance", "perhaps"], ["announce", "x", "--hours", "0"], ["announce", "x" * 501], ["maintenance"], ["disable"], ["disable", "a", "b"],
                  ["sneeze"], [], ["add", "a b"], ["revoke", "mia", "x"], ["people", "--limit", "-1"]):
        assert run(own, *wrong, status=2 if wrong != ["announce", "x" * 501] else 8).stderr.startswith("craton: "), wrong


def test_the_audit_log_is_exported_whole(own):
    now = datetime.datetime.now(datetime.timezone.utc)      # what is older than some hundred days is taken out of the log
    ten_days_ago, day = int((now - datetime.timedelta(days=10)).timestamp() * 1000), f"{now - datetime.timedelta(days=5):%Y-%m-%d}"
    with sqlite3.connect(own.folder / "state/hub/hub.sqlite", timeout=10) as db:
        db.executemany("INSERT INTO audit (at_ms, kind, result, who, via, source, whom, detail) VALUES (?, 'proof', 'done', ?, 'browser', '', '', '')",
                       [(ten_days_ago, f"many{i % 2}") for i in range(2500)])
        expected = [r for r, in db.execute("SELECT id FROM audit ORDER BY id DESC")]
    assert [r["id"] for r in lines(own, "audit")] == expected
    assert len(lines(own, "audit", "--person", "many1")) == 1250 and len(lines(own, "audit", "--limit", "700")) == 700
    assert [r["kind"] for r in lines(own, "audit", "--since", day, "--person", "many1")] == []
    assert {r["by"] for r in lines(own, "audit", "--until", day)} == {"many0", "many1"}
    assert "2026-13-01" in run(own, "audit", "--since", "2026-13-01", status=2).stderr and "sneeze" in run(own, "audit", "--kind", "sneeze", status=2).stderr
    assert run(own, "audit", "--person", "many1", "--limit", "3").stdout.count("many1") == 3


def test_more_people_than_one_answer_holds(own):
    with sqlite3.connect(own.folder / "state/hub/hub.sqlite", timeout=10) as db:
        db.executemany("INSERT INTO users (name, account, created_ms) VALUES (?, ?, 1)", [(f"x{i:04}", f"x{i:04}") for i in range(1201)])
    listed = [r["name"] for r in lines(own, "people")]
    assert listed == sorted(listed) and sum(n.startswith("x") for n in listed) == 1201


def test_who_may_ask(own, tmp_path):
    nobody = pwd.getpwnam("nobody")
    refused = subprocess.run([BUILD / "src/cli/craton", "admin", "--run", own.run, "people"], capture_output=True, text=True, timeout=60,
                             user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[], cwd="/")
    assert refused.returncode != 0 and "cannot reach cratond" in refused.stderr and not refused.stdout
    away = subprocess.run([BUILD / "src/cli/craton", "admin", "--run", tmp_path, "people"], capture_output=True, text=True, timeout=60)
    assert away.returncode == 3 and "not running" in away.stderr


@pytest.mark.parametrize("question", [
    {}, {"do": 7}, {"do": "people", "args": ["x"]}, {"do": "add"}, {"do": "add", "args": [7]}, {"do": "add", "args": "ada"}, {"do": "add", "args": ["a"] * 100},
    {"do": "audit", "from": "x"}, {"do": "groups", "from": "-1"}, {"do": "audit", "since": "yesterday"}, {"do": "revoke", "args": ["root1", "a99999999999999999999"]},
])
def test_odd_questions(own, question):
    pid = own.hub_pid()
    assert own.ask(command="admin", **question)["status"] in ("INVALID", "LIMIT", "NOT_FOUND", "RANGE")
    assert own.hub_pid() == pid


def test_passwords_are_in_no_argument_and_no_log(own):
    link = run(own, "add", "zoe").stdout.strip()
    Person(own).join(link, password=PASSWORD)
    assert link.rpartition("/")[2] not in own.log.read_text() and PASSWORD not in own.log.read_text()
