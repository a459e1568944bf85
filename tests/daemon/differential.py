"""For test_differential.py: what tests/reading says, sending bytes, counting what became of rows,
comparing a container with the reading and with what stricter roles would have let pass. It holds
no rows and no scenarios.
"""
import json
import os
import posixpath
import re
import subprocess

import engine
from harness import Fail, check, same

IMAGE = "busybox:test"
STRSLICES = ("Cmd", "Entrypoint", "CapAdd", "CapDrop")
MAPS = ("Labels", "Volumes", "ExposedPorts", "Tmpfs", "Sysctls", "Config", "PortBindings",
        "Annotations", "StorageOpt", "Options", "EndpointsConfig")
MERGED = ("Memory", "MemorySwap", "CpuShares", "CpusetCpus", "VolumeDriver")
PROBE = ("id -u; grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status; cat /proc/mounts; echo END; "
         "exec sleep 60")
OPEN = {key: True for key in (
    "privileged cap_add binds volumes volume_drivers volume_options volumes_from tmpfs "
    "network_mode pid_mode ipc_mode uts_mode userns_mode cgroupns_mode devices device_requests "
    "device_cgroup_rules security_opt masked_paths sysctls runtimes cgroup_parent links "
    "annotations storage_opt blkio oom user mem_limit cpus pids_limit shm_size ulimits restart dns "
    "extra_hosts group_add healthcheck ports log_drivers log_options env labels names").split()}
OPENED = ["ContainerCreate:" + name for name in (
    "Binds CapAdd PidMode Privileged Memory MemorySwap CpuShares CpusetCpus Cpuset VolumeDriver "
    "NetworkMode SecurityOpt Tmpfs Mounts HostConfig.Cgroup").split()]
CLOSED = {
    "binds": {"binds": ["@CI@/**", {"source": "@CI@-ro/**", "read_only": True}],
              "volume_options": False, "volumes_from": False},
    "ports": {"ports": ["127.0.0.1:8001-8003/tcp"], "network_mode": ["default"]},
    "caps": {"privileged": False, "cap_add": ["NET_ADMIN"]},
    "drops": {"privileged": False, "cap_add": ["NET_ADMIN"], "cap_drop": {"require": ["NET_RAW"]}},
    "security": {"privileged": False, "pid_mode": [], "ipc_mode": [], "security_opt": {
        "allow": ["no-new-privileges", "no-new-privileges=*"], "require": ["no-new-privileges"]}},
    "user": {"user": {"deny": ["root"]}},
    "sysctls": {"sysctls": ["net.core.somaxconn"]},
    "spaces": {"network_mode": ["default", "bridge", "none"], "pid_mode": [], "ipc_mode": [],
               "uts_mode": [], "userns_mode": [], "cgroupns_mode": [], "privileged": False},
    "limits": {"mem_limit": {"max": "64m", "require": True}},
    "shm": {"shm_size": {"max": "64m"}, "ipc_mode": []},
    "tmpfs": {},
    "env": {"env": {"deny": ["AWS_*"]}},
    "labels": {"labels": {"require": {"team": "*"}, "deny": ["traefik.*"]}},
    "names": {"names": ["ci-*"]},
}
IMAGE_ROLES = {
    "images": {"allow": ["docker.io/library/swd"], "deny_tags": ["evil"]},
    "pulls": {"allow": ["127.0.0.1:5000/ci/app"], "deny_tags": ["evil"]},
}


# ---- what the engine reads ----------------------------------------------------------------------

def write_policy(path, folder):
    everything = {"unknown_fields": "allow", "open": OPENED, "allow": [
        "ContainerCreate", "ImageCreate", "ContainerUpdate", "ContainerExec", "VolumeCreate",
        "NetworkCreate"]}
    roles = {name: {**everything, "containers": {**OPEN, **closed}}
             for name, closed in CLOSED.items()}
    for name, images in IMAGE_ROLES.items():
        roles[name] = {**everything, "containers": OPEN, "images": images}
    roles["exec"] = {**everything, "exec": {"users": ["5"], "commands": ["ls"]}}
    roles["networks"] = {**everything, "networks": {
        "names": True, "drivers": True, "options": True, "subnets": ["10.250.0.0/16"]}}
    with open(path, "w") as file:
        file.write(json.dumps({"version": 1, "roles": roles}).replace("@CI@", folder))


