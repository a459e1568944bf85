"""Stands in for a consumer's image: finds the socket where the consumer would, makes its calls, and
some that it has no business with.

    consumer.py NAME [the consumer's own arguments]

Each call is a line, ok or WRONG; the last line is `consumer: N right, M wrong`. Then it waits, as a
service does.
"""
import http.client
import json
import os
import re
import signal
import socket
import sys
import time
import urllib.request

UNIX = "unix://"


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("docker", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Consumer:
    def __init__(self, address):
        if not address.startswith(UNIX):
            sys.exit("no address of a socket: %r" % address)
        self.path = address[len(UNIX):]
        self.right = self.wrong = 0
        self.version = ""

    def say(self, good, what):
        self.right += bool(good)
        self.wrong += not good
        print("%s %s" % ("ok" if good else "WRONG", what), flush=True)

    def ask(self, method, target, body=None, read=True):
        """(status, what was answered), by a connection of its own."""
        connection = Connection(self.path)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, target, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        if not read:
            connection.close()
            return answer.status, answer
        data = answer.read()
        connection.close()
        try:
            return answer.status, json.loads(data) if data else None
        except ValueError:
            return answer.status, data

    def negotiate(self):
        """As Go's client does: the version by HEAD /_ping, and then in each path."""
        status, answer = self.ask("HEAD", "/_ping", read=False)
        version = answer.getheader("Api-Version")
        self.say(status == 200 and version, "HEAD /_ping: %d, version %s" % (status, version))
        self.version = "/v" + (version or "1.41")

    def call(self, method, target, body=None, wanted=(200,), read=True):
        status, answer = self.ask(method, self.version + target, body, read)
        self.say(status in wanted, "%s %s: %d %s" % (method, target, status, answer if status not in wanted else ""))
        return answer

    def refused(self, method, target, body=None):
        """By sockwarden, and in its words."""
        status, answer = self.ask(method, self.version + target, body)
        words = answer.get("message", "") if isinstance(answer, dict) else ""
        self.say(status == 403 and words.startswith("sockwarden: "), "no %s %s: %d %s" % (method, target, status, answer))

    def harms(self, image, **more):
        """What nobody's consumer may make; more is what his containers have."""
        host = more.pop("HostConfig", {})
        for what in ({"Privileged": True}, {"Binds": ["/:/host"]}, {"PidMode": "host"}, {"CapAdd": ["SYS_ADMIN"]},
                     {"Binds": ["/var/run/docker.sock:/var/run/docker.sock"]}, {"NetworkMode": "host"}):
            self.refused("POST", "/containers/create" + more.get("query", ""),
                         {"Image": image, **more.get("body", {}), "HostConfig": {**host, **what}})


def first_container(consumer):
    listed = consumer.call("GET", "/containers/json?all=1")
    return listed[0]["Id"]


def traefik(arguments):
    consumer = Consumer(option(arguments, "--providers.docker.endpoint"))
    consumer.negotiate()
    consumer.call("GET", "/version")
    container = first_container(consumer)
    consumer.call("GET", "/containers/%s/json" % container)
    consumer.call("GET", "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%7D", read=False)
    consumer.refused("GET", "/containers/%s/logs?stdout=1" % container)
    consumer.refused("GET", "/containers/%s/archive?path=/etc" % container)
    consumer.refused("POST", "/containers/%s/stop" % container)
    consumer.refused("POST", "/containers/create", {"Image": "busybox:test"})
    return consumer


def prometheus(arguments):
    with open(option(arguments, "--config.file"), encoding="utf-8") as file:
        config = file.read()
    consumer = Consumer(re.search(r"host: (\S+)", config).group(1))
    consumer.negotiate()
    container = consumer.call("GET", "/containers/json?filters=%7B%7D")[0]["Id"]
    consumer.call("GET", "/networks")
    target = re.search(r'targets: \["(.*?)"\]', config).group(1)
    with urllib.request.urlopen("http://%s/metrics" % target, timeout=20) as answer:
        consumer.say(b"sockwarden_requests_total" in answer.read(), "metrics of " + target)
    consumer.refused("GET", "/containers/%s/logs?stdout=1" % container)
    consumer.refused("GET", "/images/json")
    consumer.refused("POST", "/containers/create", {"Image": "busybox:test"})
    return consumer


def portainer(arguments):
    consumer = Consumer(option(arguments, "--host"))
    consumer.negotiate()
    for target in ("/info", "/version", "/images/json", "/volumes", "/networks"):
        consumer.call("GET", target)
    first_container(consumer)
    limits = {"Memory": 64 << 20}
    made = consumer.call("POST", "/containers/create", {"Image": "busybox:test", "Cmd": ["sleep", "60"],
                                                        "HostConfig": limits}, (201,))
    consumer.call("POST", "/containers/%s/start" % made["Id"], None, (204,))
    consumer.call("GET", "/containers/%s/json" % made["Id"])
    consumer.call("POST", "/containers/%s/stop?t=0" % made["Id"], None, (204,))
    consumer.call("DELETE", "/containers/%s?v=1" % made["Id"], None, (204,))
    consumer.harms("busybox:test", HostConfig=limits)
    return consumer


def gitlab_runner(_):
    consumer = Consumer(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    consumer.negotiate()
    consumer.call("GET", "/info")
    consumer.call("GET", "/images/busybox:test/json")
    name = "runner-abcd1234-project-1-concurrent-0"
    labels = {"com.gitlab.gitlab-runner.managed": "true", "com.gitlab.gitlab-runner.type": "build"}
    cache = name + "-cache-3c3f060a0374fc8bc39395164f415a70"
    consumer.call("POST", "/volumes/create", {"Name": cache, "Labels": labels}, (201,))
    body = {"Image": "busybox:test", "Cmd": ["echo", "built"], "Labels": labels}
    limits = {"Binds": [cache + ":/cache"]}
    made = consumer.call("POST", "/containers/create?name=%s-build" % name, {**body, "HostConfig": limits}, (201,))
    consumer.call("POST", "/containers/%s/start" % made["Id"], None, (204,))
    ended = consumer.call("POST", "/containers/%s/wait?condition=not-running" % made["Id"])
    consumer.say(ended["StatusCode"] == 0, "the job ends with 0")
    consumer.call("DELETE", "/containers/%s?force=1&v=1" % made["Id"], None, (204,))
    consumer.call("DELETE", "/volumes/" + cache, None, (204,))
    consumer.harms("busybox:test", query="?name=%s-build" % name, body=body)
    return consumer


def option(arguments, name):
    """--name=value, or --name and the next word."""
    for at, word in enumerate(arguments):
        if word.startswith(name + "="):
            return word[len(name) + 1:]
        if word == name and at + 1 < len(arguments):
            return arguments[at + 1]
    return ""


ROLES = {"traefik": traefik, "prometheus": prometheus, "portainer": portainer, "gitlab-runner": gitlab_runner}


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        consumer = ROLES[sys.argv[1]](sys.argv[2:])
        print("consumer: %d right, %d wrong" % (consumer.right, consumer.wrong), flush=True)
    except Exception as why:
        print("WRONG %s: %s\nconsumer: 0 right, 1 wrong" % (type(why).__name__, why), flush=True)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
