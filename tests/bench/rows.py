"""The rows of the benchmark: one for each figure that has a target. Ratios within one run hold on
any machine, absolute figures do not: a target that was set in microseconds is a ratio here, to what
stood beside it on the machine where it was set."""
import json
from dataclasses import dataclass, field

GIB = 1 << 30
ID = "0123456789abcdef" * 4

# What is compared, in the order of the table's columns.
ALL = ("direct", "floor", "haproxy plain", "haproxy tuned", "nginx tuned", "sockwarden")
PROXIES = ALL[1:]
NO_PLAIN = ("direct", "floor", "haproxy tuned", "nginx tuned", "sockwarden")


def request(line, body=None, *fields):
    text = "%s HTTP/1.1\r\nHost: docker\r\nUser-Agent: Docker-Client/20.10.24 (linux)\r\n" % line
    data = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
    if body is not None:
        fields += ("Content-Type: application/json", "Content-Length: %d" % len(data))
    return (text + "".join(name + "\r\n" for name in fields) + "\r\n").encode() + data


def create_body(variables, labels):
    """As docker run sends it."""
    host = {"Binds": None, "ContainerIDFile": "", "LogConfig": {"Type": "", "Config": {}},
            "NetworkMode": "default", "PortBindings": {"8080/tcp": [{"HostIp": "", "HostPort": "8080"}]},
            "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}, "AutoRemove": True,
            "VolumeDriver": "", "VolumesFrom": None, "CapAdd": None, "CapDrop": None, "Dns": [],
            "DnsOptions": [], "DnsSearch": [], "ExtraHosts": None, "GroupAdd": None, "IpcMode": "",
            "Cgroup": "", "Links": None, "OomScoreAdj": 0, "PidMode": "", "Privileged": False,
            "PublishAllPorts": False, "ReadonlyRootfs": False, "SecurityOpt": None, "UTSMode": "",
            "UsernsMode": "", "ShmSize": 0, "ConsoleSize": [0, 0], "Isolation": "", "CpuShares": 0,
            "Memory": 536870912, "NanoCpus": 0, "CgroupParent": "", "BlkioWeight": 0,
            "BlkioWeightDevice": [], "BlkioDeviceReadBps": None, "BlkioDeviceWriteBps": None,
            "BlkioDeviceReadIOps": None, "BlkioDeviceWriteIOps": None, "CpuPeriod": 0, "CpuQuota": 0,
            "CpuRealtimePeriod": 0, "CpuRealtimeRuntime": 0, "CpusetCpus": "", "CpusetMems": "",
            "Devices": [], "DeviceCgroupRules": None, "DeviceRequests": None, "KernelMemory": 0,
            "KernelMemoryTCP": 0, "MemoryReservation": 0, "MemorySwap": 0, "MemorySwappiness": -1,
            "OomKillDisable": False, "PidsLimit": 0, "Ulimits": None, "CpuCount": 0, "CpuPercent": 0,
            "IOMaximumIOps": 0, "IOMaximumBandwidth": 0, "MaskedPaths": None, "ReadonlyPaths": None}
    return {"Hostname": "", "Domainname": "", "User": "", "AttachStdin": False, "AttachStdout": True,
            "AttachStderr": True, "ExposedPorts": {"8080/tcp": {}}, "Tty": False, "OpenStdin": False,
            "StdinOnce": False,
            "Env": ["APP_SETTING_%d=https://service-%d.example.com/path?key=%d" % (i, i % 50, i * 7919)
                    for i in range(variables)],
            "Cmd": ["/usr/local/bin/server", "--listen", "0.0.0.0:8080"],
            "Image": "registry.example.com/team/app:1.4.2", "Volumes": {}, "WorkingDir": "",
            "Entrypoint": None, "OnBuild": None,
            "Labels": {"com.example.team.service-%d" % i: "value of label %d" % i for i in range(labels)},
            "HostConfig": host,
            "NetworkingConfig": {"EndpointsConfig": {"default": {
                "IPAMConfig": None, "Links": None, "Aliases": None, "NetworkID": "", "EndpointID": "",
                "Gateway": "", "IPAddress": "", "IPPrefixLen": 0, "IPv6Gateway": "",
                "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "MacAddress": "", "DriverOpts": None}}}}


def container_list(count):
    """Of containers as docker ps is told of them, about 800 bytes each."""
    return [{"Id": "%064x" % (i + 1), "Names": ["/project-service-%d" % i],
             "Image": "registry.example.com/team/service-%d:1.4.%d" % (i % 40, i),
             "ImageID": "sha256:%064x" % (i % 40), "Command": "/usr/local/bin/server --listen 0.0.0.0:8080",
             "Created": 1760000000 + i,
             "Ports": [{"IP": "127.0.0.1", "PrivatePort": 8080, "PublicPort": 20000 + i, "Type": "tcp"}],
             "Labels": {"com.docker.compose.project": "project", "com.docker.compose.service": "service-%d" % i},
             "State": "running", "Status": "Up 3 hours", "HostConfig": {"NetworkMode": "project_default"},
             "NetworkSettings": {"Networks": {"project_default": {"NetworkID": "%064x" % 7,
                                 "Gateway": "172.18.0.1", "IPAddress": "172.18.%d.%d" % (i // 250, i % 250),
                                 "IPPrefixLen": 16, "MacAddress": "02:42:ac:12:00:02"}}},
             "Mounts": []} for i in range(count)]


PING = request("GET /_ping")
LOAD_BYTES = 64 << 20
REQUESTS = {
    "ping": PING,
    "list-4k": request("GET /v1.41/containers/json?limit=5"),
    "list-200k": request("GET /v1.41/containers/json?limit=245"),
    "create-2k": request("POST /v1.41/containers/create?name=app-1", create_body(4, 2)),
    "create-100k": request("POST /v1.41/containers/create?name=app-1", create_body(1450, 4)),
    "prune": request("POST /v1.41/containers/prune", None, "Content-Length: 0"),
    "archive": request("GET /v1.41/containers/%s/archive?path=%%2Fdata" % ID),
    "logs": request("GET /v1.41/containers/%s/logs?stdout=1&stderr=1" % ID),
    "load-length": request("POST /v1.41/images/load?quiet=1", None, "Content-Type: application/x-tar",
                           "Content-Length: %d" % LOAD_BYTES),
    "load-chunked": request("POST /v1.41/images/load?quiet=1", None, "Content-Type: application/x-tar",
                            "Transfer-Encoding: chunked"),
    "attach": request("POST /v1.41/containers/%s/attach?stdin=1&stdout=1&stream=1" % ID, None,
                      "Content-Length: 0", "Connection: Upgrade", "Upgrade: tcp"),
    "events": request("GET /v1.41/events"),
}


# ---- targets: what sockwarden's figure is divided by, of the same round -------------------------

def tuned(figures):
    return min(figures[name] for name in ("haproxy tuned", "nginx tuned") if name in figures)


def best(figures):
    return min(value for name, value in figures.items() if name in ALL[2:5])


@dataclass
class Target:
    text: str
    most: object        # figures of a round -> the most that sockwarden may take


def of_floor(times):
    return Target("≤ %.2f × floor, below both tuned" % times,
                  lambda figures: min(times * figures["floor"], tuned(figures)))


def added(microseconds, floor_then):
    """So much more than the best that does not look, where the floor was so high."""
    return Target("tuned + %d µs, as the floor was %g" % (microseconds, floor_then),
                  lambda figures: tuned(figures) + microseconds * figures["floor"] / floor_then)


TUNED = Target("≤ tuned", tuned)
BEST = Target("≤ best", best)


def of_tuned(times):
    return Target("≤ %g × tuned" % times, lambda figures: times * tuned(figures))


def times_floor(value, floor_then, unit):
    return Target("≤ %g %s where the floor takes %g" % (value, unit, floor_then),
                  lambda figures: value / floor_then * figures["floor"])


def absolute(value, unit):
    return Target("≤ %g %s" % (value, unit), lambda figures: value)


# ---- rows --------------------------------------------------------------------------------------

@dataclass
class Row:
    key: str
    title: str
    metric: str          # cpu (µs a request), gib (CPU s a GiB), p50 (µs), idle, start, rss, calls
    target: Target
    transport: str = "tcp"
    ask: str = "ping"
    connections: int = 16
    mode: str = "keep"
    peers: tuple = ALL
    options: tuple = field(default_factory=tuple)   # of the load generator
    policies: dict = field(default_factory=dict)    # peer -> text, where it is not the usual one


UNITS = {"cpu": "µs CPU", "gib": "CPU s/GiB", "p50": "µs p50", "idle": "KiB/conn", "start": "ms",
         "rss": "MiB", "calls": "calls"}

HANDSHAKE = ("floor", "haproxy tuned", "nginx tuned", "sockwarden")

ROWS = [
    Row("ping-c1", "`_ping` TCP, c=1", "cpu", of_floor(1.25), connections=1),
    Row("ping-c16", "`_ping` TCP, c=16", "cpu", of_floor(1.25)),
    Row("ping-c64", "`_ping` TCP, c=64", "cpu", of_floor(1.25), connections=64),
    Row("ping-unix", "`_ping` Unix, c=16", "cpu", of_floor(1.5), transport="unix"),
    Row("ping-unix-c64", "`_ping` Unix, c=64", "cpu", of_floor(1.5), transport="unix", connections=64),
    Row("list-4k", "list 4 KB, c=16", "cpu", TUNED, ask="list-4k"),
    Row("list-200k", "list 200 KB, c=16", "cpu", TUNED, ask="list-200k"),
    Row("list-4k-c64", "list 4 KB, c=64", "cpu", TUNED, ask="list-4k", connections=64),
    Row("list-4k-unix", "list 4 KB Unix, c=16", "cpu", TUNED, ask="list-4k", transport="unix"),
    Row("list-4k-unix-c64", "list 4 KB Unix, c=64", "cpu", TUNED, ask="list-4k", transport="unix",
        connections=64),
    Row("fresh", "new connection each, c=16", "cpu", TUNED, mode="fresh"),
    Row("create-2k", "create 2.5 KB, inspected", "cpu", added(10, 10.4), ask="create-2k",
        peers=NO_PLAIN, options=("status=201",)),
    Row("create-100k", "create 100 KB, inspected", "cpu", added(150, 25), ask="create-100k",
        peers=NO_PLAIN, options=("status=201",)),
    Row("denied", "denied", "cpu", TUNED, ask="prune", options=("status=403",),
        peers=("haproxy plain", "haproxy tuned", "nginx tuned", "sockwarden")),
    Row("archive", "download: archive", "gib", TUNED, ask="archive", connections=4),
    Row("logs", "download: logs", "gib", TUNED, ask="logs", connections=4),
    Row("load-length", "upload, Content-Length", "gib", of_tuned(0.5), ask="load-length", connections=4,
        peers=NO_PLAIN, options=("body=%d" % LOAD_BYTES,)),
    Row("load-chunked", "upload, chunked", "gib", of_tuned(0.5), ask="load-chunked", connections=4,
        peers=NO_PLAIN, options=("body=%d" % LOAD_BYTES, "chunked")),
    Row("echo-p50", "hijacked echo, p50, c=1", "p50", BEST, ask="attach", mode="echo", connections=1,
        peers=NO_PLAIN, options=("status=101", "echo=64")),
    Row("echo-c200", "hijacked echo, c=200", "cpu", BEST, ask="attach", mode="echo", connections=200,
        peers=NO_PLAIN, options=("status=101", "echo=64")),
    Row("idle-1000", "idle events, 1,000", "idle", absolute(1, "KiB"), ask="events", mode="hold",
        connections=1000, peers=PROXIES),
    Row("idle-5000", "idle events, 5,000", "idle", absolute(1, "KiB"), ask="events", mode="hold",
        connections=5000, peers=PROXIES),
    Row("start", "start to first answer", "start", times_floor(5, 2.5, "ms"), transport="unix", peers=PROXIES),
    Row("rss", "memory after it", "rss", absolute(6, "MiB"), transport="unix", peers=PROXIES),
    Row("tls-full", "mTLS handshake, full", "cpu", times_floor(650, 440, "µs"), transport="tls",
        mode="fresh", connections=4, peers=HANDSHAKE),
    Row("tls-resumed", "mTLS handshake, resumed", "cpu", times_floor(260, 172, "µs"), transport="tls",
        mode="fresh", connections=4, peers=HANDSHAKE, options=("resume",)),
    Row("tls-ping", "mTLS `_ping`, c=16", "cpu", TUNED, transport="tls", peers=HANDSHAKE),
    Row("tls-archive", "mTLS archive", "gib", BEST, transport="tls", ask="archive", connections=4,
        peers=HANDSHAKE),
    Row("calls", "system calls, `_ping` c=64", "calls", absolute(4.5, "calls"), connections=64, peers=PROXIES),
]

# How the cost of a request and of an idle stream moves with the number of connections.
AUDITS = ("floor", "haproxy tuned", "nginx tuned", "sockwarden, no audit", "sockwarden")
SCALE = [Row("scale-c%d" % count, "`_ping` TCP, c=%d" % count, "cpu", TUNED, connections=count, peers=AUDITS)
         for count in (1, 16, 64, 256, 1024)]
SCALE += [Row("scale-idle-%d" % count, "idle events, {:,}".format(count), "idle", absolute(1, "KiB"),
              ask="events", mode="hold", connections=count, peers=("floor", "haproxy tuned", "sockwarden"))
          for count in (100, 1000, 5000, 9500)]
