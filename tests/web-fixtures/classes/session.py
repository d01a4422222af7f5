"""Identifiers of sessions: how they are made, and what else is kept in cookies of such names."""
import base64
import hashlib
import hmac
import itertools
import json
import secrets
import string
import time
import uuid
from fixture import Case, page

SECRET = secrets.token_bytes(32)
ATTRIBUTES = "HttpOnly; SameSite=Lax"


def counter(start=1000): return itertools.count(start).__next__
def of_count(spell, start=1000):
    following = counter(start)
    return lambda: spell(following())
def hashed(name, text): return hashlib.new(name, str(text).encode()).hexdigest()
def chosen(alphabet, length): return "".join(secrets.choice(alphabet) for _ in range(length))
def in_base64(data): return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
def signed(text): return text + "." + in_base64(hmac.digest(SECRET, text.encode(), "sha256"))
def token():
    body = in_base64(b'{"alg":"HS256"}') + "." + in_base64(json.dumps({"iat": int(time.time()), "sub": "guest"}).encode())
    return signed(body)
def with_time(rest): return f"{time.time_ns() // 1_000_000:012x}" + rest
def each(*values): return itertools.cycle(values).__next__


VULNERABLE = {
    "count": ("PHPSESSID", of_count(str)), "count-short": ("session", of_count(str, 5)), "count-filled": ("sessionid", of_count("{:012d}".format)),
    "count-hex": ("sid", of_count("{:08x}".format)), "count-named": ("auth", of_count("user-session-{}".format)),
    "count-base64": ("session", of_count(lambda n: base64.b64encode(str(n).encode()).decode())), "count-md5": ("dvSession", of_count(lambda n: hashed("md5", n), 1)),
    "count-sha1": ("JSESSIONID", of_count(lambda n: hashed("sha1", n))), "count-sha256": ("connect.sid", of_count(lambda n: hashed("sha256", n), 300)),
    "time-md5": ("PHPSESSID", lambda: hashed("md5", int(time.time()))), "time-sha1": ("session", lambda: hashed("sha1", int(time.time()))),
    "time-fine-md5": ("sid", lambda: hashed("md5", int(time.time() * 1000)).upper()), "time-fine": ("sessionid", lambda: str(time.time_ns() // 1000)),
    "time-and-count": ("session", of_count(lambda n: f"{int(time.time())}-{n}")), "digits": ("sid", lambda: chosen(string.digits, 10)),
    "letters": ("session", lambda: chosen(string.ascii_lowercase, 6)), "hex": ("auth_token", lambda: chosen("0123456789abcdef", 8)),
    "short": ("PHPSESSID", lambda: chosen(string.ascii_letters + string.digits, 7)), "padded": ("JSESSIONID", lambda: "A0F3C7" + chosen("0123456789ABCDEF", 6) + "00000000000000000000"),
    "uuid1": ("session", lambda: str(uuid.uuid1(0x0242AC120002, 0x0C99))),
}
SOUND = {
    "hex": ("session", lambda: secrets.token_hex(16)), "base64": ("sid", lambda: secrets.token_urlsafe(24)), "uuid4": ("sessionid", lambda: str(uuid.uuid4())),
    "php": ("PHPSESSID", lambda: chosen(string.ascii_lowercase[:22] + string.digits, 26)), "tomcat": ("JSESSIONID", lambda: secrets.token_hex(16).upper() + ".node1"),
    "django": ("sessionid", lambda: chosen(string.ascii_lowercase + string.digits, 32)), "express": ("connect.sid", lambda: "s%3A" + signed(secrets.token_urlsafe(24)).replace("=", "")),
    "least": ("session", lambda: secrets.token_hex(8)), "time-ordered": ("session", lambda: with_time("7" + chosen("0123456789abcdef", 19))),
    "sortable": ("sid", lambda: with_time(chosen(string.ascii_uppercase + "234567", 16)).upper()), "token": ("auth", token),
    "count-signed": ("session", of_count(lambda n: signed(str(n)))), "count-sealed": ("auth_token", of_count(lambda n: hmac.digest(SECRET, str(n).encode(), "sha256").hex())),
    "hashed": ("sid", lambda: hashed("md5", secrets.token_hex(16))), "one-for-all": ("session", lambda: "anonymous"), "one-for-all-hashed": ("auth", lambda: hashed("md5", 7)),
    "nodes": ("session_node", each("node1", "node2", "node3")), "started": ("session_started", lambda: str(int(time.time()))), "theme": ("theme", of_count(str)),
    "forged": ("csrftoken", of_count(str)),
}


def cases(_):
    made = []
    for vulnerable, table in ((True, VULNERABLE), (False, SOUND)):
        for name, (cookie, make) in table.items():
            name = f"{'v' if vulnerable else 'f'}-{name}"

            def handle(_, request, name=name, cookie=cookie, make=make):
                if f"{cookie}=" in (request.headers.get("Cookie") or ""):
                    return page("Shop", "Welcome back.")
                return page("Shop", "Pears, plums.", headers=(("Set-Cookie", f"{cookie}={make()}; Path=/{name}; {ATTRIBUTES}"),))
            made.append(Case(name, vulnerable, handle, "header", cookie, "", (("q", "1"),)))
    return made
