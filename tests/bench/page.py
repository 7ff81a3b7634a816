"""docs/BENCHMARKS.md: the measured part of it, made from docs/benchmarks.json."""

import datetime
import json
import os
import pathlib
import platform

import floor
import suite as plan
import targets

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
RESULTS = DOCS / "benchmarks.json"
PAGE = DOCS / "BENCHMARKS.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
COLUMNS = [
    ("scenario", "scenario"), ("accounts", "accounts"), ("latency_ms", "latency ms"), ("iam_rate", "IAM/s"), ("in_flight", "in flight"), ("seconds", "time s"),
    ("floor_seconds", "floor s"), ("floor", "bound by"), ("ratio", "floor/time"), ("requests_per_account", "requests/account"),
    ("throttled_share", "throttled"), ("cpu_ms_per_account", "CPU ms/account"), ("peak_mib", "peak MiB"),
    ("target", "target"),
]
PEERS = [
    ("scenario", "who"), ("accounts", "accounts"), ("latency_ms", "latency ms"), ("seconds", "time s"), ("time_times_ours", "time, times ours"),
    ("requests_per_account", "requests/account"), ("cpu_ms_per_account", "CPU ms/account"), ("cpu_times_ours", "CPU, times ours"), ("peak_mib", "peak MiB"),
    ("target", "target"),
]
# The scenario that a row of an older file was measured by, from what the row calls it.
NAMED = {
    "cold": "cold", "warm": "warm", "warm, 1 % drift": "drift", "warm, 2 % denied": "denied", "warm, no limits": "unlimited",
    "full provisioning": "provision", "warm, one target always throttled": "throttled_target", "warm, rate halved in mid-sweep": "halved",
    "peers: rolekeeper, warm": "peers",
}
# Those of them whose floor follows from the row alone, and of what kind it is.
FLOORS = {"cold": "cold", "warm": "warm", "drift": "warm", "unlimited": "warm", "throttled_target": "warm", "provision": "provision", "peers": "warm"}


def table(rows, columns=COLUMNS):
    def cell(value):
        return "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)

    lines = ["| " + " | ".join(label for _, label in columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(cell(row.get(key)) for key, _ in columns) + " |" for row in rows]
    return "\n".join(lines)


def machine():
    return {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count(), "system": platform.system(),
            "day": datetime.date.today().isoformat()}


def against_targets(rows):
    """The rows, each with what it says about the numbers to reach."""
    return [{**row, "target": targets.cell(row)} for row in rows]


def read():
    """What was measured so far, by key."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return dict(migrated(key, result) for key, result in results.items())


def migrated(key, result):
    """Results were once kept by their row's number in the suite of that day, and always with 64 accounts in flight; their floor then had a
    round trip in it that is rolekeeper's own."""
    if not key.isdigit():
        return key, result
    first = result["rows"][0]
    scenario = NAMED[first["scenario"]]
    run = plan.Run(scenario, first["accounts"], first["latency_ms"], first["iam_rate"] or 0)
    rows = [{"in_flight": run.in_flight, **row} if "throttled_share" in row else row for row in result["rows"]]
    for row in rows:
        if "floor_seconds" in row and scenario in FLOORS:
            least, bound = floor.least(FLOORS[scenario], run.accounts, run.latency / 1000, run.rate, run.in_flight)
            row |= {"floor_seconds": round(least, 2), "floor": bound, "ratio": round(least / row["seconds"], 3) if row["seconds"] and least else None}
    return run.key, {**result, "rows": rows}


def ordered(results):
    """In the order of the suite; what is no longer part of it comes last."""
    places = {run.key: place for place, run in enumerate(plan.SUITE)}
    return dict(sorted(results.items(), key=lambda item: (places.get(item[0], len(places)), item[0])))


def suite(bench, runs, only):
    """Measures the rows of the suite and writes the page anew after each of them: a long run that is stopped has lost one row."""
    wanted = [run for number, run in enumerate(runs) if plan.chosen(number, run, only)]
    unknown = [word for word in only or [] if not any(plan.chosen(number, run, [word]) for number, run in enumerate(runs))]
    if unknown:
        raise SystemExit(f"the suite has no row {', '.join(unknown)}: there are 0 to {len(runs) - 1}, {', '.join(run.key for run in runs)}")
    for run in wanted:
        bench.rows.clear()
        bench.run(run)
        results = ordered({**read(), run.key: {"machine": machine(), "rows": list(bench.rows)}})
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        write(results)


def fastest():
    """The most requests a second that rolekeeper made in any row measured so far."""
    rows = [row for result in read().values() for row in result["rows"] if "throttled_share" in row and row["seconds"]]
    return max((row["requests_per_account"] * row["accounts"] / row["seconds"] for row in rows), default=0)


def write(results):
    """Puts the tables between the two marks."""
    rows = [row for result in results.values() for row in result["rows"]]
    shown = against_targets(rows)
    audits = [row for row in shown if not row["scenario"].startswith(("peers", "simulator"))]
    peers = [{**row, "scenario": row["scenario"].removeprefix("peers: ")} for row in shown if row["scenario"].startswith("peers")]
    extra = remarks(rows)
    days = sorted({result["machine"]["day"] for result in results.values()})
    cores = sorted({result["machine"]["cores"] for result in results.values()})
    text = [
        BEGIN, "", f"Measured {' to '.join(dict.fromkeys([days[0], days[-1]]))}, on {', '.join(map(str, cores))} cores that the simulator shares.", "",
        table(audits), "",
    ]
    if extra:
        text += [*extra, ""]
    if peers:
        text += ["### Beside what is used today", "", table(peers, PEERS), ""]
    text.append(END)
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    PAGE.write_text(before + "\n".join(text) + rest.split(END)[1])


def remarks(rows):
    """What the columns have no place for, a line each."""
    lines = [f"- {row['scenario']}, {row['accounts']:,} accounts: {said}" for row in rows for said in remark(row)]
    per_account = slope(rows)
    if per_account is not None:
        lines.append(f"- Peak memory grows by {per_account:g} KiB an account, from the smallest to the largest sweep without limits: {targets.slope(per_account)}.")
    return lines


def remark(row):
    """What one row has to say."""
    if "seconds_to_90_percent" in row:
        held = row["seconds_to_90_percent"]
        when = "not reached" if held is None else f"{held:g} s after the rate halved"
        yield f"90 % of the new pace passed and at most 110 % asked, in every window of five seconds from there to the end: {when}."
    if "costs_the_others" in row:
        yield (f"all the others were done after {row['others_seconds']} s; without the throttled one, in the sweep before, after "
               f"{row['seconds_before']} s ({100 * row['costs_the_others']:+.1f} %).")
    if "times_keeper" in row:
        yield (f"it answers {row['requests_per_second']:,} requests a second on the cores that it shares with its load, {row['times_keeper']:g} times the "
               f"most that rolekeeper asks in a benchmark ({row['keeper_per_second']:,}); {row['cpu_us_per_request']:g} µs of a processor each, and "
               f"{row['load_cpu_us_per_request']:g} µs for the load. {targets.cell(row)}.")


def slope(rows):
    """Growth of peak memory from the smallest to the largest sweep without limits, in KiB an account."""
    sweeps = sorted((row for row in rows if row["scenario"] == "warm, no limits" and not row["latency_ms"]), key=lambda row: row["accounts"])
    if len(sweeps) < 2 or sweeps[0]["accounts"] == sweeps[-1]["accounts"]:
        return None
    return round(1024 * (sweeps[-1]["peak_mib"] - sweeps[0]["peak_mib"]) / (sweeps[-1]["accounts"] - sweeps[0]["accounts"]), 3)
