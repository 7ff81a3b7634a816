#!/usr/bin/env python3
"""Hold the answers of two stand-ins side by side.

    python compare.py simulator.json moto.json accepted.toml

Every difference has to be in the file of accepted differences, with the reason
why it is none of ours; and every line of that file has to be needed. Exit code
0 when that is so, 1 when not.
"""

import json
import sys
import tomllib


def differences(name, left, right):
    """Yields (place, left, right) for everything that is not equal."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted(left.keys() | right.keys()):
            yield from differences(f"{name}/{key}", left.get(key), right.get(key))
    elif left != right:
        yield name, left, right


def main():
    ours, theirs, accepted = sys.argv[1:4]
    with open(ours, encoding="utf-8") as file:
        ours = json.load(file)
    with open(theirs, encoding="utf-8") as file:
        theirs = json.load(file)
    with open(accepted, "rb") as file:
        accepted = tomllib.load(file)["accepted"]
    reasons = {}
    for entry in accepted:
        if not entry["reason"].strip():
            sys.exit("a difference is accepted without a reason")
        for place in entry["places"]:
            reasons[place] = entry["reason"]
    needed, open_ones, asked = set(), [], sorted(ours.keys() | theirs.keys())
    for place, left, right in differences("", ours, theirs):
        place = place.removeprefix("/")
        known = next((key for key in reasons if place == key or place.startswith(key + "/")), None)
        if known:
            needed.add(known)
        else:
            open_ones.append((place, left, right))
    for place, left, right in open_ones:
        print(f"{place}\n  simulator: {json.dumps(left)}\n  other:     {json.dumps(right)}")
    unneeded = sorted(set(reasons) - needed)
    for place in unneeded:
        print(f"{place}: accepted as a difference, but there is none")
    print(f"{len(asked)} questions, {len(needed)} accepted differences, {len(open_ones)} others")
    return 1 if open_ones or unneeded else 0


if __name__ == "__main__":
    sys.exit(main())
