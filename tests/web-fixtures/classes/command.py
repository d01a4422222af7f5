"""Commands: a real shell, with the value in several places of the command, and what is shown of its output."""
import re
import shlex
import subprocess
from fixture import Case, escape, page

# Template, and how the shell sees the value.
CONTEXTS = {
    "bare": "echo looking up {}",
    "single": "echo 'looking up {}'",
    "double": 'echo "looking up {}"',
    "middle": "echo looking up {} in all folders",
    "argument": "ls -d /nowhere/{} 2>&1",
}


def none(v): return v
def no_semicolon(v): return v.replace(";", "")
def no_pipe_list(v): return re.sub(r"[;|]", "", v)
def no_amp(v): return re.sub(r"[;|&]", "", v)
def no_newline_list(v): return re.sub(r"[;|&\n]", "", v)
def no_space(v): return v.replace(" ", "")
def quoted(v): return shlex.quote(v)
def words(v): return re.sub(r"[^A-Za-z0-9.]", "", v)
def single_escaped(v): return v.replace("'", "'\\''")


def run(command):
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    return done.stdout + done.stderr


VULNERABLE = [
    ("bare", none, "output"), ("single", none, "output"), ("double", none, "output"), ("middle", none, "output"),
    ("argument", none, "output"), ("bare", no_semicolon, "output"), ("bare", no_pipe_list, "output"),
    ("bare", no_amp, "output"), ("middle", no_amp, "output"), ("double", no_newline_list, "output"),
    ("bare", no_newline_list, "output"), ("bare", no_space, "output"), ("single", no_semicolon, "output"),
    ("double", no_pipe_list, "output"), ("middle", no_semicolon, "output"), ("bare", none, "nothing"), ("single", none, "nothing"),
]
SOUND = [
    ("bare", quoted, "output"), ("middle", quoted, "output"), ("argument", quoted, "output"), ("bare", words, "output"),
    ("single", single_escaped, "output"), ("double", words, "output"), ("middle", words, "output"), ("bare", "list", "output"),
    ("middle", "list", "output"), ("argument", "list", "output"), ("single", "list", "output"), ("double", "list", "output"),
    ("bare", quoted, "nothing"), ("bare", "list", "nothing"), ("single", single_escaped, "nothing"), ("bare", "echo", "output"),
]
PLACES = ("query", "form", "json", "cookie")


def cases(_):
    made = []
    for vulnerable, table in ((True, VULNERABLE), (False, SOUND)):
        for number, (context, filter_, shown) in enumerate(table):
            def handle(value, _, context=context, filter_=filter_, shown=shown):
                if filter_ == "list":
                    done = subprocess.run(["echo", "looking up", value.replace("\0", "")], capture_output=True, text=True)
                    text = done.stdout
                elif filter_ == "echo":
                    text = "you asked for " + value
                else:
                    text = run(CONTEXTS[context].format(filter_(value)))
                return "<pre>" + escape(text) + "</pre>" if shown == "output" else "Thank you."
            name = filter_ if isinstance(filter_, str) else filter_.__name__.replace("_", "")
            place = PLACES[number % len(PLACES)]
            made.append(Case(
                f"{'v' if vulnerable else 'f'}-{context}-{name}-{shown}-{place}", vulnerable, handle, place,
                f"pref{number}{int(vulnerable)}" if place == "cookie" else "host", "example.org",
            ))
    # A page that reckons, and one that is slow by itself.
    made.append(Case("f-calculator", False, lambda value, _: escape(value) + " = " + (
        str(eval(value)) if re.fullmatch(r"[0-9 +*-]{1,20}", value) else "?"), value="3*4"))
    return made


def in_few(case):
    return case.name != "v-single-none-nothing-query"
