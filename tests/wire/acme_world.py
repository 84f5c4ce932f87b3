"""A certification authority for the tests: Pebble, Let's Encrypt's own server for testing clients, with its DNS (pebble-challtestsrv). Both are
Debian's. What trusts it runs in a mount namespace of its own, where the system's list of authorities is the one that signed Pebble's API."""
import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request

import pytest
from hub_client import PATIENCE, Platform, free_ports

DOMAIN = "hub.test"  # its names lead to this machine, in Pebble's eyes


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


class Pebble:
    def __init__(self, folder, http_port, life_s=None):
        self.folder, self.http_port = folder, http_port
        folder.mkdir(mode=0o755)
        self.port, more = free_ports(), free_ports()
        self.dns, self.manage_dns = more, more + 1
        self.url = f"https://localhost:{self.port}/dir"
        self.bundle = folder / "ca.pem"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", folder / "ca.key", "-out", self.bundle, "-days", 2,
                "-subj", "/CN=authority of the tests")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", folder / "own.key", "-out", folder / "own.csr", "-subj", "/CN=localhost")
        (folder / "names").write_text("subjectAltName=DNS:localhost\n")
        openssl("x509", "-req", "-in", folder / "own.csr", "-CA", self.bundle, "-CAkey", folder / "ca.key", "-CAcreateserial", "-out", folder / "own.crt", "-days", 2,
                "-extfile", folder / "names")
        (folder / "config.json").write_text(json.dumps({"pebble": {
            "listenAddress": f"127.0.0.1:{self.port}", "managementListenAddress": f"127.0.0.1:{self.port + 1}", "certificate": str(folder / "own.crt"),
            "privateKey": str(folder / "own.key"), "httpPort": http_port, "tlsPort": self.port + 2, "ocspResponderURL": "",
            "externalAccountBindingRequired": False, **({"certificateValidityPeriod": life_s} if life_s else {})}}))
        self.log = folder / "log"
        self.processes = []

    def run(self, *command):
        with open(self.log, "ab") as log:
            self.processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                                                   env={"PATH": "/usr/bin:/bin", "PEBBLE_VA_NOSLEEP": "1"}))

    def start(self):
        self.run("pebble-challtestsrv", "-dns01", f"127.0.0.1:{self.dns}", "-management", f"127.0.0.1:{self.manage_dns}", "-http01", "", "-https01", "",
                 "-tlsalpn01", "", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "")
        self.run("pebble", "-config", str(self.folder / "config.json"), "-dnsserver", f"127.0.0.1:{self.dns}")
        end = time.monotonic() + PATIENCE * 30
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1), socket.create_connection(("127.0.0.1", self.manage_dns), 1):
                return
            time.sleep(0.1)
        raise RuntimeError("Pebble does not answer:\n" + self.log.read_text()[-2000:])

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes.clear()

    def root(self):
        """The authority that signs certificates, fresh at every start."""
        context = ssl.create_default_context(cafile=str(self.bundle))
        with urllib.request.urlopen(f"https://localhost:{self.port + 1}/roots/0", context=context, timeout=10) as answer:
            return answer.read().decode()

    def orders(self):
        """Certificates that were given."""
        return self.log.read_text().count("Issued certificate serial")


class Certified(Platform):
    """cratond with --acme at a Pebble of its own."""

    def __init__(self, life_s=None):
        super().__init__()
        self.domain = DOMAIN
        self.acme_port = free_ports()
        self.pebble = Pebble(self.folder / "pebble", self.acme_port, life_s)
        self.hub = self.door = f"https://{DOMAIN}:{self.port}"
        self.options = ("--domain", DOMAIN, "--acme", self.pebble.url, "--acme-contact", "ada@example.org", "--acme-port", str(self.acme_port), "--preimport", "no")

    def cratond(self, *more):
        """In a mount namespace: its children trust the tests' authority as they would trust a public one."""
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount --bind "$0" /etc/ssl/certs/ca-certificates.crt && exec "$@"',
                str(self.pebble.bundle), *super().cratond(*more)]

    def served(self, name=DOMAIN, port=None, trust=True):
        """The names in the certificate that a new connection to this name gets, which a browser would have to believe."""
        context = ssl.create_default_context(cadata=self.pebble.root()) if trust else ssl._create_unverified_context()
        with socket.create_connection(("127.0.0.1", port or self.port), 10) as s, context.wrap_socket(s, server_hostname=name) as t:
            der = t.getpeercert(True)
        text = subprocess.run(["openssl", "x509", "-noout", "-ext", "subjectAltName"], input=ssl.DER_cert_to_PEM_cert(der), text=True, capture_output=True,
                              check=True).stdout
        return {part.strip().removeprefix("DNS:") for part in text.splitlines()[1].split(",")}

    def wait_for_names(self, *names, seconds=90):
        end = time.monotonic() + PATIENCE * seconds
        while not self.is_served(*names):
            said = (self.folder / "state/log/acme.log").read_text() if (self.folder / "state/log/acme.log").exists() else ""
            assert time.monotonic() < end, f"{names} are not served after {seconds} s:\n{said}\n{self.log.read_text()[-2000:]}\n{self.pebble.log.read_text()[-3000:]}"
            time.sleep(0.5)

    def is_served(self, *names):
        try:
            return all(self.served(name) for name in names)
        except (ssl.SSLError, OSError):
            return False

    def tls(self):
        return self.ask(command="status")["tls"]


@contextlib.contextmanager
def certified(*options, life_s=None, with_pebble=True, hook=""):
    """hook: an --acme-hook's text; %d is the port where Pebble's DNS is told what to say."""
    if os.geteuid() != 0:
        pytest.skip("needs root: several accounts")
    p = Certified(life_s)
    try:
        if hook:
            (p.folder / "hook").write_text(hook.replace("%d", str(p.pebble.manage_dns)))
            (p.folder / "hook").chmod(0o755)
            p.options += ("--acme-hook", str(p.folder / "hook"))
        if with_pebble:
            p.pebble.start()
        p.start(*options)
        yield p
    finally:
        p.stop()
        p.pebble.stop()
        shutil.rmtree(p.folder, ignore_errors=True)
