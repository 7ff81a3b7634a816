"""The numbers to reach, held against a measured row. Pure."""

MEBI_IN_MEGA = 1.048576
# Requests an account, and how much more may be: calls that were throttled and made again.
REQUESTS = {"cold": 6.0, "warm": 5.0, "live": 4.0}
MORE_REQUESTS = 1.01
RATE_BOUND, LATENCY_BOUND = 0.95, 0.85
THROTTLED_KNOWN, THROTTLED_DISCOVERING = 0.005, 0.02
CPU_MS = 0.5
CPU_BELOW_BOTO3 = 20
PEAK_MB, PEAK_AT = 60, 10_000
SLOPE_KB = 2
PACE_SECONDS = 10
COSTS_THE_OTHERS = 0.05
SIMULATOR_TIMES = 10


def judged(row):
    """Each of them that this row says something about: its name, and whether it is met."""
    scenario = row["scenario"]
    if scenario == "peers: boto3, tuned thread pool":
        return [("CPU 20 times below it", CPU_BELOW_BOTO3 <= row["cpu_times_ours"])]
    if scenario.startswith("simulator"):
        return [("10 times ours", SIMULATOR_TIMES <= row["times_keeper"])]
    if "throttled_share" not in row:
        return []
    found = []
    # A target that is always throttled makes the whole take as long as it takes itself.
    if row.get("ratio") is not None and "costs_the_others" not in row:
        least = RATE_BOUND if row["floor"].startswith(("IAM", "AssumeRole", "ListAccounts")) else LATENCY_BOUND
        found.append(("time", least <= row["ratio"]))
    kind = "warm" if scenario.startswith("peers") else scenario.split(",")[0]
    if kind in REQUESTS:
        found.append(("requests", row["requests_per_account"] <= REQUESTS[kind] * MORE_REQUESTS))
        discovers = kind == "cold" or "seconds_to_90_percent" in row
        found.append(("throttled", row["throttled_share"] <= (THROTTLED_DISCOVERING if discovers else THROTTLED_KNOWN)))
    if kind in ("warm", "live"):
        found.append(("CPU", row["cpu_ms_per_account"] <= CPU_MS))
    if row["accounts"] == PEAK_AT:
        found.append(("memory", row["peak_mib"] * MEBI_IN_MEGA <= PEAK_MB))
    if "seconds_to_90_percent" in row:
        found.append(("pace", row["seconds_to_90_percent"] is not None and row["seconds_to_90_percent"] <= PACE_SECONDS))
    if "costs_the_others" in row:
        found.append(("the others", row["costs_the_others"] <= COSTS_THE_OTHERS))
    return found


def cell(row):
    """`met: time, requests; missed: CPU`; nothing where there is no number."""
    found = judged(row)
    parts = [(word, ", ".join(name for name, met in found if met is wanted)) for word, wanted in (("met", True), ("missed", False))]
    return "; ".join(f"{word}: {names}" for word, names in parts if names)


def slope(kib):
    """Whether the growth of memory an account is low enough."""
    return "met" if kib * 1.024 <= SLOPE_KB else "missed"
