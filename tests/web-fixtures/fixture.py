"""What all classes share: a case, the pages that lead to it, and the server.

A case is one input of one request: `handle(value, request)` gets the input's value, wherever it stands, and
returns a page. A class is a file in classes/ with a function `cases(backends)`.
"""
import dataclasses
import html
import http.cookies
import http.server
import itertools
import json
import socket
import threading
import time
import urllib.parse


@dataclasses.dataclass
class Case:
    name: str
    vulnerable: bool
    handle: object
    place: str = "query"
    parameter: str = "q"
    value: str = "1"
    others: tuple = ()

    @property
    def path(self):
        return "/" + self.name + ("/7" if self.place == "path" else "")


@dataclasses.dataclass
class Page:
    body: object
    status: int = 200
    headers: tuple = (("Content-Type", "text/html; charset=utf-8"),)
    # Whether the values of its header fields go out as they stand, line ends and all.
    raw: bool = False


@dataclasses.dataclass
class Request:
    method: str
    path: str
    query: dict
    form: dict
    body: bytes
    headers: object


def page(title, body, status=200, headers=()):
    """A page as applications make them: with a clock and a number that change each time."""
    _ticks = next(TICKS)
    text = (
        f"<!doctype html><html><head><title>{title}</title></head><body><h1>{title}</h1>\n<div>{body}</div>\n"
        f"<footer>Served at {time.strftime('%H:%M:%S')}, request {_ticks}</footer></body></html>"
    )
    return Page(text, status, (("Content-Type", "text/html; charset=utf-8"), *headers))


TICKS = itertools.count(1000)
escape = html.escape


def lead(case):
    """What stands on the first page for a case: a link, a form or a script."""
    path, name, value = case.path, case.parameter, case.value
    hidden = "".join(f'<input name="{escape(n)}" value="{escape(str(v))}">' for n, v in case.others)
    if case.place == "nowhere":
        return ""
    if case.place == "query":
        query = urllib.parse.urlencode([*case.others, (name, value)])
        return f'<a href="{escape(path + "?" + query)}">{case.name}</a>'
    if case.place == "form":
        return (
            f'<form method="post" action="{path}">{hidden}<input name="{escape(name)}" value="{escape(value)}">'
            f"<button>{case.name}</button></form>"
        )
    if case.place == "multipart":
        return (
            f'<form method="post" enctype="multipart/form-data" action="{path}">{hidden}'
            f'<input name="{escape(name)}" value="{escape(value)}"><button>{case.name}</button></form>'
        )
    if case.place == "file":
        return (
            f'<form method="post" enctype="multipart/form-data" action="{path}">{hidden}'
            f'<input type="file" name="{escape(name)}"><button>{case.name}</button></form>'
        )
    if case.place == "json":
        body = json.dumps({**dict(case.others), name: value})
        return (
            f"<script>function f{abs(hash(case.name))}() {{ fetch('{path}', {{method: 'POST', "
            f"headers: {{'Content-Type': 'application/json'}}, body: JSON.stringify({body})}}) }}</script>"
        )
    if case.place == "xml":
        return (
            f"<script>function f{abs(hash(case.name))}() {{ fetch('{path}', {{method: 'POST', "
            f"headers: {{'Content-Type': 'text/xml'}}, body: {json.dumps(value)}}}) }}</script>"
        )
    fields = "?" + urllib.parse.urlencode(case.others) if case.others else ""
    return f'<a href="{escape(path + fields)}">{case.name}</a>'


