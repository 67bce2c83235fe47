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
    """(name, "ok" | "fail" | "skip", text) of each TAP line that a test printed.

    The text is the reason of a skip, or the comment lines around a failure (cmocka prints them on stdout, which
    meson does not show for TAP).
    """
    comments, found = [], []
    for line in entry.get("stdout", "").splitlines():
        match = LINE.match(line)
        if match:
            bad, name, directive = match.group(1), match.group(2).strip(), match.group(3)
            kind = "skip" if directive else "fail" if bad else "ok"
            comments = []
            found.append((name, kind, comments))
            if directive:
                comments.append(directive.lstrip("# "))
        elif line.startswith("#"):
            comments.append(line)
    return found


def count(entries):
    totals = {"ok": 0, "fail": 0, "skip": 0}
    for entry in entries:
        found = subtests(entry)
        for name, kind, text in found:
            totals[kind] += 1
            if kind != "ok":
                print(f"{kind}: {entry['name']}: {name}")
                print("".join(f"    {line}\n" for line in text), end="")
        kinds = {kind for _, kind, _ in found}
        if entry["result"] in ("OK", "EXPECTEDFAIL"):
            totals["ok"] += 0 if found else 1
        elif entry["result"] == "SKIP":
            if "skip" not in kinds:
                totals["skip"] += 1
                print(f"skip: {entry['name']}")
        elif entry["result"] == "FAIL" and entry.get("returncode") == 0 and "skip" in kinds and "fail" not in kinds:
            pass  # cmocka says "not ok # SKIP", which meson takes for a failure
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
