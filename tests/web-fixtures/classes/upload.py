"""Uploads: which files are taken, under which names they are kept, what a server does with them, and what is said of them."""
import json
import mimetypes
import os
import re
import subprocess
import time
import uuid
from fixture import Case, Page, escape, page

PICTURES = (".gif", ".png", ".jpg", ".jpeg")
HTML = ("Content-Type", "text/html; charset=utf-8")
ATTACHED = ("Content-Disposition", "attachment")
NOSNIFF = ("X-Content-Type-Options", "nosniff")


# Which files are taken, by name, type and contents.
def any_(name, media, data): return True
def by_media(name, media, data): return media.startswith("image/")
def by_magic(name, media, data): return data[:4] in (b"GIF8", b"\x89PNG", b"\xff\xd8\xff\xe0")
def not_php(name, media, data): return not name.lower().endswith(".php")
def not_small_php(name, media, data): return not name.endswith((".php", ".phtml", ".php5", ".phar"))
def not_any_php(name, media, data): return not re.search(r"\.ph", name, re.I)
def first_ending(name, media, data): return "." + name.split(".")[1] in PICTURES
def somewhere(name, media, data): return any(ending in name.lower() for ending in PICTURES)
def pictures(name, media, data): return os.path.splitext(name)[1].lower() in PICTURES
def true_pictures(name, media, data): return pictures(name, media, data) and by_magic(name, media, data)
def one_dot(name, media, data): return pictures(name, media, data) and name.count(".") == 1
def drawings(name, media, data): return os.path.splitext(name)[1].lower() in (*PICTURES, ".svg")
def tame_drawings(name, media, data): return drawings(name, media, data) and not (name.lower().endswith(".svg") and re.search(rb"<script|\son\w+=|javascript:", data, re.I))


# Under which names they are kept.
def own(name): return name
def stamped(name): return f"{time.time_ns()}-{name}"
def random(name): return uuid.uuid4().hex + os.path.splitext(name)[1]
def bare(name): return uuid.uuid4().hex
def as_picture(name): return uuid.uuid4().hex + ".gif"


def shown(data, name, headers=()):
    media = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Page(data, 200, (("Content-Type", media), *headers))


def php(path):
    out = subprocess.run(["php", "-d", "display_errors=0", path], capture_output=True, timeout=20, stdin=subprocess.DEVNULL).stdout
    return Page(out, 200, (HTML,))


