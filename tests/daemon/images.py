"""Images and their signatures in a registry of the daemon's network, put there by plain HTTP.

Signatures are what `cosign sign --key` writes (the tag scheme with simple signing), made by the
openssl program. Nothing here asks the daemon or the proxy for anything.
"""
import base64
import ctypes
import gzip
import hashlib
import http.client
import json
import os
import platform
import socket
import subprocess
import threading

import dockerd

CLONE_NEWNET = 0x40000000
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
# As images call this machine, and another one.
ARCH, FOREIGN = ("arm64", "amd64") if platform.machine() == "aarch64" else ("amd64", "arm64")
LIBC = ctypes.CDLL(None, use_errno=True)


class RegistryError(Exception):
    """The registry did not take what it was given."""


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def connect_inside(pid, port):
    """A connection that begins in the network of a process: a socket stays where it was made."""
    got = []

    def connect():
        try:
            with open("/proc/%s/ns/net" % pid, "rb") as space:
                if LIBC.setns(space.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            got.append(socket.create_connection(("127.0.0.1", port), 20))
        except OSError as problem:
            got.append(problem)
    thread = threading.Thread(target=connect)   # the others stay where they are
    thread.start()
    thread.join()
    if isinstance(got[0], OSError):
        raise got[0]
    return got[0]


class Image:
    """What is in the registry: host/repository, its manifest, the digest of its config (the ID)."""

    def __init__(self, repository, manifest, kind, id_):
        self.repository, self.manifest, self.kind, self.id = repository, manifest, kind, id_
        self.digest = sha256(manifest)

    def by_digest(self):
        return self.repository + "@" + self.digest


class Registry:
    """A docker-registry of its own beside a Dockerd."""

    def __init__(self, daemon, name, rootfs):
        self.daemon, self.name = daemon, name
        self.port = dockerd.REGISTRIES[name]
        self.host = "127.0.0.1:%d" % self.port
        self.lock = threading.Lock()
        self.there = daemon.start_registry(name)
        if not self.there:
            return
        with open(rootfs, "rb") as tar:
            self.tar = tar.read()
        self.layer = gzip.compress(self.tar, 1, mtime=0)
        self.blob("base", self.layer)

    def call(self, method, path, body=None, kind=None):
        conn = http.client.HTTPConnection(self.host)
        conn.sock = connect_inside(self.daemon.first(), self.port)
        try:
            conn.request(method, path, body, {"Content-Type": kind} if kind else {})
            answer = conn.getresponse()
            text = answer.read()
        finally:
            conn.close()
        if answer.status >= 300:
            raise RegistryError("%s %s: %d %r" % (method, path, answer.status, text[-300:]))
        return answer, text

    def blob(self, name, data):
        """Puts a blob there; its descriptor without a type."""
        digest = sha256(data)
        known = "?mount=%s&from=base" % digest if name != "base" and data is self.layer else ""
        answer, _ = self.call("POST", "/v2/%s/blobs/uploads/%s" % (name, known))
        if answer.status != 201:
            where = answer.getheader("Location").split(self.host, 1)[-1]
            self.call("PUT", where + ("&" if "?" in where else "?") + "digest=" + digest, data,
                      "application/octet-stream")
        return {"digest": digest, "size": len(data)}

    def put(self, repository, reference, document, kind, id_=None):
        """Puts a manifest there, by a tag or (None) by its digest."""
        text = json.dumps(document).encode()
        made = Image("%s/%s" % (self.host, repository), text, kind, id_)
        self.tag(made, reference or made.digest)
        return made

    def tag(self, image, tag):
        """The tag stands for that image from now on."""
        self.call("PUT", "/v2/%s/manifests/%s" % (image.repository.split("/", 1)[1], tag),
                  image.manifest, image.kind)

    def image(self, name, tag, word, arch=ARCH):
        """An image whose label is that word, so that it is like no other one."""
        config = json.dumps({
            "architecture": arch, "os": "linux", "created": "2026-01-01T00:00:00Z",
            "config": {"Cmd": ["sh"], "Env": ["PATH=/bin"], "Labels": {"word": word}},
            "rootfs": {"type": "layers", "diff_ids": [sha256(self.tar)]},
            "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "test"}]}).encode()
        image = "application/vnd.docker.container.image.v1+json"
        layer = "application/vnd.docker.image.rootfs.diff.tar.gzip"
        return self.put(name, tag, {
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": image, **self.blob(name, config)},
            "layers": [{"mediaType": layer, **self.blob(name, self.layer)}]},
            MANIFEST, sha256(config))

    def index(self, name, tag, *images):
        """An index of (image, architecture) in that repository; its ID is the first one's."""
        return self.put(name, tag, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
            {"mediaType": image.kind, "digest": image.digest, "size": len(image.manifest),
             "platform": {"os": "linux", "architecture": arch}} for image, arch in images]},
            OCI_INDEX, images[0][0].id)

    def attach(self, image, payload, signature):
        """The two as cosign leaves them beside the image."""
        name = image.repository.split("/", 1)[1]
        layer = {"mediaType": SIGNING, **self.blob(name, payload), "annotations": {
            "dev.cosignproject.cosign/signature": base64.b64encode(signature).decode()}}
        config = {"mediaType": "application/vnd.oci.image.config.v1+json", **self.blob(name, b"{}")}
        self.put(name, image.digest.replace(":", "-") + ".sig", {
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]},
            OCI_MANIFEST)

    def sign(self, image, key):
        self.attach(image, *key.sign(image.repository, image.digest))


class Key:
    """A key pair by openssl; .public is the name of its file in the folder."""

    def __init__(self, folder, name):
        os.makedirs(folder, exist_ok=True)
        self.private = os.path.join(folder, "..", name + ".key")
        self.public = name + ".pub"
        subprocess.run(["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out",
                        self.private], check=True, capture_output=True)
        subprocess.run(["openssl", "ec", "-in", self.private, "-pubout", "-out",
                        os.path.join(folder, self.public)], check=True, capture_output=True)

    def sign(self, repository, digest):
        """(payload, signature) for an image of that name."""
        payload = json.dumps({"critical": {
            "identity": {"docker-reference": repository},
            "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature"}, "optional": None},
            separators=(",", ":")).encode()
        done = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.private], input=payload,
                              check=True, capture_output=True)
        return payload, done.stdout
