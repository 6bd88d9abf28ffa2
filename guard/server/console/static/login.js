// A link from elsewhere comes without the session's cookie (SameSite=Strict); this page's own request has it.
import { applyTheme } from "./theme.js";

applyTheme();
document.querySelector("#refused").hidden = location.hash !== "#refused";
const answer = await fetch("../console", { credentials: "same-origin", redirect: "manual" });
if (answer.ok) location.replace("../console");
