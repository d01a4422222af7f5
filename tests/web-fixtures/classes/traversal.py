"""Files: a real folder, and what is done to the name before it is opened."""
import os
import re
import tempfile
import urllib.parse
from fixture import Case, escape, page

FOLDER = tempfile.mkdtemp(prefix="vedette-files-")
os.makedirs(FOLDER + "/docs/en")
for path in ("docs/help.txt", "docs/en/help.txt", "docs/about.html"):
    with open(f"{FOLDER}/{path}", "w") as file:
        file.write("This is the help of the shop.\n")


def read(path):
    with open(path.split("\0")[0], "rb") as file:
        return "<pre>" + escape(file.read(20000).decode("utf-8", "replace")) + "</pre>"


def joined(v): return read(FOLDER + "/docs/" + v)
def os_join(v): return read(os.path.join(FOLDER, "docs", v))
def stripped_once(v): return joined(v.replace("../", ""))
def decoded_again(v): return joined(urllib.parse.unquote(v)) if ".." not in v else "No."
def must_begin(v): return read(FOLDER + "/" + v) if v.startswith("docs/") else "No."
def must_end(v): return joined(v) if v.endswith(".txt") else "No."
def no_leading_slash(v): return joined(v.lstrip("/"))
def no_dots(v): return read(v if v.startswith("/") else FOLDER + "/docs/" + v) if ".." not in v else "No."
def url(v): return read(v[7:]) if v.startswith("file://") else joined(os.path.basename(v))


def inside(v):
    path = os.path.realpath(FOLDER + "/docs/" + v.replace("\0", ""))
    return read(path) if path.startswith(FOLDER + "/docs/") else "No."


def base_name(v): return joined(os.path.basename(v.replace("\0", "")))
def listed(v): return joined(v) if v in ("help.txt", "en/help.txt", "about.html") else "No."
def words(v): return joined(re.sub(r"[^A-Za-z0-9.]", "", v).replace("..", ""))
def repeated(v): return "There is no file " + escape(v)
def in_loop(v):
    while "../" in v:
        v = v.replace("../", "")
    return joined(v.replace("\0", ""))
def chosen(v): return joined({"1": "help.txt", "2": "about.html"}.get(v, "help.txt"))


VULNERABLE = [joined, os_join, stripped_once, decoded_again, must_begin, must_end, no_leading_slash, no_dots, url]
SOUND = [inside, base_name, listed, words, repeated, in_loop, chosen]
VALUES = {must_begin: "docs/help.txt", os_join: "en/help.txt"}


def cases(_):
    made = []
    for vulnerable, table, places in ((True, VULNERABLE, ("query", "form")), (False, SOUND, ("query", "form", "json"))):
        for number, opens in enumerate(table):
            for place in places:
                def handle(value, _, opens=opens):
                    try:
                        return opens(value)
                    except (OSError, ValueError):
                        return page("Not found", "There is no such file.", 404)
                name = f"{'v' if vulnerable else 'f'}-{opens.__name__.replace('_', '')}-{place}"
                made.append(Case(name, vulnerable, handle, place, "name", VALUES.get(opens, "help.txt")))
    # In the path, in a cookie, in JSON.
    def in_path(value, _):
        try:
            return joined(value if value != "7" else "help.txt")
        except (OSError, ValueError):
            return page("Not found", "There is no such file.", 404)
    made.append(Case("v-path", True, in_path, "path", "2", "7"))
    made.append(Case("v-cookie", True, in_path, "cookie", "theme", "help.txt"))
    made.append(Case("v-json", True, in_path, "json", "name", "help.txt"))
    # A page about users, not the file of users.
    made.append(Case("f-manual", False, lambda value, _: "<pre>root:x:0:0:root:/root:/bin/bash</pre>" + escape(value), value="help.txt"))
    return made