def readings(t, requests):
    """The engine's reading of (method, target, body or None) each."""
    program = os.path.join(os.path.dirname(t.world.options.bin), "tests", "reading")
    check(os.access(program, os.X_OK), "no program at %s (`make check-daemon` builds it)", program)
    folder = t.folder()
    write_policy(folder + "/policy.json", ci_folder(t))
    data = b""
    for method, target, body in requests:
        target = target.encode()
        size = -1 if body is None else len(body)
        data += b"%s %d %d\n%s%s" % (method.encode(), len(target), size, target, body or b"")
    done = subprocess.run([program, folder + "/policy.json"], input=data, capture_output=True)
    check(done.returncode == 0, "reading: exit code %d: %r", done.returncode, done.stderr[-800:])
    lines = done.stdout.split(b"\n")[:-1]
    same("answers of tests/reading", len(lines), len(requests))
    return [json.loads(line) for line in lines]


def ci_folder(t):
    path = os.path.join(t.world.base, "ci")
    for name in ("", "/a", "/b", "-ro/a"):
        os.makedirs(path + name, exist_ok=True)
    return path


# ---- the two ways to the daemon -----------------------------------------------------------------

class Answer:
    def __init__(self, status, body, by_daemon):
        self.status, self.body, self.by_daemon = status, body, by_daemon

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            return {}


def send(path, method, target, body=None):
    """One request, byte for byte; status 0 when no whole answer came."""
    conn = engine.Raw(path)
    head = ["%s %s HTTP/1.1" % (method, target), "Host: docker"]
    if body is not None:
        head += ["Content-Type: application/json", "Content-Length: %d" % len(body)]
    elif method == "POST":
        head.append("Content-Length: 0")
    try:
        conn.send("\r\n".join(head).encode() + b"\r\n\r\n" + (body or b""))
        answer = conn.head()
        data = b"" if answer.status == 204 else conn.body(answer)
        return Answer(answer.status, data, answer["server"] is not None)
    except (engine.Late, OSError, ValueError):
        return Answer(0, b"", False)
    finally:
        conn.close()


class Group:
    """Rows of one kind: sends them, keeps count of what became of them, collects complaints."""

    def __init__(self, t, name):
        self.t, self.name = t, name
        self.proxy = t.socket("all")
        self.daemon = t.world.daemon.socket
        self.strict = t.engine("GET", "/version")[1]["Version"].startswith("20.10.")
        self.fates = {"made": 0, "sent": 0, "ours": 0, "both": 0}
        self.problems, self.judged = [], {}

    def complain(self, row, why, *args):
        self.problems.append("%s row %.160r: %s" % (self.name, row, why % args if args else why))

    def fate(self, row, wanted, reading, answer, taken, direct):
        """Counts the row. taken: the daemon's answer means yes; direct(): would it take it?

        With DIFFERENTIAL_FATES=FILE the fates are written there in place of being compared: for
        new rows.
        """
        refused = reading.get("refused") or reading["verdicts"]["builtin:all"]
        # the HTTP parser is stricter still
        if bool(refused) if answer.by_daemon else not refused and answer.status != 400:
            self.complain(row, "on the wire %d %r, in the library %r", answer.status,
                          answer.body[:200], refused)
        fate = ("made" if taken else "sent") if answer.by_daemon else \
            "ours" if direct() else "both"
        self.fates[fate] += 1
        right = (fate,) if self.strict else ("made", "sent") if wanted in ("made", "sent") \
            else ("ours", "both")
        if os.environ.get("DIFFERENTIAL_FATES"):
            with open(os.environ["DIFFERENTIAL_FATES"], "a") as file:
                file.write(json.dumps([self.name, fate, repr(row)[:200],
                                       answer.body[:200].decode("latin-1")]) + "\n")
        elif wanted not in right:
            self.complain(row, "is %s, wanted %s: %d %r", fate, wanted, answer.status,
                          answer.body[:200])

    def end(self, *judged):
        """judged: roles that must have allowed some rows, or nothing was compared."""
        sent = self.fates["made"] + self.fates["sent"]
        total = sum(self.fates.values())
        print("# differential %s: %d rows, %s" % (self.name, total, ", ".join(
            "%d %s" % (count, fate) for fate, count in self.fates.items())))
        if self.problems:
            raise Fail("%d problems: %s" % (len(self.problems), " || ".join(self.problems[:12])))
        check(sent * 5 >= total * 2, "%s: only %d of %d rows reached the daemon", self.name, sent,
              total)
        for role in judged:
            check(self.judged.get(role, 0) >= 4, "%s: the role %s has allowed only %d rows",
                  self.name, role, self.judged.get(role, 0))


# ---- comparing a container ----------------------------------------------------------------------

def empty(value):
    return value in (None, "", 0, False) or value == [] or value == {}


def alike(name, mine, theirs):
    """Do both say the same, where Go takes null, "", 0, false, [] and {} for absent?"""
    if empty(mine) and empty(theirs):
        return True
    if isinstance(mine, dict) and isinstance(theirs, dict):
        if name in MAPS and set(mine) != set(theirs):
            return False
        return all(alike(key, mine.get(key), theirs.get(key)) for key in set(mine) | set(theirs))
    if isinstance(mine, list) and isinstance(theirs, list):
        return len(mine) == len(theirs) and all(alike("", a, b) for a, b in zip(mine, theirs))
    return type(mine) is type(theirs) and mine == theirs


