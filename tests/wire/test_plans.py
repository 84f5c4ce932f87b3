"""No statement that the hub runs looks at all people, servers, tokens or rows of a log: the plan that SQLite makes for each is read.

The statements are taken from the preprocessed sources, where macros and texts in pieces are whole; so one that is added tomorrow is looked
at, too. A walk over a large table is right in three cases: it ends with its LIMIT and has not sorted before, it is said here with a reason, or
it belongs to a migration.
"""
import json
import re
import shlex
import sqlite3
import subprocess
from pathlib import Path

import pytest
from hub_client import BUILD

SOURCES = Path(__file__).resolve().parents[2] / "src/platform"
# Tables that grow with people or with time. The others hold what goes on (codes, links, removals), what the operator has made (groups), or as much as a
# constant of the sources allows (clusters that have ended, refusals, mails, shares).
LARGE = {"users", "servers", "tokens", "sessions", "audit", "memberships", "identities", "group_members", "disk_use", "session_logins",
         "server_software", "token_makers", "past_accounts", "ahead_people", "cluster_failures"}
# Indexes of a few rows of a large table: those that run, wait, are removed; administrators.
SMALL = {"servers_running", "servers_waiting", "servers_removing", "users_admin"}
# What may walk over a large table: the begin of the statement -> why.
REASONS = {
    "SELECT count(*), count(*) FILTER (WHERE admin = 1 AND disabled = 0) FROM users": "people who are there, counted when somebody asks for the status",
    "SELECT (SELECT count(*) FROM users)": "counts an index: a fifth of a millisecond for ten thousand",
    "SELECT w.id, 0, h.id, o.id": "tokens that administrators made for others, looked at each minute",
    "SELECT count(*) FROM users": "lists that search: what is in the middle of a name has no index",
}
LITERALS = re.compile(r'"(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*')
ONE = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


def text_of(literals):
    whole = "".join(ONE.findall(literals))
    return re.sub(r"\\(.)", lambda m: ESCAPES.get(m.group(1), m.group(0)), whole)


def commands():
    for row in json.loads((BUILD / "compile_commands.json").read_text()):
        path = (Path(row["directory"]) / row["file"]).resolve()
        if path.is_relative_to(SOURCES) and re.search(r"cr_db_run|cr_query_open", path.read_text()):
            words = shlex.split(row["command"])
            while words[0].endswith("ccache"):
                words = words[1:]
            yield path, row["directory"], [w for i, w in enumerate(words) if w not in ("-c", "-o") and words[i - 1] != "-o"]


def preprocessed(words, folder):
    return subprocess.run([*words, "-E", "-P", "-w"], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def schema():
    """An empty database of the newest version, made by the migrations of the sources."""
    path, folder, words = next((SOURCES / "db/schema.c", row["directory"], shlex.split(row["command"]))
                               for row in json.loads((BUILD / "compile_commands.json").read_text()) if row["file"].endswith("platform/db/schema.c"))
    while words[0].endswith("ccache"):
        words = words[1:]
    source = preprocessed([w for i, w in enumerate(words) if w not in ("-c", "-o") and words[i - 1] != "-o"], folder)
    rows = re.findall(r"\{\s*(\d+)\s*,\s*(?:\"[^\"]*\"\s*)+,\s*(" + LITERALS.pattern + r")\s*\}", source)
    numbers = [int(n) for n, _ in rows]
    assert numbers == sorted(set(numbers)) and len(rows) >= 19, path
    db = sqlite3.connect(":memory:")
    for _, sql in rows:
        db.executescript(text_of(sql))
    yield db
    db.close()


@pytest.fixture(scope="module")
def statements():
    found = {}
    for path, folder, words in commands():
        if path.name == "schema.c":
            continue
        for literals in LITERALS.findall(preprocessed(words, folder)):
            sql = text_of(literals)
            if re.match(r"(SELECT|INSERT|UPDATE|DELETE|WITH)\b(?! failed)", sql) and "%" not in sql:
                found.setdefault(sql, path.name)
    assert len(found) > 200, len(found)
    return found


def named(sql):
    """alias -> table, of what stands behind FROM, JOIN, UPDATE and INTO."""
    pairs = re.findall(r"\b(?:FROM|JOIN|UPDATE|INTO)\s+(\w+)(?:\s+(?!WHERE\b|ON\b|SET\b|JOIN\b|CROSS\b|LEFT\b|ORDER\b|GROUP\b|LIMIT\b|UNION\b|VALUES\b|SELECT\b)(\w+))?", sql)
    return {alias or table: table for table, alias in pairs} | {table: table for table, _ in pairs}


def walks(db, sql):
    """Large tables that the statement looks through from end to end; sorted or not."""
    plan = [row[3] for row in db.execute("EXPLAIN QUERY PLAN " + sql, {str(n): None for n in range(1, 30)} if ":" in sql else
                                         [None] * len(set(re.findall(r"\?\d+", sql)) or re.findall(r"\?", sql)))]
    tables = named(sql)
    hit = [tables.get(m.group(1), m.group(1)) for line in plan if (m := re.match(r"SCAN (\w+)(?! VIRTUAL)", line)) and line.split()[-1] not in SMALL]
    ordered = not any("USE TEMP B-TREE FOR ORDER BY" in line or "FOR DISTINCT" in line or "FOR GROUP BY" in line for line in plan)
    return [t for t in hit if t in LARGE], ordered, plan


def is_accepted(sql, tables, ordered):
    if any(sql.startswith(begin) for begin in REASONS):
        return True
    return bool(re.search(r"\bLIMIT\b", sql)) and ordered and len(tables) == 1


def test_no_statement_walks_over_everything(schema, statements):
    bad = []
    for sql, name in sorted(statements.items(), key=lambda item: item[1]):
        tables, ordered, plan = walks(schema, sql)
        if tables and not is_accepted(sql, tables, ordered):
            bad.append(f"{name}: {sql}\n    " + "\n    ".join(plan))
    assert not bad, f"{len(bad)} statements walk over large tables:\n" + "\n".join(bad)


def test_the_check_sees_a_walk(schema):
    tables, _, _ = walks(schema, "SELECT id FROM users WHERE password = ?")
    assert tables == ["users"]
    tables, _, _ = walks(schema, "DELETE FROM servers WHERE stopped_ms < ?1")
    assert tables == ["servers"]
    assert walks(schema, "SELECT id FROM users WHERE name = ?")[0] == []


def test_reasons_are_needed(statements):
    for begin in REASONS:
        assert any(sql.startswith(begin) for sql in statements), f"no statement begins with {begin}: take the row away"
