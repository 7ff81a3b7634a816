"""Policies as sets of what they grant, so that two texts of one meaning are equal."""

import json
from pathlib import Path

PRINTED = Path(__file__).resolve().parents[2] / "deploy/policies"


def grants(document):
    """Every (effect, action, resource, condition) that the document spells out."""
    if isinstance(document, str):
        document = json.loads(document)
    assert document["Version"] == "2012-10-17"
    return {
        (statement["Effect"], action, resource, json.dumps(statement.get("Condition"), sort_keys=True))
        for statement in listed(document["Statement"])
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


def load(name):
    """What rolekeeper prints for `iam-policy NAME`, as kept in deploy/policies."""
    return grants((PRINTED / f"{name}.json").read_text())


def listed(value):
    return value if isinstance(value, list) else [value]
