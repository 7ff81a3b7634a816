#!/usr/bin/env python3
"""Ask a stand-in for AWS the same questions, and write down its answers.

Run once against each stand-in; compare.py then holds the answers side by side.

    rolekeeper-simulator --accounts 10 --no-limits --even-pages --inactive 0%
    python conformance.py --endpoint-url http://127.0.0.1:4599 > simulator.json

    MOTO_IAM_LOAD_MANAGED_POLICIES=true moto_server -p 5000
    python conformance.py --endpoint-url http://127.0.0.1:5000 > moto.json

What differs from run to run (ids, dates, request ids) is replaced by words, so
that two runs against one stand-in give the same text. Only boto3 is needed.
"""

import argparse
import json
import re
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

HUB_KEYS = ("AKIASIMULATORHUB0001", "simulator")
CONFIG = Config(retries={"max_attempts": 1, "mode": "standard"}, parameter_validation=False)

VENDOR = "999999999999"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{VENDOR}:root"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": "conformance+1"}},
        }
    ],
}
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Action": ["*"], "Effect": "Allow", "Resource": "*"},
        {"Action": ["iam:CreateUser"], "Effect": "Deny", "Resource": "*"},
    ],
}
READ = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::a+b/*"}],
}
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


class Notebook:
    """The answers so far, and the words that stand for what varies."""

    def __init__(self):
        self.answers = {}
        self.words = {}

    def word(self, value, word):
        """From now on `value` is written as `word`."""
        self.words[value] = f"<{word}>"

    def ask(self, name, call, pick=None):
        """Makes a call and writes down what came; gives the whole answer."""
        assert name not in self.answers, f"two questions are called {name}"
        try:
            answer = call()
        except ClientError as error:
            self.answers[name] = {
                "status": error.response["ResponseMetadata"]["HTTPStatusCode"],
                "error": error.response["Error"]["Code"],
                "message": self.plain(error.response["Error"].get("Message", "")),
            }
            return None
        except BotoCoreError as error:
            self.answers[name] = {"client_error": type(error).__name__}
            return None
        body = {key: value for key, value in answer.items() if key != "ResponseMetadata"}
        picked = pick(body) if pick else body
        self.answers[name] = {"status": answer["ResponseMetadata"]["HTTPStatusCode"], "answer": self.plain(picked)}
        return body

    def plain(self, value):
        """The value with words for what varies."""
        if isinstance(value, dict):
            return {key: self.plain(item) for key, item in sorted(value.items())}
        if isinstance(value, (list, tuple)):
            return [self.plain(item) for item in value]
        if hasattr(value, "isoformat"):
            return "<date>"
        if isinstance(value, str):
            for known in sorted(self.words, key=len, reverse=True):
                value = value.replace(known, self.words[known])
            value = re.sub(r"\b(AROA|AIDA|ANPA|AGPA|ASIA|AKIA)[A-Z0-9]{12,}\b", r"<\1>", value)
            return value
        return value


def documents(value):
    """Policy documents as JSON text with sorted keys: their meaning, not their spelling."""
    return json.dumps(value, sort_keys=True)


def role_of(body):
    role = dict(body["Role"])
    role.pop("RoleLastUsed", None)
    role["AssumeRolePolicyDocument"] = documents(role["AssumeRolePolicyDocument"])
    return role


def policy_of(body):
    policy = dict(body["Policy"])
    policy["Tags"] = sorted_tags(policy)
    return policy


def sorted_tags(value):
    return sorted((tag["Key"], tag["Value"]) for tag in value.get("Tags", []))


def version_of(body):
    version = dict(body["PolicyVersion"])
    if "Document" in version:
        version["Document"] = documents(version["Document"])
    return version


class Stand:
    """Clients for one stand-in."""

    def __init__(self, endpoint_url):
        self.endpoint_url = endpoint_url

    def client(self, service, credentials=None):
        keys = {"aws_access_key_id": HUB_KEYS[0], "aws_secret_access_key": HUB_KEYS[1]}
        if credentials:
            keys = {
                "aws_access_key_id": credentials["AccessKeyId"],
                "aws_secret_access_key": credentials["SecretAccessKey"],
                "aws_session_token": credentials["SessionToken"],
            }
        return boto3.client(
            service, endpoint_url=self.endpoint_url, region_name="us-east-1", config=CONFIG, **keys
        )


def organization(stand, notes):
    """A unit with two accounts in it; gives the id of the first."""
    org = stand.client("organizations")
    try:
        org.create_organization(FeatureSet="ALL")
    except ClientError as error:
        # The simulator has one from the start.
        assert error.response["Error"]["Code"] == "AlreadyInOrganizationException", error
    found = org.describe_organization()["Organization"]
    notes.word(found["Id"], "organization")
    notes.word(found["MasterAccountId"], "management")
    notes.ask(
        "organizations.describe",
        org.describe_organization,
        lambda body: {key: body["Organization"][key] for key in ("Arn", "FeatureSet", "Id", "MasterAccountArn", "MasterAccountId")},
    )
    root = org.list_roots()["Roots"][0]
    notes.word(root["Id"], "root")
    notes.word(root["Id"].removeprefix("r-"), "root key")
    notes.ask(
        "organizations.roots",
        org.list_roots,
        lambda body: [{key: item[key] for key in ("Id", "Arn", "Name")} for item in body["Roots"]],
    )
    notes.ask("organizations.again", lambda: org.create_organization(FeatureSet="ALL"))
    unit = org.create_organizational_unit(ParentId=root["Id"], Name="conformance")["OrganizationalUnit"]
    notes.word(unit["Id"], "unit")
    inner = org.create_organizational_unit(ParentId=unit["Id"], Name="inner")["OrganizationalUnit"]
    notes.word(inner["Id"], "inner unit")
    notes.ask("organizations.unit", lambda: org.describe_organizational_unit(OrganizationalUnitId=inner["Id"]))
    notes.ask("organizations.unit.twice", lambda: org.create_organizational_unit(ParentId=root["Id"], Name="conformance"))
    notes.ask("organizations.unit.children", lambda: org.list_organizational_units_for_parent(ParentId=unit["Id"]))
    notes.ask(
        "organizations.unit.missing",
        lambda: org.list_organizational_units_for_parent(ParentId="ou-zzzz-zzzzzzzz"),
    )
    ids = []
    for number, name in enumerate(("conformance-one", "conformance-two"), start=1):
        tags = [{"Key": "team", "Value": "audit"}]
        created = org.create_account(Email=f"{name}@example.com", AccountName=name, Tags=tags)["CreateAccountStatus"]
        account = created["AccountId"]
        notes.word(account, f"account {number}")
        org.move_account(AccountId=account, SourceParentId=root["Id"], DestinationParentId=inner["Id"])
        ids.append(account)
    notes.ask("organizations.account", lambda: org.describe_account(AccountId=ids[0]), account_of)
    notes.ask("organizations.account.missing", lambda: org.describe_account(AccountId="000000000001"))
    notes.ask(
        "organizations.accounts.listed",
        org.list_accounts,
        lambda body: sorted(body["Accounts"][0]),
    )
    notes.ask(
        "organizations.accounts.parent",
        lambda: org.list_accounts_for_parent(ParentId=inner["Id"]),
        lambda body: [account_of({"Account": item}) for item in body["Accounts"]],
    )
    notes.ask("organizations.parents", lambda: org.list_parents(ChildId=ids[0]))
    notes.ask("organizations.parents.unit", lambda: org.list_parents(ChildId=unit["Id"]))
    notes.ask("organizations.parents.missing", lambda: org.list_parents(ChildId="000000000001"))
    notes.ask("organizations.tags", lambda: org.list_tags_for_resource(ResourceId=ids[0]), sorted_tags)
    notes.ask(
        "organizations.tag",
        lambda: org.tag_resource(ResourceId=ids[0], Tags=[{"Key": "stage", "Value": "test"}]),
    )
    notes.ask("organizations.tags.after", lambda: org.list_tags_for_resource(ResourceId=ids[0]), sorted_tags)
    notes.ask("organizations.untag", lambda: org.untag_resource(ResourceId=ids[0], TagKeys=["team"]))
    notes.ask("organizations.tags.last", lambda: org.list_tags_for_resource(ResourceId=ids[0]), sorted_tags)
    notes.ask("organizations.close", lambda: org.close_account(AccountId=ids[1]))
    notes.ask(
        "organizations.closed",
        lambda: org.describe_account(AccountId=ids[1]),
        lambda body: {key: body["Account"].get(key) for key in ("State", "Status")},
    )
    return ids[0]


def account_of(body):
    wanted = ("Id", "Arn", "Name", "State", "Status", "JoinedMethod")
    return {key: body["Account"].get(key) for key in wanted}


def sessions(stand, notes, account):
    """Who one is, before and after assuming the admin role; gives an IAM client inside."""
    sts = stand.client("sts")
    notes.ask("sts.identity", sts.get_caller_identity, lambda body: {"Account": body["Account"]})
    admin = f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole"
    entered = notes.ask(
        "sts.assume",
        lambda: sts.assume_role(RoleArn=admin, RoleSessionName="conformance", DurationSeconds=900),
        lambda body: {"Arn": body["AssumedRoleUser"]["Arn"], "Credentials": sorted(body["Credentials"])},
    )
    inside = stand.client("sts", entered["Credentials"])
    notes.ask(
        "sts.identity.inside",
        inside.get_caller_identity,
        lambda body: {key: body[key] for key in ("Account", "Arn")},
    )
    notes.ask("sts.assume.short", lambda: sts.assume_role(RoleArn=admin, RoleSessionName="conformance", DurationSeconds=899), sorted)
    notes.ask("sts.assume.name", lambda: sts.assume_role(RoleArn=admin, RoleSessionName="a b"), sorted)
    notes.ask("sts.assume.policy", lambda: sts.assume_role(RoleArn=admin, RoleSessionName="conformance", Policy="{"), sorted)
    return stand.client("iam", entered["Credentials"])


def roles(iam, notes):
    name = "Conformance"
    tags = [{"Key": "owner", "Value": "a&b <c>"}]
    notes.ask("role.missing", lambda: iam.get_role(RoleName=name))
    notes.ask(
        "role.create",
        lambda: iam.create_role(
            RoleName=name,
            Path="/audit/",
            AssumeRolePolicyDocument=json.dumps(TRUST),
            Description="made to be looked at",
            MaxSessionDuration=7200,
            PermissionsBoundary=ADMINISTRATOR,
            Tags=tags,
        ),
        role_of,
    )
    notes.ask("role.get", lambda: iam.get_role(RoleName=name), role_of)
    notes.ask("role.twice", lambda: iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST)))
    notes.ask("role.update", lambda: iam.update_role(RoleName=name, Description="changed", MaxSessionDuration=3600))
    changed = json.loads(json.dumps(TRUST))
    changed["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"] = "other"
    notes.ask("role.trust", lambda: iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(changed)))
    notes.ask("role.trust.malformed", lambda: iam.update_assume_role_policy(RoleName=name, PolicyDocument="[]"))
    notes.ask("role.tag", lambda: iam.tag_role(RoleName=name, Tags=[{"Key": "more", "Value": ""}]))
    notes.ask("role.untag", lambda: iam.untag_role(RoleName=name, TagKeys=["owner"]))
    notes.ask("role.boundary.delete", lambda: iam.delete_role_permissions_boundary(RoleName=name))
    notes.ask("role.changed", lambda: iam.get_role(RoleName=name), role_of)
    notes.ask(
        "role.boundary",
        lambda: iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=ADMINISTRATOR),
    )
    notes.ask("role.tags", lambda: iam.list_role_tags(RoleName=name), sorted_tags)
    notes.ask(
        "role.listed",
        lambda: iam.list_roles(PathPrefix="/audit/"),
        lambda body: [role_of({"Role": role}) for role in body["Roles"]],
    )
    return name


def policies(iam, notes, account, role):
    name = "ConformancePolicy"
    arn = f"arn:aws:iam::{account}:policy/{name}"
    notes.ask("policy.missing", lambda: iam.get_policy(PolicyArn=arn))
    notes.ask("policy.arn", lambda: iam.get_policy(PolicyArn="nonsense-that-is-long-enough"))
    notes.ask(
        "policy.create",
        lambda: iam.create_policy(
            PolicyName=name,
            PolicyDocument=json.dumps(POLICY),
            Description="looked at too",
            Tags=[{"Key": "owner", "Value": "audit"}],
        ),
        policy_of,
    )
    notes.ask("policy.twice", lambda: iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(POLICY)))
    notes.ask("policy.malformed", lambda: iam.create_policy(PolicyName="Malformed", PolicyDocument="{"))
    wrong = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*"}]}
    notes.ask("policy.resource", lambda: iam.create_policy(PolicyName="Wrong", PolicyDocument=json.dumps(wrong)))
    notes.ask("policy.get", lambda: iam.get_policy(PolicyArn=arn), policy_of)
    notes.ask("policy.version", lambda: iam.get_policy_version(PolicyArn=arn, VersionId="v1"), version_of)
    notes.ask("policy.version.missing", lambda: iam.get_policy_version(PolicyArn=arn, VersionId="v9"))
    for number in range(2, 6):
        notes.ask(
            f"policy.version.create.{number}",
            lambda: iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(READ), SetAsDefault=number % 2 == 1),
            version_of,
        )
    notes.ask("policy.version.sixth", lambda: iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(READ)))
    notes.ask("policy.version.default", lambda: iam.set_default_policy_version(PolicyArn=arn, VersionId="v2"))
    notes.ask("policy.version.delete", lambda: iam.delete_policy_version(PolicyArn=arn, VersionId="v4"))
    notes.ask("policy.version.delete.default", lambda: iam.delete_policy_version(PolicyArn=arn, VersionId="v2"))
    notes.ask(
        "policy.version.after",
        lambda: iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(READ)),
        version_of,
    )
    notes.ask(
        "policy.versions",
        lambda: iam.list_policy_versions(PolicyArn=arn),
        lambda body: sorted((version["VersionId"], version["IsDefaultVersion"]) for version in body["Versions"]),
    )
    notes.ask("policy.attach", lambda: iam.attach_role_policy(RoleName=role, PolicyArn=arn))
    notes.ask("policy.attach.again", lambda: iam.attach_role_policy(RoleName=role, PolicyArn=arn))
    notes.ask(
        "policy.attach.missing",
        lambda: iam.attach_role_policy(RoleName=role, PolicyArn=f"arn:aws:iam::{account}:policy/Nothing"),
    )
    notes.ask("policy.attach.aws", lambda: iam.attach_role_policy(RoleName=role, PolicyArn=ADMINISTRATOR))
    notes.ask(
        "policy.attached",
        lambda: iam.list_attached_role_policies(RoleName=role),
        lambda body: sorted((policy["PolicyName"], policy["PolicyArn"]) for policy in body["AttachedPolicies"]),
    )
    notes.ask("policy.get.attached", lambda: iam.get_policy(PolicyArn=arn), policy_of)
    notes.ask(
        "policy.entities",
        lambda: iam.list_entities_for_policy(PolicyArn=arn),
        lambda body: [entity["RoleName"] for entity in body["PolicyRoles"]],
    )
    notes.ask("policy.tag", lambda: iam.tag_policy(PolicyArn=arn, Tags=[{"Key": "more", "Value": "1"}]))
    notes.ask("policy.untag", lambda: iam.untag_policy(PolicyArn=arn, TagKeys=["owner"]))
    notes.ask("policy.tags", lambda: iam.list_policy_tags(PolicyArn=arn), sorted_tags)
    notes.ask("role.delete.attached", lambda: iam.delete_role(RoleName=role))
    notes.ask("policy.detach", lambda: iam.detach_role_policy(RoleName=role, PolicyArn=arn))
    notes.ask("policy.detach.again", lambda: iam.detach_role_policy(RoleName=role, PolicyArn=arn))
    notes.ask("policy.detach.aws", lambda: iam.detach_role_policy(RoleName=role, PolicyArn=ADMINISTRATOR))
    for version in ("v1", "v3", "v5", "v6"):
        notes.ask(f"policy.version.delete.{version}", lambda: iam.delete_policy_version(PolicyArn=arn, VersionId=version))
    notes.ask("policy.delete", lambda: iam.delete_policy(PolicyArn=arn))
    notes.ask("policy.delete.again", lambda: iam.delete_policy(PolicyArn=arn))


def last_words(iam, notes, account):
    """What one stand-in lets happen and the other does not: asked last, so that it colors nothing else."""
    iam.create_role(RoleName="Last", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.create_policy(PolicyName="Last", PolicyDocument=json.dumps(POLICY))
    arn = f"arn:aws:iam::{account}:policy/Last"
    iam.attach_role_policy(RoleName="Last", PolicyArn=arn)
    notes.ask("last.policy.delete.attached", lambda: iam.delete_policy(PolicyArn=arn))
    iam.create_policy(PolicyName="Versions", PolicyDocument=json.dumps(POLICY))
    versions = f"arn:aws:iam::{account}:policy/Versions"
    iam.create_policy_version(PolicyArn=versions, PolicyDocument=json.dumps(READ))
    notes.ask("last.policy.delete.versions", lambda: iam.delete_policy(PolicyArn=versions))
    notes.ask("last.role.malformed", lambda: iam.create_role(RoleName="Malformed", AssumeRolePolicyDocument="{"))
    notes.ask("last.role.name", lambda: iam.create_role(RoleName="a b", AssumeRolePolicyDocument=json.dumps(TRUST)))
    notes.ask("last.role.name.long", lambda: iam.create_role(RoleName="a" * 65, AssumeRolePolicyDocument=json.dumps(TRUST)))
    notes.ask("last.role.case", lambda: iam.create_role(RoleName="LAST", AssumeRolePolicyDocument=json.dumps(TRUST)))
    notes.ask(
        "last.role.session",
        lambda: iam.create_role(RoleName="Session", AssumeRolePolicyDocument=json.dumps(TRUST), MaxSessionDuration=60),
    )


def inline(iam, notes, role):
    notes.ask("inline.none", lambda: iam.list_role_policies(RoleName=role), lambda body: body["PolicyNames"])
    notes.ask("inline.missing", lambda: iam.get_role_policy(RoleName=role, PolicyName="small"))
    notes.ask(
        "inline.put",
        lambda: iam.put_role_policy(RoleName=role, PolicyName="small", PolicyDocument=json.dumps(READ)),
    )
    notes.ask(
        "inline.malformed",
        lambda: iam.put_role_policy(RoleName=role, PolicyName="bad", PolicyDocument="{"),
    )
    notes.ask(
        "inline.get",
        lambda: iam.get_role_policy(RoleName=role, PolicyName="small"),
        lambda body: {**body, "PolicyDocument": documents(body["PolicyDocument"])},
    )
    notes.ask("inline.list", lambda: iam.list_role_policies(RoleName=role), lambda body: body["PolicyNames"])
    notes.ask("role.delete.inline", lambda: iam.delete_role(RoleName=role))
    notes.ask("inline.delete", lambda: iam.delete_role_policy(RoleName=role, PolicyName="small"))
    notes.ask("inline.delete.again", lambda: iam.delete_role_policy(RoleName=role, PolicyName="small"))
    notes.ask("role.delete", lambda: iam.delete_role(RoleName=role))
    notes.ask("role.delete.again", lambda: iam.delete_role(RoleName=role))


def users(iam, notes):
    name = "cloudcoreo"
    notes.ask("user.missing", lambda: iam.get_user(UserName=name))
    notes.ask("user.create", lambda: iam.create_user(UserName=name), lambda body: body["User"])
    notes.ask("user.twice", lambda: iam.create_user(UserName=name))
    notes.ask("user.get", lambda: iam.get_user(UserName=name), lambda body: body["User"])
    key = notes.ask(
        "user.key",
        lambda: iam.create_access_key(UserName=name),
        lambda body: {key: body["AccessKey"][key] for key in ("UserName", "Status")},
    )["AccessKey"]["AccessKeyId"]
    notes.word(key, "key")
    notes.ask("user.key.second", lambda: iam.create_access_key(UserName=name), lambda body: sorted(body["AccessKey"]))
    notes.ask("user.key.third", lambda: iam.create_access_key(UserName=name))
    notes.ask(
        "user.key.off",
        lambda: iam.update_access_key(UserName=name, AccessKeyId=key, Status="Inactive"),
    )
    notes.ask(
        "user.keys",
        lambda: iam.list_access_keys(UserName=name),
        lambda body: sorted(item["Status"] for item in body["AccessKeyMetadata"]),
    )
    notes.ask(
        "user.key.used",
        lambda: iam.get_access_key_last_used(AccessKeyId=key),
        lambda body: {"UserName": body["UserName"], "ServiceName": body["AccessKeyLastUsed"]["ServiceName"]},
    )
    notes.ask("user.login.missing", lambda: iam.get_login_profile(UserName=name))
    notes.ask("user.login", lambda: iam.create_login_profile(UserName=name, Password="Not-a-real-1-password"))
    notes.ask("user.login.delete", lambda: iam.delete_login_profile(UserName=name))
    notes.ask("user.mfa", lambda: iam.list_mfa_devices(UserName=name), lambda body: body["MFADevices"])
    notes.ask("user.groups", lambda: iam.list_groups_for_user(UserName=name), lambda body: body["Groups"])
    notes.ask("user.certificates", lambda: iam.list_signing_certificates(UserName=name), lambda body: body["Certificates"])
    notes.ask("user.ssh", lambda: iam.list_ssh_public_keys(UserName=name), lambda body: body["SSHPublicKeys"])
    notes.ask("user.attach", lambda: iam.attach_user_policy(UserName=name, PolicyArn=ADMINISTRATOR))
    notes.ask(
        "user.attached",
        lambda: iam.list_attached_user_policies(UserName=name),
        lambda body: [policy["PolicyName"] for policy in body["AttachedPolicies"]],
    )
    notes.ask(
        "user.inline",
        lambda: iam.put_user_policy(UserName=name, PolicyName="setup", PolicyDocument=json.dumps(READ)),
    )
    notes.ask("user.inlines", lambda: iam.list_user_policies(UserName=name), lambda body: body["PolicyNames"])
    notes.ask("user.delete.attached", lambda: iam.delete_user(UserName=name))
    notes.ask("user.detach", lambda: iam.detach_user_policy(UserName=name, PolicyArn=ADMINISTRATOR))
    notes.ask("user.inline.delete", lambda: iam.delete_user_policy(UserName=name, PolicyName="setup"))
    notes.ask("user.key.delete.missing", lambda: iam.delete_access_key(UserName=name, AccessKeyId="AKIA0000000000000000"))
    for number, item in enumerate(iam.list_access_keys(UserName=name)["AccessKeyMetadata"], start=1):
        notes.ask(f"user.key.delete.{number}", lambda: iam.delete_access_key(UserName=name, AccessKeyId=item["AccessKeyId"]))
    notes.ask("user.delete", lambda: iam.delete_user(UserName=name))
    notes.ask("user.delete.again", lambda: iam.delete_user(UserName=name))


def pages(iam, notes):
    for number in range(5):
        iam.create_role(RoleName=f"Paged{number}", Path="/paged/", AssumeRolePolicyDocument=json.dumps(TRUST))
    names, marker, sizes = [], None, []
    while True:
        more = {"Marker": marker} if marker else {}
        page = iam.list_roles(PathPrefix="/paged/", MaxItems=2, **more)
        names += [role["RoleName"] for role in page["Roles"]]
        sizes.append(len(page["Roles"]))
        marker = page.get("Marker")
        if not page["IsTruncated"]:
            break
    # The order of a list is nobody's promise.
    names.sort()
    notes.answers["pages.roles"] = {"names": names, "sizes": sizes}
    for name in names:
        iam.delete_role(RoleName=name)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--endpoint-url", required=True)
    args = parser.parse_args()
    stand, notes = Stand(args.endpoint_url), Notebook()
    account = organization(stand, notes)
    iam = sessions(stand, notes, account)
    role = roles(iam, notes)
    policies(iam, notes, account, role)
    inline(iam, notes, role)
    users(iam, notes)
    pages(iam, notes)
    last_words(iam, notes, account)
    json.dump(notes.answers, sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
