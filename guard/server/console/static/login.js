// A link from elsewhere comes without the session's cookie (SameSite=Strict); this page's own request has it.
import { applyTheme } from "./theme.js";

const NAME = "guard-name"; // kept in this tab from one try to the next
const find = (selector) => document.querySelector(selector);
const name = find("[name=name]");
const token = find("[name=token]");

applyTheme();
// No element has this name: a browser that goes to one takes the focus from where it is put below.
if (location.hash === "#refused") {
  find("#wrong").hidden = false;
  token.setAttribute("aria-invalid", "true");
  token.setAttribute("aria-describedby", "wrong");
  name.value ||= sessionStorage.getItem(NAME) ?? "";
}
(name.value ? token : name).focus();
sessionStorage.removeItem(NAME);
find("form").addEventListener("submit", () => sessionStorage.setItem(NAME, name.value));
const answer = await fetch("../console", { credentials: "same-origin", redirect: "manual" });
if (answer.ok) location.replace("../console");
