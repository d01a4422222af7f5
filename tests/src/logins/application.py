"""An application that one logs in to by a form: a session in a cookie, and a token against forged requests.

Prints a line for each try to log in: the name, and whether it was right.
"""
import html, secrets, sys, urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USER, PASSWORD = sys.argv[2], sys.argv[3]
sessions = {}


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
            self.answer(200, f"<h1>Welcome, {html.escape(session['user'])}</h1><a href='/logout'>Log out</a>")
        else:
            self.answer(302, Location="/login")

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
