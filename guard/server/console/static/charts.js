// Figures, drawn at the width that they have, so that type stays type. One unit is one pixel.
import { drawn, h, replace, s } from "./dom.js";
import { exact, moment, percent, plural, tidy, whole } from "./words.js";

export const scale = (from, to, low, high) => (value) => low + ((Math.min(Math.max(value, from), to) - from) / (to - from || 1)) * (high - low);
export const line = (kind, x1, y1, x2, y2) => s("line", { class: kind, x1, y1, x2, y2 });
export const rect = (kind, x, y, width, height, more) => s("rect", { class: kind, x, y, width: Math.max(0, width), height: Math.max(0, height), ...more });
export const text = (x, y, words, kind = "") => s("text", { x, y, class: kind }, words);
export const canvas = (width, height, label, ...parts) =>
  s("svg", { viewBox: `0 0 ${width} ${height}`, height, width, role: "img", "aria-label": label }, parts);

/** The end of an axis from zero that holds a value: a round one, whose half is round as well. */
export function niceEnd(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 4, 5, 6, 8, 10].find((step) => step * power >= value * 0.999) * power;
}

/** An estimate with its interval on an axis from zero; `limit` is what was certified, `declared` what somebody wants. */
export function intervalFigure(rate, limit, declared) {
  const figure = h("figure");
  const hasInterval = rate.low !== null && rate.low !== undefined;
  const end = Math.min(1, niceEnd(1.15 * Math.max(rate.high ?? 0, limit ?? 0, declared ?? 0, 0.005)));
  const limits = [[limit, "certified limit"], [declared, "declared limit"]].filter(([share]) => share !== null).map(([share, name]) => `, ${name} ${tidy(share)}`).join("");
  const words = hasInterval ? `${percent(rate.value)}, between ${percent(rate.low)} and ${percent(rate.high)}` : "no estimate yet";
  return drawn(figure, (width) => {
    const x = scale(0, end, 6, width - 10);
    const y = 24;
    const parts = [0, end / 2, end].map((tick, place) => [
      line("grid", x(tick), 10, x(tick), 38),
      text(x(tick), 53, tidy(tick), ["", "middle", "end"][place]),
    ]);
    parts.push(line("axis", x(0), 38, x(end), 38));
    if (declared !== null) parts.push(line("limit", x(declared), 6, x(declared), 38), s("circle", { class: "open", cx: x(declared), cy: 5, r: 4 }));
    if (limit !== null) parts.push(line("limit", x(limit), 6, x(limit), 38), s("path", { class: "certified", d: `M${x(limit)} 0 l5 5 l-5 5 l-5 -5z` }));
    if (hasInterval) {
      parts.push(rect("band", x(rate.low), y - 8, x(rate.high) - x(rate.low), 16));
      parts.push(...[rate.low, rate.high].map((bound) => line("whisker", x(bound), y - 8, x(bound), y + 8)));
      if (rate.value !== null) parts.push(line("whisker", x(rate.low), y, x(rate.high), y), s("circle", { class: "dot", cx: x(rate.value), cy: y, r: 5.5 }));
    }
    replace(figure, canvas(width, 58, words + limits, parts));
  });
}

const KINDS = [["refused", "unsafe", "refused"], ["unjudged", "unjudged", "not judged"]];

