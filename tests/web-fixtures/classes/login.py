"""Logins of products, as each answers them: with the pair of its documentation, with another, and with none that can be told."""
import base64
import json
from fixture import Case, Page, page

HTML, JSON = ("Content-Type", "text/html; charset=utf-8"), ("Content-Type", "application/json")
UNFRAMED = ("X-Frame-Options", "DENY")
SET = ("Set-Cookie", "sid=1; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")


def document(status, what, *headers): return Page(json.dumps(what), status, (JSON, *headers))
def titled(title, body): return Page(f"<!doctype html><html><head><title>{title}</title></head><body>{body}</body></html>", 200, (HTML, UNFRAMED))
def asked(realm): return Page("<html><body>Unauthorized</body></html>", 401, (HTML, ("WWW-Authenticate", f'Basic realm="{realm}"')))


def basic(request):
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind != "Basic":
        return None
    user, _, password = base64.b64decode(token).decode().partition(":")
    return user, password


def in_form(own, secret):
    return lambda request: (request.form.get(own), request.form.get(secret)) if own in request.form else None


def in_json(own, secret):
    def read(request):
        sent = json.loads(request.body) if request.body else {}
        return (sent.get(own), sent.get(secret)) if own in sent else None
    return read


ZABBIX = ('<form action="index.php" method="post"><input name="name"><input type="password" name="password"><button name="enter" value="Sign in">Sign in</button></form>'
          "<footer>&copy; 2001-2026, Zabbix SIA</footer>")
# What shows it, where it takes a login, how, what it says to the right one and to others, and its pair.
PRODUCTS = {
    "grafana": (lambda: titled("Grafana", "<script>window.grafanaBootData = {user: {}}</script>"), "login", in_json("user", "password"),
                lambda: document(200, {"message": "Logged in", "redirectUrl": "/"}), lambda: document(401, {"message": "Invalid username or password"}), ("admin", "admin")),
    "zabbix": (lambda: titled("shop: Zabbix", ZABBIX), "index.php", in_form("name", "password"), lambda: Page("", 302, (("Location", "zabbix.php?action=dashboard.view"),)),
               lambda: titled("shop: Zabbix", "Incorrect user name or password or account is temporarily blocked." + ZABBIX), ("Admin", "zabbix")),
    "rabbitmq": (lambda: titled("RabbitMQ Management", ""), "api/whoami", basic, lambda: document(200, {"name": "guest", "tags": ["administrator"]}),
                 lambda: document(401, {"error": "not_authorized"}, ("WWW-Authenticate", 'Basic realm="RabbitMQ Management"')), ("guest", "guest")),
    "tomcat": (lambda: asked("Tomcat Manager Application"), "", basic, lambda: titled("/manager", "<h1>Tomcat Web Application Manager</h1>"),
               lambda: asked("Tomcat Manager Application"), ("tomcat", "s3cret")),
    "activemq": (lambda: asked("ActiveMQRealm"), "", basic, lambda: titled("localhost : ActiveMQ Console", ""), lambda: asked("ActiveMQRealm"), ("admin", "admin")),
    "felix": (lambda: asked("OSGi Management Console"), "", basic, lambda: titled("Apache Felix Web Console - Bundles", ""), lambda: asked("OSGi Management Console"), ("admin", "admin")),
    "sonarqube": (lambda: titled("SonarQube", ""), "api/authentication/login", in_form("login", "password"), lambda: Page("", 200, (SET,)), lambda: Page("", 401), ("admin", "admin")),
    "minio": (lambda: titled("MinIO Console", ""), "api/v1/login", in_json("accessKey", "secretKey"), lambda: Page("", 204, (SET,)),
              lambda: document(401, {"message": "invalid Login"}), ("minioadmin", "minioadmin")),
    "guacamole": (lambda: Page('<html ng-app="index"><body><guac-notification></guac-notification></body></html>'), "api/tokens", in_form("username", "password"),
                  lambda: document(200, {"authToken": "7F"}), lambda: document(403, {"message": "Invalid login"}), ("guacadmin", "guacadmin")),
    "graylog": (lambda: titled("Graylog Web Interface", ""), "api/system/sessions", in_json("username", "password"), lambda: document(200, {"session_id": "7f"}),
                lambda: document(401, {"message": "Invalid credentials"}), ("admin", "admin")),
    "axis2": (lambda: titled("Login to Axis2 :: Administration page", ""), "login", in_form("userName", "password"),
              lambda: titled("Axis2", "You are now logged into the Axis2 administration console"), lambda: titled("Login to Axis2 :: Administration page", "Invalid auth credentials!"), ("admin", "axis2")),
}
# Pages that speak of a product and are none.
OTHERS = {
    "article": lambda: page("Grafana and Zabbix", "How we watch our shop with Grafana, SonarQube and MinIO."),
    "realm": lambda: asked("Staff of the shop"),
    "form": lambda: page("Log in", '<form method="post"><input name="name"><input type="password" name="password"><button name="enter">In</button></form>', 200, (UNFRAMED,)),
}


def handler(product, mode):
    shows, path, read, welcome, refuse, pair = PRODUCTS[product]

    def handle(_, request):
        rest = "/".join(request.path.split("/")[2:])
        sent = read(request) if rest == path else None
        if sent is None:
            return shows() if rest in ("", path) else page("Not found", "There is none.", 404)
        right = {"default": pair, "changed": (pair[0], "hG7-pear-plum"), "removed": ("owner", pair[1])}.get(mode, sent)
        return welcome() if sent == right else refuse()
    return handle


def cases(_):
    made = [(True, product, "default") for product in PRODUCTS] + [(False, product, "changed") for product in PRODUCTS]
    made += [(False, "grafana", "removed"), (False, "tomcat", "removed"), (False, "activemq", "anybody"), (False, "graylog", "anybody")]
    found = [Case(f"{'v' if vulnerable else 'f'}-{product}-{mode}", vulnerable, handler(product, mode), "header", "login", "", (("q", "1"),)) for vulnerable, product, mode in made]
    return found + [Case(f"f-{name}", False, lambda _, request, show=show: show(), "header", "login", "", (("q", "1"),)) for name, show in OTHERS.items()]
