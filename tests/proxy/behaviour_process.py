"""The process: start, stop, sockets, workers, command line."""
import json
import os
import re
import selectors
import signal
import socket
import stat
import subprocess
import tempfile
import time

from fake_dockerd import response
from harness import CASES, WAIT, Client, Env, Late, Suite, check, equal, run_bin, settings, wait_for

suite = Suite()
PING = b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"


@suite.test
def term():
    """TERM: exit 0 in time, the socket file removed"""
    with Env("--stop-timeout", "60") as env:      # which an idle client does not hold up
        client = env.client()
        equal(client.ask("GET", "/_ping").status, 200, "status")
        env.process.send_signal(signal.SIGTERM)
        equal(env.process.wait(WAIT), 0, "exit code")
        check(not os.path.exists(env.socket), "the socket file stays")


@suite.test
def term_with_stream():
    """TERM with an open stream: ends within --stop-timeout; the stream may end before"""
    with Env("--stop-timeout", "1") as env:
        env.fake.handle("/events", lambda conn, _: conn.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") and conn.rest() and False)
        client = env.client()
        client.request("GET", "/events")
        equal(client.read_head().status, 200, "status")
        env.process.send_signal(signal.SIGTERM)
        equal(env.process.wait(WAIT), 0, "exit code")


@suite.test
def cannot_listen():
    """an address that cannot be listened on: no start, and what to do about it"""
    with tempfile.TemporaryDirectory(prefix="swp-") as folder, socket.create_server(("127.0.0.1", 0)) as taken:
        mount = ["unshare", "-m", "sh", "-c", f'mount -t tmpfs -o ro tmpfs {folder} && exec "$@"', "sh"]
        rows = [
            ([], f"unix://{folder}/a/b/c.sock", "its folder is not there and cannot be made"),
            ([], "tcp://203.0.113.7:2375", "has no such address"),
            ([], "tcp://127.0.0.1:%d" % taken.getsockname()[1], "another program has this port"),
        ]
        if os.geteuid() == 0 and subprocess.run([*mount, "true"], capture_output=True, check=False).returncode == 0:
            rows.append((mount, f"unix://{folder}/c.sock", "read-only file system: name another folder with --host"))
        for wrapper, host, said in rows:
            command = [*wrapper, settings["bin"], "serve", "--insecure-tcp", "--audit-log", "none", "-H", host]
            result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
            equal(result.returncode, 1, f"{host}: {result.stderr}")
            check(f"cannot listen on {host.removeprefix('unix://')}: " in result.stderr
                  and said in result.stderr, result.stderr)


@suite.test
def term_lets_requests_finish():
    """a request under way is answered during the stop"""
    def handler(conn, _):
        wait_for(lambda: not os.path.exists(env.socket), "the listener is gone")
        return conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    with Env("--stop-timeout", "30") as env:
        env.fake.handle("/info", handler)
        client = env.client()
        client.request("GET", "/info")
        env.fake.wait_requests(1)
        env.process.send_signal(signal.SIGTERM)
        equal(client.read_response().status, 200, "status")
        client.close()
        equal(env.process.wait(WAIT), 0, "exit code")


@suite.test
def term_waits_for_readers():
    """what is answered before or during the stop reaches clients that read late, whole"""
    body = bytes(range(256)) * 1700
    switch = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"

    def stopping():
        return wait_for(lambda: not os.path.exists(env.socket), "the listener is gone")
    with Env("--stop-timeout", "30") as env:
        env.fake.handle("/version", lambda conn, _: conn.send(response(body)))
        env.fake.handle("/info", lambda conn, _: stopping() and conn.send(response(body)))
        env.fake.handle("/containers/a/attach", lambda conn, _: conn.send(switch) and stopping()
                        and conn.send(body) and False)
        before, closing, tunnel = env.client(), env.client(), env.client()
        before.request("GET", "/version")
        closing.request("GET", "/info", headers=["Connection: close"])
        tunnel.request("POST", "/containers/a/attach?stream=1", b"",
                       ["Connection: Upgrade", "Upgrade: tcp"])
        equal(tunnel.read_head().status, 101, "status")
        env.fake.wait_requests(3)
        time.sleep(0.1)
        env.process.send_signal(signal.SIGTERM)
        time.sleep(1.5)
        check(before.read_response().body == body, "answered before the stop")
        check(closing.read_response().body == body, "answered during the stop")
        check(tunnel.rest() == body, "output of a tunnel")
        for client in env.clients:
            client.close()
        equal(env.process.wait(WAIT), 0, "exit code")


@suite.test
def second_term():
    """a second TERM ends at once"""
    with Env("--stop-timeout", "60") as env:
        env.fake.handle("/info", lambda conn, _: conn.rest() and False)
        client = env.client()
        client.request("GET", "/info")
        env.fake.wait_requests(1)
        env.process.send_signal(signal.SIGTERM)
        wait_for(lambda: not os.path.exists(env.socket), "the stop begins")
        env.process.send_signal(signal.SIGTERM)
        env.process.wait(WAIT)
        env.expected_code = env.process.returncode


@suite.test
def socket_file():
    """mode 0660 unless told otherwise; a live socket is refused, a stale one replaced"""
    with Env() as env:
        equal(stat.S_IMODE(os.stat(env.socket).st_mode), 0o660, "mode")
        second = subprocess.run([settings["bin"], "serve"] + env.args, capture_output=True,
                                timeout=5, check=False)
        equal(second.returncode, 1, "exit code of a second start")
        check(env.socket.encode() in second.stderr, f"the socket is not named: {second.stderr!r}")
        equal(env.ask("GET", "/_ping").status, 200, "the first one goes on")
        env.process.kill()
        env.process.wait()
        check(os.path.exists(env.socket), "a killed process leaves its socket")
        env.args += ["--socket-mode", "0600"]
        env.start(ready=False)
        wait_for(env.is_ready, "the stale socket is replaced")
        equal(env.ask("GET", "/_ping").status, 200, "status")
        equal(stat.S_IMODE(os.stat(env.socket).st_mode), 0o600, "mode when told")


@suite.test
def folder_made():
    """the socket's folder is made for all to enter, with a narrow umask, too"""
    with Env(start=False) as env:
        path = os.path.join(env.dir, "run", "docker.sock")
        env.args += ["-H", "unix://" + path]
        env.start(wrapper=["sh", "-c", 'umask 077 && exec "$@"', "sh"])
        equal(stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode), 0o755, "mode of the folder")
        equal(stat.S_IMODE(os.stat(path).st_mode), 0o660, "mode of the socket")