def plain_caps(names):
    return sorted("CAP_" + re.sub("^CAP_", "", n.upper()) if n.upper() != "ALL" else "ALL"
                  for n in names or [])


def candidates(body, part, name, baseline):
    """What the engine saw for a field: the values that the daemon may have taken."""
    inner = body if part == "Config" else body.get("HostConfig") or {}
    seen = [inner.get(name)] if name in inner else []
    if part == "HostConfig" and name in body and (body.get("HostConfig") is None
                                                  or name in MERGED and empty(inner.get(name))):
        seen = [body[name]]
    if name == "CpusetCpus" and not empty(body.get("Cpuset")):
        seen.append(body["Cpuset"])
    if name in STRSLICES:
        seen = [[value] if isinstance(value, str) else value for value in seen]
    return [value for value in seen if not empty(value)] or seen + baseline


# Values that dockerd 20.10 makes of others: field -> does it make theirs of what was asked?
DERIVED = {
    "Hostname": lambda mine, theirs, top, body: empty(mine) or theirs == "",
    "Cmd": lambda mine, theirs, top, body: not empty(body.get("Entrypoint")) and theirs is None,
    "WorkingDir": lambda mine, theirs, top, body: mine and posixpath.normpath(mine) == theirs,
    "SecurityOpt": lambda mine, theirs, top, body: theirs == ["label=disable"] and (
        top.get("Privileged") or top.get("PidMode") or top.get("IpcMode")),
    "MaskedPaths": lambda mine, theirs, top, body: top.get("Privileged") and theirs is None,
    "ReadonlyPaths": lambda mine, theirs, top, body: top.get("Privileged") and theirs is None,
    "MemorySwap": lambda mine, theirs, top, body: not empty(top.get("Memory")),
    "PidsLimit": lambda mine, theirs, top, body: not empty(mine) and mine < 0,
    "MemorySwappiness": lambda mine, theirs, top, body: mine == -1 and theirs is None,
    "ConsoleSize": lambda mine, theirs, top, body: mine and mine[:2] == theirs,
    "LogConfig": lambda mine, theirs, top, body: mine and empty(mine.get("Type")) and alike(
        "", {**mine, "Type": "json-file"}, theirs),
    "Mounts": lambda mine, theirs, top, body: alike("", without(mine, "TmpfsOptions", "Options"),
                                                    theirs),
}


def without(mounts, member, name):
    """Mounts less what version 20.10 does not know."""
    return [{**m, member: {k: v for k, v in m[member].items() if k != name}} if member in m else m
            for m in mounts or []]


def derived(name, mine, body, theirs):
    top = body.get("HostConfig") or body
    return name in DERIVED and DERIVED[name](mine, theirs, top, body)


