import { address } from "@solana/kit";
import { expect, test } from "vitest";
import { closed, deviceIn } from "./hooks";

const THERE = address("AMdJx3EceGTZb6SR5bhP6pXJEAbcE9mU3VSJNN9RLK5H");
const OTHER = address("SysvarC1ock11111111111111111111111111111111");

test("a device counts as closed only once the query for it has found nothing", () => {
  const device = { ...closed(THERE), quantity: 8 };
  const data = new Map([[THERE, device]]);
  for (const isPlaceholderData of [false, true]) expect(deviceIn({ data, isPlaceholderData }, THERE)).toBe(device);
  expect(deviceIn({ data, isPlaceholderData: false }, OTHER)).toEqual(closed(OTHER));
  expect(deviceIn({ data, isPlaceholderData: true }, OTHER)).toBeNull();
  expect(deviceIn({ data: undefined, isPlaceholderData: false }, OTHER)).toBeNull();
});
