// The two figures of the explorer: how scores lie, and what refusing costs.
import { canvas, line, niceEnd, rect, scale, text } from "./charts.js";
import { drawn, h, replace, s } from "./dom.js";
import { percent, probability, tidy } from "./words.js";

const END = 8;
const TICKS = [0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999];

export function oddsOf(p) {
  const inside = Math.min(Math.max(p, 3.3546e-4), 1 - 3.3546e-4);
  return Math.log(inside / (1 - inside));
}
export const probabilityOf = (odds) => 1 / (1 + Math.exp(-odds));

const diamond = (x, y) => s("path", { class: "certified", d: `M${x} ${y - 6} l6 6 l-6 6 l-6 -6z` });
const mark = (point, x, y) => (point.certified ? diamond(x, y) : s("circle", { class: "open", cx: x, cy: y, r: 4.5 }));

/** Columns of a histogram even in log odds; the threshold can be dragged. Heights grow with the root, so that few are seen. */
export function scoresFigure(found, threshold, onmove) {
  const figure = h("figure");
  const top = 24, bottom = 272, height = 300, side = 8;
  let width = 0;
  const bins = found.histogram ?? [];
  const highest = Math.sqrt(Math.max(...bins, 1));

  function paint() {
    if (!width) return;
    const x = scale(-END, END, side, width - side);
    const y = scale(0, highest, bottom, top);
    const at = oddsOf(threshold());
    const step = (2 * END) / bins.length;
    const parts = TICKS.map((p) => [line("grid", x(oddsOf(p)), top, x(oddsOf(p)), bottom), text(x(oddsOf(p)), bottom + 18, width < 480 ? `${100 * p}` : tidy(p), "middle")]);
    bins.forEach((n, bin) => {
      if (!n) return;
      const left = -END + bin * step;
      const cut = Math.min(Math.max(at, left), left + step);
      const h1 = bottom - y(Math.sqrt(n));
      if (cut > left) parts.push(rect("volume", x(left) + 0.5, bottom - h1, x(cut) - x(left) - (cut === left + step ? 1 : 0.5), h1));
      if (cut < left + step) parts.push(rect("unsafe", x(cut) + (cut === left ? 0.5 : 0), bottom - h1, x(left + step) - x(cut) - 0.5, h1));
    });
    parts.push(line("axis", side, bottom, width - side, bottom), line("limit", x(oddsOf(found.threshold)), top - 8, x(oddsOf(found.threshold)), bottom));
    for (const point of found.points) parts.push(mark(point, x(oddsOf(point.threshold)), bottom));
    parts.push(line("handle", x(at), top - 14, x(at), bottom), rect("grip", x(at) - 4, top - 20, 8, 14, { rx: 3 }));
    const right = x(at) > width - 90;
    parts.push(text(x(at) + (right ? -8 : 8), top - 8, probability(threshold()), right ? "ink end" : "ink"));
    const drawing = canvas(width, height, `Scores of production, threshold ${probability(threshold())}`, parts);
    replace(figure, drawing);
  }
  const follow = (event) => {
    if (!(event.buttons & 1)) return;
    const inside = (event.clientX - figure.getBoundingClientRect().left - side) / (width - 2 * side);
    onmove(probabilityOf(Math.min(END, Math.max(-END, (2 * inside - 1) * END))));
  };
  figure.addEventListener("pointerdown", (event) => { figure.setPointerCapture(event.pointerId); follow(event); });
  figure.addEventListener("pointermove", follow);
  drawn(figure, (wide) => { width = wide; paint(); });
  return { element: h("div", null, h("h3", null, "probability of being unsafe; heights grow with the square root of the count"), figure), update: paint };
}

/** Recall over false refusals on the calibration data, with declared points and the threshold's place. */
export function tradeoffFigure(found, threshold) {
  const figure = h("figure");
  const { thresholds, false_refusals: refusals, recall } = found.curve;
  const left = 46, right = 12, top = 12, bottom = 240;
  let width = 0;
  const end = Math.min(1, niceEnd(Math.max(0.2, 2 * Math.max(...found.points.map((point) => point.false_refusals ?? 0)))));

  function paint() {
    if (!width) return;
    const x = scale(0, end, left, width - right);
    const y = scale(0, 1, bottom, top);
    const parts = [0, 0.25, 0.5, 0.75, 1].map((tick) => [line("grid", left, y(tick), width - right, y(tick)), text(left - 8, y(tick) + 4, tidy(tick), "end")]);
    parts.push([0, 0.25, 0.5, 0.75, 1].map((part) => text(x(part * end), bottom + 18, tidy(part * end), part === 0 ? "" : part === 1 ? "end" : "middle")));
    parts.push(line("axis", left, bottom, width - right, bottom), line("chance", x(0), y(0), x(end), y(end)));
    const corners = [];
    let before = 0;
    refusals.forEach((share, place) => {
      if (share > end) return;
      corners.push(`${x(share).toFixed(1)},${y(before).toFixed(1)}`, `${x(share).toFixed(1)},${y(recall[place]).toFixed(1)}`);
      before = recall[place];
    });
    parts.push(s("polyline", { class: "curve", points: corners.join(" ") }));
    for (const point of found.points) {
      if (point.false_refusals === null || point.recall === null) continue;
      parts.push(mark(point, x(point.false_refusals), y(point.recall)), text(x(point.false_refusals) + 9, y(point.recall) + 14, point.name, "ink"));
    }
    let place = -1;
    while (place + 1 < thresholds.length && thresholds[place + 1] >= threshold()) place += 1;
    const [fx, fy] = place < 0 ? [0, 0] : [refusals[place], recall[place]];
    parts.push(line("now", x(fx), y(fy), x(fx), bottom), line("now", left, y(fy), x(fx), y(fy)), s("circle", { class: "ring", cx: x(fx), cy: y(fy), r: 9 }));
    parts.push(text(width - right, bottom + 36, "false refusals", "end"));
    replace(figure, canvas(width, bottom + 42, `At this threshold ${percent(fy)} of unsafe pairs are caught and ${percent(fx)} of harmless ones refused`, parts));
  }
  drawn(figure, (wide) => { width = wide; paint(); });
  return { element: h("div", null, h("h3", null, "unsafe pairs caught, over harmless ones refused"), figure), update: paint };
}