def compare(group, row, body, made, baseline):
    """Every field of Config and HostConfig is as the engine read it, or as without it."""
    for part in ("Config", "HostConfig"):
        for name, theirs in made[part].items():
            mine = candidates(body, part, name, [plain[part].get(name) for plain in baseline])
            if name in ("CapAdd", "CapDrop"):
                mine, theirs = [plain_caps(value) for value in mine], plain_caps(theirs)
            if any(alike(name, value, theirs) for value in mine) or \
                    any(derived(name, value, body, theirs) for value in mine):
                continue
            group.complain(row, "%s.%s is %.200r for the daemon, the engine saw %.200r", part, name,
                           theirs, mine)
    ends = (body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
    mode = made["HostConfig"]["NetworkMode"]
    odd = [n for n in made["NetworkSettings"]["Networks"] if n not in ends
           and n not in (mode, "bridge" if mode == "default" else mode)
           and not mode.startswith("container:")]
    if odd:
        group.complain(row, "joins %r, the engine saw %r", odd, list(ends))


# ---- what a stricter role would have let pass ---------------------------------------------------

def below(path, root):
    return posixpath.normpath(path) == path and (path + "/").startswith(root + "/")


def bad_binds(made, ci):
    return [m for m in made["Mounts"] if m["Type"] == "bind" and not below(m["Source"], ci)
            and not (below(m["Source"], ci + "-ro") and not m["RW"] and m["Mode"] in ("", "ro"))
            ] + [m for m in made["Mounts"] if m["Propagation"] not in ("", "private", "rprivate")
                 ] + (made["HostConfig"]["VolumesFrom"] or [])


def bad_ports(made, _):
    """A port that is bound elsewhere than on 127.0.0.1:8001-8003/tcp."""
    return [(key, at) for key, bound in (made["NetworkSettings"]["Ports"] or {}).items()
            for at in bound or [] if at["HostIp"] != "127.0.0.1" or not key.endswith("/tcp")
            or not 8001 <= int(at["HostPort"]) <= 8003]


def bad_caps(made, _):
    return [n for n in plain_caps(made["HostConfig"]["CapAdd"]) if n != "CAP_NET_ADMIN"
            ] + [made["HostConfig"]["Privileged"]] * made["HostConfig"]["Privileged"]


def bad_sysctls(made, _):
    return [n for n in made["HostConfig"].get("Sysctls") or {}
            if n.replace("/", ".") != "net.core.somaxconn"]


def bad_spaces(made, _):
    config = made["HostConfig"]
    bad = [config[n] for n in ("PidMode", "UTSMode", "UsernsMode") if config[n]]
    bad += [config["IpcMode"]] * (config["IpcMode"] not in ("", "none", "private"))
    if config["CgroupnsMode"] not in ("", "private", made["plain"]["HostConfig"]["CgroupnsMode"]):
        bad.append(config["CgroupnsMode"])
    bad += [n for n in made["NetworkSettings"]["Networks"] if n not in ("bridge", "none")]
    return bad + [True] * config["Privileged"]


def bad_limits(made, _):
    memory = made["HostConfig"]["Memory"]
    return [] if 0 < memory <= 64 << 20 else [memory]


def bad_shm(made, _):
    return [made["HostConfig"]["ShmSize"]] * (made["HostConfig"]["ShmSize"] > 64 << 20)


def bad_tmpfs(made, _):
    words = [w for v in (made["HostConfig"].get("Tmpfs") or {}).values() for w in v.split(",")]
    return [w for w in words if w.strip().lower() in ("remount", "bind", "rbind", "move", "shared")]


def bad_env(made, _):
    return [e for e in made["Config"]["Env"] or [] if e.startswith("AWS_")]


def bad_labels(made, _):
    labels = made["Config"]["Labels"] or {}
    return ["team"] * ("team" not in labels) + [n for n in labels if n.startswith("traefik.")]


def bad_names(made, _):
    return [] if made["Name"].startswith("/ci-") else [made["Name"]]


CONFORM = {"binds": bad_binds, "ports": bad_ports, "caps": bad_caps, "sysctls": bad_sysctls,
           "spaces": bad_spaces, "limits": bad_limits, "shm": bad_shm, "tmpfs": bad_tmpfs,
           "env": bad_env, "labels": bad_labels, "names": bad_names}


def conform(group, row, reading, made, plain, folder):
    """plain: a container made with nothing asked for."""
    made["plain"] = plain
    for role, bad in CONFORM.items():
        if reading["verdicts"][role]:
            continue
        group.judged[role] = group.judged.get(role, 0) + 1
        if bad(made, folder):
            group.complain(row, "the role \"%s\" allows it, and the daemon made %.200r", role,
                           bad(made, folder))


# ---- what runs ----------------------------------------------------------------------------------

def running(text):
    """What the probe inside saw: uid, fields of status, size of /dev/shm."""
    lines = text.split("\n")
    status = dict(line.split(":\t") for line in lines if ":\t" in line)
    shm = [line for line in lines if line.split()[1:3] == ["/dev/shm", "tmpfs"]]
    size = re.search(r"size=(\d+)k", shm[-1]) if shm else None
    return {"uid": lines[0].strip(), "caps": int(status["CapEff"], 16),
            "nnp": status["NoNewPrivs"], "seccomp": status.get("Seccomp"),
            "shm": int(size[1]) if size else (0 if not shm else 1 << 40)}


def logs_of(t, ident):
    status, body = engine.call(t.world.daemon.socket, "GET",
                               "/containers/%s/logs?stdout=1" % ident)
    return engine.demux(body).decode("utf-8", "replace") if status == 200 else ""


def run_probe(t, ident):
    """Starts the container; what the probe saw, or None when it does not start."""
    if t.engine("POST", "/containers/%s/start" % ident)[0] != 204:
        return None
    text = t.until("the probe's words", lambda: "END" in (said := logs_of(t, ident)) and said
                   or not t.running(ident) and "none", 10)
    return running(text) if "END" in text else None


RUN_CONFORM = {
    "user": lambda seen, _: seen["uid"] == "0",
    "caps": lambda seen, plain: seen["caps"] & ~(plain["caps"] | 1 << 12),
    "drops": lambda seen, plain: seen["caps"] & (1 << 13 | ~(plain["caps"] | 1 << 12)),
    "security": lambda seen, plain: seen["nnp"] != "1" or seen["seccomp"] != plain["seccomp"],
    "shm": lambda seen, _: seen["shm"] > 64 << 10,
}
