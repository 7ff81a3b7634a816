"""Measures rolekeeper against the floor that the limits set, and against its peers.

`cargo xtask bench` builds the release binaries and runs this. Every row is one world (one
simulator process), and everything in a row was measured in the same run on the same world.
Results go to stdout as a Markdown table and, with --out, to a file as JSON.
"""

import argparse
import json
import os
import pathlib
import platform
import sys
import tempfile
import threading
import time

import measure
from world import HUB, World

HERE = pathlib.Path(__file__).parent
SCENARIOS = ["cold", "warm", "drift", "provision", "halved", "throttled_target", "denied", "peers"]
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

    def row(self, world, measured, *, kind, scenario, accounts=None, **more):
        counts = world.counts()
        floor, bound = world.floor(kind, self.arguments.in_flight)
        accounts = accounts or world.accounts
        row = {
            "scenario": scenario, "accounts": world.accounts, "latency_ms": round(world.latency * 1000), "iam_rate": world.iam_rate,
            "seconds": round(counts["seconds"], 2), "process_seconds": round(measured["seconds"], 2),
            "floor_seconds": round(floor, 2), "floor": bound, "ratio": round(floor / counts["seconds"], 3) if counts["seconds"] else None,
            "requests_per_account": round(counts["per_account"], 3), "throttled_share": round(counts["throttled"] / counts["requests"], 4),
            "cpu_ms_per_account": round(1000 * measured["cpu_seconds"] / accounts, 3), "peak_mib": round(measured["peak_mib"], 1), **more,
        }
        self.rows.append(row)
        print(json.dumps(row), file=sys.stderr, flush=True)
        return row

    def world(self, accounts, latency, **more):
        return World(self.arguments.simulator, accounts, latency_ms=latency, **more)

    def run(self, scenario, accounts, latency):
        with tempfile.TemporaryDirectory() as folder:
            getattr(self, scenario)(folder, accounts, latency)

    def cold(self, folder, accounts, latency):
        with self.world(accounts, latency, iam_rate=self.arguments.iam_rate) as world:
            self.row(world, self.keeper(folder, world, "plan", "--format", "json"), kind="cold", scenario="cold")

    def warm(self, folder, accounts, latency):
        with self.world(accounts, latency, iam_rate=self.arguments.iam_rate) as world:
            self.keeper(folder, world, "plan", "--format", "json")
            self.row(world, self.keeper(folder, world, "plan", "--format", "json"), kind="warm", scenario="warm")

    def drift(self, folder, accounts, latency):
        with self.world(accounts, latency, iam_rate=self.arguments.iam_rate, more=["--drift", "1%"]) as world:
            self.keeper(folder, world, "plan", "--format", "json")
            self.row(world, self.keeper(folder, world, "plan", "--format", "json"), kind="warm", scenario="warm, 1 % drift")

    def denied(self, folder, accounts, latency):
        with self.world(accounts, latency, iam_rate=self.arguments.iam_rate, more=["--denied", "2%"]) as world:
            self.keeper(folder, world, "plan", "--format", "json")
            self.row(world, self.keeper(folder, world, "plan", "--format", "json"), kind="warm", scenario="warm, 2 % denied")

    def provision(self, folder, accounts, latency):
        """Every account gets the role: the floor is that of the audit before, the writes come on top."""
        with self.world(accounts, latency, iam_rate=self.arguments.iam_rate, provisioned=False) as world:
            measured = self.keeper(folder, world, "apply", "--yes", "--format", "json", expected=(0,))
            self.row(world, measured, kind="cold", scenario="full provisioning")

    def throttled_target(self, folder, accounts, latency):
        with self.world(accounts, latency, iam_rate=self.arguments.iam_rate) as world:
            self.keeper(folder, world, "plan", "--format", "json")
            self.keeper(folder, world, "plan", "--format", "json")
            alone = world.counts()["seconds"]
            victim = world.an_account()
            world.ask("/_sim/limits", {"target_rate": 0.5, "account": victim})
            measured = self.keeper(folder, world, "plan", "--format", "json")
            self.row(world, measured, kind="warm", scenario="one target always throttled", without=round(alone, 2))

    def halved(self, folder, accounts, latency):
        """How soon the pace follows when the allowed rate halves in the middle of a sweep."""
        rate = self.arguments.iam_rate
        with self.world(accounts, latency, iam_rate=rate) as world:
            self.keeper(folder, world, "plan", "--format", "json")
            samples, stop = [], threading.Event()
            expected = accounts * 4 / rate

            def watch():
                begun, halved = time.monotonic(), False
                while not stop.wait(0.5):
                    try:
                        ok = sum(r["count"] for r in world.ask("/_sim/summary")["requests"] if r["service"] == "iam" and r["verdict"] == "ok")
                    except OSError:
                        continue
                    now = time.monotonic() - begun
                    samples.append((now, ok, halved))
                    if not halved and expected / 2 <= now:
                        world.ask("/_sim/limits", {"iam_rate": rate / 2})
                        halved = True

            watcher = threading.Thread(target=watch)
            watcher.start()
            measured = self.keeper(folder, world, "plan", "--format", "json")
            stop.set()
            watcher.join()
            after = [(t, ok) for t, ok, halved in samples if halved]
            share, reached = 0.0, None
            if after:
                start = after[0][0]
                for (t0, n0), (t1, n1) in zip(after, after[4:]):
                    share = (n1 - n0) / (t1 - t0) / (rate / 2)
                    if 0.9 <= share <= 1.1 and reached is None:
                        reached = round(t1 - start, 1)
            self.row(world, measured, kind="warm", scenario="rate halved in mid-sweep", seconds_to_90_percent=reached)

    def peers(self, folder, accounts, latency):
        """The same world, the same checks: rolekeeper, a tuned boto3 thread pool, a naive boto3 loop."""
        with World(self.arguments.simulator, accounts, latency_ms=latency, iam_rate=None, target_rate=1_000_000, more=["--no-limits"]) as world:
            environment = {**os.environ, **HUB, "AWS_DEFAULT_REGION": "us-east-1"}
            self.keeper(folder, world, "plan", "--format", "json")
            warm = self.row(world, self.keeper(folder, world, "plan", "--format", "json"), kind="warm", scenario="peers: rolekeeper, warm, no limits")
            for kind in ["tuned", "naive"]:
                world.reset()
                measured = measure.run([sys.executable, str(HERE / "peers.py"), kind, world.url], env=environment)
                if measured["exit"] != 0:
                    sys.exit(f"the {kind} peer ended with {measured['exit']}: {measured['stderr']}")
                row = self.row(world, measured, kind="cold", scenario=f"peers: boto3, {kind}, no limits")
                row["cpu_times_rolekeeper"] = round(row["cpu_ms_per_account"] / warm["cpu_ms_per_account"], 1)
                row["time_times_rolekeeper"] = round(row["seconds"] / warm["seconds"], 1)


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


