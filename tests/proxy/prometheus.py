"""Reads the text format of Prometheus as strictly as `promtool check metrics` does. No tests."""
import re

from harness import Failure, check, equal

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? ([^ ]+)\Z")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|\Z)')
NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?|\+Inf)\Z")
TYPES = ("counter", "gauge", "histogram")
UNESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def labels_of(text):
    labels = {}
    at = 0
    while at < len(text):
        match = LABEL.match(text, at)
        check(match, f"labels {text!r} at {at}")
        name, value, _ = match.groups()
        check(name not in labels, f"label {name} twice in {text!r}")
        labels[name] = re.sub(r"\\.", lambda m: UNESCAPED[m[0]], value)
        at = match.end()
    return labels


class Metrics:
    """One scrape: families, their types and samples; a Failure for whatever is not as it should be."""

    def __init__(self, data):
        self.types = {}
        self.helps = {}
        self.samples = {}       # (name, ((label, value), ...)) -> number
        self.order = []         # families in the order of their samples
        text = data.decode("utf-8")
        check(text.endswith("\n"), "the last line has no end")
        for line in text[:-1].split("\n"):
            self.comment(line) if line.startswith("#") else self.sample(line)
        equal(len(self.order), len(set(self.order)), "families that are split")
        for name in self.types:
            check(name in self.helps, f"{name} has no HELP")
        for name, kind in self.types.items():
            check(kind != "counter" or name.endswith("_total"), f"counter {name} has no _total")
            check(kind == "counter" or not name.endswith("_total"), f"{kind} {name} has _total")
            if kind == "histogram":
                self.histogram(name)

    def comment(self, line):
        parts = line.split(" ", 3)
        check(len(parts) == 4 and parts[0] == "#" and parts[1] in ("HELP", "TYPE") and
              re.fullmatch(NAME, parts[2]), f"comment {line!r}")
        known = self.helps if parts[1] == "HELP" else self.types
        check(parts[2] not in known, f"twice: {line!r}")
        check(parts[2] not in self.order, f"after its samples: {line!r}")
        known[parts[2]] = parts[3]
        check(parts[1] == "HELP" or parts[3] in TYPES, f"type of {line!r}")
        check(parts[3].strip(), f"empty: {line!r}")

    def family(self, name):
        for end in ("_bucket", "_sum", "_count"):
            base = name.removesuffix(end)
            if base != name and self.types.get(base) == "histogram":
                return base
        return name

    def sample(self, line):
        match = SAMPLE.match(line)
        check(match, f"sample {line!r}")
        name, labels, value = match.groups()
        family = self.family(name)
        check(family in self.types and family in self.helps, f"no TYPE and HELP before {line!r}")
        check(self.types[family] != "histogram" or family != name, f"not of a histogram: {line!r}")
        check(NUMBER.match(value), f"value of {line!r}")
        key = (name, tuple(sorted(labels_of(labels or "").items())))
        check(key not in self.samples, f"series twice: {line!r}")
        self.samples[key] = float(value)
        if not self.order or self.order[-1] != family:
            self.order.append(family)

    def histogram(self, name):
        series = {}
        for (full, labels), value in self.samples.items():
            if full == name + "_bucket":
                rest = tuple(x for x in labels if x[0] != "le")
                series.setdefault(rest, []).append((float(dict(labels)["le"]), value))
        check(series, f"{name} has no buckets")
        for labels, buckets in series.items():
            bounds = [bound for bound, _ in buckets]
            counts = [count for _, count in buckets]
            equal(bounds, sorted(set(bounds)), f"bounds of {name}{labels}")
            equal(counts, sorted(counts), f"buckets of {name}{labels} are not cumulative")
            equal(bounds[-1], float("inf"), f"last bound of {name}{labels}")
            equal(counts[-1], self.samples[name + "_count", labels], f"count of {name}{labels}")
            total = self.samples[name + "_sum", labels]
            check((total > 0) == (counts[-1] > 0), f"sum of {name}{labels}: {total}")

    def get(self, name, **labels):
        """The sum of all series with these labels."""
        check(self.family(name) in self.types, f"there is no {name}")
        found = [value for (full, has), value in self.samples.items()
                 if full == name and labels.items() <= dict(has).items()]
        return sum(found)

    def values(self, name, label):
        """All values of a label."""
        return {dict(labels)[label] for (full, labels) in self.samples if full == name}

    def exports(self, name):
        return self.family(name) in self.types


def refuses(data):
    """Does this check see that it is wrong?"""
    try:
        Metrics(data)
    except Failure:
        return True
    return False