@suite.test
def socket_exchanged():
    """a link that somebody puts in the socket's place at its start: what it leads to stays as it is"""
    delayed = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=bind", "-e", "inject=bind:delay_exit=2000000"]
    if subprocess.run([*delayed, "true"], capture_output=True, check=False).returncode != 0:
        return
    with Env(start=False) as env:
        victim, link = os.path.join(env.dir, "victim"), os.path.join(env.dir, "link")
        with open(victim, "w", encoding="ascii") as file:
            file.write("secret")
        os.chmod(victim, 0o600)
        os.symlink(victim, link)
        with subprocess.Popen([*delayed, settings["bin"], "serve", *env.args], stderr=subprocess.PIPE, text=True,
                              env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}) as process:
            try:
                wait_for(lambda: os.path.exists(env.socket), "the socket is made")
                os.rename(link, env.socket)
                equal(process.wait(10), 1, "exit code")
            finally:
                process.kill()
            check("has exchanged it" in process.stderr.read(), "it does not say why")
        equal(stat.S_IMODE(os.stat(victim).st_mode), 0o600, "mode of what the link leads to")


@suite.test
def not_a_socket():
    """a file that is no socket is never replaced"""
    with Env(start=False) as env:
        with open(env.socket, "w", encoding="ascii") as file:
            file.write("precious")
        result = subprocess.run([settings["bin"], "serve"] + env.args, capture_output=True,
                                timeout=5, check=False)
        equal(result.returncode, 1, "exit code")
        with open(env.socket, encoding="ascii") as file:
            equal(file.read(), "precious", "the file")


@suite.test
def several_listeners():
    """two sockets, one proxy"""
    with tempfile.TemporaryDirectory() as folder:
        other = os.path.join(folder, "other.sock")
        with Env("-H", "unix://" + other) as env:
            for path in (env.socket, other):
                with Client(path) as client:
                    equal(client.ask("GET", "/_ping").status, 200, path)
            lines = env.wait_audit(2, operation="SystemPing")
            equal(len({line["listener"] for line in lines}), 2, "listeners in the audit")


