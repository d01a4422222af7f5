"""Serves the cases of one class, or the site for crawlers, until its standard input ends.

    serve.py CLASS [--few]    prints a line of JSON: the port, and what the cases are
    serve.py crawl            the same, with the pages that there are to find
    serve.py CLASS --at ADDRESS PORT    at an address that other hosts can reach
    serve.py spa              the same of an application of one page

When its input ends it prints another: how many requests there were, and which pages were shown.
"""
import importlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from backends import Backends
from fixture import server

SITES = ("crawl", "spa")


def in_tls(listening, folder):
    """The same socket inside TLS, with a certificate of its own making."""
    key, certificate = os.path.join(folder, "key"), os.path.join(folder, "certificate")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=127.0.0.1",
         "-days", "2", "-keyout", key, "-out", certificate],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    # The handshake is the business of the connection's own thread.
    return context.wrap_socket(listening, server_side=True, do_handshake_on_connect=False)


def main():
    name = sys.argv[1]
    few = "--few" in sys.argv[2:]
    folder = tempfile.mkdtemp(prefix="vedette-web-")
    backends = Backends(folder)
    try:
        module = importlib.import_module(name if name in SITES else "classes." + name)
        cases = module.cases(backends)
        if few:
            cases = [case for case in cases if getattr(module, "in_few", lambda _: True)(case)]
        at = sys.argv.index("--at") if "--at" in sys.argv else None
        at = (sys.argv[at + 1], int(sys.argv[at + 2])) if at else ("127.0.0.1", 0)
        served = server(cases, getattr(module, "pages", lambda: {})(), at)
        secure = getattr(module, "TLS", False)
        if secure:
            served.socket = in_tls(served.socket, folder)
        threading.Thread(target=served.serve_forever, daemon=True).start()
        description = [
            {"name": case.name, "vulnerable": case.vulnerable, "place": case.place, "parameter": case.parameter}
            for case in cases
        ]
        reachable = getattr(module, "REACHABLE", [])
        application = served.server_address[1]
        front = module.front(backends, application) if hasattr(module, "front") else None
        told = {"port": front.port if front else application, "tls": secure, "cases": description, "pages": reachable}
        print(json.dumps({**told, "logins": getattr(module, "LOGINS", [])}), flush=True)
        sys.stdin.read()
        with served.lock:
            requests = front.requests() if front else served.requests
            print(json.dumps({"requests": requests, "shown": sorted(served.shown)}), flush=True)
    finally:
        backends.close()
        shutil.rmtree(folder, ignore_errors=True)


main()
