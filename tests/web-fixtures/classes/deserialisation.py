"""Serialised objects: which runtime reads them, what they are spelled in, where they stand, and what is read of them.

PHP and Java run as they are in Debian, Python is this one; node-serialize is not in Debian, so its few lines are written anew.
"""
import base64
import hashlib
import hmac
import io
import json
import pickle
import yaml
from fixture import Case, Page, escape, page

KEY = b"c2f8d1b7a4e94d0f8b6a73f1e5d2c908"
SETTINGS = {"theme": "dark", "size": 7}


def plain(value): return value.decode()
def b64(value): return base64.b64encode(value).decode()
def for_urls(value): return base64.urlsafe_b64encode(value).decode().rstrip("=")
def hexed(value): return value.hex()


UNPLAIN = {
    plain: str.encode,
    b64: lambda text: base64.b64decode(text, validate=True),
    for_urls: lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)),
    hexed: bytes.fromhex,
}


# PHP.
PHP_VALUE = b'a:2:{s:5:"theme";s:4:"dark";s:4:"size";i:7;}'
PHP_OBJECT = b'O:8:"stdClass":2:{s:5:"theme";s:4:"dark";s:4:"size";i:7;}'
def php(backends, value): return backends.unserialize(value, True)
def php_without_classes(backends, value): return backends.unserialize(value, False)
def php_arrays_alone(backends, value):
    if b"O:" in value or b"C:" in value:
        raise ValueError("an object")
    return backends.unserialize(value, True)


