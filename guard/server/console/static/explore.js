// The threshold explorer: slide the threshold over production's scores and over the calibration data.
// Only declared points are certified. Everything else here is an estimate, and says so.
import * as api from "./api.js";
import { card, chip, empty, failure, h, replace, segments } from "./dom.js";
import { proposeDialog } from "./propose.js";
import { oddsOf, probabilityOf, scoresFigure, tradeoffFigure } from "./tradeoff.js";
import { percent, plural, probability, range, whole } from "./words.js";

const WINDOWS = [["24h", "24 h"], ["7d", "7 days"], ["bundle", "this bundle"]];
const END = 8; // of the axis, in log odds

export function explorePage(main, session, { notify, setKeys }) {
  const chosen = { window: "7d", policy: session.policy };
  let found = null;
  let threshold = null;
  let redraw = () => {};
  const body = h("div", { class: "grid" });
  const policies = h("select", { "aria-label": "Policy", onchange: (event) => { chosen.policy = event.target.value; threshold = null; load(); } },
    session.policies.map((name) => h("option", { value: name, selected: name === chosen.policy }, name)));
  replace(main, h("div", { class: "head" }, h("h1", null, "Thresholds"), h("div", { class: "controls" }, policies,
    segments("Window", "window", WINDOWS, chosen.window, (value) => { chosen.window = value; load(); }))), body);

  async function load() {
    const asked = { ...chosen };
    try {
      const answer = await api.thresholds(asked);
      if (asked.window !== chosen.window || asked.policy !== chosen.policy || !main.contains(body)) return;
      found = answer;
      threshold ??= found.threshold;
      draw();
    } catch (error) {
      if (found) notify(error.message, { bad: true });
      else replace(body, failure(error, load));
    }
  }

  function draw() {
    const slider = h("input", { type: "range", min: -END, max: END, step: 0.01, "aria-label": "Threshold, in log odds", value: oddsOf(threshold), oninput: (event) => move(probabilityOf(Number(event.target.value))) });
    const number = h("input", { type: "number", min: 0, max: 1, step: 0.001, "aria-label": "Threshold", value: threshold.toFixed(4), "aria-describedby": "clamped", onchange: () => type(number.value) });
    const clamped = h("span", { class: "hint", id: "clamped", role: "status" });
    // What stands in the field is always what is meant.
    const type = (written) => {
      const value = written.trim() === "" ? NaN : Number(written);
      const held = Number.isFinite(value) ? Math.min(1, Math.max(0, value)) : threshold;
      move(held);
      number.value = held.toFixed(4);
      clamped.textContent = held === value ? "" : "A threshold is a number from 0 to 1.";
    };
    const scores = scoresFigure(found, () => threshold, (value) => move(value));
    const curve = found.curve ? tradeoffFigure(found, () => threshold) : null;
    const read = h("div", { class: "explain" });
    const marks = h("div", { class: "marks" }, found.points.map((point) => h("button", { type: "button", onclick: () => move(point.threshold) }, `${point.certified ? "◆" : "○"} ${point.name} ${probability(point.threshold)}`)));
    redraw = () => {
      slider.value = oddsOf(threshold);
      slider.setAttribute("aria-valuetext", probability(threshold));
      if (document.activeElement !== number) number.value = threshold.toFixed(4);
      scores.update();
      curve?.update();
      replace(read, readout(found, threshold));
    };
    const total = found.histogram ? found.histogram.reduce((sum, n) => sum + n, 0) : 0;
    replace(body,
      card("Where production's scores lie", { kind: "wide", aside: total ? plural(total, "scored decision") : null },
        total ? scores.element : empty("No scored decision in this window", "The slider works over the calibration data all the same."), slider,
        h("p", { class: "legend" }, h("span", null, h("i"), "below the threshold"), h("span", null, h("i", { class: "unsafe" }), "at or above it"), h("span", null, h("i", { class: "line" }), "threshold in use"), h("span", null, h("i", { class: "diamond" }), "certified"), h("span", null, h("i", { class: "ring" }), "an estimate")),
        marks),
      card("At this threshold", { kind: "slim explain" }, h("label", { class: "field" }, "Threshold", number, clamped), read,
        h("div", { class: "end" }, h("button", { type: "button", class: "primary", onclick: () => proposeDialog(found, chosen, threshold, notify) }, "Propose it…"),
          h("p", { class: "muted small" }, "Writes a candidate bundle. What judges now stays."))),
      card("On the calibration data", { kind: "wide", aside: found.curve ? found.curve.data : null },
        curve ? curve.element : empty("No curve in this bundle", "guard calibrate on your own labelled pairs, or on MMSafeAware, writes a bundle that carries one.")),
      card("How to read this", { kind: "slim" }, h("div", { class: "explain" },
        h("p", null, "A certified point was declared before the data was read. A point picked from a curve was not: whoever looks for the best one finds the luckiest one."),
        h("p", { class: "muted" }, "Production's rates come from reviewed decisions, each weighted by how likely it was to be drawn. Moving the threshold moves which of them would be refused."))));
    redraw();
  }

  function move(value) {
    threshold = value;
    redraw();
  }

  setKeys((event) => {
    const steps = { "[": -0.05, "]": 0.05 };
    if (!(event.key in steps) || !found) return false;
    move(probabilityOf(Math.min(END, Math.max(-END, oddsOf(threshold) + steps[event.key]))));
    return true;
  });
  load();
}

