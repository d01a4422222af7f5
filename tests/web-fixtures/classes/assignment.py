"""Fields that are the site's: how an object is made of a request, which field counts, and where it is shown."""
import itertools
import json
import threading
from fixture import Case, Page, page

JSON = ("Content-Type", "application/json")
DEFAULTS = {"role": "user", "is_admin": False, "verified": False, "balance": 0, "ownerId": 7, "permissions": [], "accountType": "basic"}
COLUMNS = ("name", "email", "role", "is_admin", "verified", "balance", "ownerId", "accountType")
ROLES = ("user", "staff", "admin")
NUMBERS = itertools.count(100)
LOCK = threading.Lock()
MADE = []


class Refused(Exception):
    pass


# How an object is made of what was sent, or changed by it; `own` is what the site sets.
def merged(_, own, sent): return {**own, **sent}
def by_name(_, own, sent):
    made = type("User", (), dict(own))()
    for name, value in sent.items():
        setattr(made, name, value)
    return {**own, **vars(made)}
def by_columns(backends, own, sent):
    """An INSERT of whatever columns were sent."""
    row = {**{k: v for k, v in own.items() if k in COLUMNS}, **sent}
    if not set(row) <= set(COLUMNS):
        raise Refused
    connection = backends.connection("sqlite")
    cursor = connection.execute(f"INSERT INTO accounts ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
    found = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM accounts WHERE rowid = ?", (cursor.lastrowid,)).fetchone()
    connection.commit()
    shown = dict(zip(COLUMNS, found))
    return {**shown, **{k: bool(shown[k]) for k in ("is_admin", "verified")}}
def by_object_assign(backends, own, sent):
    return json.loads(backends.javascript(f"JSON.stringify(Object.assign({{}}, {json.dumps(own)}, {json.dumps(sent)}))"))
def of_known_roles(_, own, sent):
    if sent.get("role", "user") not in ROLES:
        raise Refused
    return {**own, **sent}


def listed(_, own, sent): return {**own, **{k: v for k, v in sent.items() if k in ("name", "email")}}
def refused(_, own, sent):
    if set(sent) - {"name", "email"}:
        raise Refused
    return {**own, **sent}
def own_last(_, own, sent): return {**sent, **own}
def columns_fixed(backends, own, sent):
    return by_columns(backends, own, {k: v for k, v in sent.items() if k in ("name", "email")})
def destructured(backends, own, sent):
    return json.loads(backends.javascript(
        f"(({{name, email}}) => JSON.stringify({{...{json.dumps(own)}, name, email}}))({json.dumps(sent)})"))


# What the maker is answered.
def whole(made): return Page(json.dumps(made), 201, (JSON,))
def under(made): return Page(json.dumps({"user": made}), 201, (JSON,))
def number(made): return Page(json.dumps({"id": made["id"]}), 201, (JSON,))
def location(made): return Page("", 201, (("Location", f"/{made['case']}/{made['id']}"),))


# Which fields are shown, how it is made, what is answered, what it takes, and whether it can be read and changed.
VULNERABLE = [
    ("role", merged, whole, "json", "read"), ("is_admin", merged, number, "json", "read"), ("verified", by_name, whole, "json", "read"),
    ("balance", by_name, number, "json", "read"), ("ownerId", merged, location, "json", "read"), ("permissions", merged, whole, "json", "read"),
    ("role", by_columns, whole, "json", "read"), ("balance", by_columns, number, "json", "read"), ("is_admin", by_columns, under, "json", "read"),
    ("role", by_object_assign, whole, "json", "read"), ("verified", by_object_assign, location, "json", "read"),
    ("role", of_known_roles, whole, "json", "read"), ("accountType", merged, under, "nested", "read"), ("role", by_name, whole, "form", "read"),
    ("is_admin", merged, whole, "json", "blind"), ("role", listed, whole, "json", "change"), ("balance", listed, number, "json", "change"),
]
SOUND = [(field, make, answer, body, "read") for field, make, answer, body in (
    ("role", listed, whole, "json"), ("is_admin", listed, number, "json"), ("balance", listed, location, "json"), ("ownerId", listed, under, "json"),
    ("role", refused, whole, "json"), ("verified", refused, number, "json"), ("role", own_last, whole, "json"), ("permissions", own_last, number, "json"),
    ("role", columns_fixed, whole, "json"), ("balance", columns_fixed, number, "json"), ("role", destructured, whole, "json"),
    ("accountType", listed, under, "nested"), ("role", listed, whole, "form"),
)] + [
    # The answer repeats what was sent; the object has none of it.
    ("role", listed, whole, "json", "echo"), ("is_admin", own_last, whole, "json", "echo"),
    # What the interface says may be sent, and what is nobody's privilege.
    ("role", merged, whole, "json", "declared"), ("colour", merged, whole, "json", "read"),
]


def cases(backends):
    backends.start("sqlite")
    backends.start("node")
    connection = backends.connection("sqlite")
    connection.execute("CREATE TABLE accounts (name TEXT, email TEXT, role TEXT, is_admin BOOLEAN, verified BOOLEAN, balance INTEGER, ownerId INTEGER, accountType TEXT)")
    connection.commit()
    made = []
    for vulnerable, rows in ((True, VULNERABLE), (False, SOUND)):
        for field, make, answer, body, how in rows:
            name = "-".join(("v" if vulnerable else "f", field.replace("_", "").lower(), make.__name__.replace("_", ""), answer.__name__, body, how))
            case = Case(name, vulnerable, handler(backends, name, field, make, answer, body, how), "nowhere",
                        field if body == "form" else f"/user/{field}" if body == "nested" else f"/{field}")
            case.field, case.body, case.how = field, body, how
            made.append(case)
    MADE[:] = made
    return made


def handler(backends, name, field, make, answer, body, how):
    objects = {}
    defaults = {field: DEFAULTS.get(field, "grey"), "colour": "grey"}

    def shown(made):
        return {"id": made["id"], "case": name, **{k: made.get(k) for k in ("name", "email", field)}}

    def sent(request):
        if body == "form":
            return dict(request.form)
        found = json.loads(request.body)
        return found["user"] if body == "nested" else found

    def handle(_, request):
        key = request.path.split("/")[2:]
        with LOCK:
            if request.method == "POST" and not key:
                try:
                    made = make(backends, {**DEFAULTS, **defaults}, sent(request))
                except Refused:
                    return Page('{"error": "unknown field"}', 400, (JSON,))
                made = {**made, "id": next(NUMBERS)}
                objects[str(made["id"])] = made
                told = {**made, **sent(request)} if how == "echo" else made
                return answer(shown(told))
            found = objects.get(key[0]) if key and how != "blind" else None
            if found is None:
                return page("Not found", "There is none.", 404)
            if request.method == "PATCH" and how == "change":
                found.update(sent(request))
            if request.method == "DELETE":
                del objects[key[0]]
                return Page("", 204)
            return Page(json.dumps(shown(found)), 200, (JSON,))

    return handle


def described():
    paths = {}
    for case in MADE:
        fields = {"name": {"type": "string"}, "email": {"type": "string"}}
        if case.how == "declared":
            fields[case.field] = {"type": "string"}
        schema = {"type": "object", "properties": fields}
        if case.body == "nested":
            schema = {"type": "object", "properties": {"user": schema}}
        media = "application/x-www-form-urlencoded" if case.body == "form" else "application/json"
        taken = {"requestBody": {"content": {media: {"schema": schema}}}}
        answer = {"responses": {"200": {"description": "The account."}}}
        paths[f"/{case.name}"] = {"post": {**taken, **answer}}
        if case.how != "blind":
            one = {"parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}], "get": answer, "delete": answer}
            if case.how == "change":
                one["patch"] = {**taken, **answer}
            paths[f"/{case.name}/{{id}}"] = one
    return {"openapi": "3.0.3", "info": {"title": "Accounts", "version": "1"}, "paths": paths}


def pages():
    return {
        "/": lambda _: page("Accounts", "An interface alone."),
        "/openapi.json": lambda _: Page(json.dumps(described()), 200, (JSON,)),
    }
