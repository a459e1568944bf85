"""docker run, exec and attach: streams, terminals, exit codes."""
import hashlib
import os
import threading

from harness import Fail, check, holds, same, scenario, sha

IMAGE = "busybox:test"


@scenario()
def run_foreground(t):
    done = t.docker("run", "--rm", IMAGE, "sh", "-c", "echo out; echo err >&2; exit 7")
    same("exit code", done.code, 7)
    same("stdout", done.text, "out")
    same("stderr", done.errors, "err")
    done = t.docker("run", "--rm", "-e", "WORD=hello world", "-w", "/tmp", "-u", "12:34",
                    "--label", "a=b", "--hostname", "hosty", "--memory", "64m", "--tmpfs", "/t",
                    "--restart", "no", "--init", "--read-only", "--cap-drop", "ALL", "--ulimit",
                    "nofile=64:64", "--security-opt", "no-new-privileges", "--entrypoint", "sh",
                    IMAGE, "-c", "echo $WORD; pwd; id -u; hostname; ulimit -n")
    same("stdout", done.text.split("\n"), ["hello world", "/tmp", "12", "hosty", "64"])


@scenario()
def run_unknown_command(t):
    done = t.docker("run", "--rm", IMAGE, "/no/such/program")
    same("exit code", done.code, 127)
    holds("stderr", done.errors, "no such file")


@scenario()
def run_stdin(t):
    done = t.docker("run", "--rm", "-i", IMAGE, "cat", stdin=b"data\n", seconds=30)
    same("exit code", done.code, 0)
    same("stdout", done.out, b"data\n")
    done = t.docker("run", "--rm", "-i", IMAGE, "cat", stdin=b"", seconds=30)
    same("empty stdin", (done.code, done.out), (0, b""))
    done = t.docker("run", "--rm", "-i", IMAGE, "sh", "-c", "head -c 4; exit 5", stdin=b"abcdefgh",
                    seconds=30)
    same("reader that ends early", (done.code, done.out), (5, b"abcd"))


@scenario()
def run_stdin_10_megabytes(t):
    data = os.urandom(10 << 20)
    done = t.docker("run", "--rm", "-i", IMAGE, "cat", stdin=data, seconds=50)
    same("exit code", done.code, 0)
    same("length", len(done.out), len(data))
    same("sha256", sha(done.out), sha(data))


@scenario()
def run_terminal(t):
    shell = t.spawn("run", "--rm", "-it", IMAGE, "sh", terminal=True, size=(33, 101))
    shell.expect("# ")
    shell.send(b"tty; echo hello$((1+1))\n")
    at = shell.expect("/dev/pts/")
    shell.expect("hello2", start=at)

    def resized():
        start = len(shell.data)
        shell.send(b"echo size $(stty size) end\n")
        return b"size 33 101 end" in shell.data[start:shell.expect("size ", start=shell.expect(
            " end\r\n", start=start)) + 16] or b"33 101 end" in shell.data
    t.until("terminal size 33 101 in the container", resized)
    shell.send(b"exit 9\n")
    same("exit code", shell.wait(), 9)


@scenario()
def run_terminal_without_stdin(t):
    same("tty", t.ok("run", "--rm", "-t", IMAGE, "tty"), "/dev/pts/0")


@scenario()
def run_detached(t):
    name = t.name()
    full = t.ok("run", "-d", "--name", name, IMAGE, "sh", "-c", "echo one; echo two; exit 3")
    same("length of the ID", len(full), 64)
    same("docker wait", t.ok("wait", name), "3")
    same("docker logs", t.ok("logs", name), "one\ntwo")
    holds("docker ps -a", t.ok("ps", "-a", "--filter", "name=" + name), "Exited (3)")
    t.ok("rm", name)
    same("inspect after rm", t.inspect(name), None)


@scenario()
def create_start_attach(t):
    name = t.name()
    t.ok("create", "--name", name, "-i", IMAGE, "cat")
    done = t.docker("start", "-a", "-i", name, stdin=b"through start\n")
    same("start -ai", (done.code, done.out), (0, b"through start\n"))