def value_of(case, request):
    """The input's value in a request; the usual one where the request does not have it."""
    if case.place == "query":
        return request.query.get(case.parameter, case.value)
    if case.place in ("form", "multipart"):
        return request.form.get(case.parameter, case.value)
    if case.place == "file":
        return request.form.get("filename", "")
    if case.place == "json":
        try:
            found = json.loads(request.body)
            for name in case.parameter.split("/"):
                found = found[name]
            return str(found)
        except (ValueError, KeyError, TypeError):
            return case.value
    if case.place == "xml":
        return request.body.decode("utf-8", "replace") if request.body else case.value
    if case.place == "cookie":
        cookies = http.cookies.SimpleCookie()
        try:
            cookies.load(request.headers.get("Cookie", ""))
        except http.cookies.CookieError:
            return case.value
        raw = request.headers.get("Cookie", "")
        for part in raw.split(";"):
            name, _, found = part.strip().partition("=")
            if name == case.parameter:
                return urllib.parse.unquote(found)
        return case.value
    if case.place == "header":
        return request.headers.get(case.parameter, case.value)
    if case.place in ("nowhere", "dom"):
        return request.path
    if case.place == "path":
        return urllib.parse.unquote(request.path.rsplit("/", 1)[-1])
    raise ValueError(case.place)


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.lock = threading.Lock()
        self.requests = 0
        self.shown = set()

    def count(self, path, status):
        """What scanners are measured by: each request, and each page that was shown."""
        with self.lock:
            self.requests += 1
            if status == 200:
                self.shown.add(path)

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().server_bind()

    def handle_error(self, request, client_address):
        pass


def server(cases, pages=None, at=("127.0.0.1", 0)):
    """A server of these cases, on a port of loopback where nothing else is said, and of other pages by their path."""
    by_path = {"/" + case.name: case for case in cases}
    pages = pages or {}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def log_message(self, *_):
            pass

        def answer(self):
            path, _, query = self.path.partition("?")
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else b""
            media = self.headers.get("Content-Type", "")
            fields = {}
            if "x-www-form-urlencoded" in media:
                fields = dict(urllib.parse.parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
            elif "multipart/form-data" in media and "boundary=" in media:
                fields = multipart(body, media.split("boundary=")[1])
            request = Request(
                self.command,
                path,
                dict(urllib.parse.parse_qsl(query, keep_blank_values=True)),
                fields,
                body,
                self.headers,
            )
            try:
                shown = self.route(path, request)
            except Exception as error:  # an application that hides its errors
                shown = page("Error", "Something went wrong.", 500)
            self.server.count(path, shown.status)
            data = shown.body if isinstance(shown.body, bytes) else shown.body.encode("utf-8", "replace")
            self.send_response(shown.status)
            for name, value in shown.headers:
                value = value if shown.raw else "".join(c for c in value if c not in "\r\n")
                self.send_header(name, value.encode("latin-1" if shown.raw else "utf-8", "replace").decode("latin-1"))
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def route(self, path, request):
            if path in pages:
                return pages[path](request)
            parts = path.split("/")
            case = by_path.get("/" + parts[1])
            if case is None:
                return page("Not found", "There is no such page.", 404)
            if case.place in ("form", "json", "multipart", "xml") and request.method != "POST":
                return page(case.name, "Post to this page.", 405)
            shown = case.handle(value_of(case, request), request)
            if isinstance(shown, str):
                shown = page(case.name, shown)
            if case.place == "cookie" and case.parameter not in (request.headers.get("Cookie") or ""):
                field = f"{case.parameter}={urllib.parse.quote(case.value, safe='/+=:')}; Path=/{case.name}; HttpOnly; SameSite=Lax"
                shown.headers = (*shown.headers, ("Set-Cookie", field))
            return shown

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer

    def index(_):
        links = [lead(case) for case in cases] + [f'<a href="{path}">{path[1:]}</a>' for path in pages if path != "/"]
        return page("Fixture", "A shop for testing scanners.<ul>" + "".join(f"<li>{link}</li>" for link in links) + "</ul>")

    pages.setdefault("/", index)
    return Server(at, Handler)


def multipart(body, boundary):
    fields = {}
    for part in body.split(b"--" + boundary.encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        head = head.decode("utf-8", "replace")
        if 'name="' in head:
            fields[head.split('name="')[1].split('"')[0]] = content[:-2].decode("utf-8", "replace")
            if 'filename="' in head:
                fields["filename"] = head.split('filename="')[1].split('"')[0]
    return fields