# What a server does with what lies in the folder: Debian's rule for PHP, the rule of old handbooks, and one for file systems that know no capitals.
def apache(path, data, name): return php(path) if re.search(r".\.ph(ar|p|tml)$", name) else shown(data, name)
def apache_old(path, data, name): return php(path) if re.search(r"\.php5?(\.|$)", name) else shown(data, name)
def apache_any(path, data, name): return php(path) if re.search(r"\.php$", name, re.I) else shown(data, name)
def static(path, data, name): return shown(data, name)
def attached(path, data, name): return shown(data, name, (ATTACHED,))
def as_text(path, data, name): return Page(data, 200, (("Content-Type", "text/plain; charset=utf-8"), NOSNIFF))
def as_bytes(path, data, name): return Page(data, 200, (("Content-Type", "application/octet-stream"), NOSNIFF))
def sandboxed(path, data, name): return shown(data, name, (("Content-Security-Policy", "sandbox"),))
def scriptless(path, data, name): return shown(data, name, (("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),))
def quoted(path, data, name): return page("Preview", f"<pre>{escape(data.decode('utf-8', 'replace'))}</pre>")
def missing(path, data, name): return page("Not found", "There is no such file.", 404)


# What is said of a file that was taken.
def link(place, name): return page("Shop", f'Thank you. <a href="{escape(place)}">Your file</a>')
def document(place, name): return Page(json.dumps({"file": {"url": place, "size": 7}}), 201, (("Content-Type", "application/json"),))
def moved(place, name): return Page("", 303, (("Location", place),))
def told(place, name): return page("Shop", f"Kept as {escape(place)}.")
def listed(place, name): return page("Shop", "Thank you.")
def silent(place, name): return page("Shop", "Thank you.")


VULNERABLE = [
    (any_, own, apache, link), (any_, stamped, apache, document), (any_, random, apache, moved), (any_, own, apache, silent), (any_, random, apache, listed),
    (by_media, own, apache, link), (by_magic, random, apache, document), (not_php, own, apache, link), (not_small_php, own, apache_any, document),
    (first_ending, own, apache, link), (somewhere, stamped, apache, told), (pictures, own, apache_old, link), (any_, own, static, link),
    (by_media, random, static, document), (not_any_php, own, static, link), (drawings, own, static, link), (drawings, random, static, moved), (any_, own, static, listed),
]
SOUND = [
    (pictures, own, apache, link), (pictures, random, apache, document), (true_pictures, random, apache, moved), (one_dot, own, apache_old, link),
    (any_, own, attached, link), (any_, random, attached, document), (any_, own, as_text, link), (any_, own, as_bytes, listed), (any_, own, sandboxed, link),
    (any_, own, scriptless, link), (any_, own, missing, told), (any_, as_picture, apache, link), (any_, bare, as_bytes, document), (tame_drawings, own, static, link),
    (drawings, own, attached, link), (pictures, own, apache, silent), (any_, own, quoted, link), (true_pictures, stamped, static, listed),
]


def parts(request):
    """The file in a form: its name, its type and its bytes."""
    boundary = request.headers.get("Content-Type", "").partition("boundary=")[2]
    for part in request.body.split(b"--" + boundary.encode())[1:-1]:
        head, _, data = part.partition(b"\r\n\r\n")
        head = head.decode("utf-8", "replace")
        if 'filename="' in head:
            media = re.search(r"Content-Type: (\S+)", head)
            return head.split('filename="')[1].split('"')[0], media[1] if media else "", data[:-2]
    return None


def cases(backends):
    made = []
    for vulnerable, rows in ((True, VULNERABLE), (False, SOUND)):
        for number, row in enumerate(rows):
            name = "-".join(("v" if vulnerable else "f", *(word.__name__.replace("_", "") for word in row)))
            folder = os.path.join(backends.folder, "upload", name)
            os.makedirs(folder)
            made.append(Case(name, vulnerable, handler(name, folder, number % 2 == 0, *row), "file", "picture", "", (("title", "pear"),)))
    return made


def handler(case, folder, removes, takes, naming, serve, say):
    place = "uploads" if say is silent else "kept"

    def handle(_, request):
        rest = request.path.split("/")[2:]
        if rest:
            name = os.path.basename(rest[-1])
            path = os.path.join(folder, name)
            if rest[0] != place or not os.path.isfile(path):
                return page("Not found", "There is no such file.", 404)
            if request.method == "DELETE":
                if not removes:
                    return page("Not allowed", "Files are kept.", 405)
                os.remove(path)
                return Page("", 204)
            with open(path, "rb") as file:
                return serve(path, file.read(), name)
        if request.method != "POST":
            names = sorted(os.listdir(folder), key=lambda name: os.stat(os.path.join(folder, name)).st_mtime_ns)[-20:] if say is listed else []
            return page("Files", "".join(f'<li><a href="/{case}/{place}/{escape(name)}">{escape(name)}</a></li>' for name in names))
        sent = parts(request)
        if sent is None or not re.fullmatch(r"[\w.-]{1,100}", sent[0]) or "." not in sent[0] or not takes(*sent):
            return page("Refused", "We do not take such files.", 400)
        name = naming(sent[0])
        with open(os.path.join(folder, name), "wb") as file:
            file.write(sent[2])
        return say(f"/{case}/{place}/{name}", name)

    return handle
