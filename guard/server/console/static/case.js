// One decision as a reviewer sees it: pictures, blurred until asked for; the text, folded; what Guard said, hidden first.
import * as api from "./api.js";
import { scale, canvas, line, rect, text } from "./charts.js";
import { chip, drawn, facts, h, replace, s } from "./dom.js";
import { duration, exact, percent, probability, short, spaced } from "./words.js";

const FOLDED_CHARS = 360;

export function picturesOf(item) {
  const content = item.content;
  if (!content?.pictures) return null;
  const box = h("div", { class: "pictures" });
  for (let place = 0; place < content.pictures; place += 1) {
    const one = h("div", { class: "picture blurred" });
    one.append(
      h("img", { src: api.picture(item.id, place), alt: `Picture ${place + 1} of the request`, loading: "lazy", onerror: () => one.replaceChildren(h("p", { class: "muted" }, "This picture cannot be shown")) }),
      h("button", { type: "button", class: "cover", onclick: () => one.classList.remove("blurred") }, `Show picture ${place + 1}`, h("kbd", null, "space")),
    );
    box.append(one);
  }
  return box;
}

/** Show all pictures below an element, or blur them again. */
export function turnPictures(root) {
  const all = [...root.querySelectorAll(".picture")];
  const hides = all.some((one) => !one.classList.contains("blurred"));
  for (const one of all) one.classList.toggle("blurred", hides);
}

export function textOf(item) {
  const said = item.content?.text ?? "";
  if (!said) return null;
  const isLong = said.length > FOLDED_CHARS || said.split("\n").length > 5;
  const body = h("div", { class: isLong ? "spoken folded" : "spoken", dir: "auto" }, said);
  if (!isLong) return body;
  const more = h("button", { type: "button", class: "link small unfold", "aria-expanded": "false", onclick: () => unfold(body, more) }, `Show all ${said.length.toLocaleString("en")} characters`);
  return h("div", { class: "field" }, body, h("p", null, more));
}

function unfold(body, more) {
  const isFolded = body.classList.toggle("folded");
  more.setAttribute("aria-expanded", String(!isFolded));
  more.textContent = isFolded ? `Show all ${body.textContent.length.toLocaleString("en")} characters` : "Fold";
}

/** Why there is nothing to see; `keeps` is the setting store.content.keep. */
export function nothingKept(item, keeps) {
  if (item.content?.is_whole) return null;
  if (item.content) return h("p", { class: "callout warn" }, "A part of what was judged is not here: it was too large to be kept, or Guard never saw it.");
  if (item.content_kept === "locked") return h("p", { class: "callout warn" }, "The content of this decision was kept under a key that this Guard does not have.");
  const label = "A label can be given all the same, by whoever knows the request.";
  if (keeps === "none") return h("p", { class: "callout warn" }, "The content of this decision was not kept: ", h("code", null, "store.content.keep"), ` is none. ${label}`);
  if (keeps === "sampled" && !item.is_sampled) return h("p", { class: "callout" }, `This decision was not drawn for review, and only what is drawn is kept. ${label}`);
  if (keeps === "blocked" && item.intended !== "block") return h("p", { class: "callout" }, `This decision is no refusal, and only content of refusals is kept. ${label}`);
  return h("p", { class: "callout warn" }, `The content of this decision is not there: it was purged, decided before content was kept, or there was none. ${label}`);
}

/** The probability on an axis even in log odds, with the threshold. */
export function probabilityFigure(item) {
  const figure = h("figure");
  const odds = (p) => Math.log(Math.min(Math.max(p, 3e-4), 1 - 3e-4) / (1 - Math.min(Math.max(p, 3e-4), 1 - 3e-4)));
  return drawn(figure, (width) => {
    const x = scale(-8, 8, 4, width - 4);
    const at = x(odds(item.probability));
    const limit = item.threshold === null ? null : x(odds(item.threshold));
    const parts = [rect("volume", 4, 17, width - 8, 4, { rx: 2, opacity: 0.45 })];
    if (limit !== null) parts.push(rect("above", limit, 17, width - 4 - limit, 4), line("limit", limit, 6, limit, 32));
    for (const p of [0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999]) parts.push(text(x(odds(p)), 46, `${100 * p}`, "middle"));
    parts.push(s("circle", { class: "dot", cx: at, cy: 19, r: 7 }));
    replace(figure, canvas(width, 50, `probability ${probability(item.probability)}, threshold ${probability(item.threshold)}`, parts));
  });
}

function bars(shares) {
  const top = Object.entries(shares).sort(([, a], [, b]) => b - a).filter(([, p]) => p >= 0.03).slice(0, 5);
  if (!top.length) return null;
  return h("div", { class: "bars" }, top.map(([name, p]) => [
    h("span", null, spaced(name)),
    s("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" }, rect("track", 0, 0, 100, 8), rect("volume", 0, 0, 100 * p, 8)),
    h("span", { class: "number" }, percent(p)),
  ]));
}

/** What Guard decided, and why. */
export function saidOf(item) {
  const categories = bars(item.categories);
  const attacks = bars(item.attacks);
  return [
    h("p", { class: "chips" }, chip(item.verdict), chip(item.intended, item.intended === item.action ? item.action : `${item.intended}, done: ${item.action}`), item.cause ? chip("plain", `by ${item.cause === "together" ? "text and picture together" : item.cause}`) : null),
    item.probability === null ? null : h("div", null, h("h3", null, "Probability of unsafe, %"), probabilityFigure(item)),
    facts([
      ["Probability", probability(item.probability)],
      ["Threshold", probability(item.threshold)],
      item.rule && ["Rule", `${spaced(item.rule.name)} ≥ ${probability(item.rule.threshold)}`],
      item.code && ["Code", h("code", null, item.code)],
      ["Basis", spaced(item.basis)],
    ]),
    categories && h("div", null, h("h3", null, "Categories"), categories),
    attacks && h("div", null, h("h3", null, "Attacks"), attacks),
  ];
}

/** Where the decision comes from. Blind, nothing here tells what Guard said: refusals are drawn more often, too. */
export function originOf(item, now, { isBlind = false } = {}) {
  return facts([
    ["Decided", h("time", { title: exact(item.at) }, `${duration(now - item.at)} ago`)],
    ["Direction", item.direction === "output" ? "answer of the model" : "request"],
    ["Policy", item.policy],
    item.tenant !== "default" && ["Tenant", item.tenant],
    !isBlind && ["Drawn with probability", item.is_sampled ? percent(item.sampling_probability) : "not drawn"],
    isBlind && ["Id", h("a", { href: `#/decisions?id=${encodeURIComponent(item.id)}` }, h("code", null, short(item.id)))],
  ]);
}
