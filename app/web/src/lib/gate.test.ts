import { expect, test } from "vitest";
import { Busy, oneAtATime } from "./gate";

test("a second action is refused while the first is running, and accepted once it has ended or failed", async () => {
  const gate = oneAtATime();
  let end: (error: Error) => void = () => {};
  const first = gate(() => new Promise<void>((_, reject) => (end = reject)));
  let ran = false;
  await expect(gate(async () => (ran = true))).rejects.toThrow(Busy);
  expect(ran).toBe(false);
  end(new Error("over"));
  await expect(first).rejects.toThrow("over");
  expect(await gate(async () => 7)).toBe(7);
});
