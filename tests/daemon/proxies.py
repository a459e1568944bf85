"""Instances of sockwarden in front of the private daemon, one for each role asked for."""
import json
import os
import socket
import struct
import subprocess
import threading
import time

import engine
import mtls

SWARM = {
    "extends": "builtin:default",
    "allow": ["ServiceCreate", "ServiceUpdate", "ServiceDelete", "ServiceLogs", "SecretCreate",
              "SecretList", "SecretInspect", "SecretDelete", "ConfigCreate", "ConfigList",
              "ConfigInspect", "ConfigDelete", "NodeUpdate", "GetPluginPrivileges", "PluginPull"],
    "containers": {"binds": ["@WORK@/swarm"]},
    "networks": {"drivers": ["", "bridge", "overlay"]},
    "secrets": {"names": ["ci-*"]},
    "configs": {"names": ["ci-*"]},
    "plugins": {"allow": ["vieux/sshfs"]},
    "open": ["NetworkCreate:Scope"],
}
# Roles of the policy file that the suite writes, for `serve --policy FILE --role NAME`.
FILE_ROLES = {
    "ci": {
        "extends": "builtin:default",
        "images": {"allow": ["docker.io/library/busybox", "registry.example.com/**",
                             "127.0.0.1:5000/**"]},
    },
    "compose": {
        "description": "docker-compose 1.29 with what it needs and nothing else",
        "allow": ["@ping", "@read", "@control", "@exec", "@delete", "ContainerLogs",
                  "ContainerCreate", "VolumeCreate", "NetworkCreate", "ImageCreate"],
        "deny": ["PutContainerArchive", "ImageDelete"],
        "containers": {"binds": ["@WORK@/**"]},
        "networks": {"drivers": ["", "bridge"]},
    },
    "role-ci": {"extends": "builtin:ci"},
    # On cgroup v1 that is the daemon's default, which a copy of an inspect spells out.
    "role-watchtower": {"extends": "builtin:watchtower", "containers": {"cgroupns_mode": ["host"]}},
    "role-compose": {
        "extends": "builtin:compose",
        "images": {"allow": ["docker.io/library/*", "registry.example.com/**"]},
        "containers": {"binds": [{"source": "@WORK@/**", "read_only": True}]},
    },
    "tree": {
        "extends": "builtin:default",
        "existing": "conforming",
        "containers": {"binds": ["@WORK@/**"]},
    },
    "race": {
        "extends": "builtin:default",
        "existing": "conforming",
        "containers": {"volumes_from": True, "network_mode": ["default", "container:*"],
                       "labels": {"deny": ["bad.*"]}},
    },
    "builder": {
        "extends": "builtin:default",
        "allow": ["@build", "ImageCommit", "SystemAuth"],
        "images": {"import": ["docker.io/ours/**"]},
    },
    "bound": {
        "extends": "builtin:default",
        "allow": ["@build"],
        "containers": {"user": {"deny": ["root"]}},
    },
    "noroot": {
        "extends": "builtin:default",
        "containers": {"privileged": False, "user": {"deny": ["root"]},
                       "security_opt": {"allow": ["no-new-privileges=true", "no-new-privileges"],
                                        "require": ["no-new-privileges=true"]},
                       "mem_limit": {"max": "128m", "require": True}},
    },
    "swarm": SWARM,
    "redact": {
        "extends": "builtin:default",
        "allow": ["SecretList", "SecretInspect", "ConfigList", "ConfigInspect"],
        "responses": {"redact": ["env", "labels", "binds"]},
    },
    "redact-swarm": {"extends": "redact"},
    "redact-env": {"extends": "builtin:default", "responses": {"redact": ["env"]}},
}
# Two clients of one proxy, each with what it makes itself and nothing else.
TENANT = {
    "allow": ["@ping", "@read", "@content", "@control", "@exec", "@delete", "@create", "@build"],
    "archive": True,
    "containers": {"volumes_from": True},
    "networks": {"drivers": ["", "bridge"]},
    "owner": {"label": "com.example.owner", "value": "${client}"},
}
TENANTS = ("red", "blue", "green")

with open(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cases",
                       "reference.json"), encoding="utf-8") as reference:
    # For test_threats.py: the reference policy of the cases, and roles that open or close more.
    FILE_ROLES["threats"] = json.loads(reference.read().replace("/srv/ci", "@WORK@/threats/srv/ci")
                                       )["roles"]["default"]
