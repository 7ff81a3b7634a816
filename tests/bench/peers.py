"""What people use today, doing the same work: one boto3 loop, one tuned boto3 thread pool.

Both make the same reads as an audit of rolekeeper and compare the same facets with the same
role: path, description, session length, boundary, tags, trust with its external id, the policy's document and tags,
attachments, inline policies. They compare values, not meanings. The naive one is what a first version looks
like; the tuned one shares one session's loaded service model, keeps connections, runs 64
threads, retries by itself, gives each account one AssumeRole, and begins with each page of accounts as it comes.
"""

import argparse
import json
import sys
import threading
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import boto3
import botocore.session
from botocore.config import Config

ROLE = "CloudCoreoAssumedRolePolicy"
ADMIN_ROLES = ["OrganizationAccountAccessRole", "AWSControlTowerExecution"]
POLICY = {"Version": "2012-10-17", "Statement": [
    {"Action": ["*"], "Effect": "Allow", "Resource": "*"}, {"Action": ["iam:CreateUser"], "Effect": "Deny", "Resource": "*"}]}
TRUST = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999999:root"}, "Action": "sts:AssumeRole",
     "Condition": {"StringEquals": {"sts:ExternalId": "demo-7f3a9c52"}}}]}
DESCRIPTION = "Access for CloudCoreo, kept by rolekeeper"
MAX_SESSION_SECONDS = 3600
TAGS = {"owner": "platform-security", "rolekeeper:managed-by": "rolekeeper"}


def document(value):
    return json.loads(urllib.parse.unquote(value)) if isinstance(value, str) else value


def tagged(entity):
    """Whether the wanted tags are there; others may be as well."""
    return TAGS.items() <= {tag["Key"]: tag["Value"] for tag in entity.get("Tags", [])}.items()


def look(iam, account):
    """The same five reads; the differences by their names, none when all is right."""
    role = iam.get_role(RoleName=ROLE)["Role"]
    attached = {one["PolicyArn"] for one in iam.list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"]}
    inline = iam.list_role_policies(RoleName=ROLE)["PolicyNames"]
    arn = f"arn:aws:iam::{account}:policy/{ROLE}"
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    facets = {
        "role_path": role["Path"] == "/",
        "role_description": role.get("Description") == DESCRIPTION,
        "role_max_session_duration": role["MaxSessionDuration"] == MAX_SESSION_SECONDS,
        "role_permissions_boundary": "PermissionsBoundary" not in role,
        "role_tags": tagged(role),
        "trust_policy": document(role["AssumeRolePolicyDocument"]) == TRUST,
        "policy_document": document(version["Document"]) == POLICY,
        "policy_tags": tagged(policy),
        "attachments": attached == {arn},
        "inline": inline == [],
    }
    return [name for name, right in facets.items() if not right]


def enter(sts, account):
    for name in ADMIN_ROLES:
        try:
            return sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/{name}", RoleSessionName="peer")["Credentials"]
        except sts.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "AccessDenied":
                raise
    raise SystemExit(f"no way into {account}")


def keys(credentials):
    return {"aws_access_key_id": credentials["AccessKeyId"], "aws_secret_access_key": credentials["SecretAccessKey"],
            "aws_session_token": credentials["SessionToken"]}


def pages(endpoint):
    """The active accounts, page by page, as they come."""
    # The hub is the management account: no admin role there, and rolekeeper skips it as well.
    me = boto3.client("sts", endpoint_url=endpoint, region_name="us-east-1").get_caller_identity()["Account"]
    for page in boto3.client("organizations", endpoint_url=endpoint, region_name="us-east-1").get_paginator("list_accounts").paginate():
        yield [one["Id"] for one in page["Accounts"] if one.get("State", one.get("Status")) == "ACTIVE" and one["Id"] != me]


def naive(endpoint):
    for page in pages(endpoint):
        for account in page:
            sts = boto3.client("sts", endpoint_url=endpoint, region_name="us-east-1")
            credentials = enter(sts, account)
            iam = boto3.Session(**keys(credentials), region_name="us-east-1").client("iam", endpoint_url=endpoint)
            yield account, look(iam, account)


def tuned(endpoint, threads):
    config = Config(max_pool_connections=threads, retries={"mode": "standard", "max_attempts": 10}, tcp_keepalive=True)
    shared = botocore.session.get_session()
    lock = threading.Lock()
    with lock:
        sts = shared.create_client("sts", endpoint_url=endpoint, region_name="us-east-1", config=config)

    def one(account):
        credentials = enter(sts, account)
        with lock:
            # Making a client is not thread-safe; using one is.
            iam = shared.create_client("iam", endpoint_url=endpoint, region_name="us-east-1", config=config, **keys(credentials))
        return account, look(iam, account)

    with ThreadPoolExecutor(threads) as pool:
        begun = [pool.submit(one, account) for page in pages(endpoint) for account in page]
        for future in begun:
            yield future.result()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["naive", "tuned"])
    parser.add_argument("endpoint")
    parser.add_argument("--threads", type=int, default=64)
    arguments = parser.parse_args()
    looks = naive(arguments.endpoint) if arguments.kind == "naive" else tuned(arguments.endpoint, arguments.threads)
    right, wrong = 0, {}
    for account, differences in looks:
        right += not differences
        if differences:
            wrong[account] = differences
    json.dump({"right": right, "wrong": wrong}, sys.stdout)


if __name__ == "__main__":
    main()
