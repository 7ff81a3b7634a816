"""As many requests as the simulator can answer: the five of a warm audit, in turn, from processes that do nothing else.

Signatures are not verified by the simulator, so every request is made once and sent again and again. One request at a time
on each connection, as rolekeeper and any SDK do it: pipelining would spare the simulator system calls that it has to make for them.
"""

import argparse
import itertools
import json
import multiprocessing
import selectors
import socket
import sys
import time
import urllib.parse
import xml.etree.ElementTree

from world import HUB, ask

ROLE = "CloudCoreoAssumedRolePolicy"
ADMIN_ROLE = "OrganizationAccountAccessRole"
# The longest that the processes wait for each other: one that failed must not hold the rest for ever.
START_SECONDS = 60


def request(service, key, token, **parameters):
    """The bytes of one request."""
    version = "2011-06-15" if service == "sts" else "2010-05-08"
    body = urllib.parse.urlencode({**parameters, "Version": version}).encode()
    scope = f"{key}/20260101/us-east-1/{service}/aws4_request"
    lines = [
        "POST / HTTP/1.1", "host: 127.0.0.1", "content-type: application/x-www-form-urlencoded", f"content-length: {len(body)}",
        f"authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=content-type;host;x-amz-date, Signature={'0' * 64}",
        "x-amz-date: 20260101T000000Z", *([f"x-amz-security-token: {token}"] if token else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def assume(account):
    """AssumeRole with a session policy that leaves what an audit needs, as rolekeeper sends one."""
    role, policy = f"arn:aws:iam::{account}:role/{ROLE}", f"arn:aws:iam::{account}:policy/{ROLE}"
    statements = [
        {"Effect": "Allow", "Action": ["iam:GetRole", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"], "Resource": role},
        {"Effect": "Allow", "Action": ["iam:GetPolicy", "iam:GetPolicyVersion"], "Resource": policy},
    ]
    return request(
        "sts", HUB["AWS_ACCESS_KEY_ID"], None, Action="AssumeRole", RoleArn=f"arn:aws:iam::{account}:role/{ADMIN_ROLE}",
        RoleSessionName="load", DurationSeconds=900, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}),
    )


def reads(account, key, token):
    """The four reads of a warm audit."""
    return [
        request("iam", key, token, Action="GetRole", RoleName=ROLE),
        request("iam", key, token, Action="ListAttachedRolePolicies", RoleName=ROLE),
        request("iam", key, token, Action="ListRolePolicies", RoleName=ROLE),
        request("iam", key, token, Action="GetPolicy", PolicyArn=f"arn:aws:iam::{account}:policy/{ROLE}"),
    ]


def receive(connection):
    """One whole answer; ends everything when it is not a good one."""
    answer = connection.recv(65536)
    head = answer.find(b"\r\n\r\n")
    while head < 0:
        more = connection.recv(65536)
        if not more:
            raise SystemExit(f"the simulator hung up after {answer!r}")
        answer += more
        head = answer.find(b"\r\n\r\n")
    at = answer.find(b"content-length: ") + len(b"content-length: ")
    whole = head + 4 + int(answer[at:answer.index(b"\r\n", at)])
    while len(answer) < whole:
        answer += connection.recv(65536)
    if answer[9:12] != b"200":
        raise SystemExit(f"the simulator answered {answer!r}")
    return answer[head + 4:]


def credentials(address, account):
    """Key and token of a session in the account."""
    with socket.create_connection(address) as connection:
        connection.sendall(assume(account))
        answer = xml.etree.ElementTree.fromstring(receive(connection))
    found = {element.tag.rpartition("}")[2]: element.text for element in answer.iter()}
    return found["AccessKeyId"], found["SessionToken"]


def drive(address, requests, connections, barrier, seconds):
    """Sends request after request on each connection for so long."""
    selector = selectors.DefaultSelector()
    opened = []
    for number in range(connections):
        connection = socket.create_connection(address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Each begins elsewhere, so that they do not meet in one account.
        begin = number * len(requests) // connections
        turn = itertools.cycle(itertools.chain(requests[begin:], requests[:begin]))
        selector.register(connection, selectors.EVENT_READ, turn)
        opened.append((connection, turn))
    barrier.wait(START_SECONDS)
    end = time.monotonic() + seconds
    for connection, turn in opened:
        connection.sendall(next(turn))
    left = len(opened)
    while left:
        going_on = time.monotonic() < end
        for ready, _ in selector.select():
            receive(ready.fileobj)
            if going_on:
                ready.fileobj.sendall(next(ready.data))
            else:
                selector.unregister(ready.fileobj)
                left -= 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--connections", type=int, default=32, help="of each process")
    parser.add_argument("--accounts", type=int, default=1_000, help="spread over all that there are")
    arguments = parser.parse_args()
    where = urllib.parse.urlsplit(arguments.url)
    address = (where.hostname, where.port)
    members = [one["id"] for one in ask(arguments.url, "/_sim/accounts")["accounts"] if one["reachable"] and not one["management"]]
    chosen = members[::max(1, len(members) // arguments.accounts)]
    requests = [one for account in chosen for one in (assume(account), *reads(account, *credentials(address, account)))]
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(arguments.processes + 1)
    share = len(requests) // arguments.processes
    workers = []
    for number in range(arguments.processes):
        turned = requests[number * share:] + requests[:number * share]
        workers.append(context.Process(target=drive, args=(address, turned, arguments.connections, barrier, arguments.seconds)))
        workers[-1].start()
    # What the simulator counts from here on is the load alone.
    ask(arguments.url, "/_sim/reset", {})
    barrier.wait(START_SECONDS)
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        sys.exit("a process of the load failed")


if __name__ == "__main__":
    main()
