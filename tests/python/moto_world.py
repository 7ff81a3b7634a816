"""An organization in moto, made, looked at and judged by boto3 alone.

    moto_world.py ENDPOINT plant WORLD    makes the organization; prints names and ids
    moto_world.py ENDPOINT dump           prints all that stands in every account
    moto_world.py ENDPOINT confirm NAME…  says what is wrong in the accounts of these names
    moto_world.py ENDPOINT bare NAME      says what is wrong in an account that has the preset and no more
    moto_world.py ENDPOINT user NAME      makes the FAQ's temporary user in an account; prints its keys
    moto_world.py ENDPOINT tamper NAME HOW  changes something in one account, as DRIFTS says
    moto_world.py ENDPOINT send URL BODY…   puts messages on the queue
    moto_world.py ENDPOINT queue BODY…    makes a queue with these messages; prints its URL
    moto_world.py ENDPOINT left URL       prints how many messages are on the queue, hidden ones included

None of rolekeeper's code is used here: this is the other hand. What the role
should be is written down once more, and compared in its own way.
"""

import json
import sys
from datetime import datetime

import boto3

HUB = "123456789012"
VENDOR = "999999999999"
EXTERNAL_ID = "rk-external-id-0123456789"
ROLE = POLICY = "CloudCoreoAssumedRolePolicy"
INLINE = "NoBilling"
OWNER = {"rolekeeper:managed-by": "rolekeeper"}
TAGS = {"team": "security"}
DESCRIPTION = "Access for the vendor's engine"
SESSION = 7200
AUDIT = "arn:aws:iam::aws:policy/SecurityAudit"
BOUNDARY = "arn:aws:iam::aws:policy/PowerUserAccess"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{VENDOR}:root"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}},
        }
    ],
}
DOCUMENT = {
    "Version": "2012-10-17",
    "Statement": [
        {"Action": ["*"], "Effect": "Allow", "Resource": "*"},
        {"Action": ["iam:CreateUser"], "Effect": "Deny", "Resource": "*"},
    ],
}
NO_BILLING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": ["aws-portal:*"], "Resource": "*"}],
}
# The same meanings, spelled another way.
TRUST_RESPELLED = {
    "Statement": {
        "Sid": "Vendor",
        "Principal": {"AWS": [VENDOR]},
        "Condition": {"StringEquals": {"STS:externalid": [EXTERNAL_ID]}},
        "Action": ["STS:assumerole"],
        "Effect": "Allow",
    },
    "Version": "2012-10-17",
}
DOCUMENT_RESPELLED = {
    "Version": "2012-10-17",
    "Statement": [
        {"Sid": "No", "Effect": "Deny", "Resource": ["*"], "Action": "IAM:createuser"},
        {"Sid": "All", "Effect": "Allow", "Resource": ["*"], "Action": "*"},
    ],
}
WIDE_OPEN = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


class World:
    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.organizations = self.hub("organizations")
        self.sts = self.hub("sts")

    def hub(self, service):
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="AKIAHUB0000000000001",
            aws_secret_access_key="hub-secret",
        )

    def iam(self, account):
        if account == HUB:
            return self.hub("iam")
        given = self.sts.assume_role(
            RoleArn=f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole",
            RoleSessionName="other-hand",
        )["Credentials"]
        return boto3.client(
            "iam",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
        )

    def accounts(self):
        found = []
        for page in self.organizations.get_paginator("list_accounts").paginate():
            found += page["Accounts"]
        return found

    def unit(self, parent, name):
        made = self.organizations.create_organizational_unit(ParentId=parent, Name=name)
        return made["OrganizationalUnit"]["Id"]

    def account(self, name, unit, root):
        status = self.organizations.create_account(
            Email=f"{name}@example.com", AccountName=name
        )["CreateAccountStatus"]
        account = status["AccountId"]
        self.organizations.move_account(
            AccountId=account, SourceParentId=root, DestinationParentId=unit
        )
        return account


def tag_list(tags):
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def policy_arn(account):
    return f"arn:aws:iam::{account}:policy/{POLICY}"


