// The review queue: one case at a time, one key a label. What Guard said is hidden, so that it sways nobody.
import * as api from "./api.js";
import { nothingKept, originOf, picturesOf, saidOf, textOf, turnPictures } from "./case.js";
import { card, chip, empty, failure, h, replace } from "./dom.js";
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
  let open = null; // how many wait; not known yet
  let showsGuard = false;
  let isLooking = false;
  let missing = null; // why the queue is not known
  let said = null; // the card with what Guard said
  let given = []; // what was labelled here, for undo: [item, label]
  let sending = Promise.resolve(); // labels are sent one after the other, while the next case is looked at
  let dropOffer = () => {};
  const head = h("div", { class: "head" });
  const body = h("div");
  replace(main, head, body);

  async function load() {
    const found = await api.reviews({ limit: 50 });
    const known = new Set(given.map(([item]) => item.id));
    queue = found.reviews.filter((item) => !known.has(item.id));
    open = found.open;
    place = 0;
    isLooking = false;
    missing = null;
    draw();
  }

  function look() {
    isLooking = true;
    if (open !== null) draw();
    return send(load, (error) => { isLooking = false; missing = error; draw(); });
  }

  function draw() {
    if (open !== null) setOpen(open);
    const item = queue[place];
    replace(head, h("h1", null, "Review"), h("p", { class: "muted" }, item ? `${plural(open, "case")} open, oldest first` : ""));
    if (!item) {
      if (missing && !isLooking) {
        replace(body, failure(missing, look));
        return;
      }
      const [title, words] = isLooking ? ["One moment", "The next cases are looked up."]
        : open ? ["Nothing left for you", "What is open, you labelled against somebody else: another reviewer settles it."]
        : ["All reviewed", "Every decision that was drawn for review has a label. New ones come as traffic does."];
      replace(body, h("section", { class: "card" }, empty(title, words,
        h("div", { class: "steps" }, h("button", { type: "button", onclick: look }, "Look again"), given.length ? undo() : null))));
      return;
    }
    const buttons = LABELS.map(([kind, key, words]) => h("button", { type: "button", class: kind, onclick: () => label(kind) }, words, h("kbd", null, key)));
    const content = card("What was sent", { kind: "case", aside: item.direction === "output" ? "answer of the model" : null },
      contradiction(item), picturesOf(item), textOf(item), nothingKept(item, session.keeps),
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

  // A case that others labelled is back because they contradict each other. Who said what stays hidden, as Guard's word is.
  function contradiction(item) {
    const authors = new Set(item.labels.filter((one) => one.source === "reviewer").map((one) => one.author));
    if (!authors.size) return null;
    const words = authors.has(session.name)
      ? "You are one of them: change your mind, or leave it to somebody else (j)."
      : "One more opinion settles it.";
    return h("p", { class: "callout chips" }, chip("maybe", "contradicted"), h("span", null, `${plural(authors.size, "reviewer")} disagreed or ${authors.size === 1 ? "was" : "were"} not sure. ${words}`));
  }

  function send(work, undone = () => {}) {
    sending = sending.then(work).catch((error) => {
      undone(error);
      if (error !== missing) notify(error.message, { bad: true });
    });
    return sending;
  }

  function putBack(item) {
    queue.splice(place, 0, item);
    open += 1;
    showsGuard = false;
    draw();
  }

  // The next case is there at once, so a quick second key is about what is seen, and never lost.
  function label(kind) {
    const item = queue[place];
    if (!item) return;
    dropOffer();
    const one = [item, kind];
    given.push(one);
    queue.splice(place, 1);
    place = Math.min(place, Math.max(0, queue.length - 1));
    open = Math.max(0, open - 1);
    showsGuard = false;
    send(() => api.label(item.id, kind), () => {
      given = given.filter((each) => each !== one);
      putBack(item);
    });
    if (kind === "safe" && item.can_be_allowed) {
      dropOffer = notify("Guard refused this. Let this very content pass for a week?", { action: "Let it pass (a)", onaction: () => letPass(item) });
    }
    draw();
    if (!queue.length && open) look();
    body.querySelector("h2")?.scrollIntoView({ block: "nearest" });
  }

  function back() {
    const last = given.pop();
    if (!last) return;
    dropOffer();
    putBack(last[0]);
    send(() => api.label(last[0].id, null), () => {
      given.push(last);
      queue = queue.filter((item) => item !== last[0]);
      open -= 1;
      draw();
    });
    notify("The label is taken back.");
  }

  const letPass = (item) => {
    dropOffer();
    return send(async () => {
      await api.allow(item.id, ALLOW_DAYS);
      notify(`It passes for ${ALLOW_DAYS} days. This is on record.`, { action: "Take back", onaction: () => send(async () => { await api.revoke(item.id); notify("It is judged again."); }) });
    });
  };

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
    if (!event.repeat || "jk".includes(event.key)) act(); // a key that is held down labels one case, not all
    return true;
  });
  look();
}