FILE_ROLES.update({
    "threats-wide": {
        "extends": "threats",
        "allow": ["ContainerRename", "ImageTag", "ImageCommit", "ContainerAttachWebsocket"],
        "containers": {"volumes_from": True, "network_mode": ["**", "container:*"]},
        "images": {"import": ["registry.example.com/mine/**"]},
    },
    "threats-fixed": {"extends": "threats", "archive": "fixed"},
    "threats-images": {"extends": "builtin:default", "allow": ["DistributionInspect"]},
    "threats-tight": {
        "extends": "threats", "allow": ["ImageBuild"],
        "containers": {
            "user": {"deny": ["root"]}, "labels": {"deny": ["traefik.*"]},
            "mem_limit": {"max": "128m"}, "pids_limit": {"max": 100, "require": True},
            "binds": [{"source": "@WORK@/threats/srv/ci/ro", "read_only": True}],
        },
    },
})


class ProxyError(Exception):
    """sockwarden did not start or did not end as it should."""


def daemon_root(socket_path):
    """The file system as the daemon of that socket sees it, whose mounts are its own."""
    with socket.socket(socket.AF_UNIX) as conn:
        conn.connect(socket_path)
        pid = struct.unpack("3i", conn.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    return "/proc/%d/root" % pid


class Proxy:
    """One running sockwarden, on a Unix socket and with TLS; it answers when the constructor returns."""

    def __init__(self, binary, base, upstream, name, options, certs=None, wrapper=()):
        self.name = name
        self.port = mtls.free_port()
        self.socket = "%s/sw-%s.sock" % (base, name)
        self.audit = "%s/audit-%s.jsonl" % (base, name)
        self.log_path = "%s/sw-%s.log" % (base, name)
        self.log = open(self.log_path, "wb")
        self.argv = [binary, "serve", "-H", "unix://" + self.socket, "--upstream",
                     "unix://" + upstream, "--audit-log", self.audit,
                     "--host-root", daemon_root(upstream), *options,
                     *(certs.serve(self.port) if certs else [])]
        self.popen = subprocess.Popen([*wrapper, *self.argv], stdin=subprocess.DEVNULL, stdout=self.log,
                                      stderr=self.log, start_new_session=True)
        end = time.monotonic() + 15
        while not self.answers():
            if self.popen.poll() is not None or time.monotonic() > end:
                self.popen.kill()
                raise ProxyError("`%s` does not serve: %s" % (" ".join(self.argv), self.tail()))
            time.sleep(0.03)

    def answers(self):
        try:
            return engine.call(self.socket, "GET", "/_ping", timeout=5)[0] > 0
        except OSError:
            return False

    def tail(self, lines=15):
        with open(self.log_path, errors="replace") as log:
            return "".join(log.readlines()[-lines:]).strip()

    def stop(self):
        """End it politely; the exit code, or None when it had to be killed."""
        self.popen.terminate()
        try:
            code = self.popen.wait(20)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            code = None
        self.log.close()
        return code


class Proxies:
    """Instances by role, started when first asked for."""

    def __init__(self, binary, base):
        self.binary, self.base = binary, base
        self.certs = mtls.Certs(base)
        self.policy = os.path.join(base, "policy.json")
        self.lock = threading.Lock()
        self.running = {}
        text = json.dumps({"version": 1, "roles": FILE_ROLES}, indent=2)
        with open(self.policy, "w") as file:
            file.write(text.replace("@WORK@", os.path.join(base, "work")))

    def options(self, role):
        if role in FILE_ROLES:
            return ["--policy", self.policy, "--role", role]
        return ["--role", "builtin:" + role]

    def get(self, role, upstream, name=None):
        """The instance for a role; with a name, one of its own for that role."""
        key = name or role
        with self.lock:
            if key not in self.running:
                self.running[key] = Proxy(self.binary, self.base, upstream, key,
                                          self.options(role), self.certs)
            return self.running[key]

    def tenants(self, upstream):
        """{name: socket} of TENANTS: one instance with a listener for each."""
        sockets = {name: "%s/tenant-%s.sock" % (self.base, name) for name in TENANTS}
        with self.lock:
            if "tenants" not in self.running:
                path = os.path.join(self.base, "tenants.json")
                clients = [{"name": name, "role": "tenant",
                            "match": {"listener": "unix://" + sockets[name]}} for name in TENANTS]
                with open(path, "w") as file:
                    json.dump({"version": 1, "clients": clients,
                               "roles": {"tenant": TENANT,
                                         "default": {"allow": ["@ping"]}}}, file, indent=2)
                options = ["--policy", path]
                for socket in sockets.values():
                    options += ["-H", "unix://" + socket]
                self.running["tenants"] = Proxy(self.binary, self.base, upstream, "tenants", options)
        return sockets

    def stop_all(self):
        """[(proxy, exit code)] of all instances."""
        with self.lock:
            for proxy in self.running.values():
                if proxy.popen.poll() is None:
                    proxy.popen.terminate()
            return [(proxy, proxy.stop()) for proxy in self.running.values()]
