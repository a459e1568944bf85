"""Endless answers: logs, events, stats, wait, and that idle ones live on."""
import json
import time

import engine
from harness import Fail, check, holds, same, scenario

IMAGE = "busybox:test"
IDLE_SECONDS = 66
# starts, waits for a word on a pipe, ends
GATED = ("sh", "-c", "mkfifo /gate; echo first; read x </gate; echo last; exit 3")


def open_gate(t, name):
    t.poke(name, "sh", "-c", "echo go >/gate")


@scenario()
def logs(t):
    name = t.made("sh", "-c", "echo one; echo two >&2; echo three")
    t.until("end of the container", lambda: not t.running(name))
    done = t.docker("logs", name)
    same("stdout, stderr", (done.text, done.errors), ("one\nthree", "two"))
    check(len(t.docker("logs", "--tail", "1", name).out) < 8, "--tail 1 gave more than a line")
    holds("--timestamps", t.ok("logs", "-t", name), "T")
    same("--until", t.ok("logs", "--until", "2020-01-01T00:00:00", name), "")


@scenario()
def logs_follow(t):
    name = t.made(*GATED)
    follow = t.spawn("logs", "-f", name)
    follow.expect("first")
    check(follow.popen.poll() is None, "logs -f ended while the container runs")
    open_gate(t, name)
    follow.expect("last")
    same("exit code", follow.wait(), 0)


@scenario()
def wait(t):
    name = t.made(*GATED)
    waiter = t.spawn("wait", name)
    open_gate(t, name)
    same("exit code of docker wait", waiter.wait(), 0)
    same("printed", waiter.data.strip(), b"3")


def follow_events(t, name, role="default"):
    """`docker events` for one container name, known to be listening."""
    since = str(int(time.time()) - 1)
    stream = t.spawn("events", "--since", since, "--filter", "container=" + name, "--filter",
                     "type=container", "--format", "{{.Action}}", role=role)
    t.engine("POST", "/containers/create?name=" + name, {"Image": IMAGE, "Cmd": ["true"]}, (201,))
    stream.expect("create")
    return stream


@scenario()
def events(t):
    name = t.name()
    stream = follow_events(t, name)
    t.engine("POST", "/containers/%s/start" % name, None, (204,))
    stream.expect("start")
    stream.expect("die")
    since, until = str(int(time.time()) - 100), str(int(time.time()) + 1)
    lines = t.ok("events", "--since", since, "--until", until, "--filter", "container=" + name,
                 "--format", "{{json .}}").split("\n")
    actions = [json.loads(line).get("Action") for line in lines]
    same("actions with --until", actions[:3], ["create", "start", "die"])


@scenario(timeout=IDLE_SECONDS + 60, background=True)
def events_idle(t):
    name = t.name()
    stream = follow_events(t, name)
    stream.quiet(IDLE_SECONDS)
    t.engine("POST", "/containers/%s/start" % name, None, (204,))
    stream.expect("start")


@scenario(cli=False, timeout=IDLE_SECONDS + 60, background=True)
def logs_follow_idle(t):
    name = t.made(*GATED)
    conn = t.raw(timeout=IDLE_SECONDS + 30)
    conn.request("GET", "/v1.41/containers/%s/logs?follow=1&stdout=1" % name)
    head = conn.head(5)
    same("status", head.status, 200)
    holds("first line", conn.chunk(5), b"first")
    began = time.monotonic()
    while (left := began + IDLE_SECONDS - time.monotonic()) > 0:
        conn.sock.settimeout(left)
        try:
            data = conn.sock.recv(100)
        except TimeoutError:
            break
        raise Fail("an idle logs -f got %r after %d s" % (data, time.monotonic() - began))
    open_gate(t, name)
    holds("last line", conn.chunk(20), b"last")
    same("end of the body", conn.chunk(20), b"")


@scenario(cli=False, timeout=IDLE_SECONDS + 60, background=True)
def exec_idle(t):
    name = t.made("sleep", "1000")
    _, made = engine.call(t.socket("default"), "POST", "/containers/%s/exec" % name, {
        "Cmd": ["sh", "-c", "read x; echo got $x"], "AttachStdin": True, "AttachStdout": True})
    conn = t.raw(timeout=IDLE_SECONDS + 30)
    conn.request("POST", "/v1.41/exec/%s/start" % json.loads(made)["Id"],
                 {"Detach": False, "Tty": False}, [("Connection", "Upgrade"), ("Upgrade", "tcp")])
    same("status", conn.head(5).status, 101)
    conn.sock.settimeout(IDLE_SECONDS)
    try:
        raise Fail("an idle exec got %r" % conn.sock.recv(100))
    except TimeoutError:
        pass
    conn.send(b"word\n")
    holds("output", conn.to_eof(20), b"got word\n")


@scenario()
def stats(t):
    name = t.made("sleep", "1000")
    holds("stats --no-stream", t.ok("stats", "--no-stream", name), name)
    stream = t.spawn("stats", "--format", "{{.Name}} {{.PIDs}} x", name)
    at = stream.expect(name + " ")
    stream.expect(name + " ", start=at)


@scenario()
def top(t):
    name = t.made("sleep", "1234")
    holds("top", t.ok("top", name), "sleep 1234")
