"""A Jupyter server and its kernels, seen from outside: contents, sessions, and cells run over the websocket."""
import base64
import json
import time
import uuid
from urllib.parse import quote, urlsplit

import websocket  # websocket-client
from browser import Refused, dial


class CellFailed(Exception):
    pass


class Server:
    """browser: signed in; url: the server's base, ending in /user/NAME/."""

    def __init__(self, browser, url):
        self.browser, self.url = browser, url

    def api(self, method, path, body=None):
        headers = {"X-XSRFToken": self.browser.cookie(self.url, "_xsrf"), "Content-Type": "application/json"}
        answer = self.browser.request(method, self.url + "api/" + path, json.dumps(body) if body is not None else None, headers)
        return answer.json() if answer.body else None

    def notebook(self, path):
        return self.api("GET", "contents/" + quote(path))["content"]

    def files(self, folder, ending):
        """(name, bytes) of the files of a folder."""
        for entry in self.api("GET", "contents/" + quote(folder))["content"]:
            if entry["type"] == "file" and entry["name"].endswith(ending):
                model = self.api("GET", f"contents/{quote(entry['path'])}?format=base64")
                yield entry["name"], base64.b64decode(model["content"])

    def start_kernel(self, path, name="python3"):
        body = {"path": path, "name": path.rpartition("/")[2], "type": "notebook", "kernel": {"name": name}}
        return Kernel(self, self.api("POST", "sessions", body))


LOOK_AT_THE_CLOCK_S = 5
ENDED = ("restarting", "autorestarting", "dead")       # what the server says of a kernel that has ended by itself


class Kernel:
    """One session. Used as a context manager: leaving it shuts the kernel down."""

    def __init__(self, server, session):
        self.server, self.session = server, session
        self.id = uuid.uuid4().hex
        self.channel = self._connect(session["kernel"]["id"])

    def _connect(self, kernel):
        parts = urlsplit(self.server.url)
        secure = parts.scheme == "https"
        url = f"{'wss' if secure else 'ws'}://{parts.netloc}{parts.path}api/kernels/{kernel}/channels?session_id={self.id}"
        options = {}
        if not secure:
            options["socket"] = dial(parts.hostname, parts.port or 80, 60)
        return websocket.create_connection(
            url,
            timeout=60,
            origin=f"{parts.scheme}://{parts.netloc}",
            cookie=self.server.browser.cookie_header(self.server.url),
            **options,
        )

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.channel.close()
        try:
            self.server.api("DELETE", "sessions/" + self.session["id"])
        except Refused:
            if kind is None:
                raise      # else why the cell failed is what has to be said; a kernel that is just started anew cannot be deleted

    def run(self, code, seconds=300):
        """Outputs of one cell, as a notebook keeps them. Raises CellFailed with the traceback when the cell raises."""
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": "", "session": self.id, "version": "5.3"}
        header["date"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        request = {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content}
        self.channel.send(json.dumps(request))
        outputs, idle, reply, end = [], False, None, time.monotonic() + seconds
        while not (idle and reply):
            left = end - time.monotonic()
            if left <= 0:
                raise CellFailed(f"the cell did not end within {seconds} s")
            # The server's pings, twice a minute, begin the time of waiting anew: it has to end before the next one.
            self.channel.settimeout(min(left, LOOK_AT_THE_CLOCK_S))
            try:
                message = json.loads(self.channel.recv())
            except websocket.WebSocketTimeoutException:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] in ENDED:
                raise CellFailed("the kernel was ended while the cell ran: by the memory limit, perhaps; the home page says so")
            if message["parent_header"].get("msg_id") != header["msg_id"]:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status":
                idle = content["execution_state"] == "idle"
            elif kind == "execute_reply":
                reply = content
            else:
                keep_output(outputs, kind, content)
        if reply["status"] != "ok":
            raise CellFailed("\n".join(reply.get("traceback") or [reply.get("evalue", "the kernel ended")]))
        return outputs, reply["execution_count"]


def keep_output(outputs, kind, content):
    """Adds an iopub message to a cell's outputs, in the notebook format."""
    if kind == "stream":
        if outputs and outputs[-1].get("name") == content["name"]:
            outputs[-1]["text"] += content["text"]
        else:
            outputs.append({"output_type": "stream", "name": content["name"], "text": content["text"]})
    elif kind == "display_data":
        outputs.append({"output_type": kind, "data": content["data"], "metadata": content["metadata"]})
    elif kind == "execute_result":
        kept = ("data", "metadata", "execution_count")
        outputs.append({"output_type": kind, **{key: content[key] for key in kept}})
    elif kind == "error":
        outputs.append({"output_type": kind, **{key: content[key] for key in ("ename", "evalue", "traceback")}})
