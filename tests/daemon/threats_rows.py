"""The table of test_threats.py: THREAT, role, verdict, request, why; requests are made here.

In all texts @CI@ is the folder that the role may bind, @PRIV@ and @WEB@ are IDs, @PRIV12@ and
@WEB12@ their first 12 digits, @IMG@ is the image's ID, @OTHER@ that of one elsewhere, @PROXY@ and @DAEMON@ are sockets.
"""
import io
import json
import tarfile

APP = "registry.example.com/ci/app:1"
JSON = "application/json"
CREATE = "POST /v1.41/containers/create?name=tt-c"


class Ask:
    """A request: line, body and fields."""

    def __init__(self, line, body=None, kind=None, fields=()):
        self.line, self.fields = line, list(fields)
        self.body = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        if self.body is not None:
            self.fields.append(("Content-Type", kind or JSON))


def create(host=None, name="tt-c", api="1.41", **body):
    body = {"Image": APP, "Cmd": ["sleep", "1"], **body}
    if host is not None:
        body["HostConfig"] = host
    return Ask("POST /v%s/containers/create?name=%s" % (api, name), body)


def volume(options=None, **body):
    return Ask("POST /v1.41/volumes/create", {"Name": "tt-v", "DriverOpts": options, **body})


def network(**body):
    return Ask("POST /v1.41/networks/create", {"Name": "tt-n", **body})


def post(target, body=None, **more):
    return Ask("POST " + target, body, **more)


def command(who, **body):
    return post("/v1.41/containers/%s/exec" % who, {"Cmd": ["id"], "AttachStdout": True, **body})


def tar():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        file.addfile(tarfile.TarInfo("tt-member"))
    return out.getvalue()


FORM = "application/x-www-form-urlencoded"
TAR = "application/x-tar"
BASE, WIDE, FIXED, TIGHT, ANY = "threats", "threats-wide", "threats-fixed", "threats-tight", \
    "threats-images"
DENY, ALLOW = "deny", "allow"

NAMES = [
    ("A7", BASE, DENY, command("tt-web/x"), "a name with a slash"),
    ("A7", BASE, DENY, command("x/tt-web"), "the same from the other side"),
    ("A7", BASE, DENY, post("/v1.41/containers/tt-web/exec/start"), "a start of \"tt-web/exec\""),
    ("A7", BASE, DENY, post("/v1.41/containers/tt-web%2Fx/exec", {"Cmd": ["id"]}), "encoded"),
    ("A8", BASE, DENY, create({"Links": ["tt-priv:p"]}), "a link makes an alias"),
    ("A8", BASE, DENY, command("tt-linker/p"), "an alias that is there names another container"),
    ("A8", BASE, DENY, command("tt-linker"), "a container with links"),
    ("A9", BASE, ALLOW, command("@WEB@"), "by the full ID"),
    ("A9", BASE, ALLOW, command("@WEB12@"), "by the short ID"),
    ("A9", BASE, DENY, command("@PRIV@"), "by the full ID"),
    ("A9", BASE, ALLOW, command("@PRIV12@"), "a harmless one is named like the short ID"),
    ("A9", BASE, DENY, create(name="@WEB12@"), "a name that shadows an ID"),
    ("A9", BASE, DENY, create(name="@WEB@"), "a name that is an ID"),
]

