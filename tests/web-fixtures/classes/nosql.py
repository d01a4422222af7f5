"""NoSQL: queries of MongoDB, evaluated by mongomock, and `$where` scripts, evaluated by Node."""
import json
import re
from fixture import Case, Page, escape, page

ITEMS = [
    {"name": "pear", "kind": "fruit", "price": 30}, {"name": "apple", "kind": "fruit", "price": 20},
    {"name": "leek", "kind": "vegetable", "price": 10}, {"name": "plum", "kind": "fruit", "price": 5},
]


def parsed(request, name):
    """A field as Express reads it: an object where brackets stand in its name."""
    for fields in (request.query, request.form):
        found = {}
        for key, value in fields.items():
            if key == name:
                return value
            match = re.fullmatch(re.escape(name) + r"\[([^\]]*)\](\[\])?", key)
            if match:
                found[match[1]] = [value] if match[2] else value
        if found:
            return found
    try:
        return json.loads(request.body)[name]
    except (ValueError, KeyError, TypeError):
        return None


# How the value comes into a query, and what is shown.
def rows(found): return "<ul>" + "".join(f"<li>{escape(item['name'])}: {item['price']}</li>" for item in found) + "</ul>"
def counted(found): return f"{len(found)} found."
def whether(found): return "It is here." if found else "It is not here."
def document(found): return Page(json.dumps([item["name"] for item in found]), 200, (("Content-Type", "application/json"),))


def equal(v): return {"name": v}
def among(v): return {"$and": [{"kind": "fruit"}, {"name": v}]}
def either(v): return {"$or": [{"name": v}, {"price": -1}]}


def text(v): return str(v) if v is not None else ""
def texts_alone(v): return v if isinstance(v, str) else ""
def last_value(v):
    while isinstance(v, (dict, list)):
        v = list(v.values() if isinstance(v, dict) else v)[-1]
    return v
def without_operators(v): return {key: value for key, value in v.items() if not key.startswith("$")} if isinstance(v, dict) else v
def as_equal(v): return {"$eq": v} if not isinstance(v, (dict, list)) else {"$in": []}


def script(quote):
    return lambda v: f"this.name == {quote}{v}{quote}"
def number(v): return f"this.price == {v}"


WEAK = [(query, show, place) for query in (equal, among, either) for show, place in (
    (rows, "query"), (counted, "form"), (whether, "json"), (document, "json"),
)]
WEAK_SCRIPTS = [(script("'"), rows, "query", "pear"), (script('"'), counted, "form", "pear"), (script("'"), whether, "json", "pear"),
                (number, rows, "query", "30"), (number, document, "json", "30")]
SOUND = [(query, judge, show, place) for query, judge in (
    (equal, text), (among, texts_alone), (equal, last_value), (either, without_operators), (equal, as_equal),
) for show, place in ((rows, "query"), (counted, "form"), (whether, "json"))]


def cases(backends):
    backends.start("mongo")
    backends.start("node")
    made = []

    def looked_up(query, judge, show):
        def handle(_, request):
            value = judge(parsed(request, "name"))
            return show(backends.documents(ITEMS, query(value)) if value is not None else [])
        return handle

    def scripted(condition, show):
        def handle(_, request):
            where = f"function () {{ return {condition(text(parsed(request, 'name')))} }}"
            found = backends.javascript(f"JSON.stringify({json.dumps(ITEMS)}.filter(item => ({where}).call(item)))")
            return show(json.loads(found))
        return handle

    for query, show, place in WEAK:
        made.append(Case(f"v-{query.__name__}-{show.__name__}-{place}", True, looked_up(query, lambda v: v, show), place, "name", "pear"))
    for number_, (condition, show, place, usual) in enumerate(WEAK_SCRIPTS):
        made.append(Case(f"v-script{number_}-{show.__name__}-{place}", True, scripted(condition, show), place, "name", usual))
    for query, judge, show, place in SOUND:
        name = f"f-{query.__name__}-{judge.__name__.replace('_', '')}-{show.__name__}-{place}"
        made.append(Case(name, False, looked_up(query, judge, show), place, "name", "pear"))
    # A script that gets the value as a value.
    for place in ("query", "form", "json"):
        made.append(Case(f"f-bound-{place}", False, scripted(lambda v: f"this.name == {json.dumps(v)}", rows), place, "name", "pear"))
    return made
