"""An API that no page leads to, but its description: every place that a value can stand in, with statements and commands.

The description is under /description/, in three spellings: v2.json (which has no cookies), v3.json and v3.yaml.
"""
import json
import shlex
import yaml
from lxml import etree
from fixture import Case, Page, escape, page
from classes import sql
from classes.command import run

PLACES = ("query", "path", "header", "cookie", "json", "form", "multipart", "xml")
DOCUMENT = "<order><item>{}</item></order>"
MADE = []


def statement(backends, sound):
    handle, usual = sql.handler(backends, "sqlite", "string", "rows", "bind" if sound else None)
    return handle, usual


def command(_, sound):
    def handle(value, _):
        quoted = shlex.quote(value.replace("\0", "")) if sound else value
        return "<pre>" + escape(run("echo looking up " + quoted)) + "</pre>"
    return handle, "pear"


def of_document(handle):
    """The value of a document's element, read by a parser that resolves nothing."""
    def inside(value, request):
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        try:
            item = etree.fromstring(value.encode(), parser).findtext("item") or ""
        except etree.XMLSyntaxError:
            return page("Error", "This is no document.", 400)
        return handle(item, request)
    return inside


def cases(backends):
    backends.start("sqlite")
    made = []
    for vulnerable in (True, False):
        for weakness in (statement, command):
            for place in PLACES:
                handle, usual = weakness(backends, not vulnerable)
                name = f"{'v' if vulnerable else 'f'}-{weakness.__name__}-{place}"
                parameter = {"header": "X-Item", "path": "2", "json": "order/item"}.get(place, "item")
                case = Case(name, vulnerable, handle, place, parameter, usual)
                if place == "xml":
                    case.handle, case.value = of_document(handle), DOCUMENT.format(usual)
                made.append(case)
    MADE[:] = made
    return made


def operation(case):
    """The operation of a case, in the words of 3.0."""
    schema = {"type": "string", "example": "apple" if "statement" in case.name else "pear"}
    item = {"type": "object", "required": ["item"], "properties": {"item": schema}}
    described = {"operationId": case.name, "responses": {"200": {"description": "What was found."}}}
    if case.place in ("query", "header", "cookie"):
        described["parameters"] = [{"name": case.parameter, "in": case.place, "schema": schema}]
    elif case.place == "path":
        described["parameters"] = [{"name": "item", "in": "path", "required": True, "schema": schema}]
    elif case.place == "json":
        content = {"schema": {"type": "object", "properties": {"order": {"$ref": "#/components/schemas/Order"}}}}
        described["requestBody"] = {"content": {"application/json": content}}
    elif case.place == "xml":
        described["requestBody"] = {"content": {"application/xml": {"schema": {**item, "xml": {"name": "order"}}}}}
    else:
        media = "multipart/form-data" if case.place == "multipart" else "application/x-www-form-urlencoded"
        described["requestBody"] = {"content": {media: {"schema": item}}}
    path = "/" + case.name + ("/{item}" if case.place == "path" else "")
    return path, {"post" if "requestBody" in described else "get": described}


def third():
    order = {"type": "object", "properties": {"item": {"type": "string", "example": "apple"}, "near": {"$ref": "#/components/schemas/Order"}}}
    return {
        "openapi": "3.0.3", "info": {"title": "Shop", "version": "1"}, "servers": [{"url": "https://shop.example/"}],
        "paths": dict(operation(case) for case in MADE), "components": {"schemas": {"Order": order}},
    }


def second():
    """The same in the words of 2.0, without cookies."""
    paths = {}
    for case in MADE:
        if case.place == "cookie":
            continue
        path, methods = operation(case)
        for method, described in methods.items():
            body = described.pop("requestBody", None)
            parameters = [{k: v for k, v in p.items() if k != "schema"} | p["schema"] for p in described.get("parameters", [])]
            for media, content in (body or {"content": {}})["content"].items():
                described["consumes"] = [media]
                if "form" in media:
                    parameters += [{"name": n, "in": "formData", **s} for n, s in content["schema"]["properties"].items()]
                else:
                    parameters.append({"name": "body", "in": "body", "schema": content["schema"]})
            paths[path] = {method: {**described, "parameters": parameters}}
    text = json.dumps({"swagger": "2.0", "info": {"title": "Shop", "version": "1"}, "basePath": "/", "paths": paths,
                       "definitions": third()["components"]["schemas"]})
    return text.replace("#/components/schemas/", "#/definitions/")


def pages():
    def described(media, text):
        return lambda _: Page(text(), 200, (("Content-Type", media),))
    return {
        "/": lambda _: page("Shop", "Nothing leads on from here."),
        "/description/v2.json": described("application/json", second),
        "/description/v3.json": described("application/json", lambda: json.dumps(third())),
        "/description/v3.yaml": described("application/yaml", lambda: yaml.safe_dump(third())),
    }
