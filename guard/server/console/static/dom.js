// Elements made from values. No string is ever parsed as markup, so what a caller wrote stays text.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Return an HTML element: attributes by name, `onclick` and the like as listeners, children as nodes or text. */
export function h(name, props, ...children) {
  return fill(document.createElement(name), props, children);
}

/** Return an SVG element. */
export function s(name, props, ...children) {
  return fill(document.createElementNS(SVG, name), props, children);
}

export function replace(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(Boolean));
}

/** Call `draw(width)` now and whenever the element gets another width. */
export function drawn(element, draw) {
  let last = 0;
  new ResizeObserver(() => {
    const width = Math.floor(element.clientWidth);
    if (width > 0 && width !== last) draw((last = width));
  }).observe(element);
  return element;
}

export function chip(kind, text = kind) {
  return h("span", { class: `chip ${kind}` }, text);
}

export function card(title, { aside, about, kind = "" } = {}, ...children) {
  const head = h("header", null, h("h2", null, title), about && h("p", null, about), aside && h("span", { class: "aside" }, aside));
  return h("section", { class: `card ${kind}`, "aria-label": title }, head, ...children);
}

/** Return a list of terms and what they are. */
export function facts(rows, kind = "") {
  const shown = rows.filter(Boolean);
  return h("dl", { class: `facts ${kind}` }, shown.map(([term, value]) => [h("dt", null, term), h("dd", null, value)]));
}

/** Return a choice of one among few. `options` are [value, words]. */
export function segments(legend, name, options, chosen, onchange) {
  const one = ([value, words]) =>
    h("label", null,
      h("input", { type: "radio", name, value, checked: value === chosen, onchange: () => onchange(value) }),
      h("span", null, words));
  return h("fieldset", { class: "segments" }, h("legend", { class: "sr" }, legend), options.map(one));
}

/** Return what stands where nothing could be read: why, and a way to try again. */
export function failure(error, again) {
  return h("section", { class: "card wide" }, empty("This cannot be shown now", error.message, h("div", { class: "steps" }, h("button", { type: "button", onclick: again }, "Try again"))));
}

export function empty(title, ...words) {
  return h("div", { class: "empty" }, h("h2", null, title), words.map((each) => (each instanceof Node ? each : h("p", null, each))));
}
