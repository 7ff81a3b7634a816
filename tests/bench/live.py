"""A daemon that is asked for sweeps over its API."""

import json
import pathlib
import re
import time
import urllib.request

import measure

TOKEN = "benchmark"
# Between two looks whether a sweep has ended: each look is a request that the daemon has to answer.
LOOK_SECONDS = 0.25
# The longest that is waited for the daemon's start, and for one sweep.
START_SECONDS, SWEEP_SECONDS = 60, 3_600


class Daemon:
    """`rolekeeper run`, from its start to its end in order."""

    def __init__(self, keeper, config, folder, environment):
        path = pathlib.Path(folder) / "daemon.toml"
        path.write_text(config)
        self.running = measure.Running([keeper, "--config", str(path), "run"], env=environment, cwd=folder)
        self.measured = None
        try:
            self.url = self.until("the daemon is not up", START_SECONDS, self.told)
        except BaseException:
            self.running.end()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.measured is None:
            self.running.end()

    def told(self):
        found = re.search(r"page at (http://127\.0\.0\.1:\d+)", self.running.said())
        return found and found.group(1)

    def until(self, why, seconds, found):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.running.is_over():
            answer = found()
            if answer:
                return answer
            time.sleep(LOOK_SECONDS)
        raise SystemExit(f"{why}: {self.running.said()[-2000:]}")

    def ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        request = urllib.request.Request(self.url + path, data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def newest(self):
        return next(iter(self.ask("/api/v1/sweeps?limit=1")["items"]), {})

    def audit(self):
        """Asks for an audit and waits for its end; its summary, and the processor seconds that the daemon had meanwhile."""
        before, cpu = self.newest().get("id"), measure.cpu_seconds(self.running.pid)
        self.ask("/api/v1/sweeps", {"mode": "audit"})

        def ended():
            newest = self.newest()
            return newest.get("id") != before and newest.get("outcome") and newest

        sweep = self.until("the sweep does not end", SWEEP_SECONDS, ended)
        if sweep["outcome"] != "completed":
            raise SystemExit(f"the sweep ended as {sweep['outcome']}: {sweep['reason']}")
        return sweep["summary"], measure.cpu_seconds(self.running.pid) - cpu

    def end(self):
        """Ends it by its process id; what the system says of its whole life."""
        self.measured = self.running.end()
        if self.measured["exit"] != 0:
            raise SystemExit(f"the daemon ended with {self.measured['exit']}: {self.measured['stderr']}")
        return self.measured
