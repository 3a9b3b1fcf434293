/** Where levels over time end: the latest is as wide as the narrowest before it. Two times at least, the earliest first. */
export const endOf = (times: readonly number[]): number =>
  (times.at(-1) ?? 0) + Math.min(...times.slice(1).map((time, before) => time - (times[before] ?? 0)));

/** Levels of values, with that of the end: a value holds until the next, and before the first there is none. */
export function levelsOf(values: readonly (number | null)[]): (number | null)[] {
  let level: number | null = null;
  const levels = values.map((value) => (level = value ?? level));
  return [...levels, level];
}