@scenario()
def exec_plain(t):
    name = t.made("sleep", "1000")
    done = t.docker("exec", name, "sh", "-c", "echo out; echo err >&2; exit 4", seconds=20)
    same("exit code", done.code, 4)
    same("stdout", done.text, "out")
    same("stderr", done.errors, "err")
    done = t.docker("exec", name, "cat", stdin=b"not read", seconds=20)
    same("exec without -i", (done.code, done.out), (0, b""))
    big = t.docker("exec", name, "sh", "-c", "yes | head -c 3000000", seconds=30)
    same("bytes of a long output", len(big.out), 3000000)
    same("exec -e -w -u", t.ok("exec", "-e", "A=b", "-w", "/tmp", "-u", "5", name, "sh", "-c",
                               "echo $A $(pwd) $(id -u)"), "b /tmp 5")


@scenario()
def exec_stdin(t):
    name = t.made("sleep", "1000")
    data = os.urandom(4 << 20)
    done = t.docker("exec", "-i", name, "cat", stdin=data, seconds=30)
    same("exit code", done.code, 0)
    same("sha256", sha(done.out), sha(data))


@scenario()
def exec_terminal(t):
    name = t.made("sleep", "1000")
    shell = t.spawn("exec", "-it", name, "sh", terminal=True, size=(20, 77))
    shell.expect("# ")
    shell.send(b"echo in$((4*5))\n")
    shell.expect("in20")
    shell.send(b"exit 6\n")
    same("exit code", shell.wait(), 6)


@scenario()
def exec_detached(t):
    name = t.made("sleep", "1000")
    t.ok("exec", "-d", name, "touch", "/made")
    t.until("file of exec -d", lambda: t.docker("exec", name, "test", "-e", "/made").code == 0)


@scenario()
def attach_detach_keys(t):
    name = t.made("sh", Tty=True, OpenStdin=True, AttachStdin=True)
    shell = t.spawn("attach", name, terminal=True)
    t.until("answer of the attached shell", lambda: (
        shell.send(b"echo attach$((1+2))\n"), b"attach3" in shell.data)[1])
    shell.send(b"\x10")
    shell.send(b"\x11")
    code = shell.wait()
    check(code in (0, 1), "exit code %d after the detach keys", code)
    holds("output", shell.data.decode("utf-8", "replace"), "read escape sequence")
    check(t.running(name), "the container stopped when its terminal was detached")
    again = t.spawn("attach", "--detach-keys", "ctrl-a,d", name, terminal=True)
    t.until("answer after attaching again", lambda: (
        again.send(b"echo again$((2+2))\n"), b"again4" in again.data)[1])
    again.send(b"\x01")
    again.send(b"d")
    again.wait()
    check(t.running(name), "the container stopped with own detach keys")


@scenario()
def attach_until_end(t):
    name = t.made("sh", "-c", "read x; echo got $x; exit 2", OpenStdin=True, StdinOnce=True)
    done = t.docker("attach", name, stdin=b"word\n")
    same("attach", (done.code, done.text), (2, "got word"))


@scenario()
def signal_through_run(t):
    name = t.name()
    front = t.spawn("run", "--rm", "--name", name, IMAGE, "sh", "-c",
                    "trap 'echo bye; exit 11' TERM; echo up; while :; do sleep 0.1; done")
    front.expect("up")
    front.kill(15)
    front.expect("bye")
    same("exit code", front.wait(), 11)


@scenario(timeout=150, heavy=True)
def parallel_run_50(t):
    failures = []

    def one(number):
        data = b"%05d " % number * 8000
        try:
            done = t.docker("run", "--rm", "-i", "--network", "none", IMAGE, "cat", stdin=data)
            if done.code or done.out != data:
                failures.append("run %d: exit %d, %d of %d bytes: %s" % (
                    number, done.code, len(done.out), len(data), done.errors[-200:]))
        except Fail as why:
            failures.append("run %d: %s" % (number, why))

    in_parallel(one, 50)
    check(not failures, "%d of 50: %s", len(failures), "; ".join(failures[:3]))


@scenario(timeout=90)
def parallel_exec_20(t):
    name = t.made("sleep", "1000")
    failures = []

    def one(number):
        data = hashlib.sha256(b"%d" % number).digest() * 2000
        try:
            done = t.docker("exec", "-i", name, "cat", stdin=data)
            if done.code or done.out != data:
                failures.append("exec %d: exit %d, %d of %d bytes: %s" % (
                    number, done.code, len(done.out), len(data), done.errors[-200:]))
        except Fail as why:
            failures.append("exec %d: %s" % (number, why))

    in_parallel(one, 20)
    check(not failures, "%d of 20: %s", len(failures), "; ".join(failures[:3]))


def in_parallel(func, count):
    threads = [threading.Thread(target=func, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
