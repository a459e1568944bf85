"""A proxy with --admin, and who asks there. No tests."""
import os

from harness import Client, Env, check, equal, wait_for
from prometheus import Metrics
from tls_client import TlsEnv

TEXT = "text/plain; charset=utf-8"
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Admin:
    """Adds the admin listener to an Env, and asks it."""

    def __init__(self, *options, start=True, **kwargs):
        super().__init__(*options, start=False, **kwargs)
        self.admin = os.path.join(self.dir, "admin.sock")
        self.args += ["--admin", "unix://" + self.admin]
        if start:
            self.start()

    def page(self, target, method="GET", headers=(), body=None):
        with Client(self.admin) as client:
            answer = client.ask(method, target, body, headers)
            check(client.at_end(), f"{target}: the connection stays open")
            return answer

    def ready(self):
        answer = self.page("/readyz")
        equal(answer.get("Content-Type"), TEXT, "Content-Type of /readyz")
        return answer.status, answer.body.decode()

    def metrics(self):
        answer = self.page("/metrics")
        equal((answer.status, answer.get("Content-Type")), (200, PROMETHEUS), "/metrics")
        return Metrics(answer.body)

    def wait_metric(self, expected, name, **labels):
        wait_for(lambda: self.metrics().get(name, **labels) == expected,
                 f"{name}{labels} is {expected}; it is {self.metrics().get(name, **labels)}")


class AdminEnv(Admin, Env):
    pass


class AdminTlsEnv(Admin, TlsEnv):
    pass
