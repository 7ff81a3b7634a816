"""The CloudFormation templates: cfn-lint's opinion, and whether their policies
are those that rolekeeper prints for itself (deploy/policies).

    python tests/python/deploy_cloudformation.py            # check
    python tests/python/deploy_cloudformation.py --write    # make admin-role-stackset.yaml anew
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import yaml

from policies import grants, load
from reporting import run

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "deploy/cloudformation"
STACK_SET = TEMPLATES / "admin-role-stackset.yaml"

STACK_SET_HEAD = """\
AWSTemplateFormatVersion: "2010-09-09"
Description: >-
  Puts the role of admin-role.yaml into every account of the given organizational units, new
  ones included. Deploy it in the management account or a delegated administrator of StackSets.
# The template body below is admin-role.yaml; tests/python/deploy_cloudformation.py --write puts it there.

Parameters:
  OrganizationalUnitIds:
    Type: CommaDelimitedList
    Description: Roots or organizational units; all accounts below them get the role.
  HubRoleArn:
    Type: String
    AllowedPattern: "arn:aws[a-z-]*:iam::[0-9]{12}:role/.+"
    Description: The role that rolekeeper runs as (output RoleArn of hub.yaml).
  RoleName:
    Type: String
    Default: rolekeeper-admin
    Description: The name of the role; put it first in aws.admin_roles.
  ManagedRoleName:
    Type: String
    Default: CloudCoreoAssumedRolePolicy
    Description: The role that is kept right.
  ManagedPolicyName:
    Type: String
    Default: CloudCoreoAssumedRolePolicy
    Description: Its managed policy.
  Writes:
    Type: String
    Default: repair
    AllowedValues: [audit, repair, repair-and-rollback]
    Description: With audit, the role cannot change anything, whatever rolekeeper is told.
  CallAs:
    Type: String
    Default: SELF
    AllowedValues: [SELF, DELEGATED_ADMIN]
    Description: DELEGATED_ADMIN when this is not the management account.

Resources:
  AdminRoles:
    Type: AWS::CloudFormation::StackSet
    Properties:
      StackSetName: rolekeeper-admin
      Description: The role with which rolekeeper works in each account
      PermissionModel: SERVICE_MANAGED
      CallAs: !Ref CallAs
      # An account that joins gets the role by itself, and loses it when it leaves.
      AutoDeployment: {Enabled: true, RetainStacksOnAccountRemoval: false}
      ManagedExecution: {Active: true}
      Capabilities: [CAPABILITY_NAMED_IAM]
      OperationPreferences: {FailureTolerancePercentage: 10, MaxConcurrentPercentage: 25, RegionConcurrencyType: PARALLEL}
      Parameters:
        - {ParameterKey: HubRoleArn, ParameterValue: !Ref HubRoleArn}
        - {ParameterKey: RoleName, ParameterValue: !Ref RoleName}
        - {ParameterKey: ManagedRoleName, ParameterValue: !Ref ManagedRoleName}
        - {ParameterKey: ManagedPolicyName, ParameterValue: !Ref ManagedPolicyName}
        - {ParameterKey: Writes, ParameterValue: !Ref Writes}
      StackInstancesGroup:
        - DeploymentTargets: {OrganizationalUnitIds: !Ref OrganizationalUnitIds}
          # IAM is global: one Region is enough.
          Regions: [!Ref AWS::Region]
      TemplateBody: |
"""


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms: `!Sub x` as `{"Fn::Sub": x}`."""