def load(env, clients, rounds):
    """Keep-alive clients, each with one request after the other; all answers are counted."""
    selector = selectors.DefaultSelector()
    left = {}
    for _ in range(clients):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(env.socket)
        sock.send(PING)
        left[sock] = [rounds, b""]
        selector.register(sock, selectors.EVENT_READ)
    done, deadline = 0, time.monotonic() + 40
    while left:
        if time.monotonic() > deadline:
            raise Late(f"{done} answers in time, {len(left)} clients wait")
        for key, _ in selector.select(1):
            sock = key.fileobj
            data = sock.recv(65536)
            check(data, "closed under load")
            state = left[sock]
            state[1] += data
            if not state[1].endswith(b"{}"):
                continue
            check(state[1].startswith(b"HTTP/1.1 200 "), f"answer {state[1]!r}")
            done, state[0], state[1] = done + 1, state[0] - 1, b""
            if state[0]:
                sock.send(PING)
            else:
                selector.unregister(sock)
                sock.close()
                del left[sock]
    equal(done, clients * rounds, "answers")


@suite.test
def load_one_worker():
    """200 clients with 10 requests each on one worker"""
    with Env("--workers", "1") as env:
        load(env, 200, 10)
        env.check_rss()


@suite.test
def load_four_workers():
    """200 clients with 50 requests each on four workers"""
    with Env("--workers", "4") as env:
        load(env, 200, 50)
        env.check_rss()
        equal(sum(r.path == "/_ping" for r in env.fake.wait_requests(10000)), 10000,
              "requests at the daemon")


def most_of_a_worker(env, count):
    """So many clients ask; how many of them one worker has served, as the IDs of requests tell."""
    clients = [env.client() for _ in range(count)]
    for client in clients:
        equal(client.ask("GET", "/_ping").status, 200, "status")
    numbers = [line["id"].split("-")[1] for line in env.wait_audit(count, record="request")]
    return max(map(numbers.count, numbers))


@suite.test
def workers_share():
    """a worker gets 16 connections before others get any; with a number of workers they are spread evenly"""
    alone = os.sysconf("SC_NPROCESSORS_ONLN") == 1
    told = os.environ.pop("SOCKWARDEN_WORKERS", None)
    try:
        for options, least, most in (((), 14, 20 if alone else 16), (("--workers", "2"), 10, 11),
                                     (("--workers", "5"), 4, 5)):
            with Env(*options) as env:      # whoever looked whether it serves may not have left yet
                got = most_of_a_worker(env, 20)
                check(least <= got <= most, f"{options}: {got} of 20 at one worker")
    finally:
        if told:
            os.environ["SOCKWARDEN_WORKERS"] = told


# ---- command line -------------------------------------------------------------------------------

@suite.test
def unknown_flag():
    """an unknown flag: exit 2 and the nearest one"""
    result = run_bin("serve", "--audit-lgo", "x")
    equal(result.returncode, 2, "exit code")
    check(b"--audit-log" in result.stderr, f"{result.stderr!r}")
    equal(run_bin("nosuchcommand").returncode, 2, "unknown command")
    equal(run_bin("serve", "--workers").returncode, 2, "missing value")
    equal(run_bin("serve", "--workers", "x").returncode, 2, "value that is no number")


@suite.test
def help_and_version():
    """--help and --version on standard output, exit 0"""
    for flag, text in (("--help", b"sockwarden"), ("--version", b"sockwarden")):
        result = run_bin(flag)
        equal((result.returncode, text in result.stdout, result.stderr), (0, True, b""), flag)


@suite.test
def help_of_commands():
    """each command's --help: its own usage, exit status and an example; its options are taken"""
    commands = re.findall(r"^  sockwarden \[?([a-z]+)", run_bin("--help").stdout.decode(), flags=re.M)
    check(len(commands) > 5, f"commands: {commands}")
    for command in commands:
        result = run_bin(command, "--help")
        text = result.stdout.decode()
        equal((result.returncode, result.stderr), (0, b""), command)
        for word in (f"sockwarden {'[serve]' if command == 'serve' else command}", "Exit status\n  0  ",
                     "\nExample\n  "):
            check(word in text, f"{command} --help does not say {word!r}: {text}")
        check(f"sockwarden {command}" in text.split("\nExample\n")[1], f"{command}: its example")
        for argv in (("help", command), (command, "-h"), (command, "x", "--help")):
            equal(run_bin(*argv).stdout.decode(), text, f"{argv}")
        options = re.findall(r"(?:^  |, )(-[-a-z]+)", text.split("\nExit status")[0], flags=re.M)
        for option in options if command != "serve" else ():
            equal(run_bin(command, option + "-x").returncode, 2, f"{command} {option}-x")
            check(f"no option {option}" not in run_bin(command, option).stderr.decode(),
                  f"{command} does not know its option {option}")
    check(re.search("--workers N .*first 16 connections share one", run_bin("serve", "--help").stdout.decode()),
          "serve --help does not say what goes without --workers")
    equal(run_bin("help", "nosuchcommand").returncode, 2, "help of what is not there")
    check("did you mean check" in run_bin("chekc", "--help").stderr.decode(), "the nearest command")


