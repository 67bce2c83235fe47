# SPDX-License-Identifier: MIT
"""Test Anything Protocol for the scripts of this folder: one line a test, a plan at the end."""

import subprocess
import sys


class Skip(Exception):
    """Raised by a test that can't run here; the text says why."""


class Tap:
    def __init__(self):
        self.count = 0
        self.failed = 0

    def test(self, name, body, *args):
        """Runs body(*args); an AssertionError (or any other) fails it, and its text is told."""
        self.count += 1
        try:
            body(*args)
            print(f"ok {self.count} - {name}", flush=True)
        except Skip as why:
            print(f"ok {self.count} - {name} # SKIP {why}", flush=True)
        except Exception as why:  # a test script goes on to its next test
            self.failed += 1
            print(f"not ok {self.count} - {name}", flush=True)
            text = str(why) if isinstance(why, AssertionError) else repr(why)
            for line in text.splitlines():
                print(f"# {line}", file=sys.stderr, flush=True)  # meson shows stderr of a failed test

    def done(self):
        print(f"1..{self.count}")
        sys.exit(1 if self.failed else 0)


def run(command, **options):
    """Runs a command and returns its stdout; a failure becomes an AssertionError with all it printed."""
    options.setdefault("stdin", subprocess.DEVNULL)
    result = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, **options
    )
    assert result.returncode == 0, (
        f"{' '.join(map(str, command))}: exit code {result.returncode}\n"
        f"{result.stdout[-4000:]}\n{result.stderr[-4000:]}"
    )
    return result.stdout
