"""What the commands show on a person's terminal, of several widths.

Runs the program in a pseudo-terminal against a simulated organization whose account names are out to do harm,
and insists: no line is wider than the terminal, nothing in a name steers it, colors mean something and are
not there when NO_COLOR says so, and `--format json` is left alone.
"""

import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unicodedata
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from reporting import run

ROOT = Path(__file__).resolve().parents[2]
BINARY = os.environ["ROLEKEEPER_TEST_BINARY"]
WIDTHS = (60, 80, 120)
PATIENCE_SECONDS = 120
KEYS = {"AWS_ACCESS_KEY_ID": "AKIASIMULATORHUB0001", "AWS_SECRET_ACCESS_KEY": "simulator"}
# What a line may hold besides text: colors, and what a progress bar needs to draw itself anew.
COLOR = re.compile(r"\x1b\[[0-9;]*m")
DRAWING = re.compile(r"\x1b\[[0-9]*[A-KJK]|\x1b\[\?25[lh]")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Desk:
    """A simulated organization, and a folder with a configuration."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        port = free_port()
        self.simulator = subprocess.Popen(
            [str(Path(BINARY).with_name("rolekeeper-simulator")), "--listen", f"127.0.0.1:{port}", "--accounts", "40",
             "--seed", "11", "--provisioned", "--drift", "50%", "--denied", "5%", "--hostile-names", "--no-limits"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        url = f"http://127.0.0.1:{port}"
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                urllib.request.urlopen(f"{url}/_sim/summary", timeout=5).read()
                break
            except OSError:
                assert time.monotonic() < until, "the simulator does not answer"
        config = (ROOT / "config/demo.toml").read_text().replace("http://127.0.0.1:4599", url)
        Path(self.folder.name, "rolekeeper.toml").write_text(config)
        return self

    def __exit__(self, *_):
        self.simulator.terminate()
        self.simulator.wait(timeout=60)
        self.folder.cleanup()

    def run(self, width, *arguments, **environment):
        """Everything that the program wrote to a terminal of that width."""
        child, terminal = pty.fork()
        if child == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
            os.chdir(self.folder.name)
            os.execve(BINARY, [BINARY, *arguments], {**KEYS, "TERM": "xterm-256color", **environment})
        said = b""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                piece = os.read(terminal, 1 << 16)
            except OSError:
                break  # The program has ended.
            if not piece:
                break
            said += piece
        else:
            os.kill(child, signal.SIGKILL)
        os.close(terminal)
        os.waitpid(child, 0)
        return said.decode()


def columns(text):
    """How many columns a terminal needs for the text."""
    wide = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
    return wide - sum(1 for letter in text if unicodedata.combining(letter))


def lines(said):
    return re.split(r"[\r\n]+", DRAWING.sub("", COLOR.sub("", said)))


def plain_json(command):
    return subprocess.run(
        [BINARY, command, "--format", "json"], cwd=DESK.folder.name, env=KEYS, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=PATIENCE_SECONDS,
    ).stdout


def no_line_is_wider_than_the_terminal_and_no_name_steers_it():
    def looks():
        commands = [
            ["plan"], ["accounts"], ["sweeps"], ["check"], ["check", "--offline"], ["config", "show"],
            ["rollback", "--sweep", "20261124T063000Z-00000001", "--plan"], ["report", "--sweep", "no such sweep"],
            ["iam-policy", "nobody"], ["apply", "no-such-file.json"],
        ]
        yield from ((width, command) for command in commands for width in WIDTHS)

    too_wide, steering = {}, {}

    def judge(width, command, said):
        assert len(said) > 20, (command, said)
        for line in lines(said):
            if columns(line) > width:
                too_wide[width, " ".join(command)] = line
            if any(unicodedata.category(letter) in ("Cc", "Cf") and letter != "\t" for letter in line):
                steering[width, " ".join(command)] = line

    for width, command in looks():
        judge(width, command, DESK.run(width, *command))
    with waiting_for_a_word():
        for width in WIDTHS:
            judge(width, ["approve"], DESK.run(width, "approve"))
    for width in WIDTHS:
        judge(width, ["apply", "--yes"], DESK.run(width, "apply", "--yes"))
    swept = json.loads(plain_json("sweeps"))["sweeps"]
    first = next(one["id"] for one in reversed(swept) if one["summary"]["repaired"])
    some = history_of(first)
    for width in WIDTHS:
        for command in (["history", some], ["halt", "--why", "a drill " * 30], ["sweeps"], ["resume"]):
            judge(width, command, DESK.run(width, *command))
        judge(width, ["demo"], DESK.run(width, "demo", "--once", "--accounts", "20"))
    assert not too_wide, "\n".join(map(str, too_wide.items()))
    assert not steering, steering


@contextmanager
def waiting_for_a_word():
    """While a repair that nobody agreed to waits for `approve`."""
    repair = subprocess.Popen(
        [BINARY, "apply"], cwd=DESK.folder.name, env=KEYS, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + PATIENCE_SECONDS
        while "would change" not in DESK.run(120, "approve"):
            assert time.monotonic() < until and repair.poll() is None, "nothing waits"
            time.sleep(0.2)
        yield
    finally:
        repair.terminate()
        repair.wait(timeout=60)


def history_of(sweep):
    """An account that the sweep has changed."""
    done = subprocess.run(
        [BINARY, "report", "--sweep", sweep, "--format", "json"], cwd=DESK.folder.name, env=KEYS,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_SECONDS,
    )
    report = json.loads(done.stdout)
    return next(one["account_id"] for one in report["accounts"] if one["outcome"] == "repaired")


def colors_mean_something_and_go_when_told_to():
    plan = DESK.run(120, "plan")
    assert "\x1b[1m" in plan, "headings are bold"
    assert re.search(r"\x1b\[1;31m[^\x1b]*failed", plan), "what failed is red"
    assert re.search(r"\x1b\[3[23]m", plan), "what is well is green, what is to be looked at yellow"
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert not COLOR.search(DESK.run(120, "plan", **environment)), environment
    assert COLOR.search(DESK.run(120, "plan", NO_COLOR="")), "empty means not set"


def json_is_the_same_on_every_terminal():
    for width in (60, 120):
        said = DESK.run(width, "sweeps", "--format", "json")
        assert json.loads(said.replace("\r\n", "\n"))["schema"] == "rolekeeper.sweeps/v1"


def commands(*prefix):
    """Every command with its subcommands, as the help lists them."""
    yield prefix
    listed = re.search(r"Commands:[\r\n]+((?:  .*[\r\n]+)+)", COLOR.sub("", DESK.run(200, *prefix, "--help")))
    for name in re.findall(r"^  (\S+)", listed[1], re.MULTILINE) if listed else ():
        if name != "help":
            yield from commands(*prefix, name)


def every_help_fits():
    every = list(commands())
    assert len(every) > 20 and ("journal", "verify") in every, every
    for width in WIDTHS:
        for command in every:
            for wanted in ("-h", "--help"):
                for line in lines(DESK.run(width, *command, wanted)):
                    assert columns(line) <= width, (command, width, line)


CHECKS = [
    no_line_is_wider_than_the_terminal_and_no_name_steers_it,
    colors_mean_something_and_go_when_told_to,
    json_is_the_same_on_every_terminal,
    every_help_fits,
]

if __name__ == "__main__":
    with Desk() as DESK:
        failed = run(CHECKS)
    sys.exit(failed)
