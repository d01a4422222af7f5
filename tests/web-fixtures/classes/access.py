"""Objects of two users: how an order is called, what leads to it, how it is shown, and to whom."""
import hashlib
import html
import json
import secrets
import uuid
from fixture import Case, Page, escape, page

PEOPLE = {"ann": "pw-ann", "bert": "pw-bert"}
LOGINS = [{"form": {"page": "/login", "fields": [["user", user], ["password", password]]}} for user, password in PEOPLE.items()]
SESSIONS = {}
JSON = ("Content-Type", "application/json")
ORDERS = [
    (1011, "ann", "pear", "1 Elm Street", 30), (1013, "ann", "beet", "1 Elm Street", 12),
    (1022, "bert", "plum", "2 Oak Lane", 44), (1024, "bert", "leek", "2 Oak Lane", 7), (1030, "both", "apple", "3 Ash Road", 21),
]
MADE = []


def forms_of(number):
    """How an order is called: by a number, or by what nobody guesses."""
    digest = hashlib.sha1(str(number).encode()).hexdigest()
    return {"number": str(number), "uuid": str(uuid.UUID(digest[:32])), "hash": digest, "slug": f"order-{number}-shop"}


def visitor(request):
    for part in (request.headers.get("Cookie") or "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == "session":
            return SESSIONS.get(value)
    return None


# What leads to an order.
def array(name, ids): return Page(json.dumps([{"id": i, "state": "sent"} for i in ids]), 200, (JSON,))
def wrapped(name, ids): return Page(json.dumps({"total": len(ids), "items": [{"id": i} for i in ids]}), 200, (JSON,))
def hrefs(name, ids): return Page(json.dumps({"orders": [{"self": f"/{name}/{i}"} for i in ids]}), 200, (JSON,))
def named(name, ids): return Page(json.dumps({"last": [{"orderId": i} for i in ids]}), 200, (JSON,))
def linked(name, ids): return page("Orders", "".join(f'<p><a href="/{name}/{i}">Order</a>' for i in ids))
def asked(name, ids): return page("Orders", "".join(f'<p><a href="/{name}/show?id={i}">Order</a>' for i in ids))
def framed(name, ids): return page("Orders", "".join(f'<iframe src="/{name}/{i}/invoice"></iframe>' for i in ids))


# How it is shown.
def document(user, order): return Page(json.dumps({k: order[k] for k in ("number", "item", "address", "amount")}), 200, (JSON,))
def nested(user, order): return Page(json.dumps({"asked_by": user, "data": {"lines": [{"item": order["item"]}], "ship_to": order["address"]}}), 200, (JSON,))
def table(user, order): return page("Order", f"<p>Logged in as {user}</p><td>{order['item']}</td><td>{order['amount']}</td><td>{order['address']}</td>")
def text(user, order): return page("Order", f"<p>Hello {user}</p>\nYour {order['item']} for {order['amount']}\ngoes to {order['address']}")


# To whom.
def anybody(user, order): return None
def public(user, order): return None
def owner(status):
    def refused(user, order): return None if order["owner"] == user else page("Refused", "Not yours.", status)
    refused.__name__ = f"owner{status}"
    return refused
def in_words(user, order): return None if order["owner"] == user else page("Order", f"Order {order['number']} is not yours, {user}.")
def sent_away(user, order): return None if order["owner"] == user else Page("", 302, (("Location", "/"),))
def empty(user, order): return None if order["owner"] == user else Page("{}", 200, (JSON,))
def redacted(user, order):
    if order["owner"] == user:
        return None
    return Page(json.dumps({"item": order["item"], "amount": order["amount"]}), 200, (JSON,))
def staff(user, order): return None if user == "bert" or order["owner"] == user else page("Refused", "Not yours.", 403)
def own_whatever(user, order): return None
def shared(user, order): return None if order["owner"] in (user, "both") else page("Refused", "Not yours.", 403)
def catalogue(user, order): return None
def without_content(user, order): return page("Order", "An order was found. Ask for it by telephone.")


VULNERABLE = [
    ("number", array, document, "path"), ("number", wrapped, nested, "path"), ("number", hrefs, document, "path"),
    ("number", named, document, "query-named"), ("number", linked, table, "path"), ("number", asked, table, "query"),
    ("number", framed, text, "under"), ("number", array, document, "query"), ("number", array, nested, "under"),
    ("uuid", array, document, "path"), ("uuid", wrapped, table, "path"), ("uuid", linked, text, "path"), ("uuid", asked, text, "query"),
    ("hash", array, nested, "path"), ("hash", hrefs, table, "path"), ("hash", linked, document, "path"),
    ("slug", array, document, "path"), ("slug", wrapped, text, "path"), ("slug", asked, document, "query"),
]
SOUND = [
    *(("number", array, document, "path", judge) for judge in (
        owner(403), owner(404), owner(401), in_words, empty, redacted, staff, own_whatever, shared, public, catalogue, without_content)),
    *(("uuid", linked, table, "path", judge) for judge in (owner(403), in_words, sent_away, public, catalogue)),
    *(("number", asked, text, "query", judge) for judge in (owner(404), own_whatever, in_words, staff)),
    ("slug", array, document, "path", owner(403)), ("hash", framed, document, "under", owner(404)), ("number", named, document, "query-named", owner(403)),
]


def cases(backends):
    backends.start("sqlite")
    connection = backends.connection("sqlite")
    connection.execute("CREATE TABLE orders (number TEXT, uuid TEXT, hash TEXT, slug TEXT, owner TEXT, item TEXT, address TEXT, amount INTEGER)")
    for number, holder, item, address, amount in ORDERS:
        forms = forms_of(number)
        connection.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*forms.values(), holder, item, address, amount))
    connection.commit()
    columns = ("number", "uuid", "hash", "slug", "owner", "item", "address", "amount")

    def rows(condition, values=()):
        found = backends.query("sqlite", f"SELECT {', '.join(columns)} FROM orders WHERE {condition} ORDER BY number", values)
        return [dict(zip(columns, row)) for row in found]

    made = []
    for row in [(*row, anybody) for row in VULNERABLE] + SOUND:
        form, listed, shown, place, judge = row
        vulnerable = judge is anybody
        name = "-".join(("v" if vulnerable else "f", form, listed.__name__, shown.__name__, place, judge.__name__.replace("_", "")))

        def handle(_, request, form=form, listed=listed, shown=shown, judge=judge, name=name):
            user, parts = visitor(request), request.path.split("/")[2:]
            asked_for = request.query.get("id") or request.query.get("order_id") or (parts[0] if parts and parts[0] != "show" else None)
            if user is None and not (judge is public and asked_for):
                if listed in (linked, asked, framed):
                    return Page("", 302, (("Location", "/login"),))
                return Page('{"error": "log in"}', 401, (JSON,))
            if asked_for is None or parts[:1] == ["all"]:
                whose = "owner IN ('ann', 'bert')" if parts else "owner = ?"
                whose = "owner = 'both'" if judge is shared else whose
                return listed(name, [order[form] for order in rows(whose, (user,) if "?" in whose else ())])
            found = rows(f"{form} = ?", (asked_for,)) if judge is not own_whatever else rows("owner = ?", (user,))
            if not found:
                return page("Not found", "There is no such order.", 404)
            return judge(user, found[0]) or shown(user or "guest", found[0])

        parameter = {"query": "id", "query-named": "order_id"}.get(place, "2")
        case = Case(name, vulnerable, handle, "nowhere", parameter)
        case.form, case.listed, case.site_of, case.judge = form, listed, place, judge
        made.append(case)
    MADE[:] = made
    return made


