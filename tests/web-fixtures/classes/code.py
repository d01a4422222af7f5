"""Code: two real languages, the value in several places of what is evaluated, or parsed as it should be."""
import ast
import json
import re
from fixture import Case, escape, page

# Language, code, the usual value.
CONTEXTS = {
    "sum": ("python", "30 * {}", "2"),
    "call": ("python", "str({})", "7"),
    "single": ("python", "'Hello {}'.strip()", "pear"),
    "double": ("python", 'len("x") * "Hello {}"', "pear"),
    "statement": ("statement", "result = {}", "7"),
    "filter": ("python", "[name for name, kind in items if kind == '{}']", "fruit"),
    "jssum": ("javascript", "shop.price * {}", "2"),
    "jscall": ("javascript", "String({})", "7"),
    "jssingle": ("javascript", "'Hello {}'.trim()", "pear"),
    "jsdouble": ("javascript", '"Hello {}".trim()', "pear"),
}
ITEMS = [("pear", "fruit"), ("leek", "vegetable"), ("plum", "fruit")]


def none(v): return v
def no_spaces(v): return v.replace(" ", "")
def no_semicolons(v): return re.sub("[;\n]", "", v)
def short(v): return v[:100]


VULNERABLE = [
    ("sum", none, "output"), ("call", none, "output"), ("single", none, "output"), ("double", none, "output"),
    ("statement", none, "output"), ("sum", no_spaces, "output"), ("single", no_semicolons, "output"),
    ("double", short, "output"), ("filter", none, "output"), ("single", none, "errors"), ("call", none, "errors"),
    ("jssum", none, "output"), ("jscall", none, "output"), ("jssingle", none, "output"), ("jsdouble", none, "output"),
    ("jssum", no_spaces, "output"), ("jssingle", no_semicolons, "output"), ("jsdouble", short, "output"),
]
PLACES = ("query", "form", "json", "cookie")


def evaluated(backends, language, code):
    if language == "javascript":
        return backends.javascript(code)
    names = {"items": ITEMS}
    if language == "statement":
        exec(code, names)
        return str(names["result"])
    return str(eval(code, names))


def calculator(_, v): return str(eval(v)) if re.fullmatch(r"[0-9 +*()-]{1,40}", v) else "That is no sum."
def literal(_, v): return str(ast.literal_eval(v))
def number(_, v): return str(30 * int(v))
def quoted(_, v): return str(eval("'Hello ' + " + repr(v)))
def quoted_script(backends, v): return backends.javascript("'Hello ' + " + json.dumps(v))
def parsed_script(backends, v): return backends.javascript(f"JSON.parse({json.dumps(json.dumps({'name': v}))}).name")
def chosen(_, v): return {"fruit": "pear, plum", "vegetable": "leek"}.get(v, "Nothing.")
def compared(_, v): return str([name for name, kind in ITEMS if kind == v])
def echoed(_, v): return "You asked for " + v
def refusing(_, v): return "Fine." if re.fullmatch(r"\w+", v) else page("Bad", "Letters and numbers alone, please.", 400)


SOUND = [
    (calculator, "3*4"), (literal, "7"), (number, "2"), (quoted, "pear"), (quoted_script, "pear"), (parsed_script, "pear"),
    (chosen, "fruit"), (compared, "fruit"), (echoed, "pear"), (refusing, "pear"),
]


def cases(backends):
    backends.start("node")
    made = []
    for number_, (context, filter_, shown) in enumerate(VULNERABLE):
        language, code, usual = CONTEXTS[context]

        def handle(value, _, language=language, code=code, filter_=filter_, shown=shown):
            # An error is a page of its own, whatever else is shown.
            result = evaluated(backends, language, code.replace("{}", filter_(value)))
            return page("Shop", escape(result) if shown == "output" else "Thank you.")
        place = PLACES[number_ % len(PLACES)]
        name = f"v-{context}-{filter_.__name__.replace('_', '')}-{shown}-{place}"
        made.append(Case(name, True, handle, place, f"pref{number_}1" if place == "cookie" else "name", usual))
    for number_, (show, usual) in enumerate(SOUND * 2):
        def handle(value, _, show=show):
            shown = show(backends, value)
            return page("Shop", escape(shown)) if isinstance(shown, str) else shown
        place = PLACES[(number_ + number_ // len(SOUND)) % len(PLACES)]
        name = f"f-{show.__name__.replace('_', '')}-{place}"
        made.append(Case(name, False, handle, place, f"pref{number_}0" if place == "cookie" else "name", usual))
    return made



def in_few(case):
    """Delays take their time: one of them is enough."""
    return "-errors-" not in case.name