def table(rows):
    columns = [("scenario", "scenario"), ("accounts", "accounts"), ("latency_ms", "latency ms"), ("iam_rate", "IAM/s"), ("seconds", "time s"),
               ("floor_seconds", "floor s"), ("floor", "bound by"), ("ratio", "floor/time"), ("requests_per_account", "requests/account"),
               ("throttled_share", "throttled"), ("cpu_ms_per_account", "CPU ms/account"), ("peak_mib", "peak MiB")]
    lines = ["| " + " | ".join(label for _, label in columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        lines.append("| " + " | ".join("" if row.get(key) is None else str(row[key]) for key, _ in columns) + " |")
    return "\n".join(lines)


def slope(rows):
    """Growth of peak memory from the smallest to the largest warm sweep, in KiB an account."""
    warm = sorted((row for row in rows if row["scenario"] == "warm"), key=lambda row: row["accounts"])
    if len(warm) < 2 or warm[0]["accounts"] == warm[-1]["accounts"]:
        return None
    return round(1024 * (warm[-1]["peak_mib"] - warm[0]["peak_mib"]) / (warm[-1]["accounts"] - warm[0]["accounts"]), 3)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keeper", required=True)
    parser.add_argument("--simulator", required=True)
    parser.add_argument("--accounts", type=lambda text: [int(one) for one in text.split(",")], default=[1000])
    parser.add_argument("--latency", type=lambda text: [int(one) for one in text.split(",")], default=[100])
    parser.add_argument("--scenario", type=lambda text: text.split(","), default=["cold", "warm", "drift", "denied", "peers"])
    parser.add_argument("--iam-rate", type=float, default=500.0)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--out")
    parser.add_argument("--check", action="store_true", help="count requests and throttles in a minute, measure nothing")
    arguments = parser.parse_args()
    if arguments.check:
        bench = Bench(arguments)
        check(bench, arguments)
        print(table(bench.rows))
        return
    unknown = set(arguments.scenario) - set(SCENARIOS)
    if unknown:
        parser.error(f"no scenario {', '.join(sorted(unknown))}: there are {', '.join(SCENARIOS)}")
    bench = Bench(arguments)
    for scenario in arguments.scenario:
        for accounts in arguments.accounts:
            for latency in arguments.latency:
                bench.run(scenario, accounts, latency)
    print(table(bench.rows))
    per_account = slope(bench.rows)
    if per_account is not None:
        print(f"\nPeak memory grows by {per_account} KiB an account.")
    if arguments.out:
        machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count(), "system": platform.system()}
        pathlib.Path(arguments.out).write_text(json.dumps({"machine": machine, "rows": bench.rows, "kib_per_account": per_account}, indent=2))


if __name__ == "__main__":
    main()
