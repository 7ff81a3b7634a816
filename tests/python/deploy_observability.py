"""Alerts and dashboard against what a running rolekeeper really exports.

    python tests/python/deploy_observability.py PROMTOOL ROLEKEEPER
"""

import json
import re
import subprocess
import sys
import tempfile
import threading
import urllib.request
from pathlib import Path

import yaml

from reporting import run

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus/rules.yml"
DASHBOARD = ROOT / "deploy/grafana/rolekeeper.json"
PROMTOOL, ROLEKEEPER = (str(Path(program).resolve()) for program in sys.argv[1:3])
# What the scrape itself adds, and what a histogram has.
ADDED = {"job", "instance", "pod", "le"}


class Demo:
    """The daemon with a simulated organization behind it, ended by its id."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            [ROLEKEEPER, "demo", "--accounts", "12", "--listen", "127.0.0.1:0"], cwd=self.folder.name,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        said = []
        while not (told := re.search(r"token\s+(\w+)\n.*(http://\S+)/metrics", "".join(said))):
            line = self.process.stdout.readline()
            assert line, "the demo ended: " + "".join(said)
            said.append(line)
        self.token, self.url = told.groups()
        # Its log goes on; a full pipe would stop it.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=60)
        self.folder.cleanup()

    def get(self, path):
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read().decode()


class Exported:
    """The families of a scrape, and the labels of their samples."""

    def __init__(self, text):
        self.text = text
        self.kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
        self.labels = {name: set() for name in self.kinds}
        for name, labels in re.findall(r"^(\w+)\{([^}]*)\} ", text, re.MULTILINE):
            self.labels.setdefault(self.family(name), set()).update(re.findall(r"(\w+)=\"", labels))

    def family(self, name):
        for suffix in ("_bucket", "_sum", "_count"):
            if name.endswith(suffix) and self.kinds.get(name.removesuffix(suffix)) == "histogram":
                return name.removesuffix(suffix)
        return name


def rules():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def queries():
    """Every query of the dashboard, its variables replaced by what they may be."""
    dashboard = json.loads(DASHBOARD.read_text())
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    found = [target["expr"] for panel in panels for target in panel["targets"]]
    found += [annotation["expr"] for annotation in dashboard["annotations"]["list"]]
    return [query.replace("$__rate_interval", "5m").replace("$job", ".+") for query in found]


def everything_asked_for():
    return queries() + [rule["expr"] for rule in rules()]


def names_and_labels(query):
    """The metrics that a query reads, each with the labels its selector names."""
    for name, _, labels in re.findall(r"\b((?:rolekeeper|process)[\w:]*)(\{([^}]*)\})?", query):
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", labels))


def the_scrape_is_clean():
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=EXPORTED.text, capture_output=True, text=True)
    ours = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("rolekeeper_")]
    assert done.returncode in (0, 3) and not ours, done.stdout + done.stderr


def every_query_is_promql():
    group = {"name": "dashboard", "rules": [
        {"record": f"dashboard:query:{number}", "expr": query} for number, query in enumerate(queries())
    ]}
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        yaml.safe_dump({"groups": [group]}, file)
        file.flush()
        done = subprocess.run([PROMTOOL, "check", "rules", file.name], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def every_metric_that_is_asked_for_is_exported():
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    asked = [pair for query in everything_asked_for() for pair in names_and_labels(query)]
    assert len(asked) > 40, asked
    for name, labels in asked:
        if ":" in name:
            assert name in recorded, name
            continue
        family = EXPORTED.family(name)
        assert family in EXPORTED.kinds, name
        missing = labels - EXPORTED.labels[family] - ADDED
        assert not missing, (name, missing)


def every_metric_that_is_exported_is_on_the_dashboard_or_in_an_alert():
    asked = {EXPORTED.family(name) for query in everything_asked_for() for name, _ in names_and_labels(query)}
    ours = {name for name in EXPORTED.kinds if name.startswith("rolekeeper_")}
    # Opt-in, one series an account: for a table of one's own.
    assert ours - asked <= {"rolekeeper_account_drifted"}, ours - asked


def every_alert_has_its_place_in_the_runbook():
    runbook = (ROOT / "docs/OPERATIONS.md").read_text()
    places = {heading.strip().lower() for heading in re.findall(r"^#+ (.+)$", runbook, re.MULTILINE)}
    alerts = [rule for rule in rules() if "alert" in rule]
    assert len(alerts) > 10
    for rule in alerts:
        path, place = rule["annotations"]["runbook_url"].split("#")
        assert path == "docs/OPERATIONS.md" and place in places, rule["alert"]
        assert place == rule["alert"].lower(), rule["alert"]


def every_alert_has_a_test_that_it_fires_in():
    tests = yaml.safe_load((ROOT / "deploy/prometheus/rules.test.yml").read_text())["tests"]
    fired = {
        case["alertname"] for test in tests for case in test.get("alert_rule_test", []) if case["exp_alerts"]
    }
    assert fired == {rule["alert"] for rule in rules() if "alert" in rule}


def panels_do_not_lie_on_each_other():
    cells = {}
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                other = cells.setdefault((x, y), panel["title"])
                assert other == panel["title"], (other, panel["title"])


CHECKS = [
    the_scrape_is_clean,
    every_query_is_promql,
    every_metric_that_is_asked_for_is_exported,
    every_metric_that_is_exported_is_on_the_dashboard_or_in_an_alert,
    every_alert_has_its_place_in_the_runbook,
    every_alert_has_a_test_that_it_fires_in,
    panels_do_not_lie_on_each_other,
]

if __name__ == "__main__":
    with Demo() as demo:
        EXPORTED = Exported(demo.get("/metrics"))
    sys.exit(run(CHECKS))
