// Two texts side by side, line by line.

import { h } from "./dom.js";

/** At most this many lines are compared; policies are far shorter. */
const LINES_MAX = 2000;

/** The order in which people read a policy; what is not named here comes after, by name. */
const KEYS = ["Version", "Id", "Statement", "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];

/** The same value with its keys in one order, so that only what differs is marked. */
function ordered(value) {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== "object" || value === null) return value;
  const rank = (key) => (KEYS.includes(key) ? KEYS.indexOf(key) : KEYS.length);
  const keys = Object.keys(value).sort((left, right) => rank(left) - rank(right) || (left < right ? -1 : 1));
  return Object.fromEntries(keys.map((key) => [key, ordered(value[key])]));
}

/** JSON is spread over lines; other text stays as it is. */
function lines(text) {
  if (text === null || text === undefined) return [];
  try {
    const value = JSON.parse(text);
    if (typeof value === "object" && value !== null) return JSON.stringify(ordered(value), null, 2).split("\n");
  } catch {
    // Not JSON.
  }
  return String(text).split("\n");
}

/** Marks for each line of both sides: whether the other side has it too. */
export function compare(before, after) {
  const left = lines(before).slice(0, LINES_MAX);
  const right = lines(after).slice(0, LINES_MAX);
  const lengths = Array.from({ length: left.length + 1 }, () => new Uint16Array(right.length + 1));
  for (let i = left.length - 1; 0 <= i; i -= 1) {
    for (let j = right.length - 1; 0 <= j; j -= 1) {
      lengths[i][j] = left[i] === right[j] ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  const marked = { left: [], right: [] };
  let i = 0;
  let j = 0;
  while (i < left.length || j < right.length) {
    if (i < left.length && j < right.length && left[i] === right[j]) {
      marked.left.push([left[i], null]);
      marked.right.push([right[j], null]);
      i += 1;
      j += 1;
    } else if (j === right.length || (i < left.length && lengths[i][j + 1] <= lengths[i + 1][j])) {
      marked.left.push([left[i], "removed"]);
      i += 1;
    } else {
      marked.right.push([right[j], "added"]);
      j += 1;
    }
  }
  return marked;
}

function side(title, marked, nothing) {
  const body = marked.length === 0
    ? h("span", { class: "quiet" }, nothing)
    : marked.map(([text, mark]) => h("span", { class: mark }, mark === "removed" ? "− " : mark === "added" ? "+ " : "  ", text));
  return h("figure", {}, h("figcaption", {}, title), h("pre", { tabindex: "0", "aria-label": title }, body));
}

export function sides(before, after) {
  const marked = compare(before, after);
  return h("div", { class: "sides" },
    side("What is there", marked.left, "nothing"),
    side("What should be there", marked.right, "nothing"));
}
