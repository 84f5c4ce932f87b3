"""A small internet for craton-fetch, inside namespaces of its own: a name server, an authority, servers with good and bad certificates.

Run as: unshare -n -m python fetcher_world.py CRATON_FETCH. Prints one JSON object: what each question was answered.
"""
import datetime
import fcntl
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

folder = tempfile.mkdtemp()
names_asked, headers_seen = [], []


def certificate(name, issuer=None, days=1, ca=False):
    """(certificate, key); issuer None: signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    made = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer[0].subject if issuer else subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(end - datetime.timedelta(days=30)).not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca, None), True).add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
            .sign(issuer[1] if issuer else key, hashes.SHA256()))
    return made, key


def pem(made, key, name):
    path = os.path.join(folder, name)
    with open(path, "wb") as f:
        f.write(made.public_bytes(serialization.Encoding.PEM))
        f.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return path


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        headers_seen.append(dict(self.headers))
        self.send_response(302 if self.path == "/redirect" else 200)
        self.send_header("Location", "https://good.example/")
        self.end_headers()
        self.wfile.write(b"hello from " + str(self.server.server_port).encode())


def serve(port, path=None, newest=None):
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    if path:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        if newest:
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = newest
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def name_server():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 53))
    while True:
        question, whom = s.recvfrom(512)
        at, labels = 12, []
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        kind, name = struct.unpack(">H", question[at + 1:at + 3])[0], ".".join(labels)
        names_asked.append(name)
        known = name.endswith(".example")
        answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + b"\x7f\0\0\1" if known and kind == 1 else b""
        flags = 0x8180 if known else 0x8183
        s.sendto(question[:2] + struct.pack(">HHHHH", flags, 1, bool(answer), 0, 0) + question[12:at + 5] + answer, whom)


def ask(path, **question):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(path)
        s.sendall(json.dumps(question).encode() + b"\n")
        with s.makefile("rb") as f:
            head = json.loads(f.readline())
            return {**head, "body": f.read().decode()}


def main():
    with socket.socket() as s:     # lo up
        fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))
    authority = certificate("authority", ca=True)
    stranger = certificate("stranger", ca=True)
    trusted = os.path.join(folder, "trusted")
    with open(trusted, "wb") as f:
        f.write(authority[0].public_bytes(serialization.Encoding.PEM))
    resolver = os.path.join(folder, "resolv.conf")
    with open(resolver, "w") as f:
        f.write("nameserver 127.0.0.1\n")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "--bind", trusted, "/etc/ssl/certs/ca-certificates.crt"], check=True)
    subprocess.run(["mount", "--bind", resolver, "/etc/resolv.conf"], check=True)
    threading.Thread(target=name_server, daemon=True).start()
    good = pem(*certificate("good.example", authority), "good")
    serve(443, good)
    serve(8443, pem(*certificate("good.example", stranger), "unknown"))
    serve(8444, pem(*certificate("other.example", authority), "other"))
    serve(8445, pem(*certificate("good.example", authority, days=-1), "old"))
    serve(8446, good, ssl.TLSVersion.TLSv1_1)
    serve(8447)
    path = os.path.join(folder, "s")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(8)
    origins = ",".join(["https://good.example", "https://none.invalid"] + [f"https://good.example:{p}" for p in range(8443, 8449)] + ["smtp://good.example:8447"])
    process = subprocess.Popen([sys.argv[1], origins], pass_fds=[3], preexec_fn=lambda: os.dup2(listener.fileno(), 3),
                               env={"https_proxy": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1"})
    try:
        ports = {"good": "", "unknown authority": ":8443", "other name": ":8444", "too old": ":8445", "TLS 1.1": ":8446", "no TLS": ":8447", "nobody": ":8448"}
        result = {name: ask(path, url=f"https://good.example{port}/x", bearer="b") for name, port in ports.items()}
        result["unknown name"] = ask(path, url="https://none.invalid/")
        result["redirect"] = ask(path, url="https://good.example/redirect")
        letter = {"mail": "x", "mail_from": "a@good.example", "mail_to": "b@good.example"}
        result["mail elsewhere"] = ask(path, url="smtp://good.example:25", **letter)
        result["mail as a page"] = ask(path, url="https://good.example/x", **letter)
        result["a page as mail"] = ask(path, url="smtp://good.example:8447")
        result["mail by a path"] = ask(path, url="smtp://good.example:8447/x@other.example", **letter)
        result["a second recipient"] = ask(path, url="smtp://good.example:8447", **{**letter, "mail_to": "b@good.example>\r\nRCPT TO:<c@other.example"})
        result["a second sender"] = ask(path, url="smtp://good.example:8447", **{**letter, "mail_from": "a@good.example\n"})
        result["not ours"] = ask(path, url="https://other.example/")
    finally:
        process.kill()
    print(json.dumps({**result, "asked": names_asked, "headers": headers_seen[:1]}))


main()
