// The organization as a tree of organizational units, coloured by what is wrong.

import { h, svg } from "./dom.js";
import { address } from "./parts.js";
import { accounts, count, name } from "./words.js";

const ORDER = ["failed", "drifted", "pending", "in_sync", "repaired", "skipped"];
const RANK = { low: 1, medium: 2, high: 3, critical: 4 };

/** Units with the counts of everything below them. */
export function tree(units) {
  const root = node("/", "");
  for (const unit of units) {
    const names = unit.ou_path === "/" ? [] : unit.ou_path.split("/");
    let place = root;
    add(place, unit);
    for (const [depth, part] of names.entries()) {
      if (!place.below.has(part)) place.below.set(part, node(part, names.slice(0, depth + 1).join("/")));
      place = place.below.get(part);
      add(place, unit);
    }
  }
  return root;
}

function node(label, path) {
  return { label, path, accounts: {}, total: 0, worst: null, below: new Map() };
}

function add(place, unit) {
  for (const [outcome, number] of Object.entries(unit.accounts)) {
    place.accounts[outcome] = (place.accounts[outcome] ?? 0) + number;
    place.total += number;
  }
  if (unit.worst && (RANK[place.worst] ?? 0) < RANK[unit.worst]) place.worst = unit.worst;
}

/** Percent: what is wrong can be seen, however large the rest is. */
const WIDTH_MIN = 2;
const WRONG = ["failed", "drifted", "pending"];

function bar(place) {
  const shown = ORDER.filter((outcome) => place.accounts[outcome]);
  const weight = (outcome) => Math.max(place.accounts[outcome] / place.total, WRONG.includes(outcome) ? WIDTH_MIN / 100 : 0);
  const whole = shown.reduce((sum, outcome) => sum + weight(outcome), 0);
  let x = 0;
  const parts = shown.map((outcome) => {
    const width = (weight(outcome) / whole) * 100;
    const color = outcome === "drifted" && place.worst === "critical" ? "critical" : outcome;
    const part = svg("rect", { class: color, x: String(x), y: "0", width: String(width), height: "10" });
    x += width;
    return part;
  });
  return svg("svg", { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" }, parts);
}

function words(place) {
  const wrong = WRONG.filter((outcome) => place.accounts[outcome])
    .map((outcome) => `${count(place.accounts[outcome])} ${name(outcome)}`);
  return wrong.length === 0 ? accounts(place.total) : `${wrong.join(", ")} of ${count(place.total)}`;
}

function row(place) {
  const worst = place.worst ? `, worst: ${place.worst}` : "";
  return h("a", { class: "unit", href: address({ view: "accounts", ou: place.path, sort: "worst" }), title: `${words(place)}${worst}` },
    h("span", { class: "place" },
      h("span", { class: `dot ${place.worst ?? (WRONG.some((outcome) => place.accounts[outcome]) ? "unknown" : "right")}`, "aria-hidden": "true" }),
      h("span", { class: "name" }, place.label === "/" ? "The whole organization" : place.label),
      place.worst ? h("span", { class: "unseen" }, `, worst finding: ${place.worst}`) : null),
    bar(place),
    h("span", { class: "count" }, words(place)));
}

function list(places) {
  const sorted = [...places].sort((left, right) => left.label.localeCompare(right.label));
  return h("ul", {}, sorted.map((place) => h("li", {}, row(place), place.below.size ? list(place.below.values()) : null)));
}

export function map(units) {
  const root = tree(units);
  return [
    h("ul", { class: "units" }, h("li", {}, row(root), root.below.size ? list(root.below.values()) : null)),
    h("ul", { class: "legend", "aria-label": "Colors" },
      [["failed", "failed, or critical drift"], ["drifted", "drifted"], ["in_sync", "right"], ["pending", "not reached"], ["skipped", "skipped"]]
        .map(([color, label]) => h("li", {}, svg("svg", { width: "12", height: "12", "aria-hidden": "true" }, svg("rect", { class: color, width: "12", height: "12", rx: "3" })), label)),
      h("li", {}, "The dot before a name is the worst open finding: ",
        [["critical", "critical, or nobody can say"], ["high", "high or medium"], ["low", "low"], ["right", "none"]]
          .map(([color, label]) => [h("span", { class: `dot ${color}`, "aria-hidden": "true" }), ` ${label} `]))),
  ];
}
