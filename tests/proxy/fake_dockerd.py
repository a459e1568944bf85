"""A scriptable daemon on a Unix socket that records every byte it receives.

A handler is looked up by the request's path without version and query; without one the answer is
200 and {}, and to the proxy's own look-ups what facts.py says; those are kept apart. Handlers
write raw bytes, so they can also answer what no daemon should. It is not a Docker daemon: it keeps
no state and understands nothing of what it is asked.
"""
import os
import re
import socket
import threading
import time

import facts

VERSION = re.compile(r"^/v[0-9.]+(?=/)")
CHUNK_END = b"0\r\n\r\n"


class Request:
    """One request as it arrived. body is without chunk framing."""

    def __init__(self, head, conn):
        lines = head.decode("latin-1").split("\r\n")
        self.line = lines[0]
        self.method, self.target, self.version = self.line.split(" ")
        self.headers = [tuple(x.split(": ", 1)) if ": " in x else (x.rstrip(":"), "")
                        for x in lines[1:]]
        self.path = VERSION.sub("", self.target.split("?")[0])
        self.conn = conn
        self.body = b""
        self.complete = False   # the whole body has arrived

    def is_lookup(self):
        return (self.method == "GET" and self.get("User-Agent") == facts.AGENT
                and self.path != "/_ping")  # which /readyz asks

    def all(self, name):
        return [v for k, v in self.headers if k.lower() == name.lower()]

    def get(self, name):
        values = self.all(name)
        return values[0] if values else None


class Connection:
    """The daemon's side of one connection; handlers read and write through it."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""
        self.received = 0
        self.log = bytearray()      # the first 64 KiB that arrived
        self.ended = threading.Event()  # the peer has closed, or is gone

    def fill(self, size=65536):
        try:
            data = self.sock.recv(size)
        except OSError:
            data = b""
        if not data:
            self.ended.set()
            return False
        self.received += len(data)
        if len(self.log) < 65536:
            self.log += data
        self.buffer += data
        return True

    def take(self, count):
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def until(self, mark):
        while mark not in self.buffer:
            if not self.fill():
                return None
        return self.take(self.buffer.index(mark) + len(mark))

    def exactly(self, count):
        parts = []
        while count:
            if not self.buffer and not self.fill():
                return None
            part = self.take(count)
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def rest(self):
        """All that comes until the peer ends its side."""
        while self.fill():
            pass
        return self.take(len(self.buffer))

    def nothing_for(self, seconds):
        """True when not a byte arrives within that time."""
        if self.buffer:
            return False
        self.sock.settimeout(seconds)
        try:
            self.buffer += self.sock.recv(65536)
            return False
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(None)

    def send(self, data):
        """False when the peer is gone."""
        try:
            self.sock.sendall(data)
            return True
        except OSError:
            self.ended.set()
            return False

    def end_writing(self):
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


def read_body(conn, request):
    """Reads the body into the request; False when it breaks off or is not framed as it should be."""
    if (request.get("Transfer-Encoding") or "").lower() == "chunked":
        parts = []
        while True:
            line = conn.until(b"\r\n")
            if line is None or not re.fullmatch(rb"[0-9a-fA-F]{1,16}\r\n", line):
                return False
            size = int(line, 16)
            data = conn.exactly(size + 2)
            if data is None or data[-2:] != b"\r\n":
                return False
            if size == 0:
                break
            parts.append(data[:-2])
        request.body = b"".join(parts)
    else:
        data = conn.exactly(int(request.get("Content-Length") or 0))
        if data is None:
            return False
        request.body = data
    request.complete = True
    return True


def response(body=b"{}", status="200 OK", headers=(), close=False):
    """An ordinary answer as bytes."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += headers
    if close:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class FakeDaemon:
    """Serves until stop(). handle() sets what a path answers."""

    def __init__(self, path, backlog=512):
        self.path = path
        self.backlog = backlog
        self.cond = threading.Condition()
        self.requests = []
        self.lookups = []   # the proxy's own questions
        self.facts = {}     # what comes before facts.json, in the same shape
        self.connections = []
        self.handlers = {}
        self.errors = []    # what handlers raised
        self.listener = None
        self.accepting = threading.Event()
        self.accepting.set()

    def start(self):
        self.listener = socket.socket(socket.AF_UNIX)
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener.bind(self.path)
        self.listener.listen(self.backlog)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()
        return self

    def stop(self):
        if self.listener:
            listener, self.listener = self.listener, None
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            if os.path.exists(self.path):
                os.unlink(self.path)
        self.drop_connections()

    def drop_connections(self):
        for conn in list(self.connections):
            conn.close()

    def handle(self, path, handler, early=False):
        """handler(conn, request) returns true to keep the connection. early: before the body is read."""
        self.handlers[path] = (handler, early)

    def received(self):
        """All bytes that ever arrived, but those of look-ups."""
        with self.cond:
            return sum(c.received for c in self.connections)

    def used(self):
        """Connections that carried anything; a bare connect only looks whether we are there."""
        with self.cond:
            return sum(c.received > 0 for c in self.connections)

    def wait_requests(self, count, seconds=5):
        """The requests once there are at least count complete ones, or what there is in time."""
        deadline = time.monotonic() + seconds
        with self.cond:
            while len(self.requests) < count:
                left = deadline - time.monotonic()
                if left <= 0 or not self.cond.wait(left):
                    break
            return list(self.requests)

    def _accept(self, listener):
        while True:
            self.accepting.wait()
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            conn = Connection(sock)
            with self.cond:
                self.connections.append(conn)
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        try:
            while self._exchange(conn):
                pass
        except OSError:
            pass
        except Exception as error:  # a handler's own check, or a request that is none
            self.errors.append(f"{type(error).__name__}: {error}")
        finally:
            conn.close()

    def _note(self, request):
        with self.cond:
            (self.lookups if request.is_lookup() else self.requests).append(request)
            self.cond.notify_all()

    def _exchange(self, conn):
        head = conn.until(b"\r\n\r\n")
        if head is None:
            return False
        request = Request(head[:-4], conn)
        if request.is_lookup():
            conn.received -= len(head)
        handler, early = self.handlers.get(request.path, (None, False))
        if early:
            self._note(request)
            return handler(conn, request)
        whole = read_body(conn, request)
        self._note(request)
        if not whole:
            return False
        if handler:
            return handler(conn, request)
        told = facts.answer(request.path, self.facts) if request.is_lookup() else None
        if told:
            return conn.send(response(told[1], told[0]))
        return conn.send(response(b"" if request.method == "HEAD" else b"{}"))
