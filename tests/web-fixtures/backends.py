"""Real back ends of Debian, each started when the first case asks for it, in a folder of their own."""
import base64
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
        self._postgres = self._mariadb = self._slapd = self._node = self._php = self._java = None
        self._mongo_lock = threading.Lock()

    def close(self):
        for process in self.processes:
            # Interpreters end with their input.
            if process.stdin:
                process.stdin.close()
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
        self._node = self._node or self._interpreter(["node", "-e", NODE])

    def javascript(self, code):
        """What a script evaluates to, as text."""
        return self._node.ask(code)

    def _start_php(self):
        self._php = self._php or self._interpreter(["php", "-d", "display_errors=0", "-d", "log_errors=0", "-r", PHP])

    def unserialize(self, value, classes):
        """Settings that PHP has serialised, read with objects of any class or of none."""
        return self._php.ask([base64.b64encode(value).decode(), classes])

    def _start_java(self):
        if not self._java:
            source = os.path.join(self.folder, "Reader.java")
            with open(source, "w") as file:
                file.write(JAVA)
            self._java = self._interpreter(["java", "-XX:TieredStopAtLevel=1", source])

    def java_settings(self):
        """Settings as Java serialises them."""
        return base64.b64decode(self._java.ask("write"))

    def read_object(self, value, classes):
        """Settings that Java has serialised, read with `all` classes, those of a list of ours (`listed`) or of a filter of Java's."""
        theme, size = self._java.ask(f"{classes} {base64.b64encode(value).decode()}").split(" ")
        return {"theme": theme, "size": size}

    def _interpreter(self, command):
        interpreter = Interpreter(command)
        self.processes.append(interpreter.process)
        return interpreter

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


class Interpreter:
    """A program that answers each line of JSON with one: {"value": …} or {"error": …}."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd="/")
        self.lock = threading.Lock()

    def ask(self, question):
        with self.lock:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer["value"]


NODE = """
const vm = require('vm');
require('readline').createInterface({input: process.stdin}).on('line', line => {
    let answer;
    try { answer = {value: String(vm.runInNewContext(JSON.parse(line), {shop: {price: 30}}, {timeout: 5000}))} }
    catch (error) { answer = {error: String(error)} }
    console.log(JSON.stringify(answer));
});
"""
PHP = """
while (($line = fgets(STDIN)) !== false) {
    [$text, $classes] = json_decode($line, true);
    try {
        $value = unserialize(base64_decode($text), ['allowed_classes' => $classes]);
        $value = is_object($value) ? get_object_vars($value) : $value;
        if (!isset($value['theme'], $value['size'])) { throw new Exception('no settings'); }
        $answer = ['value' => ['theme' => $value['theme'], 'size' => $value['size']]];
    } catch (Throwable $error) {
        $answer = ['error' => $error->getMessage()];
    }
    echo json_encode($answer), "\\n";
}
"""
JAVA = """
import java.io.*;
import java.util.*;

public class Reader {
    static final Set<String> LIST = Set.of("java.util.HashMap", "java.lang.Integer", "java.lang.Number", "java.lang.String");

    static class Listed extends ObjectInputStream {
        Listed(InputStream stream) throws IOException { super(stream); }

        protected Class<?> resolveClass(ObjectStreamClass description) throws IOException, ClassNotFoundException {
            if (!LIST.contains(description.getName())) throw new InvalidClassException("forbidden");
            return super.resolveClass(description);
        }
    }

    static Map<?, ?> read(String classes, InputStream bytes) throws Exception {
        ObjectInputStream stream = classes.equals("listed") ? new Listed(bytes) : new ObjectInputStream(bytes);
        if (classes.equals("filtered")) stream.setObjectInputFilter(ObjectInputFilter.Config.createFilter("java.util.*;java.lang.*;!*"));
        return (Map<?, ?>) stream.readObject();
    }

    static String written() throws IOException {
        Map<String, Object> settings = new HashMap<>(Map.of("theme", "dark", "size", 7, "rows", 10));
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        new ObjectOutputStream(bytes).writeObject(settings);
        return Base64.getEncoder().encodeToString(bytes.toByteArray());
    }

    public static void main(String[] none) throws IOException {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null;) {
            String[] words = line.replace("\\"", "").split(" ");
            String answer;
            try {
                if (words[0].equals("write")) answer = "value\\": \\"" + written();
                else {
                    Map<?, ?> settings = read(words[0], new ByteArrayInputStream(Base64.getDecoder().decode(words[1])));
                    if (settings.get("theme") == null) throw new IOException("no settings");
                    answer = "value\\": \\"" + settings.get("theme") + " " + settings.get("size");
                }
            } catch (Exception error) {
                answer = "error\\": \\"" + error.getClass().getName();
            }
            System.out.println("{\\"" + answer + "\\"}");
        }
    }
}
"""
SCHEMA = (
    "CREATE TABLE items (id INTEGER PRIMARY KEY, name VARCHAR(40), kind VARCHAR(40), price INTEGER)",
    "INSERT INTO items VALUES (1, 'pear', 'fruit', 30), (2, 'apple', 'fruit', 20), (3, 'leek', 'vegetable', 10),"
    " (4, 'beet', 'vegetable', 25), (5, 'plum', 'fruit', 5)",
    "CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR(40), password VARCHAR(40))",
    "INSERT INTO users VALUES (1, 'ann', 'pw-ann'), (2, 'bert', 'pw-bert')",
    "CREATE TABLE notes (message VARCHAR(400))",
)
