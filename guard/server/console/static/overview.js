// The overview: live rates with their intervals, decisions over time, pictures, drift, and what judges.
import * as api from "./api.js";
import { shareBar, timelineFigure, timelineTable } from "./charts.js";
import { card, chip, empty, facts, failure, h, replace, segments } from "./dom.js";
import { rateCards } from "./rates.js";
import { duration, moment, percent, plural, probability, short, spaced, tidy, whole } from "./words.js";

const WINDOWS = [["1h", "1 h"], ["24h", "24 h"], ["7d", "7 days"], ["bundle", "this bundle"]];
const AGAIN_MS = 30_000;

export function overviewPage(main, session, { notify }) {
  const chosen = { window: "7d", policy: session.policy };
  const body = h("div", { class: "grid" });
  const when = h("span", { class: "muted small" });
  const leaving = new AbortController();
  const policies = h("select", { "aria-label": "Policy", onchange: (event) => { chosen.policy = event.target.value; load(); } },
    session.policies.map((name) => h("option", { value: name, selected: name === chosen.policy }, name)));
  const head = h("div", { class: "head" }, h("h1", null, "Overview"), h("div", { class: "controls" }, when, policies,
    segments("Window", "window", WINDOWS, chosen.window, (value) => { chosen.window = value; load(); })));
  replace(main, head, body);

  async function load() {
    const asked = { ...chosen };
    try {
      const found = await api.overview(asked, leaving.signal);
      if (leaving.signal.aborted || asked.window !== chosen.window || asked.policy !== chosen.policy) return;
      draw(found);
      when.textContent = `as of ${moment(found.now)}`;
    } catch (error) {
      if (error.name === "AbortError") return;
      if (body.childElementCount) notify(error.message, { bad: true });
      else replace(body, failure(error, load));
    }
  }

  function draw(found) {
    if (!found.store) {
      replace(body, h("section", { class: "card wide" }, empty("Nothing is kept", "Live rates, reviews and decisions come from the store, and this Guard runs without one (store.url: none).")), bundleCard(found.bundle));
      return;
    }
    replace(body, rateCards(found), timelineCard(found), queueCard(found), picturesCard(found), driftCard(found), bundleCard(found.bundle));
  }

  load();
  const timer = setInterval(() => { if (document.visibilityState === "visible" && !body.contains(document.activeElement)) load(); }, AGAIN_MS);
  return () => { clearInterval(timer); leaving.abort(); };
}

function timelineCard({ timeline }) {
  if (!timeline.buckets.some((each) => each.n)) return card("Decisions over time", { kind: "wide" }, empty("No decision in this window"));
  return card("Decisions over time", { kind: "wide", aside: `each column ${duration(timeline.step_s)}` }, timelineFigure(timeline),
    h("p", { class: "legend" }, h("span", null, h("i", { class: "unsafe" }), "refused"), h("span", null, h("i", { class: "unjudged" }), "not judged")),
    timelineTable(timeline));
}

function queueCard({ queue, response, kappa, reports }) {
  const agreement = kappa ? `${kappa.value.toFixed(2)} (${plural(kappa.n, "case")})` : "no case with two reviewers";
  return card("Reviews", { kind: "slim" }, facts([
    ["Open", whole(queue.open)],
    ["Oldest waits", queue.open ? duration(queue.oldest_s) : "–"],
    ["Answered of the sample", response.sampled ? `${percent(response.rate)} of ${whole(response.sampled)}` : "–"],
    ["Reviewers' agreement κ", agreement],
    ["Users report, wrongly refused", whole(reports.wrong_refusal)],
    ["Users report, wrongly let through", whole(reports.wrong_pass)],
  ]),
  h("p", { class: "callout small" }, "Users report where it hurt them. Their word is biased, and is in no rate above."),
  h("div", { class: "end" }, h("a", { class: "button primary", href: "#/review" }, queue.open ? `Review ${plural(queue.open, "case")}` : "To the queue")));
}

