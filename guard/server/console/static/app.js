// The console's frame: which page is shown, keys that work everywhere, notes, and the session.
import * as api from "./api.js";
import { decisionsPage } from "./decisions.js";
import { h, replace } from "./dom.js";
import { explorePage } from "./explore.js";
import { overviewPage } from "./overview.js";
import { reviewPage } from "./review.js";
import { applyTheme, nextTheme, theme } from "./theme.js";
import { whole } from "./words.js";

const PAGES = {
  overview: { title: "Overview", show: overviewPage },
  review: { title: "Review", show: reviewPage },
  explore: { title: "Thresholds", show: explorePage },
  decisions: { title: "Decisions", show: decisionsPage },
};
const GOTO = { o: "overview", r: "review", t: "explore", d: "decisions" };
const KEYS = [["g o", "overview"], ["g r", "review"], ["g t", "thresholds"], ["g d", "decisions"], ["/", "search decisions"], ["?", "these keys"]];
const REVIEW_KEYS = [["s", "safe"], ["u", "unsafe"], ["n", "not sure"], ["space", "show or blur the pictures"], ["x", "unfold the text"],
  ["v", "show what Guard said"], ["z", "undo"], ["j  k", "next, previous without a label"], ["a", "after a wrong refusal: let this content pass"]];

const find = (selector) => document.querySelector(selector);
const main = find("#main");
let leavePage = () => {};
let pageKeys = () => false;
let wentTo = 0; // when "g" was pressed

function notify(words, { bad = false, action, onaction } = {}) {
  const note = h("div", { class: bad ? "note bad" : "note" }, h("span", null, words));
  const drop = () => note.remove();
  if (action) note.append(h("button", { type: "button", onclick: () => { drop(); onaction(); } }, action));
  note.append(h("button", { type: "button", "aria-label": "Close", onclick: drop }, "×"));
  const notes = find("#notes");
  notes.append(note);
  setTimeout(drop, bad ? 12_000 : 6_000);
  while (notes.children.length > 3) notes.firstChild.remove();
  return drop;
}

function setOpen(n) {
  const badge = find("#open");
  badge.hidden = !n;
  badge.textContent = n > 999 ? "999+" : whole(n ?? 0);
}

function where() {
  const [name, query = ""] = location.hash.replace(/^#\//, "").split("?");
  return { name: name in PAGES ? name : "overview", query: new URLSearchParams(query) };
}

function show(session) {
  const { name, query } = where();
  leavePage();
  replace(find("#notes"));
  pageKeys = () => false;
  for (const link of document.querySelectorAll(".tabs a")) {
    if (link.hash === `#/${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${PAGES[name].title} · Guard console`;
  replace(main);
  const frame = { notify, setOpen, query, setKeys: (keys) => { pageKeys = keys; } };
  leavePage = PAGES[name].show(main, session, frame) ?? (() => {});
}

function help() {
  const list = (keys) => h("dl", { class: "keys" }, keys.map(([key, what]) => [h("dt", null, key.split(" ").filter(Boolean).map((one) => [h("kbd", null, one), " "])), h("dd", null, what)]));
  const box = h("dialog", { "aria-label": "Keyboard shortcuts", onclose: () => box.remove() },
    h("form", { method: "dialog" }, h("h2", null, "Anywhere"), list(KEYS), h("h2", null, "In the review queue"), list(REVIEW_KEYS),
      h("div", { class: "actions" }, h("button", { class: "primary" }, "Close"))));
  document.body.append(box);
  box.showModal();
}

function onKey(event) {
  const isWriting = event.target.closest?.("input:not([type=radio]), textarea, select");
  if (event.ctrlKey || event.metaKey || event.altKey || isWriting || find("dialog[open]")) return;
  const wasGoing = Date.now() - wentTo < 1200;
  wentTo = 0;
  if (wasGoing && event.key in GOTO) location.hash = `#/${GOTO[event.key]}`;
  else if (event.key === "g") wentTo = Date.now();
  else if (event.key === "?") help();
  else if (event.key === "/") location.hash = "#/decisions?find";
  else if (!pageKeys(event)) return;
  event.preventDefault();
}

function showTheme() {
  const chosen = theme();
  find("#theme").textContent = { auto: "Auto", light: "Light", dark: "Dark" }[chosen];
  find("#theme").setAttribute("aria-label", `Theme: ${chosen}`);
}

async function start() {
  applyTheme();
  showTheme();
  const session = await api.session();
  find("#who").textContent = session.name;
  find("#bundle").textContent = session.bundle;
  find("#mode").textContent = session.mode;
  find("#mode").className = `chip plain ${session.mode === "enforce" ? "" : "maybe"}`;
  find("#mode").hidden = false;
  setOpen(session.open_reviews);
  find("#theme").addEventListener("click", () => { nextTheme(); showTheme(); });
  find("#help").addEventListener("click", help);
  find("#leave").addEventListener("click", () => api.leave());
  addEventListener("hashchange", () => {
    show(session);
    if (!main.contains(document.activeElement)) main.focus();
  });
  addEventListener("keydown", onKey);
  show(session);
}

start().catch((error) => replace(main, h("p", { class: "empty" }, error.message)));