def short_form(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", short_form)
NOTHING = object()


class Deployed:
    """A template with its parameters given, as far as the policies need it."""

    def __init__(self, name, **parameters):
        self.template = yaml.load((TEMPLATES / name).read_text(), Loader)
        defaults = {key: value.get("Default") for key, value in self.template["Parameters"].items()}
        self.values = defaults | parameters | {
            "AWS::Partition": "aws", "AWS::AccountId": "111122223333", "AWS::Region": "us-east-1",
            "AWS::NoValue": NOTHING,
        }

    def condition(self, name):
        return self.value(self.template["Conditions"][name])

    def value(self, node):
        if isinstance(node, list):
            values = [self.value(item) for item in node]
            return [value for value in values if value is not NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((function, argument),) = node.items()
            if function == "Ref" or function.startswith("Fn::"):
                return self.call(function.removeprefix("Fn::"), argument)
            if function == "Condition" and isinstance(argument, str):
                return self.condition(argument)
        values = {key: self.value(value) for key, value in node.items()}
        return {key: value for key, value in values.items() if value is not NOTHING}

    def call(self, function, argument):
        match function:
            case "Ref":
                return self.values.get(argument, f"ref:{argument}")
            case "GetAtt":
                return f"att:{argument}"
            case "Sub":
                text, more = argument if isinstance(argument, list) else (argument, {})
                for key, value in (self.values | self.value(more)).items():
                    text = text.replace("${" + key + "}", str(value))
                assert "${" not in text, text
                return text
            case "If":
                name, yes, no = argument
                return self.value(yes if self.condition(name) else no)
            case "Equals":
                left, right = self.value(argument)
                return left == right
            case "Not":
                return not self.value(argument)[0]
            case "Or":
                return any(self.value(argument))
            case "And":
                return all(self.value(argument))
            case "Select":
                index, items = argument
                return self.value(items)[index]
            case "Split":
                separator, text = argument
                return self.value(text).split(separator)
        raise AssertionError(f"Fn::{function} is not known here")

    def resource(self, name):
        return self.value(self.template["Resources"][name]["Properties"])


HUB = "arn:aws:iam::111122223333:role/rolekeeper"
QUEUE = "arn:aws:sqs:us-east-1:111122223333:rolekeeper-events"


def hub_policy(**parameters):
    return grants(Deployed("hub.yaml", **parameters).resource("Policy")["PolicyDocument"])


def admin_policy(**parameters):
    role = Deployed("admin-role.yaml", HubRoleArn=HUB, **parameters).resource("Role")
    return set().union(*(grants(policy["PolicyDocument"]) for policy in role["Policies"]))


def cfn_lint_has_nothing_to_say():
    lint = Path(sys.executable).with_name("cfn-lint")
    templates = sorted(str(path) for path in TEMPLATES.glob("*.yaml"))
    assert len(templates) == 5, templates
    done = subprocess.run([lint, "--include-checks", "I", "--", *templates], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def the_hub_may_do_what_rolekeeper_does_as_itself_and_nothing_else():
    assert hub_policy() == load("hub")


def the_admin_role_may_do_what_rolekeeper_does_in_an_account_and_nothing_else():
    assert admin_policy() == load("admin-no-rollback")
    assert admin_policy(Writes="repair-and-rollback") == load("admin")


def an_admin_role_for_audits_is_what_an_audit_session_is():
    assert admin_policy(Writes="audit") == load("session")


def the_parameters_reach_every_statement():
    text = json.dumps(sorted(admin_policy(ManagedRoleName="Scanner", ManagedPolicyName="Scan")))
    assert "CloudCoreo" not in text and "role/Scanner" in text and "policy/Scan" in text
    renamed = json.dumps(sorted(hub_policy(AdminRoleName="A", SecondAdminRoleName="A")))
    assert "OrganizationAccountAccessRole" not in renamed and "role/A" in renamed


def events_add_the_queue_and_nothing_else():
    assert hub_policy(EventsQueueArn=QUEUE) == load("hub-events")


def selectors_and_a_source_identity_add_what_they_need():
    asked = {"EventsQueueArn": QUEUE, "SelectsByUnit": "yes", "SelectsByTag": "yes", "SourceIdentity": "yes"}
    assert hub_policy(**asked) == load("hub-everything")


def a_check_of_the_organizations_policies_adds_what_it_reads():
    assert hub_policy(ReadsPolicies="yes") == load("hub-check")


def a_role_that_reads_the_organization_takes_that_from_the_hub():
    reader = "arn:aws:iam::444455556666:role/Reader"
    through = hub_policy(OrganizationRoleArn=reader)
    assert not any(action.startswith("organizations:") for _, action, _, _ in through)
    assert ("Allow", "sts:AssumeRole", reader, "null") in through


def each_platform_makes_one_role_that_only_it_may_take():
    expected = {
        "ec2": "ec2.amazonaws.com",
        "ecs": "ecs-tasks.amazonaws.com",
        "eks-pod-identity": "pods.eks.amazonaws.com",
        "roles-anywhere": "rolesanywhere.amazonaws.com",
    }
    for platform, service in expected.items():
        hub = Deployed("hub.yaml", Platform=platform, TrustAnchorArn="arn:anchor")
        assert hub.condition("WithService") and not hub.condition("WithOidc")
        (statement,) = hub.resource("ServiceRole")["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": service}, platform
    for platform in ("eks-irsa", "oidc"):
        hub = Deployed("hub.yaml", Platform=platform, OidcProviderArn="arn:provider", OidcProvider="id.example.com/x")
        assert hub.condition("WithOidc") and not hub.condition("WithService")
        (statement,) = json.loads(hub.resource("WebIdentityRole")["AssumeRolePolicyDocument"])["Statement"]
        assert statement["Condition"]["StringEquals"] == {
            "id.example.com/x:sub": "system:serviceaccount:rolekeeper:rolekeeper",
            "id.example.com/x:aud": "sts.amazonaws.com",
        }


def the_admin_role_trusts_the_hub_role_alone():
    role = Deployed("admin-role.yaml", HubRoleArn=HUB).resource("Role")
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"AWS": "arn:aws:iam::111122223333:root"}
    assert statement["Condition"] == {"ArnEquals": {"aws:PrincipalArn": HUB}}


def the_stack_set_holds_the_template_of_the_role():
    assert STACK_SET.read_text() == stack_set()
    body = yaml.load(STACK_SET.read_text(), Loader)["Resources"]["AdminRoles"]["Properties"]["TemplateBody"]
    assert body == (TEMPLATES / "admin-role.yaml").read_text()


def every_rule_may_send_to_the_queue_and_its_dead_letters():
    events = yaml.load((TEMPLATES / "events.yaml").read_text(), Loader)["Resources"]
    rules = {f"{name}.Arn" for name, resource in events.items() if resource["Type"] == "AWS::Events::Rule"}
    for policy in ("QueuePolicy", "DeadLettersPolicy"):
        allow = events[policy]["Properties"]["PolicyDocument"]["Statement"][0]
        named = allow["Condition"]["ArnEquals"]["aws:SourceArn"]
        assert {name["Fn::GetAtt"] for name in named} == rules, policy
    for name in rules:
        (target,) = events[name.removesuffix(".Arn")]["Properties"]["Targets"]
        assert "DeadLetterConfig" in target, name


def every_event_that_a_rule_lets_through_is_one_that_rolekeeper_reads():
    events = yaml.load((TEMPLATES / "events.yaml").read_text(), Loader)["Resources"]
    passed = {
        name
        for rule in ("OrganizationRule", "ControlTowerRule")
        for name in events[rule]["Properties"]["EventPattern"]["detail"]["eventName"]
    }
    code = (ROOT / "crates/aws/src/event.rs").read_text().split("#[cfg(test)]")[0]
    arms = code.split("fn organizations")[1].split("fn iam")[0]
    read = set(re.findall(r'^ +"([A-Z]\w+)" =>', arms, re.MULTILINE))
    assert passed == read, passed ^ read


def what_cannot_be_understood_becomes_a_dead_letter_before_the_daemon_drops_it():
    events = yaml.load((TEMPLATES / "events.yaml").read_text(), Loader)["Resources"]
    moved_after = events["Queue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"]
    daemon = (ROOT / "crates/daemon/src/daemon/events.rs").read_text()
    dropped_at = int(re.search(r"const TIRED: u32 = (\d+);", daemon).group(1))
    assert moved_after < dropped_at, (moved_after, dropped_at)


def every_change_that_rolekeeper_would_see_is_sent_on():
    member = yaml.load((TEMPLATES / "events-member.yaml").read_text(), Loader)["Resources"]["Rule"]["Properties"]
    sent = {name for part in member["EventPattern"]["detail"]["$or"] for name in part["eventName"]}
    calls = (ROOT / "crates/domain/src/call.rs").read_text().split("Iam Write {")[1].split("}")[0]
    changes = {name for name in re.findall(r"\w+", calls) if re.search("Role|Policy", name) and "User" not in name}
    # Others may make calls that rolekeeper has no use for: the older of two that set a description, and the way back
    # to an older version of a policy.
    others = {"UpdateRoleDescription", "SetDefaultPolicyVersion"}
    assert sent == changes | others, sent ^ changes ^ others


def stack_set():
    body = (TEMPLATES / "admin-role.yaml").read_text()
    return STACK_SET_HEAD + "".join(f"          {line}" if line.strip() else line for line in body.splitlines(True))


CHECKS = [
    cfn_lint_has_nothing_to_say,
    the_hub_may_do_what_rolekeeper_does_as_itself_and_nothing_else,
    the_admin_role_may_do_what_rolekeeper_does_in_an_account_and_nothing_else,
    an_admin_role_for_audits_is_what_an_audit_session_is,
    the_parameters_reach_every_statement,
    events_add_the_queue_and_nothing_else,
    selectors_and_a_source_identity_add_what_they_need,
    a_check_of_the_organizations_policies_adds_what_it_reads,
    a_role_that_reads_the_organization_takes_that_from_the_hub,
    each_platform_makes_one_role_that_only_it_may_take,
    the_admin_role_trusts_the_hub_role_alone,
    the_stack_set_holds_the_template_of_the_role,
    every_rule_may_send_to_the_queue_and_its_dead_letters,
    every_event_that_a_rule_lets_through_is_one_that_rolekeeper_reads,
    what_cannot_be_understood_becomes_a_dead_letter_before_the_daemon_drops_it,
    every_change_that_rolekeeper_would_see_is_sent_on,
]


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        STACK_SET.write_text(stack_set())
    else:
        sys.exit(run(CHECKS))
