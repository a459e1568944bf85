"""What the benchmark has found, as Markdown and as a chart."""
import sys

COLUMNS = ("direct", "floor", "haproxy plain", "haproxy tuned", "nginx tuned", "before",
           "sockwarden, no audit", "sockwarden")
COLOURS = {"floor": "#b8c0c8", "haproxy plain": "#d9a679", "haproxy tuned": "#c4703a",
           "nginx tuned": "#5b9a68", "sockwarden": "#2f5d9b"}


def number(value):
    if value is None:
        return "–"
    if abs(value) >= 100:
        return "%.0f" % value
    return "%.1f" % value if abs(value) >= 10 else "%.2f" % value


def thousands(value):
    return "–" if value is None else "{:,.0f}".format(value)


def reached(result):
    ratio = result.get("to_target")
    return "–" if ratio is None else "yes" if ratio <= 1 else "NO"


def progress(result):
    sys.stderr.write("%-14s %s  to target %s\n" % (
        result["key"], "  ".join("%s %s" % (name, number(figures["value"]))
                                 for name, figures in result["peers"].items()),
        number(result.get("to_target"))))
    sys.stderr.flush()


def line(cells):
    return "| " + " | ".join(cells) + " |"


def costs(results):
    names = [name for name in COLUMNS if any(name in result["peers"] for result in results)]
    out = [line(["row", "unit"] + names + ["target", "to target", "reached"]),
           "|---|---|" + "---:|" * len(names) + "---|---:|---|"]
    for result in results:
        values = [number(result["peers"].get(name, {}).get("value")) for name in names]
        out.append(line([result["title"], result["unit"]] + values +
                        [result["target"], number(result.get("to_target")), reached(result)]))
    return out


def rates(results):
    names = ("haproxy tuned", "nginx tuned", "sockwarden")
    kinds = (("rate", "req/s", thousands), ("p50_us", "p50 µs", number), ("p99_us", "p99 µs", number))
    shown = [result for result in results
             if result["peers"].get("sockwarden", {}).get("rate") and result["unit"] != "CPU s/GiB"]
    if not shown:
        return []
    out = ["", line(["row"] + ["%s: %s" % (what, name) for _, what, _ in kinds for name in names]),
           "|---|" + "---:|" * 9]
    for result in shown:
        out.append(line([result["title"]] + [form(result["peers"].get(name, {}).get(key))
                                             for key, _, form in kinds for name in names]))
    return out


def ratios(results):
    names = ("floor", "haproxy plain", "haproxy tuned", "nginx tuned", "before")
    names = [name for name in names if any(name in result["ratios"] for result in results)]
    out = ["", line(["sockwarden's share of"] + names), "|---|" + "---:|" * len(names)]
    for result in results:
        out.append(line([result["title"]] + [number(result["ratios"].get(name)) for name in names]))
    return out


def markdown(results):
    return "\n".join(costs(results) + ratios(results) + rates(results))


BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"


def insert(path, results):
    """The tables in place of those that stand between the marks."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        sys.exit("bench: %s has no lines %s and %s" % (path, BEGIN, END))
    with open(path, "w", encoding="utf-8") as file:
        file.write(head + begin + "\n" + markdown(results) + "\n" + end + tail)


# ---- the chart ---------------------------------------------------------------------------------

CHART = ("ping-c16", "ping-unix", "list-4k", "list-200k", "fresh", "denied", "archive", "load-chunked",
         "tls-ping", "tls-full")
BAR, GAP, LEFT, WIDTH = 11, 14, 190, 820


def svg(results):
    """Bars of each row: its cost beside the tuned HAProxy's, which is 1."""
    shown = [result for result in results if result["key"] in CHART
             and result["peers"].get("haproxy tuned", {}).get("value")]
    most = 2.5
    scale = (WIDTH - LEFT - 60) / most
    out, y = [], 44
    x = LEFT
    for name, colour in COLOURS.items():
        out.append('<rect x="%d" y="12" width="11" height="11" fill="%s"/>' % (x, colour))
        out.append('<text x="%d" y="22">%s</text>' % (x + 16, name))
        x += 28 + 8 * len(name)
    for result in shown:
        base = result["peers"]["haproxy tuned"]["value"]
        names = [name for name in COLOURS if result["peers"].get(name, {}).get("value") is not None]
        out.append('<text x="%d" y="%d" text-anchor="end">%s</text>' % (
            LEFT - 8, y + len(names) * BAR / 2 + 4, result["title"].replace("`", "")))
        for name in names:
            value = result["peers"][name]["value"] / base
            width = min(value, most) * scale
            out.append('<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>' % (
                LEFT, y, width, BAR - 1, COLOURS[name]))
            out.append('<text class="n" x="%.1f" y="%d">%.2f</text>' % (LEFT + width + 4, y + 9, value))
            y += BAR
        y += GAP
    one = LEFT + scale
    out.append('<line x1="%.1f" y1="36" x2="%.1f" y2="%d" stroke="#888" stroke-dasharray="3 3"/>' % (one, one, y))
    head = ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" '
            'font-family="sans-serif" font-size="12" fill="#333">'
            '<title>Processor time of a request, tuned HAProxy = 1</title>'
            '<style>.n{font-size:9px;fill:#666}</style>'
            '<rect width="100%%" height="100%%" fill="#fff"/>') % (WIDTH, y + 24, WIDTH, y + 24)
    foot = '<text x="%d" y="%d" class="n">processor time of the proxy, tuned HAProxy = 1; less is better</text></svg>' % (
        LEFT, y + 14)
    return "\n".join([head] + out + [foot]) + "\n"
