#!/usr/bin/env python3
"""Tests of the proxy before a fake daemon. See --help; the last line counts."""
import argparse
import os
import subprocess
import sys
import time
import traceback

import behaviour_admin
import behaviour_audit
import behaviour_audit_chain
import behaviour_audit_mode
import behaviour_build
import behaviour_clients
import behaviour_dropin
import behaviour_ends
import behaviour_facts
import behaviour_faults
import behaviour_health
import behaviour_hostpath
import behaviour_http
import behaviour_learn
import behaviour_limits
import behaviour_limits_client
import behaviour_process
import behaviour_pull
import behaviour_redact
import behaviour_registry
import behaviour_registry_serve
import behaviour_reload
import behaviour_reload_load
import behaviour_reload_tls
import behaviour_sandbox
import behaviour_scale
import behaviour_signed
import behaviour_stream
import behaviour_systemd
import behaviour_test_command
import behaviour_tls
import behaviour_tls_files
import behaviour_trouble
import behaviour_trust
import behaviour_tunnel
import behaviour_upstream
import behaviour_verify
import behaviour_who
import cases
from harness import Late, settings

SUITES = [behaviour_http, behaviour_stream, behaviour_upstream, behaviour_tunnel, behaviour_limits,
          behaviour_limits_client, behaviour_admin, behaviour_audit, behaviour_audit_chain,
          behaviour_audit_mode, behaviour_build, behaviour_clients, behaviour_dropin,
          behaviour_ends, behaviour_facts, behaviour_faults, behaviour_health, behaviour_hostpath,
          behaviour_learn, behaviour_process, behaviour_pull, behaviour_redact,
          behaviour_registry, behaviour_registry_serve, behaviour_reload, behaviour_reload_load,
          behaviour_reload_tls, behaviour_sandbox, behaviour_scale, behaviour_signed,
          behaviour_systemd, behaviour_test_command, behaviour_tls, behaviour_tls_files,
          behaviour_trouble, behaviour_trust, behaviour_verify, behaviour_who]


# A wrong answer is a failure; lateness may be the machine's, so those are tried once more.
LATE = (Late, TimeoutError, subprocess.TimeoutExpired)


class Report:
    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.late = []
        self.start = time.monotonic()

    def cases(self, what, count, failures):
        """One line for many cases, and one for each that failed."""
        names = {name for name, _ in failures}
        self.failed += len(names)
        self.passed += count - min(len(names), count)
        for name, text in failures:
            print(f"FAIL {what}: {name}: {text}", flush=True)
        self.line("FAIL" if failures else "ok", f"{what}: {count - len(names)} of {count} cases")

    def line(self, verdict, text):
        now = time.monotonic()
        print(f"{verdict:4} {text} ({now - self.start:.2f} s)", flush=True)
        self.start = now

    def test(self, function, may_be_late=True):
        """Runs one. What is only late is kept for another try, when all the others are done."""
        name = f"{function.__module__.removeprefix('behaviour_')}.{function.__name__}"
        try:
            function()
        except Exception as error:  # a test that breaks is a test that failed
            place = traceback.extract_tb(error.__traceback__)
            where = next((f"{os.path.basename(f.filename)}:{f.lineno}" for f in reversed(place)
                          if os.path.basename(f.filename).startswith("behaviour_")), "")
            late = may_be_late and isinstance(error, LATE)
            if late:
                self.late.append(function)
            else:
                self.failed += 1
            self.line("LATE" if late else "FAIL", f"{name}: {where}: {type(error).__name__}: {error}")
        else:
            self.passed += 1
            self.line("ok", f"{name}: {(function.__doc__ or '').strip()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=settings["bin"], help="the program under test")
    parser.add_argument("-k", metavar="TEXT", help="only tests and cases whose name holds TEXT")
    parser.add_argument("--also", metavar="TEXT", action="append", default=[],
                        help="beside -k: behaviour tests whose name holds TEXT, too")
    parser.add_argument("--skip-cases", action="store_true", help="only the behaviour tests")
    options = parser.parse_args()
    settings["bin"] = os.path.abspath(options.bin)
    os.umask(0o022)     # what others may write, the program refuses
    if not os.access(settings["bin"], os.X_OK):
        sys.exit(f"run.py: {settings['bin']} is not there: build it first (make)")
    with open(settings["bin"], "rb") as file:
        program = file.read()
        settings["sanitized"] = b"__asan_init" in program or b"__tsan_init" in program

    report = Report()
    if not options.skip_cases:
        files = cases.load()
        for run in (cases.run_live, cases.run_explain, cases.run_split):
            run(files, report.cases, options.k)
    for suite in SUITES:
        for function in suite.suite.tests:
            name = f"{suite.__name__}.{function.__name__}"
            if not options.k or any(text in name for text in (options.k, *options.also)):
                report.test(function)
    for function in report.late:
        report.test(function, may_be_late=False)
    print(f"proxy: {report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