@suite.test
def policy_missing():
    """a policy file that is not there: exit 1 and its name"""
    with Env(start=False) as env:
        args = ["serve", "-H", "unix://" + env.socket, "--policy", "/nonexistent/policy.json"]
        result = run_bin(*args)
        equal(result.returncode, 1, "exit code")
        check(b"/nonexistent/policy.json" in result.stderr, f"{result.stderr!r}")


@suite.test
def policy_errors():
    """every error of a policy with file, line, column and the nearest key; nothing is served"""
    text = '{\n  "version": 1,\n  "roles": { "default": {\n    "alow": ["@ping"],\n' \
           '    "containers": { "privleged": true } } }\n}\n'
    with Env(start=False) as env:
        path = os.path.join(env.dir, "bad.json")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        for args in (("check", path), ("serve", "-H", "unix://" + env.socket, "--policy", path)):
            result = run_bin(*args)
            equal(result.returncode, 1, args[0])
            for wanted in (f"{path}:4:5: ", f"{path}:5:21: ", '"allow"', '"privileged"'):
                found = wanted in result.stderr.decode() or wanted.strip('"') in result.stderr.decode()
                check(found, f"{args[0]}: {wanted} is not in {result.stderr!r}")
        check(not os.path.exists(env.socket), "it listens all the same")
    good = run_bin("check",
                   *(os.path.join(CASES, name) for name in ("reference.json", "open.json",
                                                            "read-only.json")))
    equal(good.returncode, 0, f"good policies {good.stderr!r}")


@suite.test
def own_listener_as_upstream():
    """the proxy never has itself for a daemon"""
    with Env(start=False) as env:
        path = "unix://" + env.socket
        result = run_bin("serve", "-H", path, "--upstream", path, timeout=5)
        check(result.returncode in (1, 2), f"exit code {result.returncode}")
        odd = run_bin("serve", "-H", path, "--upstream", "unix://" + env.dir + "/./proxy.sock",
                      timeout=5)
        check(odd.returncode in (1, 2), "the same by another spelling")


@suite.test
def tcp_without_tls():
    """plain TCP needs --insecure-tcp"""
    result = run_bin("serve", "-H", "tcp://127.0.0.1:23751", timeout=5)
    check(result.returncode in (1, 2), f"exit code {result.returncode}")
    check(b"--insecure-tcp" in result.stderr or b"tls" in result.stderr.lower(),
          f"{result.stderr!r}")


@suite.test
def environment():
    """options by environment; the flag wins"""
    with Env(start=False) as env:
        os.environ["SOCKWARDEN_ROLE"] = "nosuchrole"
        try:
            env.start()
            equal(env.ask("GET", "/_ping").status, 200, "the flag wins")
        finally:
            del os.environ["SOCKWARDEN_ROLE"]
    result = run_bin("serve", "-H", "unix:///nonexistent/x.sock",
                     env={"SOCKWARDEN_WORKERS": "many"})
    equal(result.returncode, 2, "a wrong value in the environment")


@suite.test
def routes_and_roles():
    """routes: a table with a header; roles: JSON that check accepts"""
    lines = run_bin("routes").stdout.decode().splitlines()
    check(lines, "nothing is printed")
    equal(lines[0].split("\t"), ["method", "path", "operation", "class", "body", "gist"], "header")
    check(len(lines) > 100 and all(line.count("\t") == 5 for line in lines), "rows")
    operations = {line.split("\t")[2] for line in lines[1:]}
    check({"ContainerCreate", "Grpc", "CheckpointDelete", "SystemPing"} <= operations,
          "operations are missing")
    names = run_bin("roles").stdout.decode()
    for name in ("default", "read-only", "all"):
        check(name in names, f"role {name} is not listed")
        json.loads(run_bin("roles", name).stdout)
    check(run_bin("roles", "nosuch").returncode != 0, "a role that does not exist")