def make_right(iam, account, path="/", owner=OWNER, trust=TRUST, document=DOCUMENT):
    """What rolekeeper would have left behind."""
    iam.create_role(
        RoleName=ROLE,
        Path=path,
        AssumeRolePolicyDocument=json.dumps(trust),
        Description=DESCRIPTION,
        MaxSessionDuration=SESSION,
        PermissionsBoundary=BOUNDARY,
        Tags=tag_list(owner | TAGS),
    )
    iam.create_policy(
        PolicyName=POLICY, PolicyDocument=json.dumps(document), Tags=tag_list(owner)
    )
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=policy_arn(account))
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=AUDIT)
    iam.put_role_policy(
        RoleName=ROLE, PolicyName=INLINE, PolicyDocument=json.dumps(NO_BILLING)
    )


def bystanders(iam, account):
    """What is nobody's business and must look the same afterwards."""
    open_to_all = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    iam.create_role(
        RoleName="CloudCoreoAssumedRolePolicyToo",
        AssumeRolePolicyDocument=json.dumps(open_to_all),
        Tags=tag_list({"owner": "someone else"}),
    )
    made = iam.create_policy(PolicyName="TeamPolicy", PolicyDocument=json.dumps(WIDE_OPEN))
    iam.attach_role_policy(
        RoleName="CloudCoreoAssumedRolePolicyToo", PolicyArn=made["Policy"]["Arn"]
    )
    iam.put_role_policy(
        RoleName="CloudCoreoAssumedRolePolicyToo",
        PolicyName="note",
        PolicyDocument=json.dumps(NO_BILLING),
    )
    iam.create_user(UserName="alice")
    iam.create_access_key(UserName="alice")
    iam.attach_user_policy(UserName="alice", PolicyArn=made["Policy"]["Arn"])
    iam.create_group(GroupName="people")
    iam.add_user_to_group(GroupName="people", UserName="alice")


def new_version(iam, account, document):
    iam.create_policy_version(
        PolicyArn=policy_arn(account), PolicyDocument=json.dumps(document), SetAsDefault=True
    )


def new_trust(iam, document):
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(document))


def without_external_id():
    trust = json.loads(json.dumps(TRUST))
    del trust["Statement"][0]["Condition"]
    return trust


def with_principal(principal):
    trust = json.loads(json.dumps(TRUST))
    trust["Statement"][0]["Principal"]["AWS"] = [f"arn:aws:iam::{VENDOR}:root", principal]
    return trust


def versions_full(iam, account):
    for n in range(4):
        new_version(iam, account, WIDE_OPEN | {"Id": f"version-{n}"})


def everything(iam, account):
    versions_full(iam, account)
    new_trust(iam, without_external_id())
    iam.detach_role_policy(RoleName=ROLE, PolicyArn=AUDIT)
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=ADMINISTRATOR)
    iam.put_role_policy(RoleName=ROLE, PolicyName="more", PolicyDocument=json.dumps(WIDE_OPEN))
    iam.delete_role_policy(RoleName=ROLE, PolicyName=INLINE)
    iam.update_role(RoleName=ROLE, Description="changed", MaxSessionDuration=43200)
    iam.delete_role_permissions_boundary(RoleName=ROLE)
    iam.untag_role(RoleName=ROLE, TagKeys=["team"])


def policy_gone(iam, account):
    iam.detach_role_policy(RoleName=ROLE, PolicyArn=policy_arn(account))
    iam.delete_policy(PolicyArn=policy_arn(account))


