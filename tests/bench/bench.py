#!/usr/bin/env python3
"""Measures sockwarden beside HAProxy, nginx and a bare byte pump, before a daemon that answers at
once: `make bench`. Every round of a row measures all of them in turn, so that they find the same
machine; what counts is the median over the rounds of the ratio within each. Processor time is what
the kernel has accounted to the threads of the proxy's processes. Audit is on, to a file.
"""
import argparse
import json
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peers as kinds                                                # noqa: E402
import report                                                       # noqa: E402
import rows as table                                                # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
NEEDED = {"haproxy": "haproxy", "nginx": "nginx-light", "strace": "strace", "openssl": "openssl"}
NO_SERVICES = "/usr/sbin/policy-rc.d"
DOWNLOAD_MIB = 64
DESCRIPTORS = 65536
ROUNDS = {"calls": 1, "idle": 3, "rss": 3}     # at most, where it hardly moves


def install():
    """What is compared with, from the distribution; as root."""
    missing = [package for tool, package in NEEDED.items() if not shutil.which(tool)]
    if not missing:
        return
    if os.geteuid() != 0:
        sys.exit("bench: run as root, or: apt-get install " + " ".join(missing))
    # Packages start what they install unless this forbids it; the benchmark starts its own.
    forbids = not os.path.exists(NO_SERVICES)
    if forbids:
        with open(NO_SERVICES, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nexit 101\n")
        os.chmod(NO_SERVICES, 0o755)
    try:
        subprocess.run(["apt-get", "install", "-y", "-q", "--no-install-recommends"] + missing, check=True,
                       env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, stdout=subprocess.DEVNULL)
    finally:
        if forbids:
            os.unlink(NO_SERVICES)


def raise_limits():
    """As far as it is allowed; a connection takes two descriptors."""
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    except ValueError:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    kinds.MAX_CONNECTIONS = min(24000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2 - 200)


def make_certificates(folder):
    script = TOP + "/certs-example/make-certs.sh"
    for words in (["ca"], ["server", "127.0.0.1"], ["client", "bench"]):
        subprocess.run([script, "--dir", folder] + words, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)


class Daemon:
    """The one that all stand in front of, on a Unix socket and a port of its own."""

    def __init__(self, place):
        with open(TOP + "/tests/cases/facts.json", encoding="utf-8") as file:
            facts = json.loads(file.read().replace("%ID%", table.ID).replace("%NAME%", "bench"))
        files = {"/containers/*/json": facts["container"]["*"], "/info": facts["info"]["*"],
                 "/containers/json?limit=5": table.container_list(5),
                 "/containers/json?limit=245": table.container_list(245)}
        words = []
        for number, (path, value) in enumerate(files.items()):
            text = json.dumps(value, separators=(",", ":"))
            words.append("%s=%s" % (path, place.write("answer-%d.json" % number, text)))
        self.name, self.port, self.path = "direct", kinds.free_port(), place.daemon
        self.popen = subprocess.Popen(
            [place.build + "/bench/daemon", str(DOWNLOAD_MIB), "unix:" + place.daemon,
             "tcp:%d" % self.port] + words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        if self.popen.stdout.readline() != b"ready\n":
            sys.exit("bench: the daemon does not serve")

    def address_for(self, transport):
        return "unix:" + self.path if transport == "unix" else "tcp:%d" % self.port

    def stop(self):
        self.popen.kill()
        self.popen.wait()


class Bench:
    def __init__(self, options):
        self.options = options
        self.folder = tempfile.mkdtemp(prefix="sockwarden-bench-")
        certs = self.folder + "/certs"
        make_certificates(certs)
        self.place = kinds.Place(self.folder, options.binary, options.build, certs)
        for name, text in table.REQUESTS.items():
            self.place.write(name + ".request", text)
        self.daemon = Daemon(self.place)

    def close(self):
        self.daemon.stop()
        shutil.rmtree(self.folder)

    def start(self, row, name):
        if name == "direct":
            return self.daemon
        policy = row.policies.get(name)
        path = self.place.write("policy-row.json", policy) if policy else None
        if path:
            os.chmod(path, 0o600)
        binary = self.options.before if name == "before" else None
        return kinds.Peer(self.place, name, row.transport, self.options.threads, path, binary)

    def stop(self, peer):
        if peer is not self.daemon:
            peer.stop()
        for name in os.listdir(self.folder):
            if name.endswith("-audit") or name.endswith(".log"):
                os.unlink(self.folder + "/" + name)

    def load_argv(self, row, peer, seconds):
        address = self.daemon.address_for(row.transport) if peer is self.daemon else peer.address
        pids = [self.daemon.popen.pid] if peer is self.daemon else peer.pids()
        argv = [self.place.build + "/bench/load", "to=" + address, "mode=" + row.mode,
                "connections=%d" % row.connections, "seconds=%g" % seconds, "warm=0.05",
                "request=%s/%s.request" % (self.folder, row.ask)]
        if row.transport == "tls":
            client = self.place.certs + "/clients/bench/"
            argv += ["cert=" + client + "cert.pem", "key=" + client + "key.pem", "ca=" + client + "ca.pem"]
        return argv + list(row.options) + ["pid=%d" % pid for pid in pids]

    def load(self, row, peer, seconds):
        done = subprocess.run(self.load_argv(row, peer, seconds), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False, timeout=120)
        if done.returncode != 0:
            sys.stderr.write("bench: %s, %s: %s" % (row.key, peer.name, done.stderr.decode()))
            return None
        return json.loads(done.stdout)

    # ---- one measurement, by metric: {"value": figure, ...} or None

    def by_load(self, row, peer):
        got = self.load(row, peer, self.options.seconds)
        if not got or not got["requests"] and row.metric != "gib":
            return None
        got["rate"] = got["requests"] / got["seconds"]
        if row.metric == "gib":
            got["value"] = got["cpu_ns"] / 1e9 / (got["bytes"] / table.GIB) if got["bytes"] else None
        elif row.metric == "p50":
            got["value"] = got["p50_us"]
        else:
            got["value"] = got["cpu_ns"] / 1000 / got["requests"]
        if "resume" in row.options and got["resumed"] < got["requests"] * 0.9:
            sys.stderr.write("bench: %s resumes %d of %d\n" % (peer.name, got["resumed"], got["requests"]))
        return got

    def idle(self, row, peer):
        argv = self.load_argv(row, peer, 0)
        warm = table.Row("warm", "", "cpu", row.target, transport=row.transport)
        self.load(warm, peer, 0.05)
        before = peer.rss()
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as held:
            if not held.stdout.readline():
                return None
            value = (peer.rss() - before) / 1024 / row.connections
            held.stdin.close()
            held.wait(60)
        return {"value": value}

    def calls(self, row, peer):
        out = self.folder + "/strace"
        words = ["strace", "-f", "-c", "-qq", "-o", out]
        for pid in peer.pids():
            words += ["-p", str(pid)]
        with subprocess.Popen(words, stderr=subprocess.DEVNULL) as tracer:
            end = time.monotonic() + 5
            while not traced(peer.pids()) and tracer.poll() is None and time.monotonic() < end:
                time.sleep(0.01)
            got = self.load(row, peer, self.options.seconds)
            tracer.send_signal(signal.SIGINT)
            tracer.wait(10)
        return {"value": count_calls(out) / got["all"]} if got else None

    def measure(self, row, peer):
        if row.metric == "idle":
            return self.idle(row, peer)
        if row.metric == "calls":
            return self.calls(row, peer)
        if row.metric == "start":
            return {"value": peer.first_answer()}
        if row.metric == "rss":
            peer.first_answer()
            return {"value": peer.rss() / (1 << 20)}
        return self.by_load(row, peer)

    def run(self, row):
        """{peer: [measurement of each round, or None]}"""
        anew = row.metric in ("idle", "start", "rss")
        names = list(row.peers) + (["before"] if self.options.before else [])
        running, found = {}, {name: [] for name in names}
        try:
            for name in names if not anew else ():
                running[name] = self.start(row, name)
            for number in range(min(self.options.rounds, ROUNDS.get(row.metric, self.options.rounds))):
                # Who comes after whom changes from round to round.
                for name in names[number % len(names):] + names[:number % len(names)]:
                    if anew:
                        running[name] = self.start(row, name)
                    found[name].append(self.measure(row, running[name]))
                    if anew:
                        self.stop(running.pop(name))
        finally:
            for peer in running.values():
                self.stop(peer)
        return found


def count_calls(path):
    """All that strace -c has counted."""
    with open(path, encoding="utf-8") as file:
        lines = [line.split() for line in file]
    return sum(int(words[3]) for words in lines
               if len(words) >= 5 and words[0].replace(".", "").isdigit() and words[-1] != "total")


def traced(pids):
    for pid in pids:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/status" % (pid, task), encoding="ascii") as file:
                if "TracerPid:\t0\n" in file.read():
                    return False
    return True


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def digest(row, found):
    """What the report shows of a row."""
    result = {"key": row.key, "title": row.title, "unit": table.UNITS[row.metric],
              "target": row.target.text, "peers": {}, "ratios": {}}
    count = max(len(list_) for list_ in found.values())
    rounds = [{name: list_[i]["value"] for name, list_ in found.items() if list_[i]} for i in range(count)]
    for name, list_ in found.items():
        got = [one for one in list_ if one]
        result["peers"][name] = {key: median([one.get(key) for one in got])
                                 for key in ("value", "rate", "p50_us", "p99_us")}
        result["ratios"][name] = median([figures["sockwarden"] / figures[name] for figures in rounds
                                         if name in figures and "sockwarden" in figures and figures[name] > 0])
    if "sockwarden" in found:
        result["to_target"] = median([over_target(row, figures) for figures in rounds])
    return result


def over_target(row, figures):
    try:
        return figures["sockwarden"] / row.target.most(figures)
    except (KeyError, ValueError, ZeroDivisionError):
        return None


def select(all_rows, names):
    if not names:
        return all_rows
    chosen = [row for row in all_rows if any(row.key == name or row.key.startswith(name + "-")
                                             for name in names.split(","))]
    if not chosen:
        sys.exit("bench: no such row; there are: " + ", ".join(row.key for row in all_rows))
    return chosen


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("binary")
    parser.add_argument("--build", default=TOP + "/build", help="where bench/load and the others are")
    parser.add_argument("--rows", help="keys, or what they begin with, by commas")
    parser.add_argument("--scale", action="store_true",
                        help="one to 1,024 connections, up to 9,500 streams; without audit, too")
    parser.add_argument("--peers", help="only these, by commas, beside sockwarden")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=0.25, help="of one measurement")
    parser.add_argument("--quick", action="store_true", help="three rounds of 0.15 s")
    parser.add_argument("--nice", type=int, default=0, help="priority of all of it, where others work")
    parser.add_argument("--threads", type=int, default=2, help="of HAProxy and nginx, tuned")
    parser.add_argument("--before", help="another sockwarden to measure beside it")
    parser.add_argument("--report", help="put the tables into this file, between its marks")
    parser.add_argument("--svg", help="draw the chart into this file")
    parser.add_argument("--json", help="keep the figures in this file")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 3, 0.15
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))     # what was started is stopped
    install()
    raise_limits()
    os.nice(options.nice)
    bench, results = Bench(options), []
    try:
        for row in select(table.SCALE if options.scale else table.ROWS, options.rows):
            if options.peers:
                row.peers = tuple(name for name in row.peers
                                  if name in options.peers.split(",") + ["sockwarden"])
            results.append(digest(row, bench.run(row)))
            report.progress(results[-1])
    finally:
        bench.close()
    print(report.markdown(results))
    if options.report:
        report.insert(options.report, results)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)
    if options.svg:
        with open(options.svg, "w", encoding="utf-8") as file:
            file.write(report.svg(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