INDIRECT = [
    ("E1", BASE, DENY, volume({"type": "none", "o": "bind", "device": "/"}), "a bind of /"),
    ("E1", BASE, DENY, volume({"type": "none", "o": "rbind", "device": "/"}), "rbind"),
    ("E1", BASE, DENY, volume({"o": "ro,bind", "device": "/"}), "ro,bind"),
    ("E1", BASE, DENY, volume({"type": "none", "o": "bind", "device": "@CI@/../.."}), "dots"),
    ("E1", BASE, DENY, volume({"type": "none", "o": "bind", "device": "@CI@/ws/rootlink"}), "a link"),
    ("E1", BASE, DENY, volume({"type": "ext4", "device": "/dev/vda"}), "a disk"),
    ("E1", BASE, DENY, volume({"type": "overlay", "o": "lowerdir=/etc:/root"}), "an overlay"),
    ("E1", BASE, DENY, volume({"type": "sysfs", "device": "sysfs"}), "the kernel's own tree"),
    ("E1", BASE, DENY, volume({"type": "nfs", "o": "addr=127.0.0.1", "device": ":/"}), "a network"),
    ("E1", BASE, DENY, volume({"TYPE": "none", "O": "bind", "Device": "/"}), "capitals"),
    ("E1", BASE, DENY, Ask("POST /v1.41/volumes/create", "{\"Name\":\"tt-v\",\"driveropt\u017f\":"
                           "{\"o\":\"bind\",\"device\":\"/\"}}".encode()), "a folded key"),
    ("E1", BASE, ALLOW, volume({"type": "none", "o": "bind", "device": "@CI@/ws"}), "an allowed one"),
    ("E1", BASE, ALLOW, volume({"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}), "a tmpfs"),
    ("E1", BASE, ALLOW, volume(), "a plain one"),
    ("E1", BASE, ALLOW, create({"Binds": ["tt-vol:/x"]}), "a plain one that exists"),
    ("E1", BASE, ALLOW, create({"Binds": ["tt-new:/x"]}), "one that the create makes"),
    ("E1", BASE, DENY, create({"Binds": ["tt-rootvol:/x"]}), "one that is a bind of /"),
    ("E1", BASE, DENY, create({"Mounts": [{"Type": "volume", "Source": "tt-rootvol",
                                           "Target": "/x"}]}), "the same as a mount"),
    ("E1", BASE, DENY, create({"Mounts": [{"Type": "volume", "Target": "/x", "VolumeOptions": {
        "DriverConfig": {"Name": "local", "Options": {"o": "bind", "device": "/"}}}}]}), "inline"),
    ("E2", BASE, DENY, post("/v1.23/containers/tt-idle/start", {"Binds": ["/:/h"]}), "an old API"),
    ("E2", BASE, DENY, post("/v1.41/containers/tt-idle/start", {"HostConfig": {"Binds": ["/:/h"]}}),
     "a start with settings"),
    ("E2", BASE, DENY, post("/v1.12/containers/tt-web/copy", {"Resource": "/etc/passwd"}), "copy"),
    ("E2", BASE, ALLOW, post("/v1.41/containers/tt-idle/start", {}), "an empty body"),
    ("E2", BASE, DENY, post("/v1.41/containers/tt-prividle/start"), "a container of others"),
    ("E3", BASE, DENY, post("/v1.41/containers/tt-web/update", {"Privileged": True}), "privileged"),
    ("E3", BASE, DENY, post("/v1.41/containers/tt-web/update", {"CgroupParent": "/"}), "a cgroup"),
    ("E3", BASE, DENY, post("/v1.41/containers/tt-priv/update", {"CpuShares": 3}), "of others"),
    ("E3", BASE, ALLOW, post("/v1.41/containers/tt-web/update", {"CpuShares": 512}), "shares"),
    ("E4", BASE, DENY, command("tt-priv"), "in a container that sees the host"),
    ("E4", BASE, DENY, command("tt-web", Privileged=True), "privileged"),
    ("E4", BASE, DENY, command("tt-web", privileged=True), "in small letters"),
    ("E4", BASE, ALLOW, command("tt-web"), "an ordinary one"),
    ("E4", BASE, DENY, post("/v1.41/containers/tt-priv/attach?stream=1&stdin=1"), "attach"),
    ("E4", BASE, DENY, Ask("GET /v1.41/containers/tt-priv/attach/ws?stream=1"), "by WebSocket"),
    ("E5", BASE, DENY, post("/v1.41/images/busybox:test/tag?repo=registry.example.com/ci/x&tag=1"),
     "tag"),
    ("E5", WIDE, DENY, post("/v1.41/images/busybox:test/tag?repo=registry.example.com/ci/x&tag=1"),
     "tag, where the role may tag"),
    ("E5", WIDE, DENY, post("/v1.41/commit?container=tt-web&repo=registry.example.com/ci/x", {}),
     "commit into a name that is trusted"),
    ("E5", WIDE, DENY, post("/v1.41/commit?container=tt-priv&repo=registry.example.com/mine/x", {}), "commit of others"),
    ("E5", WIDE, ALLOW, post("/v1.41/commit?container=tt-web&repo=registry.example.com/mine/x", {}), "of a harmless one"),
    ("E5", WIDE, DENY, post("/v1.41/images/create?fromSrc=http://127.0.0.1:9/x&repo=x"), "import"),
    ("E5", BASE, DENY, post("/v1.41/images/load", tar(), kind=TAR), "load"),
    ("E6", BASE, DENY, post("/v1.41/images/create?fromImage=registry.example.com/ci/app&tag=1",
                            b"fromImage=127.0.0.1:5055/evil/x&tag=1", kind=FORM), "a form"),
    ("E6", BASE, DENY, post("/v1.41/images/create?fromImage=registry.example.com/a&fromImage=evil"),
     "given twice"),
    ("E6", BASE, DENY, post("/v1.41/images/create?%66romImage=evil&fromImage=registry.example.com/a"),
     "given twice, encoded"),
    ("E6", BASE, DENY, post("/v1.41/images/create?fromImage=docker.io%2Fevil%2Fx&tag=1"), "other"),
    ("E6", BASE, DENY, post("/v1.41/images/create?fromImage=evil:1&tag=1"), "a short name"),
    ("E6", BASE, DENY, post("/v1.23/images/create?fromImage=registry.example.com/a&tag=1"), "old"),
    ("E7", BASE, DENY, Ask("GET /v1.41/containers/tt-priv/archive?path=/host/etc/shadow"), "read"),
    ("E7", BASE, DENY, Ask("HEAD /v1.41/containers/tt-priv/archive?path=/"), "head"),
    ("E7", BASE, DENY, Ask("PUT /v1.41/containers/tt-priv/archive?path=/host/tmp", tar(), TAR), "write"),
    ("E7", BASE, DENY, Ask("GET /v1.41/containers/tt-priv/export"), "export"),
    ("E7", BASE, ALLOW, Ask("GET /v1.41/containers/tt-web/archive?path=/etc"), "a harmless one"),
    ("E7", WIDE, DENY, create({"VolumesFrom": ["tt-priv"]}), "volumes of others"),
    ("E7", WIDE, DENY, create({"VolumesFrom": ["@PRIV@:ro"]}), "read-only, by ID"),
    ("E7", WIDE, DENY, create({"NetworkMode": "container:tt-priv"}), "network of others"),
    ("E7", WIDE, ALLOW, create({"VolumesFrom": ["tt-web"]}), "volumes of a harmless one"),
    ("E7", WIDE, ALLOW, create({"NetworkMode": "container:tt-web"}), "its network"),
]

LOGS = {"tag": "{{pad .ID 100000000000000 0}}"}
ROOT = {"Binds": ["/srv:/x"]}

SECOND = [
    ("J1", BASE, DENY, create({"Binds": ["@CI@/ws/d:/h"], "RestartPolicy": {"Name": "always"}}),
     "restarts below a folder that jobs can write"),
    ("J1", BASE, DENY, post("/v1.41/containers/tt-web/update", {"RestartPolicy": {"Name": "always"}}),
     "the same by an update of what binds below it"),
    ("J1", BASE, ALLOW, create({"Binds": ["@CI@/ws/d:/h"]}), "without"),
    ("J1", BASE, DENY, create({"Binds": ["@CI@/ws/rootlink:/h"]}), "a link"),
    ("J1", BASE, DENY, create({"Binds": ["@CI@/ws/rootlink/etc:/h"]}), "behind a link"),
    ("J1", BASE, DENY, create({"Binds": ["@CI@-evil:/h"]}), "a folder whose name begins alike"),
    ("J2", FIXED, DENY, Ask("HEAD /v1.41/containers/tt-web/archive?path=/"), "a daemon without the fix"),
    ("J2", FIXED, DENY, Ask("GET /v1.41/containers/tt-web/archive?path=/etc"), "the same"),
    ("J3", BASE, DENY, Ask("PUT /v1.41/containers/tt-web/archive?path=/tmp", b"\x1f\x8b\x08" + b"0" * 600,
                           TAR), "gzip"),
    ("J3", BASE, DENY, Ask("PUT /v1.41/containers/tt-web/archive?path=/tmp", b"\xfd7zXZ\0" + b"0" * 600,
                           TAR), "xz"),
    ("J3", BASE, ALLOW, Ask("PUT /v1.41/containers/tt-web/archive?path=/tmp", tar(), TAR), "tar"),
    ("J5", BASE, DENY, network(IPAM={"Config": [{"Subnet": "169.254.169.248/29"}]}), "metadata"),
    ("J5", BASE, DENY, network(IPAM={"Config": [{"Subnet": "8.8.8.0/24"}]}), "somebody else's"),
    ("J5", BASE, DENY, network(IPAM={"Config": [{"Subnet": "0.0.0.0/1"}]}), "half of all"),
    ("J5", BASE, ALLOW, network(), "one that the daemon chooses"),
    ("J6", BASE, DENY, create({"LogConfig": {"Type": "json-file", "Config": LOGS}}), "a template"),
    ("J6", BASE, DENY, create({"LogConfig": {"Type": "json-file", "Config": {
        "max-size": "1k", "max-file": "2000000000"}}}), "many files"),
    ("J6", BASE, ALLOW, create({"LogConfig": {"Type": "json-file", "Config": {
        "max-size": "10m", "max-file": "3"}}}), "rotation"),
    ("J7", BASE, DENY, post("/v1.41/containers/tt-priv/restart?t=0"), "restart is a start"),
    ("J7", BASE, DENY, post("/v1.41/containers/tt-prividle/restart?t=0"), "of a stopped one, too"),
    ("J7", BASE, ALLOW, post("/v1.41/containers/tt-idle/restart?t=0"), "of a harmless one"),
    ("J7", TIGHT, DENY, post("/v1.41/containers/tt-small/update", {"PidsLimit": 0}), "lifted by 0"),
    ("J7", TIGHT, DENY, post("/v1.41/containers/tt-small/update", {"PidsLimit": -1}), "by -1"),
    ("J7", TIGHT, DENY, post("/v1.41/containers/tt-small/update", {"Memory": 1 << 30}), "raised"),
    ("J7", TIGHT, DENY, post("/v1.41/containers/tt-small/update", {"Memory": 1 << 26,
                                                                   "MemorySwap": -1}), "swap"),
    ("J7", TIGHT, ALLOW, post("/v1.41/containers/tt-small/update", {"PidsLimit": 40}), "lowered"),
    ("J7", TIGHT, ALLOW, post("/v1.41/containers/tt-small/update", {"Memory": 0, "CpuShares": 9}),
     "0 means unchanged"),
    ("J9", BASE, DENY, create({"Binds": ["@PROXY@:/s"]}), "the proxy's own socket"),
    ("J9", BASE, DENY, create({"Binds": ["@DAEMON@:/s"]}), "the daemon's socket"),
    ("J9", BASE, DENY, create({"Binds": ["@CI@/ws/daemon.sock:/s"]}), "under another name"),
    ("J10", BASE, DENY, post("/v1.41/images/create?fromImage=127.0.0.1:18081/a&tag=1"), "an address"),
    ("J10", ANY, DENY, post("/v1.41/images/create?fromImage=127.0.0.1:18081/a&tag=1"),
     "where all images are allowed"),
    ("J10", ANY, DENY, post("/v1.41/images/create?fromImage=localhost/a&tag=1"), "localhost"),
    ("J10", ANY, DENY, Ask("GET /v1.41/distribution/127.0.0.1:18081/a/json"), "distribution"),
    ("J11", TIGHT, DENY, post("/v1.41/build", tar(), kind=TAR), "a build obeys no user rule"),
    ("J13", TIGHT, DENY, create({"SecurityOpt": ["no-new-privileges"], "PidsLimit": 9}, User="app"),
     "a name is what /etc/passwd says"),
    ("J13", TIGHT, DENY, create({"SecurityOpt": ["no-new-privileges"], "PidsLimit": 9}), "no user"),
    ("J13", TIGHT, DENY, create({"SecurityOpt": ["no-new-privileges"], "PidsLimit": 9}, User="00"),
     "root in another spelling"),
    ("J13", TIGHT, DENY, command("tt-small", User="app"), "a name in a command"),
    ("J13", TIGHT, DENY, command("tt-small", User="0"), "root in a command"),
    ("J13", TIGHT, ALLOW, create({"SecurityOpt": ["no-new-privileges"], "PidsLimit": 9}, User="1000"),
     "a number"),
    ("J13", TIGHT, ALLOW, command("tt-small"), "the container's own user, a number"),
    ("J13", TIGHT, ALLOW, command("tt-small", User="1000"), "a number in a command"),
    ("J14", TIGHT, DENY, create({"SecurityOpt": ["no-new-privileges"], "PidsLimit": 9}, User="1000",
                                Image="registry.example.com/ci/labelled:1"), "a label of the image"),
    ("J14", TIGHT, DENY, create({"SecurityOpt": ["no-new-privileges"], "PidsLimit": 9}, User="1000",
                                Labels={"traefik.enable": "true"}), "a label of the request"),
    ("J15", WIDE, DENY, post("/v1.41/containers/tt-web/rename?name=@PRIV12@"), "a short ID as name"),
    ("J15", WIDE, DENY, post("/v1.41/containers/tt-priv/rename?name=tt-x"), "rename of others"),
    ("J16", BASE, DENY, create(Image="1"), "an ID of one digit"),
    ("J16", BASE, DENY, create(Image="@OTHER@"), "the ID of an image under another name"),
    ("J16", BASE, ALLOW, create(Image="@IMG@"), "the ID of an image that has an allowed name"),
    ("J16", BASE, DENY, create(Image="sha256:1"), "a piece of one"),
    ("J16", BASE, ALLOW, create(), "by name"),
    ("J17", BASE, DENY, create(StopTimeout=-1), "never stops"),
    ("J17", BASE, DENY, create({"Ulimits": [None]}), "panics inside the daemon"),
    ("J17", BASE, ALLOW, create({"Ulimits": [{"Name": "nofile", "Soft": 9, "Hard": 9}]}), "a limit"),
    ("J18", TIGHT, DENY, create({"SecurityOpt": ["no-new-privileges"], "PidsLimit": 9,
                                 "Binds": ["@CI@/ro:/x"]}, User="1000"), "read-write"),
    ("J18", TIGHT, DENY, create({"SecurityOpt": ["no-new-privileges"], "PidsLimit": 9,
                                 "Binds": ["@CI@/ro:/x:ro,Z"]}, User="1000"), "relabels the host"),
    ("J18", TIGHT, ALLOW, create({"SecurityOpt": ["no-new-privileges"], "PidsLimit": 9,
                                  "Binds": ["@CI@/ro:/x:ro"]}, User="1000"), "read-only"),
    ("J19", BASE, DENY, create(WorkingDir="/proc/self/fd/8"), "a folder of runc's"),
    ("J19", BASE, DENY, command("tt-web", WorkingDir="/proc/self/fd/8"), "in a command"),
    ("J19", BASE, DENY, create({"Binds": ["@CI@/ws:/proc/self"]}), "a target in /proc"),
    ("J19", BASE, DENY, create({"Binds": ["@CI@/ws:/sys/x"]}), "a target in /sys"),
    ("J19", BASE, DENY, post("/v1.41/containers/tt-web/start", fields=[
        ("Origin", "http://evil.example")]), "a web page"),
    ("J20", BASE, DENY, create({"Binds": ["tt-many%d:/x%d" % (i, i) for i in range(10000)]}),
     "ten thousand volumes"),
    ("J20", BASE, DENY, create({"Binds": ["tt-many%d:/x%d" % (i, i) for i in range(40)]}),
     "more than are looked up"),
]