# Account -> how it differs from what it should be.
DRIFTS = {
    "trust-open": lambda iam, account: new_trust(iam, with_principal("arn:aws:iam::222233334444:root")),
    "trust-without-external-id": lambda iam, account: new_trust(iam, without_external_id()),
    "trust-dead-principal": lambda iam, account: new_trust(iam, with_principal("AROAEXAMPLEEXAMPLE001")),
    "policy-wider": lambda iam, account: new_version(iam, account, WIDE_OPEN),
    "policy-versions-full": versions_full,
    "policy-gone": policy_gone,
    "policy-detached": lambda iam, account: iam.detach_role_policy(
        RoleName=ROLE, PolicyArn=policy_arn(account)
    ),
    "audit-detached": lambda iam, account: iam.detach_role_policy(RoleName=ROLE, PolicyArn=AUDIT),
    "foreign-attachment": lambda iam, account: iam.attach_role_policy(
        RoleName=ROLE, PolicyArn=ADMINISTRATOR
    ),
    "foreign-inline": lambda iam, account: iam.put_role_policy(
        RoleName=ROLE, PolicyName="more", PolicyDocument=json.dumps(WIDE_OPEN)
    ),
    "inline-changed": lambda iam, account: iam.put_role_policy(
        RoleName=ROLE, PolicyName=INLINE, PolicyDocument=json.dumps(WIDE_OPEN)
    ),
    "inline-gone": lambda iam, account: iam.delete_role_policy(RoleName=ROLE, PolicyName=INLINE),
    "description": lambda iam, account: iam.update_role(RoleName=ROLE, Description="changed", MaxSessionDuration=SESSION),
    "session-length": lambda iam, account: iam.update_role(
        RoleName=ROLE, Description=DESCRIPTION, MaxSessionDuration=43200
    ),
    "tag-changed": lambda iam, account: iam.tag_role(RoleName=ROLE, Tags=tag_list({"team": "nobody"})),
    "tag-gone": lambda iam, account: iam.untag_role(RoleName=ROLE, TagKeys=["team"]),
    "boundary-other": lambda iam, account: iam.put_role_permissions_boundary(
        RoleName=ROLE, PermissionsBoundary=ADMINISTRATOR
    ),
    "boundary-gone": lambda iam, account: iam.delete_role_permissions_boundary(RoleName=ROLE),
    "everything": everything,
}


def plant(world, name):
    world.organizations.create_organization(FeatureSet="ALL")
    root = world.organizations.list_roots()["Roots"][0]["Id"]
    units = {"prod": world.unit(root, "prod"), "quarantine": world.unit(root, "quarantine")}
    units["prod/payments"] = world.unit(units["prod"], "payments")
    accounts = {}

    def make(name, unit="prod"):
        accounts[name] = world.account(name, units[unit], root)
        iam = world.iam(accounts[name])
        bystanders(iam, accounts[name])
        return iam, accounts[name]

    {"drift": plant_drift, "stubborn": plant_stubborn, "legacy": plant_legacy}[name](world, make)
    return {"root": root, "units": units, "accounts": accounts}


def plant_drift(world, make):
    make_right(*make("right"))
    make_right(*make("respelled"), trust=TRUST_RESPELLED, document=DOCUMENT_RESPELLED)
    make("empty", "prod/payments")
    for name, drift in DRIFTS.items():
        iam, account = make(name, "prod/payments" if name.startswith("t") else "prod")
        make_right(iam, account)
        drift(iam, account)
    for name, unit in (("excluded", "quarantine"), ("suspended", "prod")):
        iam, account = make(name, unit)
        make_right(iam, account)
        everything(iam, account)
        if name == "suspended":
            world.organizations.close_account(AccountId=account)


def plant_stubborn(world, make):
    """What rolekeeper must leave alone, beside one account that it repairs."""
    make("empty")
    iam, account = make("foreign-role")
    make_right(iam, account, owner={})
    new_trust(iam, without_external_id())
    make_right(*make("foreign-equivalent"), owner={}, trust=TRUST_RESPELLED)
    iam, account = make("other-path")
    make_right(iam, account, path="/vendors/")


