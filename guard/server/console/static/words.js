// Numbers and times as people read them.

const WHOLE = new Intl.NumberFormat("en");
const THIN = "\u202f"; // narrow, and no line breaks at it

export const whole = (value) => WHOLE.format(value);

/** A share in percent: two significant digits below ten, one decimal above. */
export function percent(share) {
  if (share === null || share === undefined) return "–";
  const value = 100 * share;
  if (value === 0) return `0${THIN}%`;
  if (value < 0.01) return `<${THIN}0.01${THIN}%`;
  const digits = value < 1 ? 2 : value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)}${THIN}%`;
}

/** A share as an axis or a limit has it: no decimals that say nothing. */
export const tidy = (share) => `${Number((100 * share).toPrecision(3))}${THIN}%`;

export const range = (low, high) => `${percent(low).replace(`${THIN}%`, "")} – ${percent(high)}`;

export const probability = (value) => (value === null || value === undefined ? "–" : value.toFixed(3));

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

export function moment(seconds) {
  return new Date(1000 * seconds).toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
}

export function exact(seconds) {
  return `${new Date(1000 * seconds).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

export const spaced = (name) => name.replaceAll("_", " ");

export const short = (digest) => (digest ? digest.slice(0, 12) : "–");

export const plural = (n, one, many = `${one}s`) => `${whole(n)} ${n === 1 ? one : many}`;
