/** Where a stepped line ends: its last step is as wide as the narrowest before it. Takes at least two times, the earliest first. */
export const endOf = (times: readonly number[]): number =>
  (times.at(-1) ?? 0) + Math.min(...times.slice(1).map((time, before) => time - (times[before] ?? 0)));

/** The levels of a stepped line, including its end: a value holds until the next; before the first there is none. */
export function levelsOf(values: readonly (number | null)[]): (number | null)[] {
  let level: number | null = null;
  const levels = values.map((value) => (level = value ?? level));
  return [...levels, level];
}
