"""c7n-org as a peer: the checks of ours that Cloud Custodian has words for, in every account.

It finds the role, its attachment, and who may assume it under which external id. It does not look into
the attached policy's document or for inline policies, and it reads every role of an account to
find the one, so the simulated accounts, which have three, flatter it.
"""

import json
import pathlib

ROLE = "CloudCoreoAssumedRolePolicy"
ADMIN_ROLE = "OrganizationAccountAccessRole"
VENDOR = "999999999999"

POLICIES = {
    "policies": [
        {
            "name": "role",
            "resource": "aws.iam-role",
            "filters": [
                {"RoleName": ROLE},
                {"type": "has-specific-managed-policy", "value": ROLE},
                {"type": "value", "key": "AssumeRolePolicyDocument.Statement[0].Principal.AWS", "value": f"arn:aws:iam::{VENDOR}:root"},
                {"type": "value", "key": 'AssumeRolePolicyDocument.Statement[0].Condition.StringEquals."sts:ExternalId"', "value": "present"},
                {"type": "cross-account", "whitelist": ["000000000000"]},
            ],
        }
    ]
}


def command(program, accounts, folder):
    """The command that checks these accounts; JSON is YAML too."""
    folder = pathlib.Path(folder)
    listed = [
        {"account_id": account, "name": f"a{account}", "role": f"arn:aws:iam::{account}:role/{ADMIN_ROLE}", "regions": ["us-east-1"]} for account in accounts
    ]
    (folder / "accounts.yml").write_text(json.dumps({"accounts": listed}))
    (folder / "policies.yml").write_text(json.dumps(POLICIES))
    return [
        program, "run", "-c", str(folder / "accounts.yml"), "-u", str(folder / "policies.yml"), "-s", str(folder / "out"),
        "-r", "us-east-1", "--cache-period", "0",
    ]


def found(folder):
    """In how many accounts it found the role right."""
    return sum(1 for file in pathlib.Path(folder, "out").glob("*/us-east-1/role/resources.json") if json.loads(file.read_text()))
