"""The commands of the pages that need AWS, held against the model of AWS's own
SDK: each service, operation and flag exists. Nothing is sent.

    python tests/python/docs_aws.py
"""

import re
import shlex
import sys
from pathlib import Path

import botocore.session
from botocore import xform_name

from reporting import run

ROOT = Path(__file__).resolve().parents[2]
# Flags that every command of the AWS command line takes.
COMMON = {"output", "profile", "query", "region"}
# Commands that the command line puts together from several operations.
COMPOSED = {
    ("cloudformation", "deploy"): {"stack-name", "template-file", "capabilities", "parameter-overrides"},
}


def pages():
    for pattern in ("*.md", "docs/**/*.md", "deploy/**/*.md"):
        yield from sorted(ROOT.glob(pattern))


def commands(program):
    """Every command of that program: in blocks, with its lines joined, and in sentences."""
    for page in pages():
        text = page.read_text().replace("\\\n", " ")
        found = re.findall(rf"^\s*(?:\$ )?({program} .*)$", text, re.MULTILINE)
        found += re.findall(rf"`({program} [^`]+)`", text)
        for command in found:
            yield f"{page.relative_to(ROOT)}: {command}", shlex.split(command.replace("…", ""), comments=True)


def flags(words):
    return {word.removeprefix("--").split("=")[0] for word in words if word.startswith("--")}


def every_call_of_aws_exists_with_its_flags():
    session = botocore.session.get_session()
    seen = 0
    for where, (_, service, operation, *rest) in commands("aws"):
        seen += 1
        given = flags(word for word in rest if word != ">") - COMMON
        composed = COMPOSED.get((service, operation))
        if composed is not None:
            assert given <= composed, (where, given - composed)
            continue
        assert service in session.get_available_services(), where
        model = session.get_service_model(service)
        operations = {xform_name(name, "-"): name for name in model.operation_names}
        assert operation in operations, where
        members = model.operation_model(operations[operation]).input_shape.members
        known = {xform_name(name, "-") for name in members}
        # A flag that is on or off has two spellings, and one member.
        known |= {f"no-{name}" for name in known}
        assert given <= known, (where, given - known)
    assert seen >= 6, f"only {seen} commands were found"


def what_is_composed_is_still_used():
    used = {tuple(words[1:3]) for _, words in commands("aws")}
    assert set(COMPOSED) <= used, set(COMPOSED) - used


CHECKS = [every_call_of_aws_exists_with_its_flags, what_is_composed_is_still_used]

if __name__ == "__main__":
    sys.exit(run(CHECKS))
