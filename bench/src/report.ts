/** Tables from rows: what several rounds measured, as Markdown that a terminal shows well too. */
import type { Benchmark, Column, Row } from "./benchmark.ts";
import { type Spread, spreadOf } from "./statistics.ts";

interface Line {
  readonly name: string;
  readonly values: Readonly<Record<string, Spread>>;
}

export interface Table {
  readonly title: string;
  readonly lines: readonly Line[];
}

/** Rows of the same table and name are repetitions of one another. */
export function tablesOf(rows: readonly Row[]): Table[] {
  const titles = [...new Set(rows.map(({ table }) => table))];
  return titles.map((title) => {
    const own = rows.filter(({ table }) => table === title);
    const names = [...new Set(own.map(({ row }) => row))];
    return {
      title,
      lines: names.map((name) =>
        lineOf(
          name,
          own.filter(({ row }) => row === name),
        ),
      ),
    };
  });
}

function lineOf(name: string, rows: readonly Row[]): Line {
  const keys = new Set(rows.flatMap(({ values }) => Object.keys(values)));
  const values: Record<string, Spread> = {};
  for (const key of keys) {
    const spread = spreadOf(rows.flatMap((row) => row.values[key] ?? []));
    if (spread !== undefined) values[key] = spread;
  }
  return { name, values };
}

export function markdownOf(benchmark: Benchmark, tables: readonly Table[]): string {
  return tables.map((table) => markdownTable(table, benchmark.columns(table.title))).join("\n\n");
}

function markdownTable({ title, lines }: Table, columns: readonly Column[]): string {
  const used = columns.filter(({ value }) => lines.some((line) => value in line.values));
  const head = [title, ...used.map(({ heading }) => heading)];
  const body = lines.map((line) => [
    line.name,
    ...used.map((column) => cell(line.values[column.value], column)),
  ]);
  const widths = head.map((text, i) =>
    Math.max(text.length, ...body.map((cells) => (cells[i] as string).length)),
  );
  const drawn = (cells: readonly string[]) =>
    `| ${cells.map((text, i) => text.padEnd(widths[i] as number)).join(" | ")} |`;
  const rule = `|${widths.map((width, i) => (i === 0 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`)).join("|")}|`;
  return [drawn(head), rule, ...body.map(drawn)].join("\n");
}

function cell(spread: Spread | undefined, { digits, show = "range" }: Column): string {
  if (spread === undefined) return "-";
  const { median, min, max } = spread;
  if (show === "worst") return shown(min, digits);
  if (show === "best") return shown(max, digits);
  const range = `${shown(min, digits)}-${shown(max, digits)}`;
  const isAlone = show === "median" || shown(min, digits) === shown(max, digits);
  return isAlone ? shown(median, digits) : `${shown(median, digits)} (${range})`;
}

/** Thousands are grouped by a thin space as in "12 345"; a plain one, so that it can be typed. */
export function shown(value: number, digits: number): string {
  const [whole = "", fraction] = value.toFixed(digits).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, " ");
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}
