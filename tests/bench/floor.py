"""The least time from the first request to the last that AWS's limits allow one sweep. Pure: nothing is measured here."""

from typing import NamedTuple

# AWS's published rates: calls a second and burst.
LIST_ACCOUNTS = (8.0, 12.0)
STS = 600.0
PAGE = 20
# IAM's hidden bucket holds so many seconds' worth of its rate, and is full at first.
BURST_SECONDS = 0.5


class Kind(NamedTuple):
    """What a sweep needs of one account."""

    rounds: int  # round trips one after the other, AssumeRole among them
    iam_calls: int  # AssumeRole apart
    enters: bool = True  # by AssumeRole; otherwise with a session that still lives


KINDS = {
    # AssumeRole, four reads in parallel, the policy's document.
    "cold": Kind(rounds=3, iam_calls=5),
    "warm": Kind(rounds=2, iam_calls=4),
    "live": Kind(rounds=1, iam_calls=4, enters=False),
    # A look, a look again before writing, three writes, and a look that finds it right.
    "provision": Kind(rounds=9, iam_calls=16),
}


def least(kind, accounts, latency, iam_rate, in_flight, *, closed=0, halved_at=None):
    """The least time in seconds, and the name of what sets it.

    The clock begins with the first page of ListAccounts: what rolekeeper asks before it (who it is) is its own
    affair, and counts in its time alone. Whoever is listed on page k cannot be entered before that page was asked for, and all that
    are listed from there on have to pass the limits after it; the floor is the longest of this over all pages.
    Published quotas count whether or not this world enforces them: rolekeeper keeps to them by itself.

    `closed` accounts cannot be entered, and IAM is asked nothing about them. Nobody knows before on which pages they are: they are left out
    of what follows each page, which makes the floor lower, never higher.
    """
    kind = KINDS[kind]
    pages = (accounts + 1 + PAGE - 1) // PAGE
    rate, burst = LIST_ACCOUNTS
    longest, bound = 0.0, ""
    for page in range(1, pages + 1):
        left = accounts - (page - 1) * PAGE
        serial, paced = (page - 1) * latency, (page - burst) / rate
        asked = max(serial, paced, 0.0)
        entered = asked + latency
        parts = {
            "ListAccounts 8/s" if serial < paced else "listing, one page after the other": asked + kind.rounds * latency,
            "round trips": entered + max(0.0, left / in_flight - 1) * kind.rounds * latency + (kind.rounds - 1) * latency,
        }
        if kind.enters:
            parts["AssumeRole 600/s"] = entered + max(0.0, (left - STS) / STS) + (kind.rounds - 1) * latency
        if iam_rate:
            begin = entered + (latency if kind.enters else 0.0)
            calls = max(0, left - closed) * kind.iam_calls
            parts[f"IAM {iam_rate:g}/s" if halved_at is None else f"IAM {iam_rate:g}/s, then half"] = passed_by(calls, begin, iam_rate, halved_at)
        most = max(parts, key=parts.get)
        if longest < parts[most]:
            longest, bound = parts[most], most
    return longest, bound


def passed_by(calls, begin, rate, halved_at=None):
    """The earliest moment by which IAM can have let so many calls pass, none of them before `begin`.

    With C calls, rate R, s = begin: the bucket holds R/2 and is full at first, so by a moment t at most R/2 + R (t - s) calls have
    passed, and the last of C passes at T >= s + C/R - 1/2.

    If the rate halves at m, measured from the same beginning, there are three cases.
    - That T lies before m: nothing changes.
    - s < m < T: by m at most N = R/2 + R (m - s) calls have passed, what is still in the bucket at m counted among
      them: it is what could have passed and did not, and of it at most R/4 stays. After m come R/2 a second, and so
      T >= m + (C - N) / (R/2).
    - m <= s: the bucket begins with half a second of the new rate, R/4: T >= s + (C - R/4) / (R/2) = s + C/(R/2) - 1/2.
    """
    alone = begin + max(0.0, calls / rate - BURST_SECONDS)
    if halved_at is None or alone <= halved_at:
        return alone
    if halved_at <= begin:
        return begin + max(0.0, calls / (rate / 2) - BURST_SECONDS)
    before = BURST_SECONDS * rate + rate * (halved_at - begin)
    return halved_at + (calls - before) / (rate / 2)
