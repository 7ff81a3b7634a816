"""The simulated organization a benchmark runs against, and what it counted."""

import datetime
import json
import re
import subprocess
import urllib.request

import floor

HUB = {"AWS_ACCESS_KEY_ID": "AKIASIMULATORHUB0001", "AWS_SECRET_ACCESS_KEY": "simulator"}


def ask(url, path, body=None):
    """Asks the simulator itself; with a body it is told something."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data=data, method="GET" if body is None else "POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read().decode()
    return json.loads(text) if text.strip() else None


class World:
    """A running simulator."""

    def __init__(self, binary, accounts, *, latency_ms=0, iam_rate=None, target_rate=1000.0, seed=11, provisioned=True, more=()):
        self.accounts = accounts
        self.latency = latency_ms / 1000
        self.iam_rate = iam_rate
        command = [binary, "--listen", "127.0.0.1:0", "--accounts", str(accounts), "--seed", str(seed), *(["--provisioned"] if provisioned else []),
                   "--latency", f"{latency_ms}ms", "--no-tail", "--inactive", "0%", "--even-pages", "--target-rate", str(target_rate)]
        command += ["--iam-rate", str(iam_rate if iam_rate is not None else 1_000_000)]
        command += list(more)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = ""
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit(f"the simulator ended: {said}")
            said += line
            found = re.search(r"http://127\.0\.0\.1:\d+", said)
            if found:
                self.url = found.group(0)
                break

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)

    def ask(self, path, body=None):
        return ask(self.url, path, body)

    def members(self):
        """The accounts that the hub can work in."""
        return [one["id"] for one in self.ask("/_sim/accounts")["accounts"] if one["reachable"] and not one["management"]]

    def an_account(self):
        return self.members()[0]

    def requests(self):
        """The latest requests (the simulator keeps 400,000), in order, each with its `moment` in seconds of the wall clock."""
        with urllib.request.urlopen(self.url + "/_sim/requests", timeout=60) as answer:
            entries = [json.loads(line) for line in answer.read().decode().splitlines()]
        for entry in entries:
            entry["moment"] = datetime.datetime.fromisoformat(entry["at"]).timestamp()
        return sorted(entries, key=lambda entry: entry["moment"])

    def closed_doors(self):
        """How many accounts nobody got into since the last reset: IAM is asked nothing about them."""
        entered = {entry["account"] for entry in self.requests() if entry["operation"] == "AssumeRole" and entry["verdict"] == "ok"}
        return self.accounts - len(entered)

    def seconds_without(self, account):
        """Seconds from the first request to the last one that had nothing to do with this account."""
        moments = [entry["moment"] for entry in self.requests() if entry.get("account") != account]
        return moments[-1] - moments[0]

    def reset(self):
        self.ask("/_sim/reset", {})

    def counts(self):
        """Calls by service, how many were throttled, and how long they took from the first to the last."""
        summary = self.ask("/_sim/summary")
        total, throttled, by_service = 0, 0, {}
        for row in summary["requests"]:
            total += row["count"]
            by_service[row["service"]] = by_service.get(row["service"], 0) + row["count"]
            throttled += row["count"] if row["verdict"] == "throttled" else 0
        per_account = by_service.get("iam", 0) + sum(r["count"] for r in summary["requests"] if r["operation"] == "AssumeRole")
        return {"requests": total, "throttled": throttled, "seconds": summary["seconds"], "per_account": per_account / self.accounts, "iam": by_service.get("iam", 0)}

    def floor(self, kind, in_flight, **more):
        """The least time from the first page of accounts to the last request, and what sets it."""
        return floor.least(kind, self.accounts, self.latency, self.iam_rate, in_flight, **more)
