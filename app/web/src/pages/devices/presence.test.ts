import type { Address } from "@solana/kit";
import { expect, test } from "vitest";
import { getDeviceDecoder, getDeviceSize, getGpuModelDecoder, getGpuModelSize, getStakingConfigDecoder, getStakingConfigSize } from "../../generated/staking";
import { idle, interruption, uptime, uptimeText } from "./presence";
import { TERMINATED } from "./stake";

const HOUR = 3_600;
const address = "AMdJx3EceGTZb6SR5bhP6pXJEAbcE9mU3VSJNN9RLK5H" as Address;
const gpu = { ...getGpuModelDecoder().decode(new Uint8Array(getGpuModelSize())), multiplierX100: 100 };
const config = { ...getStakingConfigDecoder().decode(new Uint8Array(getStakingConfigSize())), baseStake: 200n };
const blank = { ...getDeviceDecoder().decode(new Uint8Array(getDeviceSize())), address, quantity: 1, tier: 1 };
// Present for hours 2 to 9. A co-staker has joined in this hour, number 10.
const device = { ...blank, ownStake: 200n, coStake: 100n, fresh: 100n, freshHour: 10, lastHour: 9, streakHour: 2 };

// The cases of the CLI's `stake/presence.rs`.
test("a withdrawal that interrupts the uptime says until when", () => {
  const after = (change: Partial<typeof device>, amount: bigint, now: number) =>
    interruption({ device: { ...device, ...change }, gpu, config, least: 200n, now }, amount);
  expect(after({}, 100n, 10 * HOUR + 2_400)).toBe(
    "interrupts its uptime of 8 h, because stake that came in lately does not count yet; in 1 h 20 min it costs no hour",
  );
  expect(after({}, 100n, 11 * HOUR), "the check-in is still to come").toContain("in 1 h it costs no hour");
  expect(after({}, 100n, 12 * HOUR)).toBeNull();
  expect(after({}, 0n, 10 * HOUR)).toBeNull();
  expect(after({ lastHour: 10 }, 100n, 11 * HOUR)).toBeNull();
  expect(after({ lastHour: 7 }, 100n, 10 * HOUR), "it starts over anyway").toBeNull();
  expect(after({ ownStake: 300n }, 100n, 10 * HOUR)).toBeNull();
  expect(after({ ownStake: 300n }, 101n, 10 * HOUR)).not.toBeNull();
  // What came in before the hour counts for it, but not for the one before.
  expect(after({ freshBefore: 100n, freshHour: 11, fresh: 0n }, 100n, 11 * HOUR)).toContain("in 1 h it costs no hour");
  expect(after({ freshBefore: 100n, freshHour: 11, fresh: 0n, lastHour: 10 }, 100n, 11 * HOUR)).toBeNull();
});

test("uptime ends when an hour can no longer be checked in to", () => {
  const at = (now: number) => [uptime(device, now), uptimeText(device, now)];
  expect(at(12 * HOUR - 1)).toEqual([8, "8 h"]);
  expect(at(12 * HOUR)).toEqual([null, "interrupted"]);
  expect([uptime(blank, 100), uptimeText(blank, 100)], "it has never checked in").toEqual([null, "none yet"]);
});

test("only a device that is there and staked earns", () => {
  const why = (change: Partial<typeof device>, now = 10 * HOUR) => idle({ ...device, ...change }, 300n, now);
  expect(why({})).toBeNull();
  expect(why({ status: TERMINATED })).toBe("retired");
  expect(why({ coStake: 99n })).toBe("below its minimum stake");
  expect(why({ dues: 1, lockedBond: 1n }), "bonds that a slash is owed do not count").toBe("below its minimum stake");
  expect(why({ lockedBond: 1n })).toBeNull();
  expect(why({}, 12 * HOUR)).toBe("offline");
  expect(why({ lastHour: 0, streakHour: 0 })).toBe("not online yet");
});
