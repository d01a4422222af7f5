"""Places that nothing leads to: what lies there, and what another site may well have there."""
import gzip
import io
import json
import sqlite3
import tarfile
import tempfile
import zipfile
from fixture import Case, Page, page


def text(body): return Page(body, 200, (("Content-Type", "text/plain"),))
def document(value): return Page(json.dumps(value), 200, (("Content-Type", "application/json"),))
def binary(body): return Page(body, 200, (("Content-Type", "application/octet-stream"),))
def html(title, body): return Page(f"<!doctype html><html><head><title>{title}</title></head><body>{body}</body></html>", 200, (("Content-Type", "text/html"),))


def zipped():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("shop/settings.py", "DEBUG = True\n")
    return out.getvalue()


def tarred():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("shop/empty"))
    return out.getvalue()


def database():
    with tempfile.NamedTemporaryFile(suffix=".sqlite") as file:
        connection = sqlite3.connect(file.name)
        connection.execute("CREATE TABLE items (name TEXT)")
        connection.commit()
        connection.close()
        return file.read()


# The path, and what lies there.
VULNERABLE = {
    "/.env.local": text("# local\nAPP_ENV=dev\nDB_PASSWORD=pear\n"),
    "/.hg/requires": text("revlogv1\nstore\nfncache\n"),
    "/CVS/Entries": text("/index.php/1.3/Mon Jan  5 10:00:00 2026//\nD/images////\n"),
    "/.aws/credentials": text("[default]\naws_access_key_id = none\naws_secret_access_key = none\n"),
    "/.git-credentials": text("https://shop:pear@git.example\n"),
    "/.docker/config.json": document({"auths": {"registry.example": {"auth": "c2hvcDpwZWFy"}}}),
    "/id_rsa": text("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"),
    "/web.config": Page('<?xml version="1.0"?><configuration><connectionStrings/></configuration>', 200, (("Content-Type", "text/xml"),)),
    "/appsettings.json": document({"ConnectionStrings": {"Shop": "Server=db"}}),
    "/docker-compose.yml": text("version: '3'\nservices:\n  shop:\n    image: shop\n"),
    "/config.php.bak": text("<?php\n$password = 'pear';\n"),
    "/error_log": text("[05-Jan-2026 10:00:00 UTC] PHP Warning:  Undefined variable in /srv/shop/cart.php on line 7\n"),
    "/dump.sql": text("-- MySQL dump 10.13\n\nCREATE TABLE `items` (`name` text);\n"),
    "/backup.zip": binary(zipped()),
    "/backup.tar.gz": binary(gzip.compress(tarred())),
    "/backup.tar": binary(tarred()),
    "/db.sqlite3": binary(database()),
    "/server-status": html("Apache Status", "<h1>Apache Server Status for shop.example</h1><dl><dt>Server uptime: 3 days</dt></dl>"),
    "/nginx_status": text("Active connections: 3 \nserver accepts handled requests\n 7 7 9 \nReading: 0 Writing: 1 Waiting: 2 \n"),
    "/actuator": document({"_links": {"self": {"href": "/actuator"}, "env": {"href": "/actuator/env"}}}),
    "/debug/vars": document({"cmdline": ["/srv/shop"], "memstats": {"Alloc": 7}}),
    "/metrics": text("# HELP shop_orders Orders.\n# TYPE shop_orders counter\nshop_orders 7\n"),
    "/cart.php~": text("<?php\nsession_start();\n"),
}
SOUND = {
    "/.env.production": page("Shop", "There is no such page, but this one answers with 200."),
    "/.bzr/branch-format": html("Bazaar-NG", "We do not use it."),
    "/.npmrc": text("registry=https://registry.example/\n"),
    "/.idea/workspace.xml": Page("<error>no such project</error>", 200, (("Content-Type", "text/xml"),)),
    "/server.key": text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    "/WEB-INF/web.xml": html("web.xml", "&lt;web-app&gt; is not shown."),
    "/wp-config.php.bak": html("Shop", "&lt;?php is not shown here"),
    "/storage/logs/laravel.log": text("Nothing was logged.\n"),
    "/backup.sql": html("Backups", "-- MySQL dump files are kept elsewhere."),
    "/www.zip": html("Downloads", "PK\x03\x04 is how archives begin."),
    "/database.sqlite": text("SQLite format is not offered\n"),
    "/phpinfo.php": html("phpinfo", "How to read phpinfo(): the line PHP Version comes first."),
    "/server-info": Page("Forbidden", 403, (("Content-Type", "text/plain"),)),
    "/env": document({"name": "production"}),
    "/console": html("Console", "Our games run on every console."),
    "/rails/info/properties": html("Rails version", "We moved from Rails to something else."),
    "/elmah.axd": html("Error", "Error log for operators is elsewhere."),
    "/adminer.php": html("Adminer", "This was removed."),
}


# What answers to every name in its folder.
SOUND_FOLDERS = {
    "/.vscode/sftp.json": document({"host": "files.example", "username": "guest"}),
    "/config/database.yml": text("shop:\n  adapter: none\n  database: example\n"),
}


def cases(_):
    made = []
    for vulnerable, table in ((True, VULNERABLE), (False, SOUND), (False, SOUND_FOLDERS)):
        for path, shown in table.items():
            def handle(asked, _, path=path, shown=shown, everywhere=table is SOUND_FOLDERS):
                return shown if everywhere or asked == path else page("Not found", "There is no such page.", 404)
            made.append(Case(path.split("/")[1], vulnerable, handle, "nowhere", ""))
    # Pages with an input each, as every site has.
    for number in range(10):
        made.append(Case(f"f-page{number}", False, lambda value, _: "Pears, plums.", value="1"))
    return made


def pages():
    return {"/cart.php": lambda _: page("Cart", "Nothing in it.")}
