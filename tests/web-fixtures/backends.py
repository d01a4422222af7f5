"""Real back ends of Debian, each started when the first case asks for it, in a folder of their own."""
import json
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import threading
import time


class Backends:
    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        self.local = threading.local()
        self._postgres = self._mariadb = self._slapd = self._node = None
        self._node_lock, self._mongo_lock = threading.Lock(), threading.Lock()

    def close(self):
        for process in self.processes:
            # PostgreSQL waits for its clients at SIGTERM; nothing here is worth a tidy end.
            process.send_signal(signal.SIGQUIT)
        for process in self.processes:
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)

    # One connection for each thread, made anew after an error.
    def connection(self, kind):
        found = getattr(self.local, kind, None)
        if found is None:
            found = getattr(self, "_connect_" + kind)()
            setattr(self.local, kind, found)
        return found

    def query(self, kind, statement, values=None):
        """The rows of a statement; an error of the database as it raises it."""
        connection = self.connection(kind)
        cursor = connection.cursor()
        try:
            if values is None:
                cursor.execute(statement)
            else:
                cursor.execute(statement.replace("?", "%s") if kind != "sqlite" else statement, values)
            rows = cursor.fetchall() if cursor.description else []
            return rows
        finally:
            try:
                connection.rollback() if kind == "sqlite" else None
            except Exception:
                pass

    def start(self, kind):
        """Starts what a case needs, before the first request."""
        getattr(self, "_start_" + kind)()

    def _start_sqlite(self):
        path = os.path.join(self.folder, "shop.sqlite")
        if not os.path.exists(path):
            connection = sqlite3.connect(path)
            for statement in SCHEMA:
                connection.execute(statement)
            connection.commit()

    def _connect_sqlite(self):
        return sqlite3.connect(os.path.join(self.folder, "shop.sqlite"), timeout=30)

    def _start_postgres(self):
        if self._postgres:
            return
        binaries = sorted(os.listdir("/usr/lib/postgresql"), key=int)[-1]
        programs = f"/usr/lib/postgresql/{binaries}/bin"
        folder = self._own("postgres", "postgres")
        run = self._as("postgres")
        subprocess.run(
            [*run, f"{programs}/initdb", "-N", "-A", "trust", "-U", "shop", "-D", f"{folder}/data"],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        )
        self._spawn([
            *run, f"{programs}/postgres", "-D", f"{folder}/data", "-k", folder, "-F",
            "-c", "listen_addresses=", "-c", "max_connections=200", "-c", "shared_buffers=16MB",
        ])
        self._postgres = folder
        self._wait(lambda: self._fill("postgres"))

    def _connect_postgres(self):
        import psycopg2
        connection = psycopg2.connect(host=self._postgres, user="shop", dbname="postgres")
        connection.autocommit = True
        return connection

    def _start_mariadb(self):
        if self._mariadb:
            return
        folder = self._own("mariadb", "mysql")
        user = "mysql" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={folder}/data", f"--user={user}",
             "--skip-test-db", "--auth-root-authentication-method=normal", "--skip-name-resolve"],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        self._spawn([
            "/usr/sbin/mariadbd", "--no-defaults", f"--datadir={folder}/data", f"--socket={folder}/s", f"--user={user}",
            "--skip-networking", "--skip-grant-tables", "--innodb-buffer-pool-size=8M", "--innodb-flush-log-at-trx-commit=0",
            f"--pid-file={folder}/pid", "--max-connections=200",
        ])
        self._mariadb = folder
        self._wait(lambda: self._fill("mariadb"))

    def _connect_mariadb(self):
        import pymysql
        connection = pymysql.connect(unix_socket=self._mariadb + "/s", user="root", autocommit=True)
        cursor = connection.cursor()
        cursor.execute("CREATE DATABASE IF NOT EXISTS shop")
        cursor.execute("USE shop")
        return connection

    def _fill(self, kind):
        connection = getattr(self, "_connect_" + kind)()
        for statement in SCHEMA:
            connection.cursor().execute(statement)
        connection.close()

    def _start_ldap(self):
        if self._slapd:
            return
        folder = self._own("slapd", "openldap")
        with open(f"{folder}/slapd.conf", "w") as config:
            config.write(
                "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n"
                "include /etc/ldap/schema/inetorgperson.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n"
                f"pidfile {folder}/pid\ndatabase mdb\nmaxsize 16777216\nsuffix dc=shop,dc=example\n"
                f"rootdn cn=root,dc=shop,dc=example\nrootpw none\ndirectory {folder}/data\n"
            )
        os.mkdir(f"{folder}/data")
        with open(f"{folder}/people.ldif", "w") as people:
            people.write("dn: dc=shop,dc=example\nobjectClass: dcObject\nobjectClass: organization\no: shop\ndc: shop\n\n")
            for name in ("ann", "bert", "carla", "dora"):
                people.write(
                    f"dn: uid={name},dc=shop,dc=example\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name.title()} Example\n"
                    f"sn: Example\nmail: {name}@shop.example\ndescription: sales\nuserPassword: pw-{name}\n\n"
                )
        subprocess.run(["/usr/sbin/slapadd", "-q", "-f", f"{folder}/slapd.conf", "-l", f"{folder}/people.ldif"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._slapd = "ldapi://" + (folder + "/s").replace("/", "%2F")
        self._spawn(["/usr/sbin/slapd", "-d", "0", "-f", f"{folder}/slapd.conf", "-h", self._slapd])
        self._wait(lambda: self.people("(uid=ann)"))

    def people(self, condition, attributes=("cn", "mail")):
        import ldap
        connection = ldap.initialize(self._slapd)
        try:
            found = connection.search_s("dc=shop,dc=example", ldap.SCOPE_SUBTREE, condition, list(attributes))
            return [entry for _, entry in found]
        finally:
            connection.unbind_s()

    def _start_node(self):
        if not self._node:
            self._node = subprocess.Popen(["node", "-e", NODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                          stderr=subprocess.DEVNULL, text=True, cwd="/")
            self.processes.append(self._node)

    def javascript(self, code):
        """What a script evaluates to, as text."""
        with self._node_lock:
            self._node.stdin.write(json.dumps(code) + "\n")
            self._node.stdin.flush()
            answer = json.loads(self._node.stdout.readline())
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer["value"]

    def _start_mongo(self):
        import mongomock
        self._mongo = mongomock.MongoClient().shop.items

    def documents(self, items, condition):
        """Those of the items that a query of MongoDB finds."""
        with self._mongo_lock:
            if not self._mongo.count_documents({}):
                self._mongo.insert_many([dict(item) for item in items])
            return list(self._mongo.find(condition))

    def _own(self, name, user):
        folder = os.path.join(self.folder, name)
        os.mkdir(folder)
        if os.getuid() == 0:
            os.chmod(self.folder, 0o755)
            try:
                shutil.chown(folder, user)
            except LookupError:
                pass
        return folder

    def _as(self, user):
        if os.getuid() != 0:
            return []
        return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]

    def _spawn(self, command):
        # In the group of this process, whose end is theirs.
        self.processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                               stderr=subprocess.DEVNULL, cwd="/"))

    def _wait(self, ready):
        for _ in range(300):
            try:
                return ready()
            except Exception as error:
                last = error
                time.sleep(0.1)
        raise RuntimeError(f"a back end does not come up: {last}")


NODE = """
const vm = require('vm');
require('readline').createInterface({input: process.stdin}).on('line', line => {
    let answer;
    try { answer = {value: String(vm.runInNewContext(JSON.parse(line), {shop: {price: 30}}, {timeout: 5000}))} }
    catch (error) { answer = {error: String(error)} }
    console.log(JSON.stringify(answer));
});
"""
SCHEMA = (
    "CREATE TABLE items (id INTEGER PRIMARY KEY, name VARCHAR(40), kind VARCHAR(40), price INTEGER)",
    "INSERT INTO items VALUES (1, 'pear', 'fruit', 30), (2, 'apple', 'fruit', 20), (3, 'leek', 'vegetable', 10),"
    " (4, 'beet', 'vegetable', 25), (5, 'plum', 'fruit', 5)",
    "CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR(40), password VARCHAR(40))",
    "INSERT INTO users VALUES (1, 'ann', 'pw-ann'), (2, 'bert', 'pw-bert')",
    "CREATE TABLE notes (message VARCHAR(400))",
)
