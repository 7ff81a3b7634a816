"""Holds a live daemon's API against its own OpenAPI document.

Starts `rolekeeper demo` in an empty folder, lets schemathesis make requests from the
document (good and bad ones), and insists: no 5xx, no undocumented answer.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading

BINARY = os.environ["ROLEKEEPER_TEST_BINARY"]
SCHEMATHESIS = os.environ["ROLEKEEPER_TEST_SCHEMATHESIS"]
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
START_SECONDS = 120


def start(folder):
    process = subprocess.Popen(
        [BINARY, "demo", "--accounts", "30", "--seed", "5"],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    timer = threading.Timer(START_SECONDS, process.kill)
    timer.start()
    said = []
    for line in process.stdout:
        said.append(line)
        text = "".join(said)
        url = re.search(r"page.*?(http://127\.0\.0\.1:\d+)", text, re.IGNORECASE | re.DOTALL)
        token = re.search(r"token:?\s+([A-Za-z0-9_-]{16,})", text, re.IGNORECASE)
        if url and token:
            timer.cancel()
            # What it says from here on is read away, so that it never waits for us.
            threading.Thread(target=process.stdout.read, daemon=True).start()
            return process, url.group(1), token.group(1)
    sys.exit("the demo ended before it said where its page is:\n" + "".join(said))


def schemathesis(folder, url, *more):
    command = [
        SCHEMATHESIS, "run", f"{url}/api/v1/openapi.json", "--checks", CHECKS,
        "--exclude-path", "/api/v1/events",  # A stream without an end: tests/browser reads it.
        "--max-examples", "25", "--seed", "1", "--suppress-health-check", "all", *more,
    ]
    return subprocess.run(command, cwd=folder).returncode


def main():
    with tempfile.TemporaryDirectory() as folder:
        process, url, token = start(folder)
        try:
            failed = schemathesis(folder, url, "--header", f"Authorization: Bearer {token}")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
    sys.exit(failed)


if __name__ == "__main__":
    main()
