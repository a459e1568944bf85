"""Many at once: requests of all kinds, idle streams and tunnels beside each other. `make bench-crowd`
is the same with thousands, and its figures."""
import resource

from crowd import Scale, raise_limit
from harness import Suite, check, settings, wait_for

suite = Suite()
CLIENTS, STREAMS, TUNNELS = 1000, 1000, 200
STREAM_KIB = 1.5    # resident memory of an idle stream; make bench-crowd tells it exactly
POOLS_KIB = 4000    # and of what opening them needs, once


def counts():
    """As many as there are descriptors for here: two for each, in this process and in the proxy."""
    total = CLIENTS + STREAMS + TUNNELS
    raise_limit(min(2 * total + 1000, max(resource.getrlimit(resource.RLIMIT_NOFILE))))
    share = min(1, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 600) / (2 * total))
    return [int(count * share) for count in (CLIENTS, STREAMS, TUNNELS)]


@suite.test
def many_at_once():
    """1,000 clients with mixed requests beside 1,000 idle streams and 200 tunnels: all answered, all freed"""
    clients, streams, tunnels = counts()
    with Scale(clients + streams + tunnels) as scale:
        before = scale.kib()
        scale.follow(streams)
        if not settings["sanitized"]:
            wait_for(lambda: scale.kib() - before < POOLS_KIB + STREAM_KIB * streams,
                     f"a stream costs less than {STREAM_KIB} KiB; {scale.kib() - before:.0f} for all", 10)
        scale.attach(tunnels)
        scale.echo(4096)
        _, times = scale.ask(clients, 4)
        check(times[-1] < 20, f"the slowest took {times[-1]:.1f} s")
        scale.is_open(streams, tunnels)
        scale.event()
        scale.echo(65536)
        scale.free()