def described():
    """The interfaces of those cases that no page leads to."""
    paths = {}
    for case in MADE:
        if case.listed in (linked, asked, framed):
            continue
        answer = {"responses": {"200": {"description": "What there is."}}}
        schema = {"type": "integer"} if case.form == "number" else {"type": "string"}
        paths[f"/{case.name}"] = {"get": answer}
        if case.judge is catalogue:
            paths[f"/{case.name}/all"] = {"get": answer}
        parameter = {"name": "id", "in": "path", "required": True, "schema": schema}
        path = f"/{case.name}/{{id}}" + ("/invoice" if case.site_of == "under" else "")
        if case.site_of.startswith("query"):
            path = f"/{case.name}/show"
            parameter = {"name": case.parameter, "in": "query", "required": True, "schema": schema}
        paths[path] = {"get": {**answer, "parameters": [parameter]}}
    return {"openapi": "3.0.3", "info": {"title": "Orders", "version": "1"}, "paths": paths}


def login(request):
    user = request.form.get("user", "")
    if PEOPLE.get(user) and PEOPLE[user] == request.form.get("password"):
        token = secrets.token_hex(16)
        SESSIONS[token] = user
        return Page("", 302, (("Location", "/"), ("Set-Cookie", f"session={token}; Path=/; HttpOnly; SameSite=Lax")))
    return page("Log in", '<form method="post" action="/login"><input name="user"><input name="password" type="password"><button>Log in</button></form>')


def index(request):
    user = visitor(request)
    if user is None:
        return Page("", 302, (("Location", "/login"),))
    leading = [case for case in MADE if case.listed in (linked, asked, framed)]
    links = "".join(f'<li><a href="/{case.name}">{escape(case.name)}</a>' for case in leading)
    links += "".join(f'<li><a href="/{case.name}/all">All</a>' for case in leading if case.judge is catalogue)
    return page("Shop", f"<p>Logged in as {html.escape(user)}</p><p>Hello {html.escape(user)}</p><ul>{links}</ul>")


def pages():
    return {
        "/": index,
        "/login": login,
        "/openapi.json": lambda _: Page(json.dumps(described()), 200, (JSON,)),
    }
