#!/usr/bin/env python3
"""What the proxy does with thousands at a time: clients with mixed requests (pings, lists, creates that are
allowed and refused, an exec with a look-up), idle event streams, and tunnels, all beside each other. Prints
a Markdown table. It exits 1 when one is not answered, or anything of them is left afterwards.

Clients and daemon are two threads of this Python, which is what most of the time is: memory is the
proxy's own, times are an upper bound.
"""
import argparse
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "proxy"))

from crowd import Scale, raise_limit        # noqa: E402
from harness import Failure, settings, wait_for     # noqa: E402


def row(what, count, *cells):
    print("| %s | %s | %s |" % (what, format(count, ","), " | ".join(cells)), flush=True)


def mib(scale):
    return "%.1f" % (scale.kib() / 1024)


def rest(scale):
    """Until what a burst has needed is given back."""
    wait_for(scale.settled, "memory settles", 30)


def cpu(scale):
    """Processor time of the proxy, in seconds."""
    with open("/proc/%d/stat" % scale.env.process.pid, encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask(scale, options, what):
    before = cpu(scale)
    took, times = scale.ask(options.clients, options.rounds)
    spent = cpu(scale) - before
    row(what, options.clients,
        "%d answers in %.1f s, %.0f/s; p50 %.0f ms, p99 %.0f ms, all %.0f ms; %.0f us of CPU each" %
        (len(times), took, len(times) / took, 1000 * times[len(times) // 2],
         1000 * times[len(times) * 99 // 100], 1000 * times[-1], 1e6 * spent / len(times)), mib(scale))


def follow(scale, count):
    """Adds streams until there are so many."""
    fresh = count - len(scale.streams)
    before = scale.kib()
    took = scale.follow(fresh)
    rest(scale)
    each = (scale.kib() - before) / fresh
    row("idle `events` streams", count, "opened in %.1f s; %.2f KiB for each of the last %s" %
        (took, each, format(fresh, ",")), mib(scale))


def measure(scale, options):
    rest(scale)
    start = scale.kib()
    row("nothing", 0, "%d descriptors" % scale.idle, mib(scale))
    for count in (options.streams // 5, options.streams):
        follow(scale, count)
    row("tunnels", options.tunnels, "opened in %.2f s" % scale.attach(options.tunnels), mib(scale))
    size = 1 << 20
    took = scale.echo(size)
    row("the same, 1 MiB each way through each at once", options.tunnels,
        "%.1f s, %.0f MiB/s each way" % (took, options.tunnels * size / took / (1 << 20)), mib(scale))
    ask(scale, options, "clients with mixed requests, beside all these")
    scale.is_open(options.streams, options.tunnels)
    row("one event for every stream", options.streams, "%.2f s" % scale.event(), mib(scale))
    scale.echo(65536)
    row("all leave", 0, "freed in %.2f s; %d descriptors" % (scale.free(), scale.descriptors()), mib(scale))
    rest(scale)
    row("a little later", 0, "%.1f MiB more than at first" % ((scale.kib() - start) / 1024), mib(scale))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("binary")
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=20, help="requests of each client")
    parser.add_argument("--streams", type=int, default=5000)
    parser.add_argument("--tunnels", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    settings["bin"] = os.path.abspath(options.binary)
    total = options.clients + options.streams + options.tunnels
    try:
        raise_limit(2 * total + 1000)
        print("| what | how many at once | seen | RSS, MiB |")
        print("|---|---:|---|---:|")
        with Scale(total, options.workers) as scale:
            measure(scale, options)
    except Failure as failure:
        print("scale.py: %s" % failure)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
