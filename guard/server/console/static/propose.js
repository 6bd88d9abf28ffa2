// A proposal: a candidate bundle with the threshold, and the commands that hold it against the one that judges.
import * as api from "./api.js";
import { h, replace } from "./dom.js";
import { probability } from "./words.js";

export function proposeDialog(found, chosen, threshold, notify) {
  const why = h("textarea", { name: "why", maxlength: 500, placeholder: "Why, for whoever decides" });
  const box = h("dialog", { "aria-label": "Propose a threshold", onclose: () => box.remove() });
  const cancel = h("button", { type: "button", onclick: () => box.close() }, "Cancel");
  const form = h("form", { onsubmit: send },
    h("h2", null, `Propose threshold ${probability(threshold)}`),
    h("p", { class: "muted" }, `In use under ${chosen.policy}: ${probability(found.threshold)}. A candidate bundle is written on the server with the operating point "proposed", marked as an estimate. Nothing that judges now is changed: the candidate goes through the release gate first.`),
    h("label", { class: "field" }, "Reason", why),
    h("div", { class: "actions" }, cancel, h("button", { class: "primary" }, "Write the candidate")));
  box.append(form);
  document.body.append(box);
  box.showModal();

  async function send(event) {
    event.preventDefault();
    try {
      const written = await api.propose({ policy: chosen.policy, window: chosen.window, threshold, why: why.value.trim() });
      replace(form, h("h2", null, "The candidate is written"),
        h("p", null, "On the server, in ", h("code", null, written.folder)),
        h("p", { class: "muted" }, "Replay traffic through it, certify it on reviewed requests or other labelled pairs, hold it against what judges, and only then swap it in:"),
        h("pre", { tabindex: 0 }, written.commands.join("\n")),
        h("div", { class: "actions" }, h("button", { type: "button", class: "primary", onclick: () => box.close() }, "Close")));
    } catch (error) {
      notify(error.message, { bad: true });
      box.close();
    }
  }
}
