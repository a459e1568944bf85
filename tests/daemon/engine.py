"""A minimal HTTP client for the Engine API over Unix sockets: whole calls, and raw bytes.

call() is for set-up and for looking at the daemon directly; class Raw is for scenarios that care
about every byte on the wire. It follows no redirects and repairs nothing.
"""
import http.client
import json
import socket
import struct
import time

DISKS_BUSY = b"a disk usage operation is already running"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("docker", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def call(path, method, target, body=None, timeout=30):
    """One request, one answer: (status, body bytes). A dict goes as JSON, bytes as tar.

    A daemon reckons up its disks for one client at a time; whose turn it is not asks again.
    """
    end = time.monotonic() + timeout
    status, data = _call(path, method, target, body, timeout)
    while status == 500 and DISKS_BUSY in data and time.monotonic() < end:
        time.sleep(0.1)
        status, data = _call(path, method, target, body, timeout)
    return status, data


def _call(path, method, target, body, timeout):
    conn = UnixConnection(path, timeout)
    headers = {}
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
        headers["Content-Type"] = "application/json"
    elif body is not None:
        headers["Content-Type"] = "application/x-tar"
    try:
        conn.request(method, target, body, headers)
        answer = conn.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as problem:
        raise OSError("broken answer: %r" % problem) from problem
    finally:
        conn.close()


class Late(Exception):
    """Something did not come before its deadline."""


class Ended(Late):
    """Nor will it ever: the stream is at its end."""


class Head:
    """Status line and headers of an answer, names in lower case."""

    def __init__(self, raw):
        self.raw = raw
        lines = raw.decode("latin-1").split("\r\n")
        self.version, status = lines[0].split(" ")[:2]
        self.status = int(status)
        self.fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.fields[name.strip().lower()] = value.strip()

    def __getitem__(self, name):
        return self.fields.get(name)


class Raw:
    """A client connection that sends what it is told and reads with deadlines."""

    def __init__(self, path, timeout=15):
        self.timeout = timeout
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        self.buf = b""
        self.eof = False

    def send(self, data):
        self.sock.sendall(data)

    def request(self, method, target, body=None, headers=()):
        lines = ["%s %s HTTP/1.1" % (method, target), "Host: docker"]
        lines += ["%s: %s" % pair for pair in headers]
        data = b""
        if body is not None:
            data = json.dumps(body).encode()
            lines += ["Content-Type: application/json", "Content-Length: %d" % len(data)]
        elif method == "POST":
            lines.append("Content-Length: 0")
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + data)

    def fill(self, end):
        """Read once more into the buffer; False at the end of the stream."""
        left = end - time.monotonic()
        if left <= 0:
            raise Late("nothing more came; have %r" % self.buf[-200:])
        self.sock.settimeout(left)
        try:
            data = self.sock.recv(1 << 16)
        except TimeoutError as problem:
            raise Late("nothing more came; have %r" % self.buf[-200:]) from problem
        if not data:
            self.eof = True
            return False
        self.buf += data
        return True

    def until(self, mark, timeout=None):
        """Bytes up to and with mark."""
        end = time.monotonic() + (timeout or self.timeout)
        while mark not in self.buf:
            if not self.fill(end):
                raise Ended("stream ended before %r; have %r" % (mark, self.buf[-200:]))
        at = self.buf.index(mark) + len(mark)
        out, self.buf = self.buf[:at], self.buf[at:]
        return out

    def exactly(self, count, timeout=None):
        end = time.monotonic() + (timeout or self.timeout)
        chunks, have = [self.buf[:count]], min(count, len(self.buf))
        self.buf = self.buf[count:]
        while have < count:
            if not self.fill(end):
                raise Ended("stream ended %d bytes early" % (count - have))
            take, self.buf = self.buf[:count - have], self.buf[count - have:]
            chunks.append(take)
            have += len(take)
        return b"".join(chunks)

    def head(self, timeout=None):
        return Head(self.until(b"\r\n\r\n", timeout)[:-4])

    def chunk(self, timeout=None):
        """The next chunk's data, b"" for the last one."""
        size = int(self.until(b"\r\n", timeout)[:-2], 16)
        data = self.exactly(size, timeout)
        if self.exactly(2, timeout) != b"\r\n":
            raise ValueError("chunk without its line end")
        return data

    def body(self, head, timeout=None):
        """The answer's body by its own framing."""
        if head.status in (204, 304):
            return b""
        if head["transfer-encoding"] == "chunked":
            parts = []
            while part := self.chunk(timeout):
                parts.append(part)
            return b"".join(parts)
        if head["content-length"] is not None:
            return self.exactly(int(head["content-length"]), timeout)
        return self.to_eof(timeout)

    def to_eof(self, timeout=None):
        end = time.monotonic() + (timeout or self.timeout)
        chunks = []
        while True:
            chunks.append(self.buf)
            self.buf = b""
            if not self.fill(end):
                return b"".join(chunks)

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        self.sock.close()


def demux(data):
    """Standard output of a multiplexed Docker stream."""
    out, at = [], 0
    while at < len(data):
        kind, size = struct.unpack(">BxxxL", data[at:at + 8])
        if at + 8 + size > len(data):
            raise ValueError("stream is cut inside a frame")
        if kind == 1:
            out.append(data[at + 8:at + 8 + size])
        at += 8 + size
    return b"".join(out)
