"""The report that `mdbench --json FILE` wrote, as tables in Markdown: python tables.py FILE"""
import json
import sys


def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|---" + "|---:" * (len(head) - 1) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def duration(seconds):
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1e3 * seconds:.1f} ms"


def outcome(report, ratio, what):
    """"0.62, target 0.47 missed"."""
    aim = (report.get("target") or {}).get(what)
    if aim is None:
        return f"{ratio:.3f}"
    return f"{ratio:.3f}, target {aim:.3g} {'met' if report[what + '_met'] else '**missed**'}"


def compared(name, report):
    """A line of the first table."""
    line = [f"`{name}`, {report['what']}", f"{duration(report['ours_s'])}, {report['ours_peak_mb']:.0f} MB"]
    if "ratio" not in report:
        return line + ["none", "", "", ""]
    modes = {mode["mode"]: mode for mode in report["modes"] if "missing" not in mode}
    fastest, leanest = modes[report["peer"]], modes[report["memory_peer"]]
    return line + [f"{report['peer']}: {duration(fastest['seconds'])}", outcome(report, report["ratio"], "time"),
                   f"{report['memory_peer']}: {leanest['peak_mb']:.0f} MB", outcome(report, report["memory_ratio"], "memory")]


def of_mode(mode):
    return mode.get("missing") or f"{duration(mode['seconds'])}, {mode['peak_mb']:.0f} MB"


def markdown(report):
    works = {name: r for name, r in report.items() if isinstance(r, dict) and "ours_s" in r}
    yield from table(["work", "ours", "fastest peer", "our time / its", "leanest peer", "our memory / its"],
                     (compared(name, r) for name, r in works.items()))
    ops = {name: r for name, r in report.items() if isinstance(r, dict) and "parts_s" in r}
    if ops:
        yield from table(["whole", "time", "sum of its ops", "whole / sum", "what the peaks allow"],
                         ([f"`{name}`, {r['what']}", duration(r["whole_s"]), duration(r["parts_s"]),
                           f"{r['whole_of_parts']:.3f}, target {r['target']} {'met' if r['met'] else '**missed**'}",
                           f"{duration(r['least_s'])}, {100 * r['least_s'] / r['whole_s']:.0f} %"] for name, r in ops.items()))
    seen = {}  # modes stand in the report of each precision of ours
    for name, r in works.items():
        for mode in r["modes"]:
            seen[r["what"], mode["mode"], mode["precision"]] = mode
    if seen:
        yield from table(["work", "mode", "precision", "time, memory"],
                         ([what, mode, precision, of_mode(r)] for (what, mode, precision), r in seen.items()))


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        print("\n".join(markdown(json.load(file))))
