"""What the fake daemon says of the objects that the proxy looks up: tests/cases/facts.json."""
import hashlib
import json
import os
import re
import urllib.parse

FILE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cases",
                    "facts.json")
PATHS = [("container", re.compile(r"/containers/(.+)/json")), ("exec", re.compile(r"/exec/(.+)/json")),
         ("volume", re.compile(r"/volumes/(.+)")), ("network", re.compile(r"/networks/(.+)")),
         ("image", re.compile(r"/images/(.+)/json")), ("service", re.compile(r"/services/(.+)")),
         ("task", re.compile(r"/tasks/(.+)")), ("secret", re.compile(r"/secrets/(.+)")),
         ("config", re.compile(r"/configs/(.+)")), ("info", re.compile(r"/info()")),
         ("version", re.compile(r"/version()"))]
HEX_ID = re.compile(r"[0-9a-f]{64}")
AGENT = "sockwarden"    # by which the proxy's own questions are told from a client's

with open(FILE, encoding="utf-8") as file:
    DEFAULT = json.load(file)


def id_of(name):
    """The ID of an object that goes by a name."""
    return name if HEX_ID.fullmatch(name) else hashlib.sha256(name.encode()).hexdigest()


def filled(value, name):
    """The fact with the name asked for in it."""
    if isinstance(value, str):
        return value.replace("%NAME%", name).replace("%ID%", id_of(name))
    if isinstance(value, dict):
        return {key: filled(item, name) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, name) for item in value]
    return value


def find(kind, name, first=None):
    """The fact: an object, or the words that there is none. first: facts that come before."""
    for table in (first or {}, DEFAULT):
        for key in (name, "*"):
            if key in table.get(kind, {}):
                return filled(table[kind][key], name)
    return f"no {kind} {name}"


def answer(path, first=None):
    """(status line, body) for a look-up, or None when the path is none."""
    for kind, pattern in PATHS:
        match = pattern.fullmatch(path)
        if match:
            found = find(kind, urllib.parse.unquote(match[1]), first)
            if isinstance(found, str):
                return "404 Not Found", json.dumps({"message": found}).encode()
            return "200 OK", json.dumps(found).encode()
    return None