def plant_legacy(world, make):
    """An account in which the FAQ's temporary user was left behind, with all a user can have."""
    iam, account = make("legacy")
    make_right(iam, account)
    iam.create_user(UserName="cloudcoreo")
    iam.create_access_key(UserName="cloudcoreo")
    second = iam.create_access_key(UserName="cloudcoreo")["AccessKey"]["AccessKeyId"]
    iam.update_access_key(UserName="cloudcoreo", AccessKeyId=second, Status="Inactive")
    iam.create_login_profile(UserName="cloudcoreo", Password="not-a-secret-1")
    iam.attach_user_policy(UserName="cloudcoreo", PolicyArn=AUDIT)
    iam.put_user_policy(
        UserName="cloudcoreo", PolicyName="six-actions", PolicyDocument=json.dumps(NO_BILLING)
    )
    iam.add_user_to_group(GroupName="people", UserName="cloudcoreo")
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")["VirtualMFADevice"]
    iam.enable_mfa_device(
        UserName="cloudcoreo",
        SerialNumber=device["SerialNumber"],
        AuthenticationCode1="123456",
        AuthenticationCode2="654321",
    )


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key != "ResponseMetadata"}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value


def dump_account(iam):
    """All of an account, by its own listing call and by the calls for what that leaves out."""
    details = {}
    # AWS's own policies are the same everywhere, and many.
    kinds = ["User", "Role", "Group", "LocalManagedPolicy"]
    for page in iam.get_paginator("get_account_authorization_details").paginate(Filter=kinds):
        for key in ("RoleDetailList", "UserDetailList", "GroupDetailList", "Policies"):
            details.setdefault(key, []).extend(page[key])
    details["Policies"].sort(key=lambda policy: policy["Arn"])
    for policy in details["Policies"]:
        policy["Tags"] = iam.list_policy_tags(PolicyArn=policy["Arn"])["Tags"]
    for role in details["RoleDetailList"]:
        # What the last caller did to it is not what it is.
        role.pop("RoleLastUsed", None)
        whole = iam.get_role(RoleName=role["RoleName"])["Role"]
        role["Description"] = whole.get("Description")
        role["MaxSessionDuration"] = whole.get("MaxSessionDuration")
        role["Boundary"] = whole.get("PermissionsBoundary")
        role["Tags"] = whole.get("Tags", [])
    return plain(details)


def dump(world):
    return {
        account["Id"]: {
            "name": account["Name"],
            "state": account.get("State") or account["Status"],
            "iam": dump_account(world.iam(account["Id"])),
        }
        for account in world.accounts()
    }


def meaning(document):
    """A document in one spelling: statements in order, lists sorted, no Sids."""
    many = lambda value: value if isinstance(value, list) else [value]
    statements = []
    for statement in many(document["Statement"]):
        principals = many(statement.get("Principal", {}).get("AWS", []))
        statements.append(
            json.dumps(
                {
                    "Effect": statement["Effect"],
                    "Principal": sorted(
                        f"arn:aws:iam::{who}:root" if who.isdigit() else who for who in principals
                    ),
                    "Action": sorted(action.lower() for action in many(statement["Action"])),
                    "Resource": sorted(many(statement.get("Resource", []))),
                    "Condition": {
                        operator: {key.lower(): sorted(many(value)) for key, value in keys.items()}
                        for operator, keys in statement.get("Condition", {}).items()
                    },
                },
                sort_keys=True,
            )
        )
    return sorted(statements)


def faults_of(iam, account):
    """Everything about the role that is not as agreed, in words."""
    wrong = []

    def expect(what, found, wanted):
        if found != wanted:
            wrong.append(f"{what}: {found!r} instead of {wanted!r}")

    try:
        role = iam.get_role(RoleName=ROLE)["Role"]
    except iam.exceptions.NoSuchEntityException:
        return ["no role"]
    tags = {tag["Key"]: tag["Value"] for tag in role.get("Tags", [])}
    expect("path", role["Path"], "/")
    expect("trust", meaning(role["AssumeRolePolicyDocument"]), meaning(TRUST))
    expect("description", role.get("Description"), DESCRIPTION)
    expect("session length", role["MaxSessionDuration"], SESSION)
    boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    expect("boundary", boundary, BOUNDARY)
    expect("tag team", tags.get("team"), "security")
    attached = iam.list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"]
    expect("attached", sorted(policy["PolicyArn"] for policy in attached), sorted([policy_arn(account), AUDIT]))
    names = iam.list_role_policies(RoleName=ROLE)["PolicyNames"]
    expect("inline policies", names, [INLINE])
    if INLINE in names:
        inline = iam.get_role_policy(RoleName=ROLE, PolicyName=INLINE)["PolicyDocument"]
        expect("inline document", meaning(inline), meaning(NO_BILLING))
    try:
        policy = iam.get_policy(PolicyArn=policy_arn(account))["Policy"]
    except iam.exceptions.NoSuchEntityException:
        return [*wrong, "no policy"]
    version = iam.get_policy_version(
        PolicyArn=policy_arn(account), VersionId=policy["DefaultVersionId"]
    )["PolicyVersion"]
    expect("policy document", meaning(version["Document"]), meaning(DOCUMENT))
    return wrong


