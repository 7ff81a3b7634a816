"""Measures rolekeeper against the floor that the limits set, and against its peers.

`cargo xtask bench` builds the release binaries and runs this. Every row is one world (one
simulator process), and everything in a row was measured in the same run on the same world.
Results go to stdout as a Markdown table and, with --out, to a file as JSON.
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile
import threading
import time

import custodian
import measure
import page
from world import HUB, World

HERE = pathlib.Path(__file__).parent
SCENARIOS = ["cold", "warm", "drift", "provision", "halved", "throttled_target", "denied", "unlimited", "peers"]
# What docs/BENCHMARKS.md is made of: scenario, accounts, latency in ms, the hidden IAM rate.
SUITE = [
    ("cold", 100, 100, 500), ("warm", 100, 100, 500),
    ("cold", 1_000, 100, 500), ("warm", 1_000, 100, 500),
    ("cold", 10_000, 100, 500), ("warm", 10_000, 100, 500),
    ("warm", 1_000, 40, 500), ("warm", 1_000, 200, 500),
    ("warm", 50_000, 100, 2_000),
    ("drift", 10_000, 100, 500), ("denied", 10_000, 100, 500),
    ("provision", 1_000, 100, 500),
    ("halved", 10_000, 100, 500), ("throttled_target", 10_000, 100, 500),
    ("unlimited", 1_000, 40, 0), ("unlimited", 1_000, 100, 0), ("unlimited", 1_000, 200, 0), ("unlimited", 10_000, 0, 0), ("unlimited", 50_000, 0, 0),
    ("peers", 500, 20, 0), ("peers", 2_000, 0, 0),
]
CONFIG = """
[aws]
region = "us-east-1"
endpoint_url = "{url}"
[[roles]]
preset = "cloudcoreo"
vendor_account_id = "999999999999"
external_id = "demo-7f3a9c52"
description = "Access for CloudCoreo, kept by rolekeeper"
max_session_duration = 3600
permissions_boundary = "none"
tags = {{ owner = "platform-security" }}
[[roles.managed_policies]]
name = "CloudCoreoAssumedRolePolicy"
document = '''{{"Version":"2012-10-17","Statement":[{{"Action":["*"],"Effect":"Allow","Resource":"*"}},{{"Action":["iam:CreateUser"],"Effect":"Deny","Resource":"*"}}]}}'''
tags = {{ owner = "platform-security" }}
[limits]
concurrency = {in_flight}
quota_share = 1.0
[rollout]
canary = 3
waves = ["100%"]
[store]
url = "sqlite:bench.db"
"""


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.rows = []

    def keeper(self, folder, world, *command, expected=(0, 2, 3)):
        config = pathlib.Path(folder) / "rolekeeper.toml"
        config.write_text(CONFIG.format(url=world.url, in_flight=self.arguments.in_flight))
        world.reset()
        environment = {**HUB, "PATH": os.environ["PATH"], "HOME": folder, "AWS_EC2_METADATA_DISABLED": "true"}
        measured = measure.run([self.arguments.keeper, *command], env=environment, cwd=folder)
        if measured["exit"] not in expected:
            sys.exit(f"rolekeeper {' '.join(command)} ended with {measured['exit']}: {measured['stderr']}")
        return measured

    def plan(self, folder, world):
        return self.keeper(folder, world, "plan", "--format", "json")

    def row(self, world, measured, *, kind, scenario, **more):
        counts = world.counts()
        floor, bound = world.floor(kind, self.arguments.in_flight)
        seconds = counts["seconds"]
        row = {
            "scenario": scenario, "accounts": world.accounts, "latency_ms": round(world.latency * 1000), "iam_rate": world.iam_rate,
            "seconds": round(seconds, 2), "process_seconds": round(measured["seconds"], 2),
            "floor_seconds": round(floor, 2), "floor": bound, "ratio": round(floor / seconds, 3) if seconds and floor else None,
            "requests_per_account": round(counts["per_account"], 3), "throttled_share": round(counts["throttled"] / counts["requests"], 4),
            "cpu_ms_per_account": round(1000 * measured["cpu_seconds"] / world.accounts, 3), "peak_mib": round(measured["peak_mib"], 1), **more,
        }
        self.rows.append(row)
        print(json.dumps(row), file=sys.stderr, flush=True)
        return row

    def world(self, accounts, latency, rate, more=(), **kind):
        """A world with a hidden IAM rate for the hub, or with none and no other limit."""
        if rate:
            return World(self.arguments.simulator, accounts, latency_ms=latency, iam_rate=rate, more=more, **kind)
        return World(self.arguments.simulator, accounts, latency_ms=latency, target_rate=1_000_000, more=["--no-limits", *more], **kind)

    def run(self, scenario, accounts, latency, rate):
        with tempfile.TemporaryDirectory() as folder:
            getattr(self, scenario)(folder, accounts, latency, rate)

    def cold(self, folder, accounts, latency, rate):
        """The first audit ever: no document known, and the pace to be found."""
        with self.world(accounts, latency, rate) as world:
            self.row(world, self.plan(folder, world), kind="cold", scenario="cold")

    def warm(self, folder, accounts, latency, rate, *, scenario="warm", more=()):
        """The audit after it: the documents and the pace are in the store, the process is new."""
        with self.world(accounts, latency, rate, more=more) as world:
            self.plan(folder, world)
            self.row(world, self.plan(folder, world), kind="warm", scenario=scenario)

    def drift(self, folder, accounts, latency, rate):
        self.warm(folder, accounts, latency, rate, scenario="warm, 1 % drift", more=["--drift", "1%"])

    def denied(self, folder, accounts, latency, rate):
        self.warm(folder, accounts, latency, rate, scenario="warm, 2 % denied", more=["--denied", "2%"])

    def unlimited(self, folder, accounts, latency, _rate):
        """No limit but the round trips: what the program itself costs."""
        with self.world(accounts, latency, None) as world:
            self.plan(folder, world)
            self.row(world, self.plan(folder, world), kind="warm", scenario="warm, no limits")

    def provision(self, folder, accounts, latency, rate):
        """Every account gets the role: the floor counts every call that IAM was asked at its rate."""
        with self.world(accounts, latency, rate, provisioned=False) as world:
            measured = self.keeper(folder, world, "apply", "--yes", "--format", "json", expected=(0,))
            self.row(world, measured, kind="provision", scenario="full provisioning")

    def throttled_target(self, folder, accounts, latency, rate):
        """One account is always throttled: what does it cost the others?"""
        with self.world(accounts, latency, rate) as world:
            self.plan(folder, world)
            self.plan(folder, world)
            alone = world.counts()["seconds"]
            victim = world.an_account()
            world.ask("/_sim/limits", {"target_rate": 0.01, "account": victim})
            measured = self.plan(folder, world)
            others = world.seconds_without(victim)
            self.row(world, measured, kind="warm", scenario="warm, one target always throttled", seconds_before=round(alone, 2),
                     others_seconds=round(others, 2), costs_the_others=round(others / alone - 1, 3))

    def halved(self, folder, accounts, latency, rate):
        """How soon the pace follows when the allowed rate halves in the middle of a sweep."""
        with self.world(accounts, latency, rate) as world:
            self.plan(folder, world)
            samples, stop = [], threading.Event()
            moment = accounts * 4 / rate / 2

            def watch():
                begun, halved = time.monotonic(), False
                while not stop.wait(0.5):
                    try:
                        passed = sum(row["count"] for row in world.ask("/_sim/summary")["requests"] if row["service"] == "iam" and row["verdict"] == "ok")
                    except OSError:
                        continue
                    now = time.monotonic() - begun
                    samples.append((now, passed, halved))
                    if not halved and moment <= now:
                        world.ask("/_sim/limits", {"iam_rate": rate / 2})
                        halved = True

            watcher = threading.Thread(target=watch)
            watcher.start()
            measured = self.plan(folder, world)
            stop.set()
            watcher.join()
            after = [(at, passed) for at, passed, halved in samples if halved]
            # Over two seconds each; the first beginning after which the pace holds.
            shares = [(t0 - after[0][0], (n1 - n0) / (t1 - t0) / (rate / 2)) for (t0, n0), (t1, n1) in zip(after, after[4:])]
            reached = next((round(at, 1) for at, share in shares if 0.9 <= share <= 1.1), None)
            self.row(world, measured, kind="halved", scenario="warm, rate halved in mid-sweep", seconds_to_90_percent=reached)

    def peers(self, folder, accounts, latency, _rate):
        """The same world, the same reads: rolekeeper, a tuned boto3 thread pool, a naive boto3 loop, c7n-org."""
        # c7n-org is told one role for each account: every account has the same one here.
        with self.world(accounts, latency, None, more=["--control-tower", "0%"]) as world:
            environment = {**os.environ, **HUB, "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "HOME": folder}
            self.plan(folder, world)
            ours = self.row(world, self.plan(folder, world), kind="warm", scenario="peers: rolekeeper, warm")
            self.peer(world, ours, "peers: boto3, tuned thread pool", [sys.executable, str(HERE / "peers.py"), "tuned", world.url], environment)
            self.peer(world, ours, "peers: boto3, naive loop", [sys.executable, str(HERE / "peers.py"), "naive", world.url], environment)
            if self.arguments.custodian:
                command = custodian.command(self.arguments.custodian, world.members(), folder)
                self.peer(world, ours, "peers: c7n-org", command, {**environment, "AWS_ENDPOINT_URL": world.url})
                if custodian.found(folder) != accounts:
                    sys.exit(f"c7n-org found {custodian.found(folder)} of {accounts} roles right")

    def peer(self, world, ours, scenario, command, environment):
        world.reset()
        measured = measure.run(command, env=environment)
        if measured["exit"] != 0:
            sys.exit(f"{scenario} ended with {measured['exit']}: {measured['stderr']}")
        counts = world.counts()
        cpu = 1000 * measured["cpu_seconds"] / world.accounts
        self.rows.append({
            "scenario": scenario, "accounts": world.accounts, "latency_ms": round(world.latency * 1000), "iam_rate": None,
            "seconds": round(counts["seconds"], 2), "process_seconds": round(measured["seconds"], 2),
            "requests_per_account": round(counts["per_account"], 3), "cpu_ms_per_account": round(cpu, 3), "peak_mib": round(measured["peak_mib"], 1),
            "cpu_times_ours": round(cpu / ours["cpu_ms_per_account"], 1), "time_times_ours": round(counts["seconds"] / ours["seconds"], 1),
        })
        print(json.dumps(self.rows[-1]), file=sys.stderr, flush=True)


def check(bench, arguments):
    """The quick form: counts alone, since a count does not depend on the machine."""
    with tempfile.TemporaryDirectory() as folder, World(
        arguments.simulator, 100, iam_rate=None, target_rate=1_000_000, more=["--no-limits", "--control-tower", "0%"]
    ) as world:
        for kind, wanted in [("cold", 6.0), ("warm", 5.0)]:
            row = bench.row(world, bench.keeper(folder, world, "plan", "--format", "json", expected=(0,)), kind=kind, scenario=kind)
            if wanted * 1.01 < row["requests_per_account"] or row["requests_per_account"] < wanted:
                sys.exit(f"{row['requests_per_account']} requests an account in a {kind} audit: {wanted} are needed")
            if row["throttled_share"]:
                sys.exit(f"{row['throttled_share']} of the calls throttled where nothing throttles")
    with tempfile.TemporaryDirectory() as folder, World(arguments.simulator, 400, iam_rate=200) as world:
        bench.keeper(folder, world, "plan", "--format", "json", expected=(0,))
        row = bench.row(world, bench.keeper(folder, world, "plan", "--format", "json", expected=(0,)), kind="warm", scenario="warm, known rate")
        if 0.005 < row["throttled_share"]:
            sys.exit(f"{row['throttled_share']} of the calls throttled at a known rate: at most 0.005 may be")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keeper", required=True)
    parser.add_argument("--simulator", required=True)
    parser.add_argument("--custodian", help="the program c7n-org; without it that peer is left out")
    parser.add_argument("--accounts", type=numbers, default=[1000])
    parser.add_argument("--latency", type=numbers, default=[100])
    parser.add_argument("--scenario", type=lambda text: text.split(","), default=["cold", "warm", "drift", "denied", "peers"])
    parser.add_argument("--iam-rate", type=float, default=500.0)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--out", help="write the results as JSON")
    parser.add_argument("--suite", action="store_true", help="measure what docs/BENCHMARKS.md shows, and write it there; about an hour")
    parser.add_argument("--only", type=numbers, help="with --suite: only these rows of it, counted from 0; the others stay as they are")
    parser.add_argument("--check", action="store_true", help="count requests and throttles in a minute, measure nothing")
    arguments = parser.parse_args()
    bench = Bench(arguments)
    if arguments.check:
        check(bench, arguments)
        print(page.table(bench.rows))
        return
    if arguments.suite:
        page.suite(bench, SUITE, arguments.only)
        return
    unknown = set(arguments.scenario) - set(SCENARIOS)
    if unknown:
        parser.error(f"no scenario {', '.join(sorted(unknown))}: there are {', '.join(SCENARIOS)}")
    for scenario in arguments.scenario:
        for accounts in arguments.accounts:
            for latency in arguments.latency:
                bench.run(scenario, accounts, latency, arguments.iam_rate)
    print(page.table(bench.rows))
    per_account = page.slope(bench.rows)
    if per_account is not None:
        print(f"\nPeak memory grows by {per_account} KiB an account.")
    if arguments.out:
        pathlib.Path(arguments.out).write_text(json.dumps({"machine": page.machine(), "rows": bench.rows, "kib_per_account": per_account}, indent=2))


def numbers(text):
    return [int(one) for one in text.split(",")]


if __name__ == "__main__":
    main()
