"""Names, volumes and images that change hands as fast as they can, beside requests that name them.

An administrator renames and makes anew directly at the daemon; a client of a narrow role execs,
starts and creates through the proxy. What came of it is read back from the daemon. Each race lasts
RACE_SECONDS, 6 without it.
"""
import json
import os
import random
import threading
import time

import engine
from harness import check, same, scenario

SECONDS = int(os.environ.get("RACE_SECONDS", "6"))
PATIENCE = 60   # seconds more
ROLE = "race"
SECRET = "only for the administrator"
NEVER = "0001-01-01T00:00:00Z"


class Beside:
    """The administrator: repeats what he does until the race is over, which is later on a machine
    that is so busy that something wanted has not come yet."""

    def __init__(self, step, count, *wanted, seconds=SECONDS):
        self.step, self.turns, self.problem = step, 0, None
        self.count, self.wanted = count, wanted
        self.end = time.monotonic() + seconds
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while self.going():
                self.step(self.turns)
                self.turns += 1
        except Exception as problem:
            self.problem = problem

    def going(self):
        late = time.monotonic() - self.end
        return late < 0 or (late < PATIENCE and not all(map(self.count.get, self.wanted)))

    def ended(self):
        self.thread.join(30)
        check(not self.thread.is_alive(), "the administrator hangs")
        check(not self.problem, "the administrator: %s", self.problem)
        self.count.need(*self.wanted)
        return self.turns


class Count(dict):
    """How often each thing came."""

    def note(self, what):
        self[what] = self.get(what, 0) + 1

    def report(self, t, turns, seconds=SECONDS):
        print("# %s: %d s, %d turns beside: %s" % (
            t.label, seconds, turns, ", ".join("%s %d" % row for row in sorted(self.items()))))

    def need(self, *whats):
        for what in whats:
            check(self.get(what), "%r never came, so nothing has been tried: %r", what, dict(self))


def message(body):
    try:
        return json.loads(body)["message"]
    except (ValueError, KeyError):
        return ""


def pair(t, *command, start=True):
    """A harmless container and one that sees a folder of the host; their IDs and the folder."""
    folder = t.folder()
    with open(folder + "/secret", "w") as file:
        file.write(SECRET)
    good = t.made(*command, start=start, word="good")
    bad = t.made(*command, start=start, word="bad", HostConfig={"Binds": [folder + ":/host"]})
    return t.inspect(good)["Id"], t.inspect(bad)["Id"]


def exchange(t, name, good, bad):
    """One turn: the name goes from one of the two to the other."""
    def rename(who, what):
        t.engine("POST", "/containers/%s/rename?name=%s" % (who, what), None, (204,))

    def step(turn):
        holder, other = (good, bad) if turn % 2 else (bad, good)
        if turn:
            rename(other, "%s-off%d" % (name, turn % 2))
        rename(holder, name)
    return step


def start_exec(t, made):
    conn = engine.Raw(t.socket(ROLE))
    try:
        conn.request("POST", "/v1.41/exec/%s/start" % made, {"Detach": False},
                     [("Connection", "Upgrade"), ("Upgrade", "tcp")])
        head = conn.head()
        return head.status, conn.to_eof() if head.status == 101 else conn.body(head)
    finally:
        conn.close()


@scenario(cli=False, proxy=True, timeout=SECONDS + PATIENCE + 60, heavy=True)
def race_exec(t):
    """Commands run in the harmless container only, whatever the name means meanwhile."""
    good, bad = pair(t, "sleep", "1000")
    name, count = t.name("target"), Count()
    beside = Beside(exchange(t, name, good, bad), count, "create 201", "create 403", "start 101")
    while beside.going():
        status, body = engine.call(t.socket(ROLE), "POST", "/v1.41/containers/%s/exec" % name,
                                   {"Cmd": ["cat", "/host/secret"], "AttachStdout": True,
                                    "AttachStderr": True})
        count.note("create %d" % status)
        if status != 201:
            continue
        made = json.loads(body)["Id"]
        same("container of the command", t.engine("GET", "/exec/%s/json" % made)[1]["ContainerID"],
             good)
        status, output = start_exec(t, made)
        count.note("start %d" % status)
        check(SECRET.encode() not in output, "the secret came: %r", output)
    turns = beside.ended()
    count.report(t, turns)
    same("commands in the other container", t.engine("GET", "/containers/%s/json" % bad)[1]["ExecIDs"],
         None)


@scenario(cli=False, proxy=True, timeout=SECONDS + PATIENCE + 60, heavy=True)
def race_start(t):
    """Only the harmless container is ever started, or started again."""
    good, bad = pair(t, "true", start=False)
    name, count = t.name("target"), Count()
    beside = Beside(exchange(t, name, good, bad), count, "204", "403")
    while beside.going():
        for deed in ("start", "restart?t=0"):
            status, _ = engine.call(t.socket(ROLE), "POST", "/v1.41/containers/%s/%s" % (name, deed))
            count.note("%s %d" % (deed.split("?", 1)[0], status))
            count.note(str(status))
        same("start of the other one", t.inspect(bad)["State"]["StartedAt"], NEVER)
    turns = beside.ended()
    count.report(t, turns)
    same("start of the other one", t.inspect(bad)["State"]["StartedAt"], NEVER)
    check(t.inspect(good)["State"]["StartedAt"] != NEVER, "the harmless one was never started")


