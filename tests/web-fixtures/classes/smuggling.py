"""Request smuggling: a server in front and one behind, each with its own way to see where a request ends."""
import select
import socket
import threading
from fixture import Case

MADE = {}


class Refused(Exception):
    pass


# How a server reads Transfer-Encoding: the values that it sees, of which one must be `chunked`.
def values(lines, named=lambda line: not line[:1].isspace(), name=lambda name: name):
    split = (line.partition(b":") for line in lines if named(line))
    return [value for found, _, value in split if name(found).lower() == b"transfer-encoding"]


def is_chunked(value): return value.strip(b" \t").lower() == b"chunked"
def usual(lines): return any(map(is_chunked, values(lines)))
def deaf(lines): return False
def spaced(lines): return any(map(is_chunked, values(lines, name=bytes.rstrip)))
def containing(lines): return any(b"chunked" in value.lower() for value in values(lines))
def loose(lines): return any(value.strip().lower() == b"chunked" for value in values(lines))
def quoting(lines): return any(is_chunked(value.strip(b' \t"')) for value in values(lines))
def first(lines): return any(map(is_chunked, values(lines)[:1]))
def last(lines): return any(map(is_chunked, values(lines)[-1:]))
def stripping(lines): return any(map(is_chunked, values([line.strip(b" \t") for line in lines])))


def folding(lines):
    joined = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and joined:
            joined[-1] += line
        else:
            joined.append(line)
    return usual(joined)


def refusing(lines):
    """As RFC 9112, section 6.1, allows: both fields, or one that is not as it should be, are an error."""
    odd = any(line[:1].isspace() or line.partition(b":")[0].endswith(b" ") for line in lines)
    both = any(line.lower().startswith(b"content-length") for line in lines) and any(b"transfer-encoding" in line.lower() for line in lines)
    if odd or both:
        raise Refused
    return usual(lines)


# What the one in front hands on.
def as_it_came(head, lines, body): return head, body


def as_length(head, lines, body):
    """One length, of its own reckoning."""
    kept = [line for line in lines if not line[:1].isspace() and b"transfer-encoding" not in line.lower() and not line.lower().startswith(b"content-length")]
    start = head.split(b"\r\n", 1)[0]
    return b"\r\n".join([start, *kept, b"Content-Length: %d" % len(body[1]), b"", b""]), (body[1], body[1])


# What the one behind is like.
def well(lines): pass
def slow(lines): threading.Event().wait(6 if any(line.lower().startswith((b"content-length: ", b"transfer-encoding")) for line in lines) else 0)


VULNERABLE = [
    (deaf, usual), (usual, spaced), (usual, containing), (usual, loose), (usual, quoting), (last, first), (usual, folding), (usual, stripping), (deaf, spaced),
    (usual, deaf), (spaced, usual), (containing, usual), (loose, usual), (quoting, usual), (first, last), (folding, usual), (stripping, usual),
]
SOUND = [(both, both, as_it_came, well, "ends") for both in (usual, deaf, spaced, containing, loose, quoting, first, last, folding, stripping)] + [
    (refusing, usual, as_it_came, well, "ends"), (refusing, deaf, as_it_came, well, "ends"), (usual, deaf, as_length, well, "ends"),
    (deaf, usual, as_length, well, "ends"), (usual, spaced, as_length, well, "ends"),
    # Late whatever is sent; and late where a chunk is broken, all by itself.
    (usual, usual, as_it_came, slow, "ends"), (usual, usual, as_it_came, well, "waits"),
]


def cases(_):
    rows = [(True, front, back, as_it_came, well, "ends") for front, back in VULNERABLE] + [(False, *row) for row in SOUND]
    made = []
    for vulnerable, front, back, hand, mood, broken in rows:
        words = ["v" if vulnerable else "f", front.__name__, back.__name__, *(word for word, plain in ((hand.__name__.replace("_", ""), "asitcame"), (mood.__name__, "well"), (broken, "ends")) if word != plain)]
        case = Case("-".join(words), vulnerable, None, "header", "Transfer-Encoding", "", (("q", "1"),))
        case.row = front, back, hand, mood, broken
        made.append(case)
        MADE[case.name] = case
    return made


