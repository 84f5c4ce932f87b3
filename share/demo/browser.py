"""A very small browser: cookies per origin, redirects across origins, forms. Standard library alone.

Names below .localhost and loopback addresses are reached at 127.0.0.1 with the right Host header: browsers know that *.localhost is
this machine, the C library does not.
"""
import gzip
import http.client
import json
import re
import socket
import ssl
from html.parser import HTMLParser
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit

MAX_BODY = 64 << 20


class Refused(Exception):
    """The other side answered with an error status."""

    def __init__(self, method, url, answer):
        self.status = answer.status
        text = answer.text.strip()
        if answer.type == "application/json":
            try:
                text = answer.json().get("message", text)
            except (ValueError, AttributeError):
                pass
        elif "html" in answer.type:
            text = " ".join(re.sub(r"(?s)<(script|style).*?</\1>|<[^>]*>", " ", text).split())
        super().__init__(f"{method} {url}: {answer.status} {text[:300]}")


class Answer:
    def __init__(self, url, raw, body):
        self.url, self.status, self.headers, self.body = url, raw.status, raw.headers, body
        self.type = (raw.headers.get("Content-Type") or "").partition(";")[0].strip().lower()

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)


class Form:
    def __init__(self, attributes):
        self.action, self.method = attributes.get("action", ""), attributes.get("method", "get").upper()
        self.fields, self.names = {}, set()


class FormParser(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.forms = []
        self.open = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.open = Form(attributes)
            self.forms.append(self.open)
        elif tag in ("input", "button", "select") and self.open and attributes.get("name"):
            self.open.names.add(attributes["name"])
            if attributes.get("type") == "hidden":
                self.open.fields[attributes["name"]] = attributes.get("value", "")

    def handle_endtag(self, tag):
        if tag == "form":
            self.open = None


def forms(text):
    return FormParser(text).forms


def dial(host, port, timeout):
    if host == "localhost" or host.endswith(".localhost"):
        host = "127.0.0.1"
    return socket.create_connection((host, port), timeout)


class Connection(http.client.HTTPConnection):
    def __init__(self, parts, timeout):
        super().__init__(parts.hostname, parts.port or (443 if parts.scheme == "https" else 80), timeout=timeout)
        self.parts = parts

    def connect(self):
        self.sock = dial(self.host, self.port, self.timeout)
        if self.parts.scheme == "https":
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)


class Browser:
    def __init__(self, timeout=120):
        self.timeout = timeout
        self.cookies = {}  # (host, port) -> {name: (value, path)}

    def cookie_header(self, url):
        parts = urlsplit(url)
        path = parts.path or "/"
        jar = self.cookies.get((parts.hostname, parts.port), {})
        sent = [f"{n}={v}" for n, (v, p) in jar.items() if path.startswith(p if p.endswith("/") else p + "/") or path == p]
        return "; ".join(sent)

    def cookie(self, url, name):
        parts = urlsplit(url)
        return self.cookies.get((parts.hostname, parts.port), {}).get(name, ("", ""))[0]

    def _keep(self, url, headers):
        parts = urlsplit(url)
        jar = self.cookies.setdefault((parts.hostname, parts.port), {})
        for line in headers.get_all("Set-Cookie") or []:
            try:
                morsels = SimpleCookie(line).values()
            except CookieError:
                continue
            for m in morsels:
                path = m["path"] or parts.path.rpartition("/")[0] or "/"
                if m["max-age"] == "0" or not m.value:
                    jar.pop(m.key, None)
                else:
                    jar[m.key] = (m.coded_value, path)

    def open(self, method, url, body=None, headers=()):
        """One request without redirects; the response is left open (for streams). Returns (connection, response)."""
        parts = urlsplit(url)
        connection = Connection(parts, self.timeout)
        sent = {"User-Agent": "craton-demo", "Accept": "*/*", **dict(headers)}
        cookies = self.cookie_header(url)
        if cookies:
            sent["Cookie"] = cookies
        connection.request(method, (parts.path or "/") + ("?" + parts.query if parts.query else ""), body, sent)
        response = connection.getresponse()
        self._keep(url, response.headers)
        return connection, response

    def request(self, method, url, body=None, headers=(), follow=10):
        """Follows redirects as a browser does; raises Refused for 4xx and 5xx."""
        for _ in range(follow + 1):
            connection, response = self.open(method, url, body, headers)
            data = response.read(MAX_BODY)
            connection.close()
            if response.headers.get("Content-Encoding") == "gzip":
                data = gzip.decompress(data)
            answer = Answer(url, response, data)
            if response.status in (301, 302, 303, 307, 308) and follow:
                url = urljoin(url, response.headers.get("Location", ""))
                if response.status not in (307, 308):
                    method, body, headers = "GET", None, {k: v for k, v in dict(headers).items() if k != "Content-Type"}
                continue
            if response.status >= 400:
                raise Refused(method, url, answer)
            return answer
        raise RuntimeError(f"more than {follow} redirects, the last to {url}")

    def get(self, url, **more):
        return self.request("GET", url, **more)

    def submit(self, page, form, values):
        """Sends a form of a page that was read, with the headers that a browser adds."""
        url = urljoin(page.url, form.action or page.url)
        parts = urlsplit(url)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": f"{parts.scheme}://{parts.netloc}",
            "Sec-Fetch-Site": "same-origin",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "document",
        }
        return self.request("POST", url, urlencode({**form.fields, **values}), headers)

    def events(self, url, headers=()):
        """The JSON objects of a server-sent event stream."""
        connection, response = self.open("GET", url, headers={"Accept": "text/event-stream", **dict(headers)})
        try:
            if response.status != 200:
                raise Refused("GET", url, Answer(url, response, response.read(MAX_BODY)))
            while line := response.readline(1 << 16):
                if line.startswith(b"data:"):
                    yield json.loads(line[5:])
        finally:
            connection.close()
