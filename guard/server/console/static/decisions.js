// Search by id, or look through the latest decisions; one opens beside the list.
import * as api from "./api.js";
import { nothingKept, originOf, picturesOf, saidOf, textOf, turnPictures } from "./case.js";
import { card, chip, empty, failure, h, replace } from "./dom.js";
import { exact, moment, plural, probability, short } from "./words.js";

const FILTERS = [
  ["intended", "Action", [["", "any action"], ["block", "refused"], ["allow", "allowed"], ["flag", "flagged"], ["review", "for review"]]],
  ["label", "Label", [["", "any label"], ["none", "not reviewed"], ["safe", "safe"], ["unsafe", "unsafe"], ["unsure", "not sure"]]],
  ["verdict", "Verdict", [["", "any verdict"], ["safe", "safe"], ["unsafe", "unsafe"], ["unjudged", "not judged"]]],
];
const PAGE = 50;

export function decisionsPage(main, session, { notify, query, setKeys }) {
  if (!session.store) {
    replace(main, h("section", { class: "card" }, empty("Nothing is kept", "This Guard runs without a store (store.url: none), so there are no decisions to look at.")));
    return;
  }
  const asked = { policy: "", intended: "", label: "", verdict: "" };
  let rows = [];
  let turn = 0; // of what was asked last: an answer to what was asked before it is dropped
  const field = h("input", { type: "search", name: "id", "aria-label": "Decision id", placeholder: "Decision id, or how it begins", value: query.get("id") ?? "", spellcheck: "false", autocomplete: "off" });
  const list = h("div", { class: "stack" });
  const side = h("div", { class: "side first stack" });
  const form = h("form", { class: "search", role: "search", onsubmit: (event) => { event.preventDefault(); find(); } }, field, h("button", { class: "primary" }, "Find"),
    select("policy", "Policy", [["", "any policy"], ...session.policies.map((name) => [name, name])]), FILTERS.map((filter) => select(...filter)));
  replace(main, h("div", { class: "head" }, h("h1", null, "Decisions")), h("div", { class: "stack" }, form, h("div", { class: "desk" }, list, side)));

  function select(name, words, options) {
    return h("select", { name, "aria-label": words, onchange: (event) => { asked[name] = event.target.value; latest(); } }, options.map(([value, text]) => h("option", { value }, text)));
  }

  async function run(work) {
    try {
      await work();
    } catch (error) {
      if (list.childElementCount) notify(error.message, { bad: true });
      else replace(list, failure(error, () => find()));
    }
  }

  // An id is what an answer's header x-guard-id said, or its first signs, as lists and logs show them.
  const find = () => {
    const said = field.value.trim().replace(/^x-guard-id:\s*/i, "");
    if (!said) return latest();
    const mine = (turn += 1);
    return run(async () => {
      const isOne = /^[0-9a-f]{4,64}$/i.test(said);
      const found = isOne ? (await api.decisions({ begins: said, limit: PAGE })).decisions : [];
      if (mine !== turn) return;
      history.replaceState(null, "", `#/decisions?id=${encodeURIComponent(said)}`);
      rows = found;
      replace(side);
      if (rows.length) {
        drawList(false);
        if (rows.length === 1) await openById(rows[0].id, { isAsked: false });
      } else {
        const words = isOne ? "The store has none whose id is this or begins so: it was never kept, or was purged." : "An id has 32 signs, 0 to 9 and a to f; its first four or more do.";
        replace(list, h("section", { class: "card" }, empty("No such decision", words)));
      }
    });
  };

  const latest = (after = null) => run(async () => {
    const mine = (turn += 1);
    const found = await api.decisions({ ...asked, after, limit: PAGE });
    if (mine !== turn) return;
    rows = after ? [...rows, ...found.decisions] : found.decisions;
    if (!after) replace(side);
    drawList(found.decisions.length === PAGE);
    if (!after && rows.length && matchMedia("(min-width: 960px)").matches) openById(rows[0].id, { isAsked: false });
  });

  function drawList(hasMore) {
    if (!rows.length) {
      replace(list, h("section", { class: "card" }, empty("No decision", "Nothing was decided that fits.")));
      return;
    }
    const names = [["Time"], ["Verdict"], ["Done", "wide"], ["Probability", "number"], ["Label"], ["Policy", "wide"], ["Id", "wide"]];
    const head = h("tr", null, names.map(([name, kind]) => h("th", { scope: "col", class: kind }, name)));
    const line = (row) => h("tr", { tabindex: 0, "data-id": row.id, onclick: () => openById(row.id), onkeydown: (event) => { if (event.key === "Enter") openById(row.id); } },
      h("td", { class: "nowrap", title: exact(row.at) }, moment(row.at)), h("td", null, chip(row.verdict)),
      h("td", { class: "wide" }, row.intended === row.action ? row.action : `${row.action} (${row.intended})`),
      h("td", { class: "number" }, probability(row.probability)), h("td", null, row.label ? chip(row.label, row.label === "unsure" ? "not sure" : row.label) : h("span", { class: "muted" }, row.is_sampled ? "open" : "–")),
      h("td", { class: "wide" }, row.policy), h("td", { class: "wide" }, h("code", null, short(row.id))));
    replace(list, h("section", { class: "card" }, h("div", { class: "scroll" }, h("table", { class: "rows" }, h("thead", null, head), h("tbody", null, rows.map(line))))),
      hasMore ? h("p", null, h("button", { type: "button", onclick: () => latest(rows.at(-1).id) }, "More")) : null);
  }

  const openById = (id, { isAsked = true } = {}) => run(async () => {
    const mine = (turn += 1);
    const found = await api.decisions({ id });
    if (mine !== turn) return;
    open(found);
    if (isAsked && !matchMedia("(min-width: 960px)").matches) side.scrollIntoView({ block: "start" });
  });

  function open(item) {
    for (const row of list.querySelectorAll("tr[data-id]")) row.setAttribute("aria-selected", String(row.dataset.id === item.id));
    replace(side, card(`Decision ${short(item.id)}`, { kind: "explain" },
      h("p", null, h("code", null, item.id)), saidOf(item), originOf(item, Date.now() / 1000)),
    card("Content", { kind: "explain" }, picturesOf(item), textOf(item), nothingKept(item, session.keeps)),
    card("Labels", { kind: "explain" }, labelsOf(item), labelling(item)), passing(item));
  }

  function labelsOf(item) {
    if (!item.labels.length) return h("p", { class: "muted" }, "Nobody has labelled it.");
    return h("ul", { class: "stack" }, item.labels.map((one) => h("li", { class: "chips" }, chip(one.label, one.label === "unsure" ? "not sure" : one.label),
      h("span", null, one.source === "user" ? `a user of ${one.author}` : one.author), h("span", { class: "muted small" }, moment(one.at)))));
  }

  function labelling(item) {
    const one = (kind, words) => h("button", { type: "button", class: kind, onclick: () => run(async () => { await api.label(item.id, kind); notify("Labelled."); await openById(item.id); }) }, words);
    return h("div", { class: "verdicts" }, one("safe", "Safe"), one("unsafe", "Unsafe"), one("unsure", "Not sure"));
  }

  function passing(item) {
    const holds = item.allowed.find((one) => one.holds);
    if (holds) {
      return card("Let pass", { kind: "explain" }, h("p", null, `This very content passes under ${holds.policy} until ${moment(holds.until)}, by ${holds.by}.`),
        h("p", null, h("button", { type: "button", onclick: () => run(async () => { await api.revoke(item.id); notify("It is judged again."); await openById(item.id); }) }, "Judge it again")));
    }
    if (!item.can_be_allowed) return null;
    const days = h("select", { "aria-label": "For how long" }, [1, 7, 30].map((n) => h("option", { value: n, selected: n === 7 }, plural(n, "day"))));
    return card("Let pass", { kind: "explain" }, h("p", { class: "muted" }, "A wrong refusal may pass for a while: this very content, under this policy. It is on record."),
      h("p", { class: "chips" }, days, h("button", { type: "button", onclick: () => run(async () => { await api.allow(item.id, Number(days.value)); notify("It passes from now on."); await openById(item.id); }) }, "Let this content pass")));
  }

  setKeys((event) => {
    if (event.key === " " && !event.target.closest?.("button, a, tr")) { turnPictures(side); return true; }
    if (event.key !== "j" && event.key !== "k") return false;
    const all = [...list.querySelectorAll("tr[data-id]")];
    const now = all.findIndex((row) => row.getAttribute("aria-selected") === "true");
    const next = all[Math.min(all.length - 1, Math.max(0, now + (event.key === "j" ? 1 : -1)))];
    if (next) { next.focus(); openById(next.dataset.id); }
    return true;
  });
  if (query.get("id")) find();
  else latest();
  if (query.has("find")) field.focus();
}