# Python.
def unpickled(_, value): return pickle.loads(value)
class Restricted(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is forbidden")
def unpickled_by_list(_, value): return Restricted(io.BytesIO(value)).load()
def unpickled_without_globals(_, value):
    if b"c" in value[:3] or b"\x93" in value:
        raise ValueError("a global")
    return pickle.loads(value)


# YAML.
YAML_VALUE = b"theme: dark\nsize: 7\n"
def yaml_unsafe(_, value): return yaml.load(value, Loader=yaml.UnsafeLoader)
def yaml_old(_, value): return yaml.load(value, Loader=yaml.Loader)
def yaml_safe(_, value): return yaml.safe_load(value)
def yaml_base(_, value): return yaml.load(value, Loader=yaml.BaseLoader)
def yaml_full(_, value): return yaml.load(value, Loader=yaml.FullLoader)


# Java.
def java(backends, value): return backends.read_object(value, "all")
def java_listed(backends, value): return backends.read_object(value, "listed")
def java_filtered(backends, value): return backends.read_object(value, "filtered")


# Node.
NODE_VALUE = json.dumps(SETTINGS).encode()
READ = "const read = o => { for (const k in o) if (typeof o[k] === 'string' && o[k].startsWith('_$$ND_FUNC$$_')) o[k] = eval('(' + o[k].slice(13) + ')'); return o };"
def node(backends, value): return json.loads(backends.javascript(f"{READ} JSON.stringify(read(JSON.parse({json.dumps(value.decode())})))"))
def node_parse(backends, value): return json.loads(backends.javascript(f"JSON.stringify(JSON.parse({json.dumps(value.decode())}))"))
def python_parse(_, value): return json.loads(value)


def signed(read):
    """Only what this site has signed is read."""
    def judged(backends, value):
        value, _, signature = value.rpartition(b".")
        if not hmac.compare_digest(hmac.new(KEY, value, hashlib.sha256).hexdigest().encode(), signature):
            raise ValueError("not ours")
        return read(backends, value)
    judged.__name__ = "signed_" + read.__name__
    return judged


def ignored(_, value): return SETTINGS


# What is shown of them, and of an error.
def themed(settings): return page("Settings", f"<p>Theme {escape(str(settings['theme']))}</p><p>Size {settings['size']}</p>")
def whether(settings): return page("Settings", "Dark it is." if settings["theme"] == "dark" else "Light it is.")
def document(settings): return Page(json.dumps({"theme": settings["theme"]}), 200, (("Content-Type", "application/json"),))


def hidden(error): raise error
def told(error): return page("Error", f"<pre>{escape(type(error).__name__)}</pre>", 400)
def usual(error): return page("Settings", "<p>Theme light</p><p>Size 1</p>")


PICKLE, OLD_PICKLE, TEXT_PICKLE = (pickle.dumps(SETTINGS, protocol) for protocol in (4, 2, 0))
VULNERABLE = [
    (php, plain, PHP_VALUE, "cookie", themed, hidden), (php, b64, PHP_VALUE, "cookie", whether, usual), (php, plain, PHP_VALUE, "form", themed, told),
    (php, b64, PHP_VALUE, "query", document, hidden), (php, for_urls, PHP_OBJECT, "json", themed, usual),
    (unpickled, b64, PICKLE, "cookie", themed, hidden), (unpickled, for_urls, PICKLE, "query", whether, usual), (unpickled, b64, OLD_PICKLE, "form", themed, told),
    (unpickled, plain, TEXT_PICKLE, "form", document, hidden), (unpickled, hexed, PICKLE, "json", themed, hidden),
    (java, b64, None, "cookie", themed, hidden), (java, for_urls, None, "query", whether, usual), (java, hexed, None, "form", document, told), (java, b64, None, "json", themed, hidden),
    (node, plain, NODE_VALUE, "form", themed, hidden), (node, b64, NODE_VALUE, "cookie", whether, usual), (node, for_urls, NODE_VALUE, "query", document, hidden),
    (yaml_unsafe, plain, YAML_VALUE, "form", themed, hidden), (yaml_old, b64, YAML_VALUE, "query", whether, told), (yaml_unsafe, plain, YAML_VALUE, "json", document, usual),
]
SOUND = [
    (php_without_classes, plain, PHP_VALUE, "cookie", themed, hidden), (php_without_classes, b64, PHP_VALUE, "query", whether, usual),
    (php_arrays_alone, plain, PHP_VALUE, "form", themed, told), (signed(php), b64, PHP_VALUE, "cookie", themed, hidden),
    (unpickled_by_list, b64, PICKLE, "cookie", themed, hidden), (unpickled_by_list, b64, OLD_PICKLE, "form", themed, told),
    (unpickled_without_globals, plain, TEXT_PICKLE, "form", whether, usual), (signed(unpickled), b64, PICKLE, "query", themed, usual),
    (java_listed, b64, None, "cookie", themed, hidden), (java_filtered, hexed, None, "query", whether, told), (signed(java), b64, None, "form", themed, usual),
    (node_parse, plain, NODE_VALUE, "form", themed, hidden), (python_parse, b64, NODE_VALUE, "cookie", whether, usual), (python_parse, plain, NODE_VALUE, "json", document, told),
    (yaml_safe, plain, YAML_VALUE, "form", themed, hidden), (yaml_base, b64, YAML_VALUE, "query", whether, told), (yaml_full, plain, YAML_VALUE, "json", document, usual),
    (ignored, b64, PICKLE, "query", themed, hidden), (ignored, plain, PHP_VALUE, "form", themed, hidden),
]


def cases(backends):
    backends.start("php")
    backends.start("java")
    backends.start("node")
    map_of_java = backends.java_settings()
    made = []
    for vulnerable, rows in ((True, VULNERABLE), (False, SOUND)):
        for read, spell, value, place, show, fail in rows:
            value = value or map_of_java
            if read.__name__.startswith("signed"):
                value += b"." + hmac.new(KEY, value, hashlib.sha256).hexdigest().encode()

            def handle(text, _, read=read, spell=spell, show=show, fail=fail):
                try:
                    return show(read(backends, UNPLAIN[spell](text)))
                except Exception as error:
                    return fail(error)

            parts = ("v" if vulnerable else "f", read.__name__, spell.__name__, place, show.__name__, fail.__name__)
            # A cookie is the whole site's, so each has a name of its own.
            name = f"settings{len(made)}" if place == "cookie" else "settings"
            made.append(Case("-".join(part.replace("_", "") for part in parts), vulnerable, handle, place, name, spell(value)))
    return made
