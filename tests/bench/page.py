"""docs/BENCHMARKS.md: the measured part of it, made from docs/benchmarks.json."""

import datetime
import json
import os
import pathlib
import platform

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
RESULTS = DOCS / "benchmarks.json"
PAGE = DOCS / "BENCHMARKS.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
COLUMNS = [
    ("scenario", "scenario"), ("accounts", "accounts"), ("latency_ms", "latency ms"), ("iam_rate", "IAM/s"), ("seconds", "time s"),
    ("floor_seconds", "floor s"), ("floor", "bound by"), ("ratio", "floor/time"), ("requests_per_account", "requests/account"),
    ("throttled_share", "throttled"), ("cpu_ms_per_account", "CPU ms/account"), ("peak_mib", "peak MiB"),
]
PEERS = [
    ("scenario", "who"), ("accounts", "accounts"), ("latency_ms", "latency ms"), ("seconds", "time s"), ("time_times_ours", "time, times ours"),
    ("requests_per_account", "requests/account"), ("cpu_ms_per_account", "CPU ms/account"), ("cpu_times_ours", "CPU, times ours"), ("peak_mib", "peak MiB"),
]


def table(rows, columns=COLUMNS):
    def cell(value):
        return "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)

    lines = ["| " + " | ".join(label for _, label in columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(cell(row.get(key)) for key, _ in columns) + " |" for row in rows]
    return "\n".join(lines)


def machine():
    return {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count(), "system": platform.system(),
            "day": datetime.date.today().isoformat()}


def suite(bench, rows, only):
    """Measures the rows of the suite and writes the page anew after each of them: a long run that is stopped has lost one row."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for number, (scenario, accounts, latency, rate) in enumerate(rows):
        if only is not None and number not in only:
            continue
        bench.rows.clear()
        bench.run(scenario, accounts, latency, rate)
        results[f"{number:02}"] = {"machine": machine(), "rows": list(bench.rows)}
        RESULTS.write_text(json.dumps(dict(sorted(results.items())), indent=1) + "\n")
        write(results)


def write(results):
    """Puts the tables between the two marks."""
    rows = [row for key in sorted(results) for row in results[key]["rows"]]
    audits = [row for row in rows if not row["scenario"].startswith("peers")]
    peers = [{**row, "scenario": row["scenario"].removeprefix("peers: ")} for row in rows if row["scenario"].startswith("peers")]
    extra = [f"- {row['scenario']}, {row['accounts']:,} accounts: {said}" for row in audits for said in remarks(row)]
    per_account = slope(rows)
    if per_account is not None:
        extra.append(f"- Peak memory grows by {per_account:g} KiB an account, from the smallest to the largest sweep without limits.")
    days = sorted({results[key]["machine"]["day"] for key in results})
    cores = sorted({results[key]["machine"]["cores"] for key in results})
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


def remarks(row):
    if "seconds_to_90_percent" in row:
        yield f"{row['seconds_to_90_percent']} s after the rate halved, the pace was within a tenth of the new one."
    if "costs_the_others" in row:
        yield (f"all the others were done after {row['others_seconds']} s; without the throttled one, in the sweep before, after "
               f"{row['seconds_before']} s ({100 * row['costs_the_others']:+.1f} %).")


def slope(rows):
    """Growth of peak memory from the smallest to the largest sweep without limits, in KiB an account."""
    sweeps = sorted((row for row in rows if row["scenario"] == "warm, no limits" and not row["latency_ms"]), key=lambda row: row["accounts"])
    if len(sweeps) < 2 or sweeps[0]["accounts"] == sweeps[-1]["accounts"]:
        return None
    return round(1024 * (sweeps[-1]["peak_mib"] - sweeps[0]["peak_mib"]) / (sweeps[-1]["accounts"] - sweeps[0]["accounts"]), 3)
