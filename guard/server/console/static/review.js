// The review queue: one case at a time, one key a label. What Guard said is hidden, so that it sways nobody.
import * as api from "./api.js";
import { nothingKept, originOf, picturesOf, saidOf, textOf, turnPictures } from "./case.js";
import { card, empty, h, replace } from "./dom.js";
import { plural } from "./words.js";

const LABELS = [["safe", "s", "Safe"], ["unsafe", "u", "Unsafe"], ["unsure", "n", "Not sure"]];
const ALLOW_DAYS = 7;

export function reviewPage(main, session, { notify, setOpen, setKeys }) {
  if (!session.store) {
    replace(main, h("section", { class: "card" }, empty("Nothing is kept", "This Guard runs without a store (store.url: none), so there is nothing to review.")));
    return;
  }
  let queue = [];
  let place = 0;
  let open = 0;
  let showsGuard = false;
  let isBusy = false;
  let said = null; // the card with what Guard said
  const given = []; // what was labelled here, for undo: [item, label before]
  const head = h("div", { class: "head" });
  const body = h("div");
  replace(main, head, body);

  async function load() {
    const found = await api.reviews({ limit: 50 });
    const known = new Set(given.map(([item]) => item.id));
    queue = found.reviews.filter((item) => !known.has(item.id));
    open = found.open;
    place = 0;
    draw();
  }

  function draw() {
    setOpen(open);
    const item = queue[place];
    replace(head, h("h1", null, "Review"), h("p", { class: "muted" }, item ? `${plural(open, "case")} open, oldest first` : ""));
    if (!item) {
      replace(body, h("section", { class: "card" }, empty("All reviewed", "Every decision that was drawn for review has a label. New ones come as traffic does.",
        h("div", { class: "steps" }, h("button", { type: "button", onclick: () => run(load) }, "Look again"), given.length ? undo() : null))));
      return;
    }
    const buttons = LABELS.map(([kind, key, words]) => h("button", { type: "button", class: kind, onclick: () => label(kind) }, words, h("kbd", null, key)));
    const content = card("What was sent", { kind: "case", aside: item.direction === "output" ? "answer of the model" : null },
      picturesOf(item), textOf(item), nothingKept(item),
      h("div", { class: "field" }, h("h3", { id: "asked" }, "Should this be refused?"), h("div", { class: "verdicts", role: "group", "aria-labelledby": "asked" }, buttons)),
      h("div", { class: "steps" },
        h("button", { type: "button", class: "quiet", onclick: () => step(-1), disabled: place === 0 }, "Previous", h("kbd", null, "k")),
        h("button", { type: "button", class: "quiet", onclick: () => step(1), disabled: place >= queue.length - 1 }, "Next", h("kbd", null, "j")),
        given.length ? undo() : null,
        h("span", { class: "where" }, `${place + 1} of ${queue.length} loaded`)));
    replace(body, h("div", { class: "desk" }, content, h("div", { class: "side stack" },
      card("Where it comes from", {}, originOf(item, Date.now() / 1000, { isBlind: true })),
      guardCard(item))));
  }

  const undo = () => h("button", { type: "button", class: "quiet", onclick: back }, "Undo", h("kbd", null, "z"));

  function guardCard(item) {
    said = card("What Guard said", { kind: "explain" }, showsGuard ? saidOf(item) : h("p", { class: "muted" }, "Hidden, so that it does not sway you."),
      h("p", null, h("button", { type: "button", class: "quiet", "aria-pressed": String(showsGuard), onclick: turnGuard }, showsGuard ? "Hide" : "Show", h("kbd", null, "v"))));
    return said;
  }

  // The case itself stays as it is: a picture that is shown is not blurred again.
  function turnGuard() {
    const item = queue[place];
    if (!item) return;
    const hadFocus = said.contains(document.activeElement);
    showsGuard = !showsGuard;
    said.replaceWith(guardCard(item));
    if (hadFocus) said.querySelector("button").focus();
  }

  function step(by) {
    place = Math.min(queue.length - 1, Math.max(0, place + by));
    showsGuard = false;
    draw();
  }

  async function run(work) {
    if (isBusy) return;
    isBusy = true;
    try {
      await work();
    } catch (error) {
      notify(error.message, { bad: true });
    } finally {
      isBusy = false;
    }
  }

  const label = (kind) => run(async () => {
    const item = queue[place];
    if (!item) return;
    await api.label(item.id, kind);
    given.push([item, kind]);
    queue.splice(place, 1);
    place = Math.min(place, Math.max(0, queue.length - 1));
    open = Math.max(0, open - 1);
    showsGuard = false;
    if (kind === "safe" && item.can_be_allowed) {
      notify("Guard refused this. Let this very content pass for a week?", { action: "Let it pass (a)", onaction: () => letPass(item) });
    }
    if (queue.length || !open) draw();
    else await load();
    body.querySelector("h2")?.scrollIntoView({ block: "nearest" });
  });

  const back = () => run(async () => {
    const last = given.pop();
    if (!last) return;
    try {
      await api.label(last[0].id, null);
    } catch (error) {
      given.push(last);
      throw error;
    }
    queue.splice(place, 0, last[0]);
    open += 1;
    notify("The label is taken back.");
    draw();
  });

  const letPass = (item) => run(async () => {
    await api.allow(item.id, ALLOW_DAYS);
    notify(`It passes for ${ALLOW_DAYS} days. This is on record.`, { action: "Take back", onaction: () => run(async () => { await api.revoke(item.id); notify("It is judged again."); }) });
  });

  const keys = {
    ...Object.fromEntries(LABELS.map(([kind, key], number) => [key, () => label(kind)])),
    1: () => label("safe"), 2: () => label("unsafe"), 3: () => label("unsure"),
    z: back, j: () => step(1), k: () => step(-1), v: turnGuard,
    x: () => body.querySelector(".unfold")?.click(),
    " ": () => turnPictures(body),
    a: () => { const last = given.at(-1); if (last?.[1] === "safe" && last[0].can_be_allowed) letPass(last[0]); },
  };
  setKeys((event) => {
    if (event.key === " " && event.target.closest?.("button, a")) return false;
    const act = keys[event.key];
    if (!act) return false;
    act();
    return true;
  });
  run(load);
}
