"""The simulated organization a benchmark runs against, and what it counted."""

import datetime
import json
import re
import subprocess
import urllib.request

HUB = {"AWS_ACCESS_KEY_ID": "AKIASIMULATORHUB0001", "AWS_SECRET_ACCESS_KEY": "simulator"}

# AWS's published rates: calls a second and burst.
LIST_ACCOUNTS = (8.0, 12.0)
STS = 600.0
PAGE = 20
# Two round trips warm (AssumeRole, then the reads in parallel), three cold.
ROUNDS = {"cold": 3, "warm": 2, "halved": 2, "provision": 9}
# IAM calls of one audit, AssumeRole apart; of a provisioning: a look, a look again before writing, three writes, and
# a look that finds it right.
IAM_CALLS = {"cold": 5, "warm": 4, "halved": 4, "provision": 16}


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
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method="GET" if body is None else "POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read().decode()
        return json.loads(text) if text.strip() else None

    def members(self):
        """The accounts that the hub can work in."""
        return [one["id"] for one in self.ask("/_sim/accounts")["accounts"] if one["reachable"] and not one["management"]]

    def an_account(self):
        return self.members()[0]

    def seconds_without(self, account):
        """Seconds from the first request to the last one that had nothing to do with this account."""
        with urllib.request.urlopen(self.url + "/_sim/requests", timeout=60) as answer:
            entries = [json.loads(line) for line in answer.read().decode().splitlines()]
        moments = [datetime.datetime.fromisoformat(entry["at"]).timestamp() for entry in entries if entry.get("account") != account]
        return max(moments) - min(moments)

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

    def floor(self, kind, in_flight):
        """The least time from the first request to the last that AWS's limits, as this world has them, allow one audit.

        Whoever is listed on page k cannot be entered before that page was asked for, and all that are listed from
        there on have to pass the limits after it. Published quotas count whether or not this world enforces them:
        rolekeeper keeps to them by itself.
        """
        pages = (self.accounts + 1 + PAGE - 1) // PAGE
        rate, burst = LIST_ACCOUNTS
        rounds = ROUNDS[kind]
        least, bound = 0.0, ""
        for page in range(1, pages + 1):
            left = self.accounts - (page - 1) * PAGE
            serial, paced = (page - 1) * self.latency, (page - burst) / rate
            # Who we are is asked before the first page.
            asked = self.latency + max(serial, paced, 0.0)
            entered = asked + self.latency
            parts = {
                "ListAccounts 8/s" if serial < paced else "listing, one page after the other": asked + rounds * self.latency,
                "AssumeRole 600/s": entered + max(0.0, (left - STS) / STS) + (rounds - 1) * self.latency,
                "round trips": entered + max(0.0, left / in_flight - 1) * rounds * self.latency + (rounds - 1) * self.latency,
            }
            if self.iam_rate is not None:
                # The bucket starts full: half a second's worth. The second half of a sweep
                # whose rate is halved then takes twice its time.
                stretch = 1.5 if kind == "halved" else 1.0
                calls = left * IAM_CALLS[kind]
                parts[f"IAM {self.iam_rate:g}/s"] = entered + self.latency + max(0.0, stretch * calls / self.iam_rate - 0.5)
            longest = max(parts, key=parts.get)
            if least < parts[longest]:
                least, bound = parts[longest], longest
        return least, bound
