"""Certificates for the proxies of a run, and the environment by which a docker CLI uses them."""
import contextlib
import os
import random
import socket
import subprocess
import threading

MAKE_CERTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "certs-example",
                          "make-certs.sh")


def free_port():
    """Below the ports that the kernel gives to whoever asks for any: nobody takes it meanwhile."""
    while True:
        port = random.randrange(10240, 20000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


class Certs:
    """A CA and a server in a folder of the run; clients when first asked for."""

    def __init__(self, base):
        self.folder = os.path.join(base, "certs")
        self.lock = threading.Lock()
        self.make("ca")
        self.make("server", "localhost", "127.0.0.1")

    def make(self, *args):
        subprocess.run([MAKE_CERTS, "--dir", self.folder, *args], check=True, capture_output=True,
                       timeout=30)

    def client(self, name, *options):
        """The client's folder."""
        folder = os.path.join(self.folder, "clients", name)
        with self.lock:
            if not os.path.exists(folder):
                self.make("client", name, *options)
        return folder

    def serve(self, port):
        """Options of a proxy that listens there."""
        return ["-H", "tcp://127.0.0.1:%d" % port, "--tlscacert", self.folder + "/ca.pem",
                "--tlscert", self.folder + "/server-cert.pem",
                "--tlskey", self.folder + "/server-key.pem"]

    def env(self, port, name="suite", *options):
        """For the CLI; name is a client, or a folder."""
        folder = name if "/" in name else self.client(name, *options)
        return {"DOCKER_HOST": "tcp://127.0.0.1:%d" % port, "DOCKER_TLS_VERIFY": "1",
                "DOCKER_CERT_PATH": folder}
