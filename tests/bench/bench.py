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
import live
import measure
import pace
import page
import suite
from world import HUB, World

HERE = pathlib.Path(__file__).parent
SCENARIOS = ["cold", "warm", "drift", "provision", "halved", "throttled_target", "denied", "unlimited", "peers", "live", "simulator"]
# How long the simulator is put under load, by how many processes.
LOAD_SECONDS, LOAD_PROCESSES = 10, 2
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
sessions = {sessions}
[rollout]
canary = 3
waves = ["100%"]
[store]
url = "sqlite:bench.db"
"""
# The daemon's own part of it. Without [schedule] it sweeps only when it is asked.
DAEMON = """
[http]
listen = "127.0.0.1:0"
token = "{token}"
"""


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.in_flight = arguments.in_flight
        self.rows = []

    def config(self, world):
        return CONFIG.format(url=world.url, in_flight=self.in_flight, sessions=world.accounts)

    def environment(self, folder):
        return {**HUB, "PATH": os.environ["PATH"], "HOME": folder, "AWS_EC2_METADATA_DISABLED": "true"}

    def keeper(self, folder, world, *command, expected=(0, 2, 3)):
        (pathlib.Path(folder) / "rolekeeper.toml").write_text(self.config(world))
        world.reset()
        measured = measure.run([self.arguments.keeper, *command], env=self.environment(folder), cwd=folder)
        if measured["exit"] not in expected:
            sys.exit(f"rolekeeper {' '.join(command)} ended with {measured['exit']}: {measured['stderr']}")
        return measured

    def plan(self, folder, world, **expected):
        return self.keeper(folder, world, "plan", "--format", "json", **expected)

    def row(self, world, measured, *, kind, scenario, floor=(), counts=None, **more):
        counts = counts or world.counts()
        least, bound = world.floor(kind, self.in_flight, **dict(floor))
        seconds = counts["seconds"]
        row = {
            "scenario": scenario, "accounts": world.accounts, "latency_ms": round(world.latency * 1000), "iam_rate": world.iam_rate,
            "in_flight": self.in_flight, "seconds": round(seconds, 2), "process_seconds": round(measured["seconds"], 2),
            "floor_seconds": round(least, 2), "floor": bound, "ratio": round(least / seconds, 3) if seconds and least else None,
            "requests_per_account": round(counts["per_account"], 3), "throttled_share": round(counts["throttled"] / counts["requests"], 4),
            **self.cost(world, measured), **more,
        }
        self.rows.append(row)
        print(json.dumps(row), file=sys.stderr, flush=True)
        return row

    def cost(self, world, measured):
        """What the operating system says, an account."""
        of = {"cpu_ms_per_account": "cpu_seconds", "user_ms_per_account": "user_seconds", "system_ms_per_account": "system_seconds"}
        switches = {"switches_per_account": "switches_voluntary", "forced_switches_per_account": "switches_forced"}
        return {
            **{name: round(1000 * measured[key] / world.accounts, 3) for name, key in of.items() if key in measured},
            **{name: round(measured[key] / world.accounts, 3) for name, key in switches.items() if key in measured},
            "peak_mib": round(measured["peak_mib"], 1),
        }

    def world(self, accounts, latency, rate, more=(), **kind):
        """A world with a hidden IAM rate for the hub, or with none and no other limit."""
        if rate:
            return World(self.arguments.simulator, accounts, latency_ms=latency, iam_rate=rate, more=more, **kind)
        return World(self.arguments.simulator, accounts, latency_ms=latency, target_rate=1_000_000, more=["--no-limits", *more], **kind)

    def run(self, run):
        self.in_flight = run.in_flight
        with tempfile.TemporaryDirectory() as folder:
            getattr(self, run.scenario)(folder, run.accounts, run.latency, run.rate)

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
        """Half of the denied accounts cannot even be entered: the floor counts no IAM calls for them."""
        with self.world(accounts, latency, rate, more=["--denied", "2%"]) as world:
            self.plan(folder, world)
            closed = world.closed_doors()
            self.row(world, self.plan(folder, world), kind="warm", scenario="warm, 2 % denied", floor={"closed": closed}, closed=closed)

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
            moments = []

            def halve():
                world.ask("/_sim/limits", {"iam_rate": rate / 2})
                # Afterwards and not before: a later moment makes the floor lower, never higher.
                moments.append(time.time())

            timer = threading.Timer(accounts * 4 / rate / 2, halve)
            timer.start()
            measured = self.plan(folder, world)
            timer.cancel()
            timer.join()
            if not moments:
                sys.exit(f"the sweep of {accounts} accounts was over before the rate could halve")
            requests = world.requests()
            began = requests[0]["moment"]
            halved_at = moments[0] - began
            asked = [entry for entry in requests if entry["service"] == "iam"]
            passed = [entry["moment"] - began for entry in asked if entry["verdict"] == "ok"]
            tail_at = max(entry["moment"] for entry in requests if entry["operation"] == "AssumeRole") - began
            held = pace.held_from(passed, [entry["moment"] - began for entry in asked], halved_at, tail_at, rate / 2)
            self.row(world, measured, kind="warm", scenario="warm, rate halved in mid-sweep", floor={"halved_at": halved_at},
                     halved_at=round(halved_at, 2), seconds_to_90_percent=held)

    def live(self, folder, accounts, latency, rate):
        """A daemon's second sweep: documents, pace and sessions are in its memory."""
        with self.world(accounts, latency, rate, more=["--control-tower", "0%"]) as world:
            config = self.config(world) + DAEMON.format(token=live.TOKEN)
            with live.Daemon(self.arguments.keeper, config, folder, self.environment(folder)) as daemon:
                for sweep in ("first", "second"):
                    world.reset()
                    begun = time.monotonic()
                    summary, cpu = daemon.audit()
                    if summary["in_sync"] != accounts:
                        sys.exit(f"the {sweep} sweep of the daemon found {summary['in_sync']} of {accounts} accounts right: {summary}")
                seconds = time.monotonic() - begun
                counts = world.counts()
                whole = daemon.end()
            measured = {"seconds": seconds, "cpu_seconds": cpu, "peak_mib": whole["peak_mib"]}
            self.row(world, measured, kind="live", scenario="live, second sweep of a daemon", counts=counts)

    def simulator(self, folder, accounts, _latency, _rate):
        """Is the simulator ever the bottleneck? What it answers at most, next to what rolekeeper asks at most."""
        with self.world(1_000, 0, None) as world:
            self.plan(folder, world)
            self.plan(folder, world)
            counts = world.counts()
            asked = counts["requests"] / counts["seconds"]
        with self.world(accounts, 0, None, more=["--control-tower", "0%"]) as world:
            command = [sys.executable, str(HERE / "load.py"), world.url, "--seconds", str(LOAD_SECONDS), "--processes", str(LOAD_PROCESSES)]
            before = measure.cpu_seconds(world.process.pid)
            measured = measure.run(command)
            if measured["exit"] != 0:
                sys.exit(f"the load ended with {measured['exit']}: {measured['stderr']}")
            cpu = measure.cpu_seconds(world.process.pid) - before
            counts = world.counts()
        answered = counts["requests"] / counts["seconds"]
        asked = max(asked, page.fastest())
        self.rows.append({
            "scenario": "simulator alone", "accounts": accounts, "latency_ms": 0, "iam_rate": None, "seconds": round(counts["seconds"], 2),
            "load_processes": LOAD_PROCESSES, "requests_per_second": round(answered), "keeper_per_second": round(asked),
            "times_keeper": round(answered / asked, 1), "cpu_us_per_request": round(1e6 * cpu / counts["requests"], 1),
            "load_cpu_us_per_request": round(1e6 * measured["cpu_seconds"] / counts["requests"], 1),
        })
        print(json.dumps(self.rows[-1]), file=sys.stderr, flush=True)

    def peers(self, folder, accounts, latency, _rate):
        """The same world, the same reads: rolekeeper, a tuned boto3 thread pool, a naive boto3 loop, c7n-org."""
        # c7n-org is told one role for each account: every account has the same one here.
        with self.world(accounts, latency, None, more=["--control-tower", "0%"]) as world:
            environment = {**os.environ, **HUB, "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "HOME": folder}
            self.plan(folder, world, expected=(0,))
            ours = self.row(world, self.plan(folder, world, expected=(0,)), kind="warm", scenario="peers: rolekeeper, warm")
            for kind, scenario in [("tuned", "peers: boto3, tuned thread pool"), ("naive", "peers: boto3, naive loop")]:
                verdict = pathlib.Path(folder) / f"{kind}.json"
                self.peer(world, ours, scenario, [sys.executable, str(HERE / "peers.py"), kind, world.url], environment, verdict)
                found = json.loads(verdict.read_text())
                if found != {"right": accounts, "wrong": {}}:
                    sys.exit(f"{scenario} found {found['right']} of {accounts} roles right; wrong are {dict(list(found['wrong'].items())[:5])}")
            if self.arguments.custodian:
                command = custodian.command(self.arguments.custodian, world.members(), folder)
                self.peer(world, ours, "peers: c7n-org", command, {**environment, "AWS_ENDPOINT_URL": world.url}, os.devnull)
                if custodian.found(folder) != accounts:
                    sys.exit(f"c7n-org found {custodian.found(folder)} of {accounts} roles right")

    def peer(self, world, ours, scenario, command, environment, output):
        world.reset()
        with open(output, "wb") as stdout:
            measured = measure.run(command, env=environment, stdout=stdout)
        if measured["exit"] != 0:
            sys.exit(f"{scenario} ended with {measured['exit']}: {measured['stderr']}")
        counts = world.counts()
        cost = self.cost(world, measured)
        self.rows.append({
            "scenario": scenario, "accounts": world.accounts, "latency_ms": round(world.latency * 1000), "iam_rate": None,
            "seconds": round(counts["seconds"], 2), "process_seconds": round(measured["seconds"], 2),
            "requests_per_account": round(counts["per_account"], 3), **cost,
            "cpu_times_ours": round(cost["cpu_ms_per_account"] / ours["cpu_ms_per_account"], 1),
            "time_times_ours": round(counts["seconds"] / ours["seconds"], 1),
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
    parser.add_argument("--only", type=lambda text: text.split(","),
                        help="with --suite: only these rows of it, by number from 0, scenario, or key as in docs/benchmarks.json; the others stay as they are")
    parser.add_argument("--check", action="store_true", help="count requests and throttles in a minute, measure nothing")
    arguments = parser.parse_args()
    bench = Bench(arguments)
    if arguments.check:
        check(bench, arguments)
        print(page.table(page.against_targets(bench.rows)))
        return
    if arguments.suite:
        page.suite(bench, suite.SUITE, arguments.only)
        return
    unknown = set(arguments.scenario) - set(SCENARIOS)
    if unknown:
        parser.error(f"no scenario {', '.join(sorted(unknown))}: there are {', '.join(SCENARIOS)}")
    for scenario in arguments.scenario:
        for accounts in arguments.accounts:
            for latency in arguments.latency:
                bench.run(suite.Run(scenario, accounts, latency, arguments.iam_rate, arguments.in_flight))
    print(page.table(page.against_targets(bench.rows)))
    for remark in page.remarks(bench.rows):
        print(remark)
    if arguments.out:
        pathlib.Path(arguments.out).write_text(json.dumps({"machine": page.machine(), "rows": bench.rows, "kib_per_account": page.slope(bench.rows)}, indent=2))


def numbers(text):
    return [int(one) for one in text.split(",")]


if __name__ == "__main__":
    main()
