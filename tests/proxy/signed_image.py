"""An image with a signature as `cosign sign --key` leaves it, for a registry or a signature store. No
tests."""
import base64
import hashlib
import json
import os
import subprocess

OCI = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
KEY = "team.pub"


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def document(value):
    return json.dumps(value, separators=(",", ":")).encode()


def openssl(*words, data=None):
    return subprocess.run(["openssl", *words], input=data, check=True, capture_output=True).stdout


class SignedImage:
    """name: host/repository. The key pair is made in the folder, the public half in .keys."""

    def __init__(self, folder, name):
        self.name, self.keys = name, os.path.join(folder, "keys")
        private = os.path.join(folder, "key")
        os.mkdir(self.keys)
        openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", private)
        openssl("ec", "-in", private, "-pubout", "-out", os.path.join(self.keys, KEY))
        config = document({"os": "linux", "architecture": "amd64"})
        self.manifest = document({"schemaVersion": 2, "mediaType": OCI, "layers": [], "config": {
            "mediaType": CONFIG, "digest": sha256(config), "size": len(config)}})
        self.digest, self.id = sha256(self.manifest), sha256(config)
        self.reference = f"{name}@{self.digest}"
        self.payload = document({"critical": {
            "identity": {"docker-reference": name}, "image": {"docker-manifest-digest": self.digest},
            "type": "cosign container image signature"}, "optional": None})
        self.signature = base64.b64encode(
            openssl("dgst", "-sha256", "-sign", private, data=self.payload))

    def entry(self, source):
        """For images.signed."""
        return {"match": self.name, "formats": ["cosign-simple"], "keys": [KEY], "source": source}

    def publish(self, registry, tag):
        """Puts it into a registry_world.Server, by that tag and by its digest."""
        path = "/v2/" + self.name.split("/", 1)[1]
        signatures = document({
            "schemaVersion": 2, "mediaType": OCI,
            "config": {"mediaType": CONFIG, "digest": sha256(b"{}"), "size": 2},
            "layers": [{"mediaType": SIGNING, "digest": sha256(self.payload),
                        "size": len(self.payload), "annotations": {
                            "dev.cosignproject.cosign/signature": self.signature.decode()}}]})
        for reference, data in ((tag, self.manifest), (self.digest, self.manifest),
                                (self.digest.replace(":", "-") + ".sig", signatures)):
            registry.page(f"{path}/manifests/{reference}", 200, data, Content_Type=OCI)
        registry.page(f"{path}/blobs/{sha256(self.payload)}", 200, self.payload)

    def keep(self, store):
        """Puts its signature into a signature store."""
        folder = os.path.join(store, self.name.replace(":", "_"), self.digest.replace(":", "-"))
        os.makedirs(folder)
        for name, data in (("1.payload", self.payload), ("1.sig", self.signature),
                           ("1.manifest.json", self.manifest)):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data)
