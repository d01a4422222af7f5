"""Injections of several classes of which no page shows anything: no output, no error, no delay. Each is acted on by
the real thing, or handled as it should be; the page is the same."""
import ast
import base64
import io
import json
import os
import pickle
import re
import shlex
import subprocess
import threading
import urllib.parse
import urllib.request
import jinja2
import mako.template
import tornado.template
import yaml
from lxml import etree
from backends import Interpreter
from fixture import Case, page

ORDER = '<?xml version="1.0"?><order><item>pear</item><count>2</count></order>'
SETTINGS = {"theme": "dark", "size": 7}
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
NODE = """
const eval_ = code => eval(code);
const read = o => { for (const k in o) if (typeof o[k] === 'string' && o[k].startsWith('_$$ND_FUNC$$_')) o[k] = eval('(' + o[k].slice(13) + ')') };
require('readline').createInterface({input: process.stdin}).on('line', line => {
    const [what, text] = JSON.parse(line);
    try { what === 'read' ? read(JSON.parse(text)) : eval_(text) } catch (error) { }
    console.log('{"value": ""}');
});
"""
PHP = r"""<?php
while (($line = fgets(STDIN)) !== false) {
    try { eval('$result = ' . json_decode($line) . ';'); } catch (Throwable $error) { }
    echo '{"value": ""}', "\n";
}
"""


def later(act):
    """What the application does when the answer is on its way."""
    def handle(value, _):
        def quietly():
            try:
                act(value)
            except Exception:
                pass
        threading.Thread(target=quietly, daemon=True).start()
        return page("Shop", "Thank you, we will see to it.")
    return handle


# Commands.
def run(command): subprocess.run(["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=20, cwd="/")
def bare(v): run("logger -t shop " + v)
def single(v): run(f"printf '%s' 'order {v}' > /dev/null")
def double(v): run(f'echo "order {v}" > /dev/null')
def substituted(v): run("echo order " + re.sub(r"[;|&\n]", "", v))
def quoted(v): run("echo order " + shlex.quote(v))
def listed(v): subprocess.run(["echo", "order", v.replace("\0", "")], stdout=subprocess.DEVNULL)


# Requests.
def fetched(v): OPENER.open(v, timeout=3).read(1000)
def pictured(v): OPENER.open(v, timeout=3).read(1000) if urllib.parse.urlparse(v).path.endswith(".png") else None
def host(v): OPENER.open(f"http://{v}/status", timeout=3).read(1000)
def known_host(v): host(v) if v == "192.0.2.2:8080" else None
def known_url(v): fetched(v) if v.startswith("http://192.0.2.2:8080/") else None


# Documents.
def external(v): etree.parse(io.BytesIO(v.encode()), etree.XMLParser(resolve_entities=True, no_network=False))
def with_types(v): etree.parse(io.BytesIO(v.encode()), etree.XMLParser(resolve_entities=False, load_dtd=True, no_network=False))
def closed(v): etree.parse(io.BytesIO(v.encode()), etree.XMLParser(resolve_entities=False))
def inner(v): etree.parse(io.BytesIO(v.encode()), etree.XMLParser(resolve_entities="internal" if etree.LXML_VERSION >= (5,) else True, no_network=True))


# Code.
def python_single(v): eval(f"'Hello {v}'.strip()")
def python_double(v): eval(f'len("Hello {v}")')
def python_number(v): eval(f"30 * {v}")
def literal(v): ast.literal_eval(v)
def python_quoted(v): eval("'Hello ' + " + repr(v))


# Templates.
def jinja(v): jinja2.Environment(autoescape=True).from_string(f"Hello {v}!").render()
def mako_(v): mako.template.Template(f"Hello {v}!", default_filters=["h"]).render()
def tornado_(v): tornado.template.Template(f"Hello {v}!").generate()
def jinja_passed(v): jinja2.Environment().from_string("Hello {{ value }}!").render(value=v)
def mako_passed(v): mako.template.Template("Hello ${value}!").render(value=v)
def tornado_passed(v): tornado.template.Template("Hello {{ value }}!").generate(value=v)


# Objects.
def unpickled(v): pickle.loads(base64.b64decode(v))
class Restricted(pickle.Unpickler):
    def find_class(self, module, name):
        raise pickle.UnpicklingError(f"{module}.{name} is forbidden")
def unpickled_by_list(v): Restricted(io.BytesIO(base64.b64decode(v))).load()
def yaml_unsafe(v): yaml.load(v, Loader=yaml.UnsafeLoader)
def yaml_safe(v): yaml.safe_load(v)


def cases(backends):
    programs = {}
    for name, text in (("shop.js", NODE), ("shop.php", PHP)):
        programs[name] = os.path.join(backends.folder, name)
        with open(programs[name], "w") as file:
            file.write(text)
    node = Interpreter(["node", programs["shop.js"]])
    php_ = Interpreter(["php", programs["shop.php"]])
    backends.processes += [node.process, php_.process]

    def node_single(v): node.ask(["run", f"'Hello {v}'.trim()"])
    def node_quoted(v): node.ask(["run", "'Hello ' + " + json.dumps(v)])
    def php_double(v): php_.ask(f'trim("Hello {v}")')
    def php_quoted(v): php_.ask("trim('Hello " + v.replace("\\", "\\\\").replace("'", "\\'") + "')")
    def node_read(v): node.ask(["read", v])
    def node_parsed(v): node.ask(["run", f"JSON.parse({json.dumps(v)})"])

    logo, settings = "http://static.example/logo.png", base64.b64encode(pickle.dumps(SETTINGS)).decode()
    rows = [
        # What is done, what is sound in its place, where the input is, what it is called, its usual value.
        (bare, quoted, "query", "note", "pear"), (single, listed, "form", "note", "pear"), (double, listed, "json", "note", "pear"),
        (substituted, quoted, "cookie", "note", "pear"),
        (fetched, known_url, "query", "url", logo), (pictured, known_url, "json", "image", logo), (host, known_host, "form", "host", "static.example"),
        (external, closed, "xml", "order", ORDER), (with_types, inner, "form", "order", ORDER),
        (python_single, python_quoted, "query", "name", "pear"), (python_double, python_quoted, "form", "name", "pear"),
        (python_number, literal, "query", "count", "2"), (node_single, node_quoted, "form", "name", "pear"), (php_double, php_quoted, "query", "name", "pear"),
        (jinja, jinja_passed, "query", "text", "pear"), (mako_, mako_passed, "form", "text", "pear"), (tornado_, tornado_passed, "query", "text", "pear"),
        (unpickled, unpickled_by_list, "form", "settings", settings), (yaml_unsafe, yaml_safe, "form", "settings", "theme: dark\nsize: 7\n"),
        (node_read, node_parsed, "form", "settings", json.dumps(SETTINGS)),
    ]
    made = []
    for number, (weak, sound, place, parameter, value) in enumerate(rows):
        for mark, act in (("v", weak), ("f", sound)):
            # A cookie is the whole site's, so each has a name of its own.
            name = f"{parameter}{number}{mark}" if place == "cookie" else parameter
            made.append(Case(f"{mark}-{act.__name__.replace('_', '')}-{number}", mark == "v", later(act), place, name, value))
    return made
