# SPDX-License-Identifier: MIT
"""Counts the tests of a meson run, subtests of TAP programs each for one: tally.py TESTLOG...

Prints `PASSED FAILED SKIPPED` and, before it, a line for each test that failed or was skipped. With CI=true a
skipped test counts as failed.
"""

import json
import os
import pathlib
import re
import sys

LINE = re.compile(r"^(not )?ok\b\s*\d*\s*-?\s*([^#]*)(#\s*(SKIP|TODO)\b.*)?", re.IGNORECASE)


def subtests(entry):
    """(name, "ok" | "fail" | "skip") of each TAP line that a test printed."""
    for line in entry.get("stdout", "").splitlines():
        match = LINE.match(line)
        if match:
            bad, name, directive = match.group(1), match.group(2).strip(), match.group(3)
            yield name, "skip" if directive else "fail" if bad else "ok", (directive or "").lstrip("# ")


def count(entries):
    totals = {"ok": 0, "fail": 0, "skip": 0}
    for entry in entries:
        found = list(subtests(entry))
        for name, kind, why in found:
            totals[kind] += 1
            if kind != "ok":
                print(f"{kind}: {entry['name']}: {name} {why}".rstrip())
        kinds = {kind for _, kind, _ in found}
        if entry["result"] in ("OK", "EXPECTEDFAIL"):
            totals["ok"] += 0 if found else 1
        elif entry["result"] == "SKIP":
            if "skip" not in kinds:
                totals["skip"] += 1
                print(f"skip: {entry['name']}")
        elif "fail" not in kinds:  # it crashed, ran out of time, or has no subtests
            totals["fail"] += 1
            print(f"fail: {entry['name']}: {entry['result']}, exit code {entry.get('returncode')}")
    return totals


def main():
    entries = []
    for path in sys.argv[1:]:
        text = pathlib.Path(path).read_text(errors="replace")
        entries += [json.loads(line) for line in text.splitlines() if line.strip()]
    totals = count(entries)
    if os.environ.get("CI") == "true":
        totals["fail"] += totals["skip"]
        totals["skip"] = 0
    print(totals["ok"], totals["fail"], totals["skip"])


main()