class Stream:
    """Bytes of a connection, as they are asked for."""

    def __init__(self, connection, patience):
        self.connection, self.kept = connection, b""
        connection.settimeout(patience)

    def more(self):
        data = self.connection.recv(65536)
        if not data:
            raise EOFError
        self.kept += data

    def until(self, mark):
        while mark not in self.kept:
            self.more()
        part, _, self.kept = self.kept.partition(mark)
        return part

    def take(self, count):
        while len(self.kept) < count:
            self.more()
        part, self.kept = self.kept[:count], self.kept[count:]
        return part


def read(stream, reader, broken="ends"):
    """A request: its head, the lines of that, and its body as it came and as it is meant."""
    head = stream.until(b"\r\n\r\n") + b"\r\n\r\n"
    lines = head.split(b"\r\n")[1:-2]
    if reader(lines):
        raw = body = b""
        while True:
            size = stream.until(b"\r\n")
            try:
                count = int(size.split(b";")[0], 16)
            except ValueError:
                while broken == "waits":
                    stream.more()
                raise Refused from None
            part = stream.take(count) + stream.take(2)
            raw, body = raw + size + b"\r\n" + part, body + part[:-2]
            if not count:
                return head, lines, (raw, body)
    lengths = [line.partition(b":")[2] for line in lines if line.lower().startswith(b"content-length:")]
    body = stream.take(int(lengths[0])) if lengths else b""
    return head, lines, (body, body)


def answer(connection, status, text, server):
    body = f"<!doctype html><html><head><title>Shop</title></head><body><p>{text}</p></body></html>".encode()
    head = f"HTTP/1.1 {status}\r\nServer: {server}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    connection.sendall(head.encode() + body)


def serving(serve):
    """A port on which each connection is served in a thread of its own."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)

    def accept():
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=served, args=(connection,), daemon=True).start()

    def served(connection):
        with connection:
            try:
                serve(connection)
            except (EOFError, OSError, ValueError):
                pass
    threading.Thread(target=accept, daemon=True).start()
    return listening.getsockname()[1]


class Front:
    def __init__(self, application):
        self.application, self.count, self.lock = application, 0, threading.Lock()
        self.backs = {name: self.back(case, number) for number, (name, case) in enumerate(MADE.items())}
        self.port = serving(self.serve)

    def back(self, case, number):
        _, reader, _, mood, broken = case.row

        def serve(connection):
            try:
                _, lines, _ = read(Stream(connection, 20), reader, broken)
            except Refused:
                return answer(connection, "400 Bad Request", "Bad request.", f"back/{number}")
            mood(lines)
            answer(connection, "200 OK", "Pears, plums.", f"back/{number}")
        return serving(serve)

    def serve(self, connection):
        stream = Stream(connection, 20)
        while b" " not in stream.kept or b"\r\n" not in stream.kept:
            stream.more()
        path = stream.kept.split(b"\r\n")[0].split(b" ")[1].decode("latin-1")
        name = path.split("?")[0].split("/")[1] if path.startswith("/") else ""
        case = MADE.get(name)
        with self.lock:
            self.count += 1
        reader, _, hand, _, broken = case.row if case else (usual, None, as_length, None, "ends")
        try:
            head, lines, body = read(stream, reader, broken)
        except Refused:
            return answer(connection, "400 Bad Request", "Bad request.", "front")
        if case is None:
            start, _, rest = as_length(head, lines, body)[0].partition(b"\r\n")
            head, body = start + b"\r\nConnection: close\r\n" + rest, (body[1], body[1])
        else:
            head, body = hand(head, lines, body)
        with socket.create_connection(("127.0.0.1", self.backs[name] if case else self.application)) as behind:
            behind.sendall(head + body[0])
            answered = False
            while True:
                ready, _, _ = select.select([behind, connection], [], [], 12)
                if connection in ready and not connection.recv(1, socket.MSG_PEEK):
                    return None
                if behind not in ready:
                    if connection in ready:
                        connection.recv(65536)
                        continue
                    return None if answered else answer(connection, "504 Gateway Timeout", "Too late.", "front")
                data = behind.recv(65536)
                if not data:
                    return None
                answered = True
                connection.sendall(data)

    def requests(self):
        return self.count


def front(_, application):
    return Front(application)


def in_few(case):
    """Silence takes its time: some of the pairs are enough."""
    return not case.vulnerable or list(MADE).index(case.name) % 3 != 2
