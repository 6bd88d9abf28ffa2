// One card for each live rate: the estimate, its interval, and how much it rests on.
import { card, h } from "./dom.js";
import { intervalFigure } from "./charts.js";
import { percent, plural, range, tidy } from "./words.js";

const RATES = [
  ["false_refusal", "False refusals", "wrongly refused, of all harmless traffic"],
  ["block_error", "Block errors", "wrongly refused, of all that was refused"],
  ["miss", "Misses", "wrongly let through, of all unsafe traffic"],
];

function head(rate) {
  if (rate.high === null || rate.high === undefined) {
    return h("div", { class: "value none" }, h("strong", null, rate.why ?? "not enough reviews"));
  }
  if (rate.value === null) return h("div", { class: "value" }, h("strong", null, range(rate.low, rate.high)));
  return h("div", { class: "value" }, h("strong", null, percent(rate.value)), h("span", { class: "range" }, range(rate.low, rate.high)));
}

function said(rate, limit, declared) {
  const words = [`${plural(rate.n, "review")} in the window`];
  if (rate.worst_case) words.push("bounds assume the worst of what nobody reviewed");
  else if (rate.high !== null) words.push("95 % interval");
  if (limit !== null) words.push(`◆ certified limit ${tidy(limit)}`);
  if (declared !== null) words.push(`○ declared limit ${tidy(declared)}, not proven`);
  return words.join(" · ");
}

export function rateCards(found) {
  const { limits = {}, declared_limit: wanted = null } = found.bundle ?? {};
  return RATES.map(([key, title, about]) => {
    const rate = found.rates[key];
    const limit = limits[key] ?? null;
    const declared = key === "false_refusal" ? wanted : null;
    const figure = rate.high === null && limit === null && declared === null ? null : intervalFigure(rate, limit, declared);
    return card(title, { about, kind: "rate third" }, head(rate), figure, h("p", { class: "said" }, said(rate, limit, declared)));
  });
}