/** Share of a histogram of log odds at or above a threshold; within a bin as if it were spread evenly. */
export function shareAbove(histogram, threshold) {
  const total = histogram.reduce((sum, n) => sum + n, 0);
  if (!total) return null;
  const width = (2 * END) / histogram.length;
  const at = oddsOf(threshold);
  const above = histogram.reduce((sum, n, bin) => {
    const right = -END + (bin + 1) * width;
    return sum + n * Math.min(1, Math.max(0, (right - at) / width));
  }, 0);
  return above / total;
}

function onCurve(curve, threshold) {
  // Thresholds descend; the last candidate that is not below the wanted one is where the curve stands.
  let place = -1;
  for (let each = 0; each < curve.thresholds.length && curve.thresholds[each] >= threshold; each += 1) place = each;
  return place < 0 ? { false_refusals: 0, recall: 0 } : { false_refusals: curve.false_refusals[place], recall: curve.recall[place] };
}

function reviewed(grid, threshold) {
  if (!grid.length) return null;
  return grid.reduce((best, each) => (Math.abs(oddsOf(each.threshold) - oddsOf(threshold)) < Math.abs(oddsOf(best.threshold) - oddsOf(threshold)) ? each : best));
}

const estimate = (rate) => (rate.high === null ? (rate.why ?? "not enough reviews") : `${rate.value === null ? "" : `${percent(rate.value)}  `}(${range(rate.low, rate.high)})`);

function readout(found, threshold) {
  const point = found.points.find((each) => Math.abs(each.threshold - threshold) < 5e-5);
  const badge = point?.certified ? chip("yes", `certified: ${point.says}`) : chip("maybe", point ? `${point.name}: an estimate` : "an estimate: not declared");
  const rows = [];
  const add = (name, now, then) => rows.push(h("span", null, name), h("span", { class: "muted" }, now), h("strong", null, then));
  if (found.histogram?.length) {
    const per = (share) => (share === null ? "–" : whole(Math.round(10_000 * share) / 10));
    add("Refused of 1,000 requests", per(shareAbove(found.histogram, found.threshold)), per(shareAbove(found.histogram, threshold)));
  }
  if (found.curve) {
    const [now, then] = [onCurve(found.curve, found.threshold), onCurve(found.curve, threshold)];
    add("Calibration data: false refusals", percent(now.false_refusals), percent(then.false_refusals));
    add("Calibration data: misses", percent(1 - now.recall), percent(1 - then.recall));
  }
  const [now, then] = [reviewed(found.reviewed, found.threshold), reviewed(found.reviewed, threshold)];
  const live = then && h("div", { class: "stack" },
    h("p", { class: "muted small" }, `Production's rates are estimated at 41 thresholds and at the one in use; these are of ${probability(then.threshold)}.`),
    [["false_refusal", "Production, false refusals"], ["miss", "Production, misses"]].map(([key, name]) => h("div", null, h("h3", null, name),
      h("p", null, h("strong", null, estimate(then[key]))), h("p", { class: "muted small" }, `at the threshold in use ${estimate(now[key])}`))));
  return [h("p", { class: "chips" }, badge), h("div", { class: "compare" }, h("span", { class: "th" }, ""), h("span", { class: "th" }, "in use"), h("span", { class: "th" }, "here"), rows), live];
}