def confirm(world, names):
    accounts = {account["Name"]: account["Id"] for account in world.accounts()}
    return {name: faults_of(world.iam(accounts[name]), accounts[name]) for name in names}


def bare_faults_of(iam, account):
    """The role as the FAQ describes it, made with the FAQ's six permissions."""
    try:
        role = iam.get_role(RoleName=ROLE)["Role"]
        attached = iam.list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"]
        policy = iam.get_policy(PolicyArn=policy_arn(account))["Policy"]
    except iam.exceptions.NoSuchEntityException as error:
        return [str(error)]
    version = iam.get_policy_version(
        PolicyArn=policy_arn(account), VersionId=policy["DefaultVersionId"]
    )["PolicyVersion"]
    checks = {
        "trust": meaning(role["AssumeRolePolicyDocument"]) == meaning(TRUST),
        "attached": [policy["PolicyArn"] for policy in attached] == [policy_arn(account)],
        "document": meaning(version["Document"]) == meaning(DOCUMENT),
        "inline": iam.list_role_policies(RoleName=ROLE)["PolicyNames"] == [],
    }
    return [what for what, right in checks.items() if not right]


def by_name(world, name):
    account = {account["Name"]: account["Id"] for account in world.accounts()}[name]
    return world.iam(account), account


def temporary_user(iam, _account):
    six = ["GetUser", "CreatePolicy", "GetPolicy", "CreateRole", "GetRole", "AttachRolePolicy"]
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": [f"iam:{name}" for name in six], "Resource": "*"}
        ],
    }
    iam.create_user(UserName="cloudcoreo")
    iam.put_user_policy(
        UserName="cloudcoreo", PolicyName="six-actions", PolicyDocument=json.dumps(document)
    )
    key = iam.create_access_key(UserName="cloudcoreo")["AccessKey"]
    return [key["AccessKeyId"], key["SecretAccessKey"]]


def queue(world, bodies):
    sqs = world.hub("sqs")
    url = sqs.create_queue(QueueName="rolekeeper")["QueueUrl"]
    for body in bodies:
        sqs.send_message(QueueUrl=url, MessageBody=body)
    return url


def send(world, url, bodies):
    for body in bodies:
        world.hub("sqs").send_message(QueueUrl=url, MessageBody=body)


def tamper(world, name, how):
    DRIFTS[how](*by_name(world, name))


def left(world, url):
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = world.hub("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(counts[name]) for name in names)


def main():
    endpoint, command, *rest = sys.argv[1:]
    world = World(endpoint)
    result = {
        "plant": lambda: plant(world, *rest),
        "dump": lambda: dump(world),
        "confirm": lambda: confirm(world, rest),
        "bare": lambda: bare_faults_of(*by_name(world, *rest)),
        "user": lambda: temporary_user(*by_name(world, *rest)),
        "tamper": lambda: tamper(world, *rest),
        "send": lambda: send(world, rest[0], rest[1:]),
        "queue": lambda: queue(world, rest),
        "left": lambda: left(world, *rest),
    }[command]()
    print(json.dumps(result, sort_keys=True))


if __name__ == "__main__":
    main()
