"""Serves the cases of one class, or the site for crawlers, until its standard input ends.

    serve.py CLASS [--few]    prints a line of JSON: the port, and what the cases are
    serve.py crawl            the same, with the pages that there are to find

When its input ends it prints another: how many requests there were, and which pages were shown.
"""
import importlib
import json
import os
import shutil
import sys
import tempfile
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from backends import Backends
from fixture import server


def main():
    name = sys.argv[1]
    few = "--few" in sys.argv[2:]
    folder = tempfile.mkdtemp(prefix="vedette-web-")
    backends = Backends(folder)
    try:
        module = importlib.import_module(name if name == "crawl" else "classes." + name)
        cases = module.cases(backends)
        if few:
            cases = [case for case in cases if getattr(module, "in_few", lambda _: True)(case)]
        served = server(cases, getattr(module, "pages", lambda: {})())
        threading.Thread(target=served.serve_forever, daemon=True).start()
        description = [
            {"name": case.name, "vulnerable": case.vulnerable, "place": case.place, "parameter": case.parameter}
            for case in cases
        ]
        reachable = getattr(module, "REACHABLE", [])
        print(json.dumps({"port": served.server_address[1], "cases": description, "pages": reachable}), flush=True)
        sys.stdin.read()
        with served.lock:
            print(json.dumps({"requests": served.requests, "shown": sorted(served.shown)}), flush=True)
    finally:
        backends.close()
        shutil.rmtree(folder, ignore_errors=True)


main()