@scenario(cli=False, proxy=True, timeout=SECONDS + PATIENCE + 60, heavy=True)
def race_create_from(t):
    """A new container takes over the volumes and the network of the harmless one only."""
    good, bad = pair(t, "sleep", "1000")
    name, count = t.name("target"), Count()
    beside = Beside(exchange(t, name, good, bad), count, "create 201", "create 403")
    for turn in range(10 ** 9):
        if not beside.going():
            break
        host = {"VolumesFrom": [name]} if turn % 2 else {"NetworkMode": "container:" + name}
        status, body = engine.call(t.socket(ROLE), "POST", "/v1.41/containers/create", {
            "Image": "busybox:test", "Cmd": ["true"], "HostConfig": host})
        count.note("create %d" % status)
        if status != 201:
            continue
        made = json.loads(body)["Id"]
        found = t.inspect(made)
        same("what is mounted", found["Mounts"], [])
        check(bad not in found["HostConfig"]["NetworkMode"], "joined the other one: %r",
              found["HostConfig"]["NetworkMode"])
        t.engine("DELETE", "/containers/%s?force=1&v=1" % made, None, (204,))
    turns = beside.ended()
    count.report(t, turns)


@scenario(cli=False, proxy=True, timeout=SECONDS + PATIENCE + 60, heavy=True)
def race_volume(t):
    """No container is made with a volume that is a folder of the host, whenever it became one."""
    folder, volume, count = t.folder(), t.name("vol"), Count()
    evil = {"type": "none", "o": "bind", "device": folder}
    label = {"race": volume}

    def step(turn):
        t.engine("DELETE", "/volumes/" + volume)    # refused while a container has it
        t.engine("POST", "/volumes/create", {"Name": volume, "Labels": label,
                                             "DriverOpts": evil if turn % 2 else None})
    beside = Beside(step, count, "201", "403", "start 204")
    while beside.going():
        status, body = engine.call(t.socket(ROLE), "POST", "/v1.41/containers/create", {
            "Image": "busybox:test", "Cmd": ["true"], "Labels": label,
            "HostConfig": {"Binds": [volume + ":/x"]}})
        removed = "the container has been removed" in message(body)
        count.note("create %d%s" % (status, ", removed" if removed else ""))
        check(status in (201, 403), "create: %d %r", status, body)
        count.note(str(status))
        if status != 201:
            continue
        made = json.loads(body)["Id"]
        # Nobody can exchange it while the container is there.
        options = t.engine("GET", "/volumes/" + volume, None, (200,))[1]["Options"]
        check(not options, "a container has been made with %r", options)
        if count["201"] % 4 == 1:       # starts take their time
            status, _ = engine.call(t.socket(ROLE), "POST", "/v1.41/containers/%s/start" % made)
            count.note("start %d" % status)
        t.engine("DELETE", "/containers/%s?force=1&v=1" % made, None, (204,))
        later = beside.turns + random.randint(1, 6)     # it has been what it was long enough
        t.until("turns beside", lambda: beside.turns >= later or not beside.going(), 10)
    turns = beside.ended()
    count.report(t, turns)
    found = t.engine("GET", "/containers/json?all=1&filters="
                     "%%7B%%22label%%22:%%5B%%22race=%s%%22%%5D%%7D" % volume, None, (200,))[1]
    same("containers that are left", found, [])


@scenario(cli=False, proxy=True, timeout=SECONDS + PATIENCE + 60, heavy=True)
def race_image(t):
    """No container is made of an image with labels that the role may not have, whenever it got the
    name; and the container has its image by the name."""
    repository, count = t.name("image"), Count()
    base = t.made("true", start=False)
    for tag, change in (("good", "LABEL%20fine=1"), ("bad", "LABEL%20bad.one=1")):
        t.engine("POST", "/commit?container=%s&repo=%s&tag=%s&changes=%s" % (base, repository, tag, change),
                 None, (201,))
    ids = {tag: t.engine("GET", "/images/%s:%s/json" % (repository, tag), None, (200,))[1]["Id"]
           for tag in ("good", "bad")}
    name = repository + ":now"

    def step(turn):
        t.engine("POST", "/images/%s:%s/tag?repo=%s&tag=now" % (
            repository, "bad" if turn % 2 else "good", repository), None, (201,))
    step(0)
    seconds = int(os.environ.get("RACE_SECONDS", "3"))
    beside = Beside(step, count, "201", "403", seconds=seconds)
    while beside.going():
        status, body = engine.call(t.socket(ROLE), "POST", "/v1.41/containers/create", {
            "Image": name, "Cmd": ["true"]})
        removed = "the container has been removed" in message(body)
        count.note("create %d%s" % (status, ", removed" if removed else ""))
        check(status in (201, 403), "create: %d %r", status, body)
        count.note(str(status))
        if status == 201:
            found = t.inspect(json.loads(body)["Id"])
            same("image", (found["Config"]["Image"], found["Image"]), (name, ids["good"]))
            t.engine("DELETE", "/containers/%s?force=1" % found["Id"], None, (204,))
    turns = beside.ended()
    count.report(t, turns, seconds)
    found = t.engine("GET", "/containers/json?all=1&filters="
                     "%%7B%%22ancestor%%22:%%5B%%22%s%%22%%5D%%7D" % ids["bad"], None, (200,))[1]
    same("containers that are left", found, [])
    t.engine("DELETE", "/containers/%s?force=1" % base, None, (204,))
    for tag in ("now", "good", "bad"):
        t.engine("DELETE", "/images/%s:%s?force=1" % (repository, tag))
