"""Mixed content: what a page inside TLS refers to without it."""
from fixture import Case, Page

TLS = True
OUT = "http://static.example"

# The element that is at fault, and the page.
VULNERABLE = {
    "script": ("script", f'<script src="{OUT}/app.js"></script>'),
    "script-module": ("script", f'<script type="module" src="{OUT}/app.js"></script>'),
    "script-capitals": ("script", '<SCRIPT SRC="HTTP://static.example/app.js"></SCRIPT>'),
    "script-blanks": ("script", f'<script src=" {OUT}/app.js"></script>'),
    "style": ("link", f'<link rel="stylesheet" href="{OUT}/shop.css">'),
    "style-alternate": ("link", f'<link rel="alternate stylesheet" href="{OUT}/dark.css">'),
    "frame": ("iframe", f'<iframe src="{OUT}/chat"></iframe>'),
    "object": ("object", f'<object data="{OUT}/map.svg"></object>'),
    "embed": ("embed", f'<embed src="{OUT}/map.svg">'),
    "form": ("form", f'<form method="post" action="{OUT}/pay"><input name="card"></form>'),
    "form-search": ("form", f'<form action="{OUT}/find"><input name="words"></form>'),
    "among-sound": ("script", f'<script src="/app.js"></script><script src="{OUT}/app.js"></script>'),
    "in-text": ("iframe", f'<p>Our shops: <iframe src="{OUT}/shops"></iframe></p>'),
    "policy-for-images": ("script", f'<meta http-equiv="Content-Security-Policy" content="img-src \'self\'"><script src="{OUT}/a.js"></script>'),
    "async": ("script", f'<script async defer src="{OUT}/count.js"></script>'),
}
SOUND = {
    "own": '<script src="/app.js"></script><link rel="stylesheet" href="/shop.css">',
    "relative": '<iframe src="chat"></iframe>',
    "without-scheme": '<script src="//static.example/app.js"></script>',
    "secure": '<script src="https://static.example/app.js"></script>',
    "image": f'<img src="{OUT}/pear.png">',
    "film": f'<video src="{OUT}/pear.webm"></video>',
    "link": f'<a href="{OUT}/">static</a>',
    "canonical": f'<link rel="canonical" href="{OUT}/shop">',
    "namespace": '<svg xmlns="http://www.w3.org/2000/svg"></svg>',
    "in-comment": f'<!-- <script src="{OUT}/app.js"></script> -->',
    "in-text": f'<p>&lt;script src="{OUT}/app.js"&gt;</p>',
    "in-field": f'<textarea><script src="{OUT}/app.js"></script></textarea>',
    "in-template": f'<template><script src="{OUT}/app.js"></script></template>',
    "upgraded": f'<meta http-equiv="Content-Security-Policy" content="upgrade-insecure-requests"><script src="{OUT}/app.js"></script>',
    "in-query": '<script src="/load?from=http://static.example/app.js"></script>',
}


def cases(_):
    made = []
    table = [(True, name, element, body) for name, (element, body) in VULNERABLE.items()]
    table += [(False, name, "script", body) for name, body in SOUND.items()]
    for vulnerable, name, element, body in table:
        def handle(_, request, body=body):
            text = f"<!doctype html><html><head><title>Shop</title></head><body>{body}</body></html>"
            return Page(text, 200, (("Content-Type", "text/html; charset=utf-8"),))
        made.append(Case(f"{'v' if vulnerable else 'f'}-{name}", vulnerable, handle, "header", element, "", (("q", "1"),)))
    return made
