"""Each allocation and each system call fails, one after another, while the proxy serves: a right
answer or a clean refusal, no crash, no leak, no hang, nothing lost, nothing let through unrecorded.

FAULTS=long tries them all (make fault-long); otherwise it is a selection that takes seconds."""
import errno
import fcntl
import os
import termios
import threading
import time

from facts import id_of
from fault_world import ALWAYS, BYTES, HANG, HARD, SOFT, STEPS, SWITCH, UP, Gone, Refused, World
from harness import ROOT, Client, Failure, Suite, check, equal, run_bin, wait_for

suite = Suite()
LIBRARY = os.path.abspath(os.environ.get("FAULT_LIBRARY")
                          or os.path.join(ROOT, "build", "tests", "fault.so"))
LONG = os.environ.get("FAULTS") == "long"
SLOW = 1.0          # seconds of one fault that are worth a line
ROUNDS = 3          # of a step without faults, until it makes the same calls each time


def name(error):
    return errno.errorcode.get(error, "short")


class Run:
    """Steps of one world with faults; counts what has come of them."""

    def __init__(self, world):
        self.world = world
        self.counts = {"right": 0, "refused": 0, "closed": 0, "not reached": 0}
        self.failures = []

    def calm(self, step):
        """The step without a fault; the calls that it makes."""
        for _ in range(ROUNDS):
            self.world.faults.clear()
            step(self.world)
        return self.world.faults.seen()

    def one(self, step, call, at, error, times, soft):
        world = self.world
        world.faults.on(call, at, error, times)
        try:
            step(world)
            outcome = "right"
        except (Gone, Refused) as what:
            outcome = "closed" if isinstance(what, Gone) else "refused"
            check(not soft, f"{type(what).__name__}: {what}")
        finally:
            reached = world.faults.failed() > 0
            world.faults.off()
        self.counts[outcome if reached else "not reached"] += 1
        check(world.process.poll() is None, "the proxy is dead")
        world.ping()
        world.check_audited()

    def tried(self, step, call, at, error, times, soft):
        began = time.monotonic()
        try:
            self.one(step, call, at, error, times, soft)
            took = time.monotonic() - began
            if took > SLOW:
                print(f"     {step.__name__}: {call} {at} {name(error)} x{times}: {took:.1f} s")
        except Exception as problem:    # told with the fault that it came of
            self.failures.append(f"{step.__name__}: {call} {at}{'..' if times > 1 else ''} {name(error)}: "
                                 f"{type(problem).__name__}: {problem}")
            check(self.world.process.poll() is None, self.failures[-1])
            check(len(self.failures) < 40, "\n".join(self.failures))


def places(count):
    """Which of the calls fail."""
    if LONG or count <= 4:
        return range(1, count + 1)
    return sorted({1, 2, 3, count} | set(range(4, count, max(1, count // 6))))


def faults_of(call, count):
    """(place, errno, how many in a row, may nobody notice)."""
    for soft, table in ((True, SOFT), (False, HARD)):
        errors = table.get(call, [])
        for at in places(count):
            for i, error in enumerate(errors):
                if LONG or at % len(errors) == i:
                    yield at, error, 1, soft
    if call in HARD:
        for at in (range(1, count + 1) if LONG and call != "alloc" else {1, (count + 1) // 2}):
            yield at, HARD[call][0], ALWAYS, False
    if 0 in SOFT.get(call, []):
        yield 1, 0, ALWAYS, True


def run_step(step):
    with World(LIBRARY) as world:
        run = Run(world)
        seen = run.calm(step)
        world.ping()
        world.check_audited()
        before = settled(world)
        began = time.monotonic()
        for call, count in seen.items():
            for fault in faults_of(call, count) if count else ():
                run.tried(step, call, *fault)
        run.calm(step)
        check(not run.failures, "\n".join(run.failures))
        wait_for(lambda: (world.descriptors() or 0) <= before,
                 f"descriptors are as before, {before}; there are {world.descriptors()}")
        check(sum(run.counts.values()) - run.counts["not reached"] > 10, f"few faults: {run.counts}")
        verified = run_bin("audit", "verify", world.audit_path)
        equal(verified.returncode, 0, f"audit verify: {verified.stdout}{verified.stderr}")
        step_said = ", ".join(f"{count} {what}" for what, count in run.counts.items())
        print(f"     {step.__name__}: {step_said}; {time.monotonic() - began:.1f} s")


def settled(world):
    """The descriptors once some looks agree; 0 where they cannot be seen."""
    found = []

    def steady():
        found.append(world.descriptors() or 0)
        return len(found) > 4 and len(set(found[-5:])) == 1
    wait_for(steady, "a steady number of descriptors")
    return found[-1]


def add_test(step):
    def test():
        check(os.path.exists(LIBRARY), f"{LIBRARY} is not there: `make unit-bins` builds it")
        run_step(step)
    test.__name__ = step.__name__
    test.__module__ = __name__
    test.__doc__ = f"what fails meanwhile: {(step.__doc__ or step.__name__).strip()}"
    suite.test(test)


for each in STEPS:
    add_test(each)


# ---- what waits to be sent when its sending fails ------------------------------------------------

def all_taken(client):
    """The proxy has read what was sent."""
    return fcntl.ioctl(client.sock, termios.TIOCOUTQ, b"\0" * 4) == b"\0" * 4


class HeldUp:
    """The daemon does begin, reads when it is told to, and ends when it is told to."""

    def __init__(self, begin, size):
        self.begin, self.size = begin, size
        self.read, self.whole, self.end = threading.Event(), threading.Event(), threading.Event()

    def __call__(self, conn, _):
        self.begin(conn)
        self.read.wait(HANG)
        if conn.exactly(self.size) is not None:
            self.whole.set()
            self.end.wait(HANG)
        return False


def rest_fails(path, begin, ask, listen):
    """Asks with more and more data, until the end of it waits in the proxy while the daemon reads
    nothing, and cannot be sent when it does; what listen gives then."""
    with World(LIBRARY) as world:
        for size in range(160 << 10, 512 << 10, 16 << 10):
            held = HeldUp(begin, size)
            world.fake.handle(f"/containers/{id_of('a')}/{path}", held, early=True)
            with world.connected() as client:
                ask(client, (BYTES * 4)[:size])
                wait_for(lambda client=client: all_taken(client), f"all of {size} bytes are taken")
                world.faults.on("send", 1, errno.ENOBUFS, 1)
                held.read.set()
                wait_for(lambda held=held: world.faults.failed() or held.whole.is_set(), "the daemon reads")
                world.faults.off()
                if world.faults.failed():
                    return listen(client)
            held.end.set()
    raise Failure("nothing has ever waited to be sent")


@suite.test
def rest_of_an_upload():
    """the end of a body waits, and cannot be sent: the client is told"""
    def ask(client, data):
        client.request("PUT", "/containers/a/archive?path=/", data, ["Content-Type: application/x-tar"])
    answer = rest_fails("archive", lambda _: None, ask, Client.read_response)
    equal((answer.status, b"could not be sent the body" in answer.body), (502, True), "answer")


@suite.test
def rest_of_a_tunnel():
    """the end of what goes through a tunnel waits, and cannot be sent: the tunnel ends"""
    def ask(client, data):
        client.request("POST", "/containers/a/attach?stream=1&stdin=1", b"", UP)
        equal(client.read_response().status, 101, "status")
        client.send(data)
        client.end_writing()
    equal(rest_fails("attach", lambda conn: conn.send(SWITCH), ask, Client.rest), b"", "what comes back")
