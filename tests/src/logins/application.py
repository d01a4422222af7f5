"""An application that one logs in to by a form: a session in a cookie, and a token against forged requests. Inside are
pages with holes (/greet, /note), each beside a sound one that does the same (/hello, /entry).

Prints a line for each try to log in: the name, and whether it was right.
"""
import html, secrets, sqlite3, sys, threading, urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USER, PASSWORD = sys.argv[2], sys.argv[3]
sessions = {}
notes = sqlite3.connect(":memory:", check_same_thread=False)
notes.executescript("CREATE TABLE notes (id TEXT, text TEXT); INSERT INTO notes VALUES ('a1', 'Milk'), ('b2', 'Bread')")
lock = threading.Lock()

INSIDE = """<h1>Welcome, {user}</h1><a href='/logout'>Log out</a> <a href='/greet?name=guest'>Greet</a>
    <a href='/hello?name=guest'>Hello</a> <a href='/note?id=a1'>Note</a> <a href='/entry?id=a1'>Entry</a>
    <a href='http://203.0.113.80/'>Elsewhere</a>"""


def rows(query, *values):
    with lock:
        return "".join(f"<p>{html.escape(text)}</p>" for (text,) in notes.execute(query, values))


class Application(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def session(self):
        cookies = dict(part.strip().split("=", 1) for part in self.headers.get("Cookie", "").split(";") if "=" in part)
        return sessions.get(cookies.get("sid"))

    def answer(self, status, body="", **fields):
        body = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        session = self.session()
        if self.path == "/login":
            sid, token = secrets.token_hex(), secrets.token_hex()
            sessions[sid] = {"token": token, "user": None}
            form = f"""<form method="post" action="/login"><input type="hidden" name="token" value="{token}">
                <label>Name <input name="account"></label><label>Password <input type="password" name="pass"></label>
                <button>Log in</button></form>"""
            self.answer(200, form, Set_Cookie=f"sid={sid}; Path=/; Secure; HttpOnly")
        elif session and session["user"]:
            self.show(session["user"])
        else:
            self.answer(302, Location="/login")

    def show(self, user):
        place = urllib.parse.urlsplit(self.path)
        value = dict(urllib.parse.parse_qsl(place.query, keep_blank_values=True))
        name, note = value.get("name", ""), value.get("id", "")
        try:
            if place.path == "/":
                self.answer(200, INSIDE.format(user=html.escape(user)))
            elif place.path == "/greet":
                self.answer(200, f"<p>Good day, {name}.</p>")
            elif place.path == "/hello":
                self.answer(200, f"<p>Good day, {html.escape(name)}.</p>")
            elif place.path == "/note":
                self.answer(200, "<h1>Notes</h1>" + rows(f"SELECT text FROM notes WHERE id = '{note}'"))
            elif place.path == "/entry":
                self.answer(200, "<h1>Notes</h1>" + rows("SELECT text FROM notes WHERE id = ?", note))
            else:
                self.answer(404, "<p>There is no such page.</p>")
        except sqlite3.Error as error:
            self.answer(500, f"<p>sqlite3.OperationalError: {html.escape(str(error))}</p>")

    def do_POST(self):
        fields = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()))
        session = self.session()
        if not session or not secrets.compare_digest(session["token"], fields.get("token", "")):
            return self.answer(400, "<p>That form is stale.</p>")
        right = fields.get("account") == USER and fields.get("pass") == PASSWORD
        print("try", fields.get("account"), "right" if right else "wrong", flush=True)
        if right:
            session["user"] = USER
            return self.answer(303, Location="/")
        self.answer(200, "<p>Name or password is wrong. <a href='/login'>Try again</a></p>")

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Application)
print("ready", flush=True)
server.serve_forever()
