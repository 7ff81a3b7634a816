// Numbers, times and names as people read them.

export const OUTCOMES = ["in_sync", "drifted", "repaired", "failed", "skipped", "pending"];

const NAMES = {
  in_sync: "in sync", drifted: "drifted", repaired: "repaired", failed: "failed", skipped: "skipped", pending: "not reached",
  not_selected: "not selected", management_account: "management account", pending_closure: "closing", pending_activation: "not active yet",
  access_denied: "access denied", not_found: "not found", invalid_spec: "AWS rejects the specification",
  command_line: "command line",
};

export function name(word) {
  return NAMES[word] ?? String(word).replaceAll("_", " ");
}

/** The words of an explanation as a sentence. */
export function sentence(words) {
  const text = `${words.charAt(0).toUpperCase()}${words.slice(1)}`;
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

export function count(number) {
  return Number(number ?? 0).toLocaleString("en-US");
}

export function accounts(number) {
  return number === 1 ? "1 account" : `${count(number)} accounts`;
}

const STEPS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** "3 minutes ago", "in 2 hours". */
export function relative(iso, now = Date.now()) {
  const seconds = Math.round((new Date(iso).getTime() - now) / 1000);
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  for (const [unit, size] of STEPS) {
    if (size <= Math.abs(seconds) || unit === "second") return words.format(Math.round(seconds / size), unit);
  }
  return "now";
}

export function clock(iso) {
  return new Date(iso).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });
}

/** "1 min 20 s" between two times. */
export function took(from, to) {
  const seconds = Math.max(0, Math.round((new Date(to) - new Date(from)) / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
