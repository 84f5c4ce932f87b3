"""The platform's main job, done as a user does it: sign in, start the server, run the welcome notebooks, stop, sign out.

Everything goes over public HTTP and the kernel's websocket. Only the account is made, and removed at the end, through the control
socket of cratond: a name and a password that nobody knows, for this machine only.

    demo.py --control SOCKET --address URL --output DIRECTORY [--first]

Leaves in DIRECTORY the executed notebooks as HTML, their plots as PNG, and figures.json. Exit status 0 when every comparison in the
notebooks held. --first leaves out notebooks that ask for it ("craton": {"first": false} in their metadata): the first start is short.
"""
import argparse
import json
import re
import signal
import socket
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent))
from browser import Browser, Refused, forms  # noqa: E402
from kernel import CellFailed, Server  # noqa: E402

FIGURES = "craton-figures: "
START = time.monotonic()


def say(text):
    print(f"  {time.monotonic() - START:5.1f} s  {text}", flush=True)


class Control:
    """cratond's control socket: a JSON line there, a JSON line back."""

    def __init__(self, path):
        self.path = path

    def ask(self, **request):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(self.path)
            s.sendall(json.dumps(request).encode() + b"\n")
            with s.makefile("rb") as lines:
                answer = json.loads(lines.readline(1 << 20) or b"{}")
        if answer.get("error") or not answer:
            raise RuntimeError(f"cratond: {answer.get('error', 'closed the connection')}")
        return answer


def sign_in(browser, hub, name, password):
    page = browser.get(hub + "/hub/login")
    form = next((f for f in forms(page.text) if "password" in f.names), None)
    if form is None:
        raise RuntimeError(f"{page.url} has no sign-in form")
    home = browser.submit(page, form, {"username": name, "password": password})
    if "/hub/login" in urlsplit(home.url).path:
        raise RuntimeError("the sign-in was not accepted")
    return home


def start_server(browser, hub, home, name):
    """Presses Start and reads the progress until the server is ready. Returns its base URL."""
    form = next((f for f in forms(home.text) if "spawn" in f.action), None)
    if form is None:
        raise RuntimeError(f"{home.url} has no Start button")
    browser.submit(home, form, {})
    for event in browser.events(f"{hub}/hub/api/users/{name}/server/progress"):
        say(event.get("message", ""))
        if event.get("failed"):
            raise RuntimeError(event.get("message", "the server did not start"))
        if event.get("ready"):
            break
    # Signs in at the user's own origin through the hub (OAuth), as the browser does when it arrives there.
    lab = browser.get(hub + "/hub/user-redirect/lab")
    return lab.url[: lab.url.index("/lab") + 1]


def run_notebook(server, path):
    """Runs all cells; returns the notebook with outputs and the figures that its last cell printed."""
    notebook = server.notebook(path)
    figures = None
    with server.start_kernel(path) as kernel:
        for cell in notebook["cells"]:
            if cell["cell_type"] != "code":
                continue
            cell["outputs"], cell["execution_count"] = kernel.run("".join(cell["source"]))
            for output in cell["outputs"]:
                for line in output.get("text", "").splitlines():
                    if line.startswith(FIGURES):
                        figures = json.loads(line.removeprefix(FIGURES))
    if figures is None:
        raise CellFailed(f"{path} did not print its figures")
    return notebook, figures


def write_page(notebook, target):
    import nbformat
    from nbconvert import HTMLExporter

    body, _ = HTMLExporter().from_notebook_node(nbformat.from_dict(notebook))
    target.write_text(body)


def analyse(browser, hub, name, password, output, first):
    home = sign_in(browser, hub, name, password)
    say("signed in")
    server = Server(browser, start_server(browser, hub, home, name))
    results, pages = [], []
    for entry in sorted(server.api("GET", "contents/welcome")["content"], key=lambda e: e["name"]):
        if entry["type"] != "notebook":
            continue
        if first and not server.notebook(entry["path"])["metadata"].get("craton", {}).get("first", True):
            continue
        say(f"running {entry['path']}")
        notebook, figures = run_notebook(server, entry["path"])
        pages.append((notebook, output / (Path(entry["name"]).stem + ".html")))
        results.append(figures)
        for key, value in figures.items():
            if key != "notebook":
                print(f"             {key}: {value}", flush=True)
    plots = []
    for file, data in server.files("welcome/results", ".png"):
        plots.append(output / re.sub(r"[^A-Za-z0-9._-]", "_", file))
        plots[-1].write_bytes(data)
    return results, pages, plots


def stop_server(browser, hub):
    home = browser.get(hub + "/hub/home")
    form = next((f for f in forms(home.text) if "stop" in f.action), None)
    if form is not None:
        browser.submit(home, form, {})
        say("server stopped")


def main():
    parser = argparse.ArgumentParser()
    for option in ("control", "address", "output"):
        parser.add_argument("--" + option, required=True)
    parser.add_argument("--first", action="store_true")
    arguments = parser.parse_args()
    hub, output = arguments.address.rstrip("/"), Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit("demo: interrupted"))

    control = Control(arguments.control)
    print("Demo: analyses on real data, through the running platform", flush=True)
    account = control.ask(command="demo-create")
    browser = Browser()
    try:
        results, pages, plots = analyse(browser, hub, account["name"], account["password"], output, arguments.first)
        stop_server(browser, hub)
    finally:
        control.ask(command="demo-remove", name=account["name"])
        say("demo account removed")
    for notebook, target in pages:
        write_page(notebook, target)
    agreed = bool(results) and all(figures["agrees"] for figures in results)
    (output / "figures.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    say("Craton and NumPy agree in every comparison" if agreed else "Craton and NumPy DIFFER")
    print("  pages: " + "\n         ".join(str(target) for _, target in pages))
    print("  plots: " + "\n         ".join(map(str, plots)), flush=True)
    return 0 if agreed else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("demo: interrupted")
    except (Refused, CellFailed, RuntimeError, OSError) as error:
        sys.exit(f"demo: {error}")
