#!/usr/bin/env python3
"""What must not grow unseen: system calls, allocations and instructions of a request, instructions of
a decision, each against its budget in budget.tsv. One request after another on one connection, one
worker: counts that no busy machine changes. Exits 1 when a figure exceeds its budget by a tenth;
--write makes the figures of now the budget.
"""
import argparse
import mmap
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench                                                        # noqa: E402
import peers                                                        # noqa: E402
import rows                                                         # noqa: E402

BUDGET = os.path.join(os.path.dirname(os.path.abspath(__file__)), "budget.tsv")
SLACK = 1.1
WARM, TIMES, TIMES_LARGE = 10, 100, 20
PROFILED = 1000
BATCH = 5       # decisions of a measurement

START = rows.request("POST /v1.41/containers/%s/start" % rows.ID, None, "Content-Length: 0")
# name, request, status, a new connection for each
REQUESTS = [
    ("ping", rows.REQUESTS["ping"], 200, False),
    ("ping, new connection", rows.REQUESTS["ping"], 200, True),
    ("list 4 KB", rows.REQUESTS["list-4k"], 200, False),
    ("create 2.5 KB", rows.REQUESTS["create-2k"], 201, False),
    ("create 100 KB", rows.REQUESTS["create-100k"], 201, False),
    ("start, one fact", START, 204, False),
    ("denied", rows.REQUESTS["prune"], 403, False),
]
LARGE = 20_000  # bytes from which a body arrives in as many pieces as the machine likes


class Client:
    """One connection at a time."""

    def __init__(self, path):
        self.path, self.sock = path, None

    def close(self):
        if self.sock:
            self.sock.close()
        self.sock = None

    def ask(self, data, status):
        if not self.sock:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(60)
            self.sock.connect(self.path)
        self.sock.sendall(data)
        got = self.sock.recv(1 << 16)
        while not whole(got):
            more = self.sock.recv(1 << 16)
            if not more:
                break
            got += more
        if not got.startswith(b"HTTP/1.1 %d" % status):
            sys.exit("guard: %r is answered %r" % (data[:60], got[:500]))

    def ask_often(self, row, times):
        _, data, status, anew = row
        for _ in range(times):
            self.ask(data, status)
            if anew:
                self.close()


