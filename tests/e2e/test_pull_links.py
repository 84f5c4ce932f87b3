"""A trainer's link of nbgitpuller in a real browser: sign-in, start, and JupyterLab with the files of a git repository in it."""
import contextlib
import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "wire"))
from hub_client import PASSWORD, running, wait_for  # noqa: E402
from test_browser import CHROMIUM, chromium, page, playwright  # noqa: E402, F401

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs chromium")


class Backend(http.server.BaseHTTPRequestHandler):
    """Git's own program for its protocol over HTTP, called as a web server calls it."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        path, _, query = self.path.partition("?")
        environment = {**os.environ, "GIT_PROJECT_ROOT": str(self.server.folder), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path, "QUERY_STRING": query,
                       "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""), "REMOTE_ADDR": "127.0.0.1",
                       "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""), "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        head, _, content = subprocess.run(["git", "http-backend"], env=environment, input=body, capture_output=True, check=True).stdout.partition(b"\r\n\r\n")
        lines = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(lines.pop("Status", "200").split()[0]))
        for name, value in lines.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET


def git(folder, *arguments):
    subprocess.run(["git", "-c", "user.name=Trainer", "-c", "user.email=trainer@example.org", "-C", folder, *arguments], check=True, capture_output=True)


@contextlib.contextmanager
def served(folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    server.folder = folder
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Repository:
    def __init__(self, folder):
        self.work, self.bare = folder / "work", folder / "served/course"
        self.work.mkdir()
        self.bare.parent.mkdir()
        git(folder, "init", "--quiet", "--initial-branch=main", self.work)
        self.put("exercise.md", "# Exercise one\n")
        git(folder, "clone", "--quiet", "--bare", self.work, self.bare)
        self.publish()

    def put(self, name, text):
        (self.work / name).write_text(text)
        git(self.work, "add", ".")
        git(self.work, "commit", "--quiet", "--message", name)

    def publish(self):
        git(self.work, "push", "--quiet", self.bare, "main")


def test_a_link_leads_to_jupyterlab_with_the_files(page, tmp_path):  # noqa: F811
    repository = Repository(tmp_path)
    with running(prepared=True) as hub, served(tmp_path / "served") as address:
        hub.add_person(hub.administrator(), "gita")
        link = hub.hub + "/hub/user-redirect/git-pull?" + urlencode(
            {"repo": f"{address}/course", "branch": "main", "urlpath": "lab/tree/course/exercise.md"})
        page.goto(link)
        page.get_by_label("User name").fill("gita")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Start", exact=False).first.click()
        page.wait_for_url("**/user/gita/lab/tree/course/exercise.md**", timeout=180000)
        expect(page.locator("#jp-main-dock-panel")).to_contain_text("Exercise one", timeout=120000)
        home = next((hub.folder / "state/home").glob("*gita*"))
        assert (home / "course/exercise.md").read_text() == "# Exercise one\n"
        # The same link again brings what is new, and keeps what the person has written.
        (home / "course/mine.txt").write_text("mine")
        repository.put("second.md", "# Exercise two\n")
        repository.publish()
        page.goto(link)
        wait_for(lambda: (home / "course/second.md").exists(), 90)
        assert (home / "course/mine.txt").read_text() == "mine"
        # It leads to JupyterLab again; there, and not on the way, the page is left, before its server ends.
        page.wait_for_url("**/user/gita/lab/tree/course/exercise.md**", timeout=180000)
        page.goto("about:blank")
