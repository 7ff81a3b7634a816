"""Holds the events for a SIEM against the schema that OCSF publishes.

Every line of the reports and changes of a live `rolekeeper demo`, and of the golden report: no attribute
that the schema does not know, no deprecated one, right types, numbers that the enumerations have, names
that go with their numbers, and class, category, activity and type that fit each other.
"""

import json
import signal
import sys
import tempfile
import urllib.request
from pathlib import Path

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from api_contract import start
from reporting import run

GOLDEN = Path(__file__).resolve().parents[1] / "golden/report.ocsf.ndjson"
VERSION = "1.5.0"
PUBLISHED = get_ocsf_schema(VERSION)
SCHEMA = OcsfJsonSchemaEmbedded(PUBLISHED)
FINDING, CHANGE = 2003, 3004


def collected():
    """The events of the golden report and of everything that the demo has done, by where they came from."""
    found = {"golden": GOLDEN.read_text()}
    with tempfile.TemporaryDirectory() as folder:
        process, url, token = start(folder)

        def get(path):
            request = urllib.request.Request(url + path, headers={"Authorization": f"Bearer {token}"})
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.read().decode()

        try:
            for sweep in json.loads(get("/api/v1/sweeps"))["items"]:
                if not sweep["outcome"]:
                    continue
                path = f"/api/v1/sweeps/{sweep['id']}"
                found[f"report of {sweep['id']}"] = get(f"{path}/report?format=ocsf")
                if json.loads(get(path))["compared_with"]:
                    found[f"changes of {sweep['id']}"] = get(f"{path}/changes?format=ocsf")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
    return {place: [json.loads(line) for line in text.splitlines()] for place, text in found.items()}


def everything():
    return [(place, event) for place, events in EVENTS.items() for event in events]


def class_of(event):
    return PUBLISHED["classes"][SCHEMA.lookup_class_name_from_uid(event["class_uid"])]


def there_is_something_to_look_at():
    for start_of_place in ("report of", "changes of"):
        seen = {
            (event["class_uid"], event["activity_name"])
            for place, event in everything()
            if place.startswith(start_of_place)
        }
        for wanted in [(FINDING, "Create"), (FINDING, "Close"), (CHANGE, "Create"), (CHANGE, "Update")]:
            assert wanted in seen or (start_of_place, wanted) == ("changes of", (FINDING, "Create")), (
                start_of_place, wanted, seen,
            )


def every_event_fits_the_published_schema():
    validators = {}
    for place, event in everything():
        profiles = tuple(event["metadata"]["profiles"])
        key = (event["class_uid"], profiles)
        if key not in validators:
            name = SCHEMA.lookup_class_name_from_uid(event["class_uid"])
            validators[key] = Draft202012Validator(SCHEMA.get_class_schema(name, list(profiles)))
        problems = [f"{'/'.join(map(str, one.path))}: {one.message}" for one in validators[key].iter_errors(event)]
        assert not problems, (place, problems)


def a_schema_that_forbids_nothing_would_be_noticed():
    """What this file rests on: each kind of mistake is one."""
    [event] = [event for _, event in everything() if event["class_uid"] == FINDING][:1]
    check = Draft202012Validator(SCHEMA.get_class_schema("compliance_finding", ["cloud"]))
    assert check.is_valid(event)
    mistakes = [
        {"no_such_attribute": 1}, {"severity_id": 77}, {"time": "yesterday"}, {"type_uid": 200377},
        {"class_uid": 3004}, {"finding_info": {"title": "without a uid"}}, {"cloud": {"provider": "AWS", "what": 1}},
        {"resources": [{"type": "neither name nor uid"}]}, {"metadata": {"version": VERSION}},
    ]
    for mistake in mistakes:
        assert not check.is_valid({**event, **mistake}), mistake


def the_version_and_the_profiles_are_those_of_the_schema():
    for place, event in everything():
        assert event["metadata"]["version"] == PUBLISHED["version"] == VERSION, place
        assert set(event["metadata"]["profiles"]) <= set(class_of(event)["profiles"]), place


def class_category_activity_and_type_fit_each_other():
    for place, event in everything():
        known = class_of(event)
        assert event["class_uid"] in (FINDING, CHANGE), place
        assert event["class_name"] == known["caption"], place
        assert event["category_uid"] == known["category_uid"] == event["class_uid"] // 1000, place
        assert event["category_name"] == known["category_name"], place
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"], place


def walk(attributes, value, visit, path=""):
    """Visits every attribute of an event with what the schema says about it."""
    for name, inner in value.items():
        known = attributes[name]
        visit(f"{path}{name}", known, inner, value, attributes)
        if known["type"] == "object_t":
            below = PUBLISHED["objects"][known["object_type"]]["attributes"]
            if not below:
                continue  # Free form: `unmapped`.
            for one in inner if isinstance(inner, list) else [inner]:
                walk(below, one, visit, f"{path}{name}.")


def names_go_with_their_numbers():
    def visit(path, known, value, beside, attributes):
        name = known.get("sibling")
        captions = {int(key): one["caption"] for key, one in known.get("enum", {}).items() if key.isdigit()}
        # 99 is "other": the name is the source's own.
        if name and captions and value != 99:
            assert beside.get(name) == captions[value], (path, beside.get(name), captions[value])

    for _, event in everything():
        walk(class_of(event)["attributes"], event, visit)


def nothing_is_used_that_the_schema_gives_up():
    def visit(path, known, *_):
        assert "@deprecated" not in known, path

    for _, event in everything():
        walk(class_of(event)["attributes"], event, visit)


def a_difference_has_one_uid_from_its_beginning_to_its_end():
    opened, closed = set(), set()
    for place, event in everything():
        if event["class_uid"] == FINDING and place != "golden":
            (closed if event["activity_name"] == "Close" else opened).add(event["finding_info"]["uid"])
    assert closed and closed <= opened, closed - opened


CHECKS = [
    there_is_something_to_look_at,
    every_event_fits_the_published_schema,
    a_schema_that_forbids_nothing_would_be_noticed,
    the_version_and_the_profiles_are_those_of_the_schema,
    class_category_activity_and_type_fit_each_other,
    names_go_with_their_numbers,
    nothing_is_used_that_the_schema_gives_up,
    a_difference_has_one_uid_from_its_beginning_to_its_end,
]

if __name__ == "__main__":
    EVENTS = collected()
    sys.exit(run(CHECKS))
