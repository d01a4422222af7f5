"""Prototypes: how a document comes into an object of JavaScript, run by Node, and what is answered."""
import json
from fixture import Case, Page, escape, page

JSON = ("Content-Type", "application/json")
START = "const own = {theme: 'dark', size: 7, shown: {rows: 10}}; const isObject = o => o !== null && typeof o === 'object';"


def merging(merge, call="merge(own, sent)"):
    return lambda text: f"(() => {{ {START} {merge}\nconst sent = JSON.parse({json.dumps(text)}); {call}; return JSON.stringify([own.theme, own.size, own.shown.rows]) }})()"


FUNCTIONS = {
    # Weak.
    "recursive": merging("const merge = (t, s) => { for (const k in s) { if (isObject(t[k]) && isObject(s[k])) merge(t[k], s[k]); else t[k] = s[k] } };"),
    "created": merging("const merge = (t, s) => { for (const k in s) { if (isObject(s[k])) { if (!t[k]) t[k] = {}; merge(t[k], s[k]) } else t[k] = s[k] } };"),
    "bytype": merging("const merge = (t, s) => { Object.keys(s).forEach(k => { if (typeof s[k] === 'object' && typeof t[k] === 'object' && s[k]) merge(t[k], s[k]); else t[k] = s[k] }) };"),
    "returned": merging("const merge = (t, s) => { for (const [k, v] of Object.entries(s)) t[k] = isObject(v) ? merge(t[k] || {}, v) : v; return t };"),
    "functions": merging("const holds = o => isObject(o) || typeof o === 'function'; const merge = (t, s) => { for (const k in s) { if (k === '__proto__' && t === own) continue; if (holds(t[k]) && isObject(s[k])) merge(t[k], s[k]); else t[k] = s[k] } };"),
    "inner": merging("const merge = (t, s) => { for (const k in s) { if (isObject(t[k]) && isObject(s[k])) merge(t[k], s[k]); else t[k] = s[k] } };", "merge(own.shown, sent.shown || {})"),
    # Sound.
    "skipping": merging("const merge = (t, s) => { for (const k in s) { if (['__proto__', 'constructor', 'prototype'].includes(k)) continue; if (isObject(t[k]) && isObject(s[k])) merge(t[k], s[k]); else t[k] = s[k] } };"),
    "refusing": merging("const merge = (t, s) => { for (const k in s) { if (['__proto__', 'constructor'].includes(k)) throw Error('refused'); if (isObject(t[k]) && isObject(s[k])) merge(t[k], s[k]); else t[k] = s[k] } };"),
    "own": merging("const merge = (t, s) => { for (const k in s) { if (Object.hasOwn(t, k) && isObject(t[k]) && isObject(s[k])) merge(t[k], s[k]); else Object.defineProperty(t, k, {value: s[k], writable: true, enumerable: true, configurable: true}) } };"),
    "flat": merging("", "Object.assign(own, sent)"),
    "spread": merging("", "({...own, ...sent})"),
    "bare": merging("const merge = (t, s) => { for (const k in s) { if (isObject(t[k]) && isObject(s[k])) merge(t[k], s[k]); else t[k] = s[k] } };", "Object.setPrototypeOf(own, null); Object.setPrototypeOf(own.shown, null); merge(own, sent)"),
    "listed": merging("", "if (['dark', 'light'].includes(sent.theme)) own.theme = sent.theme"),
    "mapped": merging("", "const held = new Map(Object.entries(own)); for (const [k, v] of Object.entries(sent)) held.set(k, v)"),
    "reviving": lambda text: merging("const merge = (t, s) => { for (const k in s) { if (isObject(t[k]) && isObject(s[k])) merge(t[k], s[k]); else t[k] = s[k] } };")(text).replace(
        f"JSON.parse({json.dumps(text)})", f"JSON.parse({json.dumps(text)}, function (k, v) {{ return k === '__proto__' || k === 'constructor' ? undefined : v }})"),
}


def settings(told): return page("Settings", "".join(f"<p>{escape(str(v))}</p>" for v in told))
def document(told): return Page(json.dumps(told), 200, (JSON,))
def hidden(error): raise error
def told(error): return Page(json.dumps({"error": str(error)}), 400, (JSON,))
def usual(error): return page("Settings", "<p>Settings as they were.</p>")


WEAK = ("recursive", "created", "bytype", "returned", "functions", "inner")
SOUND = ("skipping", "refusing", "own", "flat", "spread", "bare", "listed", "mapped", "reviving")
SHOWN = ((settings, hidden), (document, told), (settings, usual))


def cases(backends):
    backends.start("node")
    made = []
    for vulnerable, names in ((True, WEAK), (False, SOUND)):
        for name in names:
            for show, fail in SHOWN[: 3 if vulnerable else 2]:
                def handle(_, request, name=name, show=show, fail=fail):
                    try:
                        return show(json.loads(backends.javascript(FUNCTIONS[name](request.body.decode()))))
                    except ValueError as error:
                        return fail(error)
                case = Case(f"{'v' if vulnerable else 'f'}-{name}-{show.__name__}-{fail.__name__}", vulnerable, handle, "json", "theme", "dark")
                if name == "inner":
                    case.others = (("shown", {"rows": 10}),)
                made.append(case)
    return made
