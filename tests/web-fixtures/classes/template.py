"""Templates: three real engines, the value in several places of the template's text, or passed to it as it should be."""
import html
import re
import string
import jinja2
import jinja2.sandbox
import mako.template
import tornado.template
from fixture import Case, Page, escape, page

SHOP = {"price": "30", "name": "pear", "kind": "fruit"}


class Shop:
    price, name, kind = "30", "pear", "fruit"


def jinja(text, **values): return jinja2.Environment(autoescape=True).from_string(text).render(shop=Shop, **values)
def sandbox(text, **values): return jinja2.sandbox.SandboxedEnvironment().from_string(text).render(shop=Shop, **values)
def mako_(text, **values): return mako.template.Template(text, default_filters=["h"]).render(shop=Shop, **values)
def tornado_(text, **values): return tornado.template.Template(text).generate(shop=Shop, **values).decode()


# The value in the text of a template, by the engine's way to write expressions and statements.
CONTEXTS = {
    "text": ("Hello {}!", "Hello {}!", "Hello {}!"),
    "attribute": ('<p title="{}">Hello</p>',) * 3,
    "string": ("Hello {{{{ '{}' }}}}", "Hello ${{ '{}' }}", "Hello {{{{ '{}' }}}}"),
    "double": ('Hello {{{{ "{}" }}}}', 'Hello ${{ "{}" }}', 'Hello {{{{ "{}" }}}}'),
    "expression": ("It is {{{{ shop.{} }}}}", "It is ${{ shop.{} }}", "It is {{{{ shop.{} }}}}"),
    "block": ("{{% if '{}' == 'pear' %}}yes{{% endif %}}", None, "{{% if '{}' == 'pear' %}}yes{{% end %}}"),
}
ENGINES = {"jinja": (jinja, 0), "sandbox": (sandbox, 0), "mako": (mako_, 1), "tornado": (tornado_, 2)}
VARIABLE = {"jinja": "{{ value }}", "sandbox": "{{ value | e }}", "mako": "${ value }", "tornado": "{{ value }}"}


def none(v): return v
def no_angles(v): return re.sub("[<>]", "", v)
def no_quotes(v): return re.sub("['\"]", "", v)
def short(v): return v[:160]


VULNERABLE = [
    ("jinja", "text", none), ("jinja", "text", no_angles), ("jinja", "text", no_quotes), ("jinja", "attribute", none),
    ("jinja", "string", none), ("jinja", "double", none), ("jinja", "expression", none), ("jinja", "block", none),
    ("sandbox", "text", none), ("mako", "text", none), ("mako", "text", no_angles), ("mako", "attribute", none),
    ("mako", "string", none), ("mako", "expression", none), ("tornado", "text", none), ("tornado", "text", short),
    ("tornado", "attribute", none), ("tornado", "string", none), ("tornado", "expression", none),
]
PLACES = ("query", "form", "json", "cookie")


def passed(engine):
    render = ENGINES[engine][0]
    return lambda v: render("Hello " + VARIABLE[engine] + "!", value=v)


def attribute(engine):
    render = ENGINES[engine][0]
    return lambda v: render('<p title="' + VARIABLE[engine] + '">Hello</p>', value=v)


def chosen(engine):
    render = ENGINES[engine][0]
    return lambda v: render("It is " + VARIABLE[engine], value=SHOP.get(v, "unknown"))


SOUND = [
    *((kind.__name__ + engine, kind(engine)) for kind in (passed, attribute, chosen) for engine in ("jinja", "mako", "tornado")),
    ("echoed", lambda v: "You asked for " + escape(v)),
    ("stripped-jinja", lambda v: jinja("Hello " + re.sub(r"[^\w .,-]", "", v) + "!")),
    ("stripped-mako", lambda v: mako_("Hello " + re.sub(r"[^\w .,-]", "", v) + "!")),
    ("coded-tornado", lambda v: tornado_("Hello " + re.sub(r"\W", lambda found: f"&#{ord(found[0])};", v, flags=re.ASCII) + "!")),
    ("substituted", lambda v: string.Template("Hello ${name}!").safe_substitute(name=escape(v))),
    ("formatted", lambda v: "Hello {0}!".format(escape(v))),
    ("calculator", lambda v: escape(v) + " = " + (str(eval(v)) if re.fullmatch(r"[0-9 +*-]{1,20}", v) else "?")),
    ("length", lambda v: f"{len(v)} characters"),
]


def cases(_):
    made = []
    for number, (engine, context, filter_) in enumerate(VULNERABLE):
        render, column = ENGINES[engine]
        text = CONTEXTS[context][column]

        def handle(value, _, render=render, text=text, filter_=filter_):
            return page("Shop", render(text.format(filter_(value))))
        place = PLACES[number % len(PLACES)]
        parameter = f"pref{number}1" if place == "cookie" else "name"
        value = "price" if context == "expression" else "pear"
        made.append(Case(f"v-{engine}-{context}-{filter_.__name__.replace('_', '')}", True, handle, place, parameter, value))
    for number, (name, show) in enumerate(SOUND):
        place = PLACES[number % len(PLACES)]
        parameter = f"pref{number}0" if place == "cookie" else "name"
        made.append(Case(f"f-{name}", False, lambda value, _, show=show: page("Shop", show(value)), place, parameter,
                         "3*4" if name == "calculator" else "price"))
    # Rendered by the browser: the page says it as it stands.
    made.append(Case("f-for-the-browser", False, lambda value, _: Page(
        f"<html><body ng-app><p>Hello {html.escape(value)}, {{{{ total * 2 }}}}</p></body></html>"), value="pear"))
    return made
