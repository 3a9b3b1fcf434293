import { expect, test } from "vitest";
import { ANY_GPU, asked, match, obstacle, POLICIES, problem, quote, shortage, type Candidate, type Order } from "./rules";

const order = (change: Partial<Order> = {}): Order => ({
  units: 12,
  startPrice: 100_000n,
  maxPrice: 200_000n,
  policy: POLICIES[0],
  gpuModel: ANY_GPU,
  minVramGb: 0,
  minJobsDone: 0,
  valueAtRisk: 0n,
  auditBps: 0,
  ...change,
});
const market = { feeBps: 25, minBond: 100_000_000n, watchBps: 500 };

test("fees round up, and the amount locked covers all replicas", () => {
  expect(quote(order(), market)).toEqual({ work: 2_400_000n, fees: 6_000n, locked: 2_406_000n, bond: 100_000_000n });
  // 0.25 % of 1 base unit is one base unit.
  expect(quote(order({ units: 1, maxPrice: 1n, startPrice: 1n }), market).fees).toBe(1n);
  const [, , blind] = POLICIES;
  const twice = quote(order({ policy: blind as Order["policy"], maxPrice: 10_000_000_000n }), market);
  expect(twice.locked).toBe(2n * (120_000_000_000n + 300_000_000n));
  expect(twice.bond).toBe(2_599_134_199_135n);
});

test("the bond is what the chain requires, not less", () => {
  // 12 units of 100 $IO.
  expect(quote(order({ maxPrice: 10_000_000_000n }), market).bond).toBe(2_599_134_199_135n);
  expect(quote(order({ maxPrice: 10_000_000_000n, valueAtRisk: 120_000_000_000n }), market).bond).toBe(5_890_909_090_910n);
  // More watching means a smaller bond.
  expect(quote(order({ maxPrice: 10_000_000_000n }), { ...market, watchBps: 10_000 }).bond).toBe(market.minBond);
});

test("orders that the chain would reject are refused first", () => {
  expect(problem(order(), market)).toBeNull();
  expect(problem(order({ maxPrice: 0n, startPrice: 0n }), market)).toContain("above zero");
  expect(problem(order({ startPrice: 300_000n }), market)).toContain("above the maximum price");
  expect(problem(order({ auditBps: 10_000 }), market)).toBeNull();
  expect(problem(order({ auditBps: 10_001 }), market)).toContain("at most 100 %");
  expect(problem(order({ maxPrice: 1n << 62n }), market)).toContain("too large");
  expect(problem(order({ valueAtRisk: 1n << 60n }), market)).toContain("no device could post a bond");
  expect(problem(order(), { ...market, watchBps: 0 })).toContain("no device could post a bond");
});

test("a requirement is a whole number that fits the terms", () => {
  expect([asked("0"), asked("24"), asked("65535")].map(({ number, error }) => error ?? number)).toEqual([0, 24, 65_535]);
  const refused = ["", "24 GB", "1.5", "-1", "0x10", "1e3", "65536", "100000"];
  for (const text of refused) expect(asked(text).error, text).toContain("at most 65,535");
});

const device: Candidate = { owner: "a", active: true, gpuModel: 3, vramGb: 24, listed: true, jobsDone: 5, due: false, free: 10n, staked: true, hireable: true };

test("every reason why a device does not match is reported", () => {
  const cases: [Partial<Candidate>, Partial<Order>, string | null][] = [
    [{}, {}, null],
    [{ active: false }, {}, "out of service"],
    [{ listed: false }, {}, "out of service"],
    [{ due: true }, {}, "owed to a slash"],
    [{ hireable: false }, {}, "on probation"],
    [{ staked: false }, {}, "below the minimum"],
    [{}, { gpuModel: 4 }, "different GPU model"],
    [{}, { gpuModel: 3 }, null],
    [{}, { minVramGb: 25 }, "not enough GPU memory"],
    [{}, { minJobsDone: 6 }, "not enough jobs"],
    [{ free: 9n }, {}, "not enough free stake"],
  ];
  for (const [change, asked, reason] of cases) {
    const found = obstacle({ ...device, ...change }, order(asked), 10n);
    if (reason === null) expect(found).toBeNull();
    else expect(found).toContain(reason);
  }
  expect(match([device, { ...device, free: 0n }, { ...device, free: 1n }, { ...device, staked: false }], order(), 10n)).toEqual({
    able: 1,
    owners: 1,
    reasons: [
      ["not enough free stake for the bond", 2],
      ["stake below the minimum", 1],
    ],
  });
});

test("replicas need devices of different owners", () => {
  const twice = order({ policy: POLICIES[2] as Order["policy"] });
  const shortageOf = (devices: Candidate[], of: Order) => shortage(match(devices, of, 10n), of);
  expect(shortageOf([device, device], order())).toBeNull();
  expect(shortageOf([device, device], twice)).toContain("Only one owner has such devices");
  expect(shortageOf([device, { ...device, owner: "b" }], twice)).toBeNull();
  expect(shortageOf([device, { ...device, owner: "b", free: 0n }], twice), "another owner whose device cannot take it").toContain("2 replicas");
  expect(shortageOf([], twice), "the lack of any device is reported elsewhere").toBeNull();
});
