"""What people use today, making the same reads: one boto3 loop, one tuned boto3 thread pool.

Both read the same things as an audit of rolekeeper and compare them with the same
role: trust, policy document, attachments, inline policies. The naive one is what a first version looks
like; the tuned one shares one session's loaded service model, keeps connections, runs 64
threads, retries by itself and gives each account one AssumeRole.
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
TRUST_PRINCIPAL = "arn:aws:iam::999999999999:root"


def document(value):
    return json.loads(urllib.parse.unquote(value)) if isinstance(value, str) else value


def look(iam, account):
    """The same five reads; compares principal, policy, attachments and inline names, by text after normalization."""
    role = iam.get_role(RoleName=ROLE)["Role"]
    attached = {one["PolicyArn"] for one in iam.list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"]}
    inline = iam.list_role_policies(RoleName=ROLE)["PolicyNames"]
    arn = f"arn:aws:iam::{account}:policy/{ROLE}"
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    statements = document(role["AssumeRolePolicyDocument"])["Statement"]
    trusted = [one.get("Principal", {}).get("AWS") for one in statements]
    return trusted == [TRUST_PRINCIPAL] and document(version["Document"]) == POLICY and attached == {arn} and inline == []


def enter(sts, account):
    for name in ADMIN_ROLES:
        try:
            return sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/{name}", RoleSessionName="peer")["Credentials"]
        except sts.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "AccessDenied":
                raise
    return None


def keys(credentials):
    return {"aws_access_key_id": credentials["AccessKeyId"], "aws_secret_access_key": credentials["SecretAccessKey"],
            "aws_session_token": credentials["SessionToken"]}


def accounts(endpoint):
    pages = boto3.client("organizations", endpoint_url=endpoint, region_name="us-east-1").get_paginator("list_accounts").paginate()
    # The hub is the management account: no admin role there, and rolekeeper skips it as well.
    me = boto3.client("sts", endpoint_url=endpoint, region_name="us-east-1").get_caller_identity()["Account"]
    return [one["Id"] for page in pages for one in page["Accounts"] if one.get("State", one.get("Status")) == "ACTIVE" and one["Id"] != me]


def naive(endpoint):
    right = wrong = 0
    for account in accounts(endpoint):
        sts = boto3.client("sts", endpoint_url=endpoint, region_name="us-east-1")
        credentials = enter(sts, account)
        iam = boto3.Session(**keys(credentials), region_name="us-east-1").client("iam", endpoint_url=endpoint)
        if look(iam, account):
            right += 1
        else:
            wrong += 1
    return right, wrong


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
        return look(iam, account)

    with ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(one, accounts(endpoint)))
    return sum(results), len(results) - sum(results)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["naive", "tuned"])
    parser.add_argument("endpoint")
    parser.add_argument("--threads", type=int, default=64)
    arguments = parser.parse_args()
    right, wrong = naive(arguments.endpoint) if arguments.kind == "naive" else tuned(arguments.endpoint, arguments.threads)
    json.dump({"right": right, "wrong": wrong}, sys.stdout)


if __name__ == "__main__":
    main()