/** Decisions over time: how many above, which share was refused below. Arrow keys walk through the columns. */
export function timelineFigure(timeline) {
  const buckets = timeline.buckets;
  const readout = h("p", { class: "readout", "aria-live": "polite" });
  const plot = h("div");
  const figure = h("figure", { class: "focusable", tabindex: 0, "aria-label": "Decisions over time. Arrow keys read the columns." }, plot, readout);
  const top = niceEnd(Math.max(...buckets.map((each) => each.n), 1));
  const shares = buckets.map((each) => (each.n ? (each.refused + each.unjudged) / each.n : 0));
  const worst = Math.min(1, niceEnd(1.1 * Math.max(...shares, 0.01)));
  let chosen = null;
  let latest = 0;
  const left = 46, right = 8, one = [14, 112], two = [146, 236];

  function say() {
    const each = buckets[chosen];
    if (!each) {
      const total = buckets.reduce((sum, bucket) => sum + bucket.n, 0);
      const refused = buckets.reduce((sum, bucket) => sum + bucket.refused, 0);
      readout.textContent = `${plural(total, "decision")}, ${whole(refused)} refused. Point at a column, or use the arrow keys.`;
      return;
    }
    const parts = KINDS.map(([key, , words]) => `${whole(each[key])} ${words}${each.n ? ` (${percent(each[key] / each.n)})` : ""}`);
    readout.textContent = `${moment(each.at)}: ${plural(each.n, "decision")}, ${parts.join(", ")}`;
  }

  function paint(width = latest) {
    latest = width;
    if (!width) return;
    const step = (width - left - right) / buckets.length;
    const volume = scale(0, top, one[1], one[0]);
    const share = scale(0, worst, two[1], two[0]);
    const parts = [];
    for (const tick of [0, top / 2, top]) parts.push(line("grid", left, volume(tick), width - right, volume(tick)), text(left - 8, volume(tick) + 4, whole(tick), "end"));
    for (const tick of [0, worst / 2, worst]) parts.push(line("grid", left, share(tick), width - right, share(tick)), text(left - 8, share(tick) + 4, tidy(tick), "end"));
    parts.push(text(left, 6, "decisions"), text(left, 134, "share refused or not judged"));
    const gap = step > 6 ? 1 : 0;
    buckets.forEach((each, place) => {
      const x = left + place * step + gap;
      const wide = Math.max(1, step - 2 * gap);
      if (each.n) parts.push(rect("volume", x, volume(each.n), wide, one[1] - volume(each.n)));
      let base = 0;
      for (const [key, kind] of KINDS) {
        if (!each.n || !each[key]) continue;
        const next = base + each[key] / each.n;
        parts.push(rect(kind, x, share(next), wide, share(base) - share(next)));
        base = next;
      }
    });
    parts.push(line("axis", left, one[1], width - right, one[1]), line("axis", left, two[1], width - right, two[1]));
    const marks = Math.max(2, Math.min(8, Math.floor((width - left) / 110)));
    for (let mark = 0; mark < marks; mark += 1) {
      const place = Math.round((mark * (buckets.length - 1)) / (marks - 1));
      const kind = mark === 0 ? "" : mark === marks - 1 ? "end" : "middle";
      const x = mark === 0 ? left : mark === marks - 1 ? width - right : left + (place + 0.5) * step;
      parts.push(text(x, 254, moment(buckets[place].at), kind));
    }
    if (chosen !== null) parts.push(line("hair", left + (chosen + 0.5) * step, one[0], left + (chosen + 0.5) * step, two[1]));
    const drawing = canvas(width, 260, "Decisions over time, and the share of them that was refused", parts);
    drawing.addEventListener("pointermove", (event) => {
      const x = event.clientX - drawing.getBoundingClientRect().left;
      choose(Math.floor((x - left) / step));
    });
    replace(plot, drawing);
    say();
  }
  function choose(place) {
    const next = Math.min(buckets.length - 1, Math.max(0, place));
    if (next === chosen) return;
    chosen = next;
    paint();
  }
  figure.addEventListener("pointerleave", () => { chosen = null; paint(); });
  figure.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
    if (!(event.key in moves)) return;
    event.preventDefault();
    choose(chosen === null ? (moves[event.key] < 0 ? buckets.length - 1 : 0) : chosen + moves[event.key]);
  });
  drawn(plot, paint);
  return figure;
}

/** The same figures as a table, for those who read rather than look. */
export function timelineTable(timeline) {
  const rows = timeline.buckets.filter((each) => each.n);
  const head = h("tr", null, ["from", "decisions", "refused", "not judged"].map((name, place) => h("th", { class: place ? "number" : "", scope: "col" }, name)));
  const body = rows.map((each) => h("tr", null, h("td", null, exact(each.at)), [each.n, each.refused, each.unjudged].map((n) => h("td", { class: "number" }, whole(n)))));
  return h("details", null, h("summary", null, "As a table"), h("div", { class: "scroll" }, h("table", null, h("thead", null, head), h("tbody", null, body))));
}

/** Parts of a whole as one bar. `parts` are [kind, n]. */
export function shareBar(parts, label) {
  const figure = h("figure");
  const total = parts.reduce((sum, [, n]) => sum + n, 0);
  return drawn(figure, (width) => {
    let from = 0;
    const drawing = parts.filter(([, n]) => n > 0).map(([kind, n]) => {
      const wide = Math.max(2, (n / total) * width - 1);
      const one = rect(kind, Math.min(from, width - wide), 0, wide, 14);
      from += wide + 1;
      return one;
    });
    replace(figure, canvas(width, 14, label, drawing));
  });
}
