"""Serves the cases of one class until its standard input ends.

    serve.py CLASS        prints one line of JSON: the port and what the cases are
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
        module = importlib.import_module("classes." + name)
        cases = module.cases(backends)
        if few:
            cases = [case for case in cases if getattr(module, "in_few", lambda _: True)(case)]
        served = server(cases, getattr(module, "pages", lambda: {})())
        threading.Thread(target=served.serve_forever, daemon=True).start()
        description = [
            {"name": case.name, "vulnerable": case.vulnerable, "place": case.place, "parameter": case.parameter}
            for case in cases
        ]
        print(json.dumps({"port": served.server_address[1], "cases": description}), flush=True)
        sys.stdin.read()
    finally:
        backends.close()
        shutil.rmtree(folder, ignore_errors=True)


main()