def whole(got):
    head, end, body = got.partition(b"\r\n\r\n")
    if not end:
        return False
    if b"chunked" in head:
        return body.endswith(b"0\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    return len(body) >= (int(length[1]) if length else 0)


class Guard:
    def __init__(self, options):
        self.bench = bench.Bench(options)
        self.folder = self.bench.folder
        self.build = options.build
        self.found, self.skipped, self.running = {}, 0, []

    def start(self, **how):
        return peers.Peer(self.bench.place, "sockwarden", "unix", more=("--workers", "1") + how.pop("more", ()),
                          **how)

    def note(self, measure, name, value):
        self.found[measure, name] = value

    def each(self, peer, measure, begin, end):
        """end() gives what was counted since begin()."""
        self.running.append(peer)
        client = Client(peer.path)
        for row in REQUESTS:
            if measure == "calls" and len(row[1]) > LARGE:
                continue
            client.ask_often(row, WARM)
            if row[3]:
                time.sleep(0.05)    # the last one's end
            begin()
            times = TIMES_LARGE if len(row[1]) > LARGE else TIMES
            client.ask_often(row, times)
            self.note(measure, row[0], end() / times)
        client.close()
        self.bench.stop(self.running.pop())

    def allocations(self):
        path = self.bench.place.write("allocations", bytes(8))
        peer = self.start(env={"LD_PRELOAD": self.build + "/bench/allocations.so", "BENCH_ALLOCATIONS": path})
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ) as counter:
            before = [0]

            def count():
                return struct.unpack("Q", counter[:8])[0]

            def begin():
                before[0] = count()

            self.each(peer, "allocations", begin, lambda: count() - before[0])

    def calls(self):
        """Where tracing is not allowed they are not counted, which the closing line tells."""
        if subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], stderr=subprocess.DEVNULL,
                          check=False).returncode != 0:
            print("skipped: strace may not trace here")
            self.skipped = sum(len(row[1]) <= LARGE for row in REQUESTS)
            return
        peer, out, tracer = self.start(), self.folder + "/strace", []

        def begin():
            words = ["strace", "-f", "-c", "-qq", "-o", out, "-p", str(peer.popen.pid)]
            tracer.append(subprocess.Popen(words, stderr=subprocess.DEVNULL))
            end = time.monotonic() + 20
            while not bench.traced([peer.popen.pid]):
                if tracer[-1].poll() is not None or time.monotonic() > end:
                    sys.exit("guard: strace may not trace here")
                time.sleep(0.005)

        def end():
            tracer[-1].send_signal(signal.SIGINT)
            tracer[-1].wait(20)
            return bench.count_calls(out)

        self.each(peer, "calls", begin, end)

    def instructions(self):
        """Of a whole request in the proxy, the libraries included."""
        out = self.folder + "/callgrind"
        peer = self.start(wrap=("valgrind", "-q", "--tool=callgrind", "--callgrind-out-file=" + out),
                          more=("--sandbox", "off"))
        number = [0]

        def control(what):
            subprocess.run(["callgrind_control", what, str(peer.popen.pid)], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def end():
            control("--dump")
            number[0] += 1
            return total("%s.%d" % (out, number[0]))

        self.each(peer, "instructions", lambda: control("--zero"), end)

    def profile(self, name):
        """Where the instructions of one of REQUESTS go, by callgrind."""
        row = next((row for row in REQUESTS if row[0] == name), None)
        if not row:
            sys.exit("guard: there are: " + "; ".join(row[0] for row in REQUESTS))
        out = self.folder + "/callgrind"
        peer = self.start(wrap=("valgrind", "-q", "--tool=callgrind", "--callgrind-out-file=" + out),
                          more=("--sandbox", "off"))
        client = Client(peer.path)
        client.ask_often(row, PROFILED)
        client.close()
        peer.stop()
        subprocess.run(["callgrind_annotate", "--auto=no", "--threshold=95", out], check=True)

    def decisions(self):
        """The third dump of each case is that of a batch; see decide.c."""
        out = self.folder + "/decide"
        done = subprocess.run(
            ["valgrind", "-q", "--tool=callgrind", "--callgrind-out-file=" + out, "--zero-before=measure",
             "--dump-after=measure", self.build + "/bench/decide", "once", str(BATCH)],
            check=True, stdout=subprocess.PIPE, encoding="utf-8")
        for number, line in enumerate(done.stdout.splitlines()):
            self.note("decision", line.replace("\t", ", "), total("%s.%d" % (out, 3 * number + 3)) / BATCH)

    def close(self):
        for peer in self.running:
            peer.stop()
        self.bench.close()


def total(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("totals:"):
                return int(line.split()[1])
    sys.exit("guard: %s has no total" % path)


def read_budget():
    with open(BUDGET, encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t") for line in file if line.strip() and line[0] != "#"]
    return {(measure, name): float(most) for measure, name, most in lines}


def write_budget(found):
    with open(BUDGET, encoding="utf-8") as file:
        head = [line for line in file if line.startswith("#")]
    with open(BUDGET, "w", encoding="utf-8") as file:
        file.writelines(head)
        for (measure, name), value in found.items():
            file.write("%s\t%s\t%s\n" % (measure, name, shown(value)))


def shown(value):
    return "%.0f" % value if value >= 100 else "%.2f" % value


def compare(found, budget, skipped):
    """Prints what is over, and what has become much less; how many failed."""
    failed = 0
    for key in sorted(set(found) | set(budget)):
        name = "%s of %s" % key
        if key not in found or key not in budget:
            print("FAIL %s: only in %s" % (name, "budget.tsv" if key in budget else "what is measured"))
            failed += 1
        elif found[key] > budget[key] * SLACK:
            print("FAIL %s: %s, the budget is %s" % (name, shown(found[key]), shown(budget[key])))
            failed += 1
        elif found[key] < budget[key] / SLACK:
            print("less %s: %s, the budget is %s and may be lowered" % (name, shown(found[key]),
                                                                       shown(budget[key])))
    print("guard: %d passed, %d failed" % (len(found) - failed, failed) +
          (", %d skipped" % skipped if skipped else ""))
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("binary")
    parser.add_argument("--build", default=bench.TOP + "/build")
    parser.add_argument("--write", action="store_true", help="make budget.tsv of what is measured")
    parser.add_argument("--only", help="allocations, calls, instructions or decisions")
    parser.add_argument("--profile", metavar="REQUEST", help="where its instructions go, instead of all else")
    options = parser.parse_args()
    for tool in ("strace", "valgrind"):
        if not shutil.which(tool):
            sys.exit("guard: %s is missing; as root: make deps-test" % tool)
    options.build = os.path.abspath(options.build)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))     # what was started is stopped
    guard = Guard(options)
    try:
        if options.profile:
            return guard.profile(options.profile)
        for what in ("allocations", "calls", "instructions", "decisions"):
            if options.only in (None, what):
                getattr(guard, what)()
    finally:
        guard.close()
    for (measure, name), value in guard.found.items():
        print("%-12s %-40s %10s" % (measure, name, shown(value)))
    if options.write:
        write_budget(guard.found)
        return 0
    budget = read_budget()
    if options.only or guard.skipped:
        measured = {measure for measure, _ in guard.found}
        budget = {key: most for key, most in budget.items() if key[0] in measured}
    return 1 if compare(guard.found, budget, guard.skipped) else 0


if __name__ == "__main__":
    sys.exit(main())
