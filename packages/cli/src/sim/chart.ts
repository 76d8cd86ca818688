/** Charts as SVG: lines over one axis, linear or logarithmic, and nothing more. */

export interface Series {
  readonly name: string;
  /** From left to right. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Chart {
  readonly title: string;
  readonly x: {
    readonly title: string;
    readonly isLogarithmic?: boolean;
    readonly ticks?: readonly number[];
  };
  /** From 0, or from `from`. */
  readonly y: { readonly title: string; readonly from?: number; readonly to?: number };
  readonly series: readonly Series[];
}

const size = { width: 640, height: 400 };
const margin = { left: 64, right: 24, top: 48, bottom: 56 };
/** Told apart without colors, too. */
const colors = ["#1f5fa8", "#c2410c", "#15803d", "#7e22ce"];
const dashes = ["", "6 3", "2 3", "8 3 2 3"];

/** A whole file. */
export function svgOf(chart: Chart): string {
  const { x, y, series } = chart;
  const xs = series.flatMap(({ points }) => points.map(([value]) => value));
  const ys = series.flatMap(({ points }) => points.map(([, value]) => value));
  const place = (value: number): number => (x.isLogarithmic === true ? Math.log10(value) : value);
  const xScale = scaleOf(
    place(Math.min(...xs)),
    place(Math.max(...xs)),
    margin.left,
    size.width - margin.right,
  );
  const low = y.from ?? 0;
  const yTicks = ticksBetween(low, Math.max(y.to ?? Number.NEGATIVE_INFINITY, ...ys));
  const yScale = scaleOf(low, yTicks.at(-1) as number, size.height - margin.bottom, margin.top);
  const xOf = (value: number): number => xScale(place(value));
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${size.width}" height="${size.height}" fill="#fff"/>`,
    text(size.width / 2, 20, chart.title, `text-anchor="middle" font-size="15"`),
    ...yTicks.flatMap((tick) => horizontalTick(tick, yScale(tick))),
    ...(x.ticks ?? [...new Set(xs)]).flatMap((tick) => verticalTick(tick, xOf(tick))),
    text((margin.left + size.width - margin.right) / 2, size.height - 14, x.title, `text-anchor="middle"`),
    text(14, (margin.top + size.height - margin.bottom) / 2, y.title, upward),
    ...series.flatMap((one, index) => lineOf(one, index, xOf, yScale)),
    ...series.flatMap(({ name }, index) => legendOf(name, index)),
    "</svg>",
  ];
  return `${parts.join("\n")}\n`;
}

const upward = `text-anchor="middle" transform="rotate(-90 14 ${(margin.top + size.height - margin.bottom) / 2})"`;

function scaleOf(low: number, high: number, from: number, to: number): (value: number) => number {
  return (value) => (high === low ? (from + to) / 2 : from + ((value - low) / (high - low)) * (to - from));
}

/** Four to eight, at 1, 2 or 5 times a power of ten; the last is not below `high`. */
function ticksBetween(low: number, high: number): number[] {
  const span = high > low ? high - low : 1;
  const power = 10 ** Math.floor(Math.log10(span / 4));
  const step = power * ([1, 2, 5, 10].find((factor) => span / (factor * power) <= 8) as number);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil((low + span) / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

function horizontalTick(value: number, at: number): string[] {
  const y = rounded(at);
  return [
    `<line x1="${margin.left}" x2="${size.width - margin.right}" y1="${y}" y2="${y}" stroke="#ddd"/>`,
    text(margin.left - 8, at + 4, shown(value), `text-anchor="end"`),
  ];
}

function verticalTick(value: number, at: number): string[] {
  const x = rounded(at);
  const bottom = size.height - margin.bottom;
  return [
    `<line x1="${x}" x2="${x}" y1="${bottom}" y2="${bottom + 5}" stroke="#555"/>`,
    text(at, bottom + 18, shown(value), `text-anchor="middle"`),
  ];
}

function lineOf(
  { points }: Series,
  index: number,
  xOf: (value: number) => number,
  yOf: (value: number) => number,
): string[] {
  const at = points.map(([x, y]) => [rounded(xOf(x)), rounded(yOf(y))] as const);
  const color = colors[index % colors.length] as string;
  const dash = dashes[index % dashes.length] as string;
  const path = at.map(([x, y]) => `${x},${y}`).join(" ");
  return [
    `<polyline points="${path}" fill="none" stroke="${color}" stroke-width="2" stroke-dasharray="${dash}"/>`,
    ...at.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="3" fill="${color}"/>`),
  ];
}

function legendOf(name: string, index: number): string[] {
  const y = margin.top - 14;
  const x = margin.left + index * 170;
  const color = colors[index % colors.length] as string;
  const dash = dashes[index % dashes.length] as string;
  return [
    `<line x1="${x}" x2="${x + 24}" y1="${y}" y2="${y}" stroke="${color}" stroke-width="2" stroke-dasharray="${dash}"/>`,
    text(x + 30, y + 4, name, ""),
  ];
}

function text(x: number, y: number, content: string, attributes: string): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${rounded(x)}" y="${rounded(y)}"${attributes === "" ? "" : ` ${attributes}`}>${escaped}</text>`;
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

function shown(value: number): string {
  return Math.abs(value) >= 1_000 ? value.toLocaleString("en-US") : String(Number(value.toPrecision(6)));
}