function picturesCard({ pictures }) {
  const reasons = Object.entries(pictures.unjudged).sort(([, a], [, b]) => b - a);
  const lost = reasons.reduce((sum, [, n]) => sum + n, 0);
  const total = pictures.judged + lost;
  if (!total) return card("Pictures", { kind: "third" }, empty("No picture in this window"));
  return card("Pictures", { kind: "third", aside: `${plural(total, "picture")}, all policies` },
    h("p", { class: "big" }, percent(pictures.judged / total), h("span", { class: "muted small" }, "  judged")),
    shareBar([["harmless", pictures.judged], ["unjudged", lost]], `${pictures.judged} of ${total} judged`),
    reasons.length ? h("h3", null, "Not judged, by reason") : null,
    facts(reasons.map(([reason, n]) => [spaced(reason), `${whole(n)} · ${percent(n / total)}`])));
}

function driftRows(found, words, without) {
  if (!found) return [[words, h("span", { class: "muted" }, without)]];
  const [kind, state] = found.is_drifting ? ["no", "moved"] : ["yes", "steady"];
  return [[words, chip(kind, state)],
    [h("span", { class: "small" }, "PSI, and its limit"), h("span", { class: "small" }, `${found.psi.toFixed(3)}, ${found.psi_limit.toFixed(3)}`)],
    [h("span", { class: "small" }, "KS distance, and its limit"), h("span", { class: "small" }, `${found.ks.toFixed(3)}, ${found.ks_limit.toFixed(3)}`)]];
}

function driftCard({ now, drift, has_reference: hasReference, first_day_ends: ends, near, canary }) {
  const noFirstDay = ends === null ? "too few scores" : `its first day ends in ${duration(ends - now)}`;
  return card("Without labels", { kind: "third", aside: "scores of the last day" }, facts([
    ...driftRows(drift.calibration, "Against the calibration", hasReference ? "too few scores" : "bundle without a histogram"),
    ...driftRows(drift.first_day, "Against this bundle's first day", noFirstDay),
    ["Near the threshold", near === null ? "–" : percent(near)],
    ["Last canary", canary ? moment(canary.at) : "none has run"],
    canary && ["Harmless probes refused", `${canary.refused} of ${canary.n_safe}`],
    canary && ["Unsafe probes missed", `${canary.missed} of ${canary.n_unsafe}`],
  ]));
}

function certificateOf(one) {
  const what = one.rate === "miss" ? "of unsafe" : "of harmless";
  const where = one.category ? ` in ${spaced(one.category)}` : "";
  return h("div", { class: "certificate" },
    h("p", null, `At most ${tidy(one.limit)} ${what} ${one.unit}s${where} ${one.rate === "miss" ? "missed" : "refused"}, with ${tidy(one.confidence)} confidence`),
    h("p", { class: "muted small" }, `${one.errors} of ${one.n_groups} groups; estimate ${percent(one.estimate)}, proven ${percent(one.upper)}; on ${one.data}`));
}

function wantedOf(bundle) {
  if (bundle.declared_limit !== null) return h("p", { class: "muted small" }, `○ Declared: at most ${tidy(bundle.declared_limit)} of harmless requests refused. It is what is wanted, and proves nothing.`);
  if (bundle.limits.false_refusal !== null) return null;
  return h("p", { class: "callout small" }, "No limit of false refusals is certified or declared, so no alert on them can fire: set ", h("code", null, "monitor.false_refusal_limits"), ".");
}

function bundleCard(bundle) {
  const proofs = bundle.certificates.length
    ? bundle.certificates.map(certificateOf)
    : h("div", { class: "certificate none" }, h("p", null, "No certificate: this threshold is an estimate"), h("p", { class: "muted small" }, bundle.chosen_on));
  return card("Bundle and certificate", { kind: "third" }, facts([
    ["Bundle", h("strong", null, bundle.label)],
    ["Digest", h("code", { title: bundle.digest }, short(bundle.digest))],
    ["Release gate", chip({ passed: "yes", passed_signed: "yes", none: "maybe", cannot_tell: "maybe" }[bundle.gate] ?? "no", spaced(bundle.gate))],
    ["Policy", `${bundle.policy}, threshold ${probability(bundle.threshold)}`],
  ]), proofs, wantedOf(bundle), h("div", { class: "end" }, h("a", { href: "#/explore" }, "Try other thresholds")));
}
