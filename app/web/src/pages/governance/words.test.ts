import { AccountRole, address, createNoopSigner, getAddressEncoder, type Address, type Instruction } from "@solana/kit";
import { expect, test } from "vitest";
import { getReleaseDepositInstruction, getUpgradeProgramInstructionAsync } from "../../generated/governance";
import { getAppendOpsInstruction, getDepositInstruction } from "../../generated/jobs";
import { getStartEmissionInstruction } from "../../generated/staking";
import { sha256 } from "../../lib/bytes";
import { hex, IO } from "../../lib/format";
import { tokenAccount } from "../../lib/send";
import { encode, parse, type Whole } from "./payload";
import { instruct, SETTINGS, type State, type Values } from "./settings";
import { decode, describe, describeSetting, takesTokens } from "./words";

const A = address("AMdJx3EceGTZb6SR5bhP6pXJEAbcE9mU3VSJNN9RLK5H");
const B = address("SysvarC1ock11111111111111111111111111111111");
const TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
const GPU = { address: B, id: 3, name: new TextEncoder().encode("RTX 4090".padEnd(32, "\0")), multiplierX100: 125, vramGb: 24, pool: 1, listed: true, workWidth: 12, workBytes: 32, workLayers: 6 };
const state = {
  authority: A,
  staking: { address: A, authority: A, guardian: B, slashProposer: A, slashApprover: B },
  jobs: { address: B, authority: A, guardian: B, treasury: A, paused: true },
  governance: { mint: B },
  gpus: [GPU],
  emission: null,
} as unknown as State;
const named = (id: string) => SETTINGS.find((setting) => setting.id === id) as (typeof SETTINGS)[number];
/** The instruction as stored on the chain. */
const kept = (id: string, changes: Values) => parse(encode(instruct(named(id), state, changes, GPU as never))) as Whole;

test("only changes are described, with old and new values", () => {
  expect(describeSetting(kept("staking.gpu_model", { multiplierX100: 150 }), state)).toMatchObject({
    what: "Set GPU model RTX 4090",
    changes: [{ name: "Earning multiplier", before: "1.25 ×", after: "1.5 ×" }],
  });
  expect(describeSetting(kept("jobs.paused", { paused: true }), state)).toMatchObject({ what: "Set job pause", changes: [{ before: "yes", after: "yes" }] });
  expect(describeSetting(kept("staking.authorities", { guardian: A }), state)?.changes).toEqual([
    { key: "guardian", name: "Guardian", before: B, after: A },
  ]);
});

test("an unknown row and a setting without values are described", () => {
  const none = { ...state, gpus: [] };
  expect(describeSetting(kept("staking.gpu_model", { multiplierX100: 150 }), none)).toMatchObject({
    what: "Call “update gpu model” of staking",
    changes: [{ name: "Row of the GPU table", after: B }, { name: "Earning multiplier", after: "1.5 ×" }],
    isEmpty: false,
  });
  expect(describeSetting(kept("staking.gpu_model", {}), none)).toMatchObject({ changes: [{ after: B }], isEmpty: true });
  expect(describeSetting(kept("staking.gpu_model", {}), state)).toMatchObject({ what: "Set GPU model RTX 4090", changes: [], isEmpty: true });
  expect(describeSetting(kept("jobs.paused", { paused: true }), state)?.isEmpty).toBe(false);
});

test("out-of-range dates and structured values are described like any other", async () => {
  const said = async (instruction: object) => (await describe({} as never, parse(encode(instruction as never)) as Whole, state)).changes;
  const guarded = { ...state, governance: { ...state.governance, address: B, guardian: A, guardianUntil: 100n } } as State;
  const forever = parse(encode(instruct(named("governance.guardian"), guarded, { until: (1n << 63n) - 1n }))) as Whole;
  expect(describeSetting(forever, guarded)?.changes[1]).toMatchObject({ name: "End of term", after: "9223372036854775807" });
  const weights = { multiplierWeight: 1, tierWeight: 2, hiredWeight: 3 };
  const rules = { minUptime: 18_000, answerSeconds: 60, callBps: 2_500, enterpriseBps: 8_000, ...weights, shards: 4 };
  const signer = createNoopSigner(A);
  const accounts = { authority: signer, payer: signer, config: B, emission: B, mint: B, vault: B };
  const start = await said(getStartEmissionInstruction({ ...accounts, genesis: 3_600n, rules, verifier: A }));
  expect(start).toContainEqual({ key: "rules.callBps", name: "Rules, call Bps", after: "25 %" });
});

test("a step that cannot be decoded is marked as unknown", async () => {
  const whole = { ...state, staking: { ...state.staking, baseStake: IO, cooldown: 1, raiseGrace: 2, probation: 3, appeal: 4 } } as State;
  const step = parse(encode(instruct(named("staking.parameters"), whole, { cooldown: 5 }))) as Whole;
  expect((await describe({} as never, step, whole)).changes).toMatchObject([{ before: "1 s", after: "5 s" }]);
  // The current state lacks the values to compare with.
  const words = await describe({} as never, step, state);
  expect(words).toMatchObject({ isUnknown: true, what: "Call program staking (this page cannot decode it)" });
  expect(words.changes.map(({ name }) => name)).toEqual(["Account 1, signs", "Account 2, written", "Data"]);
});

test("a list with an absurd length is not decoded as a call", () => {
  const append = getAppendOpsInstruction({ registrar: createNoopSigner(A), draft: B, descriptors: [Uint8Array.of(7, 8)] });
  expect(decode(append as never)?.values).toEqual({ "descriptors.0": Uint8Array.of(7, 8) });
  const endless = Uint8Array.of(...(append.data as Uint8Array).slice(0, 8), 0, 0, 0, 1);
  expect(decode({ ...append, data: endless } as never)).toBeNull();
});

test("other calls are described with their name, values and accounts", async () => {
  const release = getReleaseDepositInstruction({ config: A, proposal: B, deposits: B, to: A, mint: B });
  expect(decode(release as never)).toMatchObject({ program: "governance", name: "release deposit", values: {} });
  const said = (instruction: Instruction) => describe(null as never, parse(encode(instruction)) as Whole, state);
  expect(await said(release)).toMatchObject({ what: "Call “release deposit” of governance", isEmpty: false, isUnknown: false });
  // The escrow's owner gets the money.
  const payer = createNoopSigner(A);
  const from = await tokenAccount(A, state.governance.mint);
  const deposit = getDepositInstruction({ payer, escrow: B, vault: A, from, amount: IO });
  const { changes } = await said({ ...deposit, accounts: [...deposit.accounts, { address: B, role: AccountRole.WRITABLE }] });
  expect(changes.map(({ name, after }) => [name, after])).toEqual([
    ["Amount", "1 $IO"],
    ["Payer, signs", A],
    ["Escrow, written", B],
    ["Vault, written", A],
    ["From, written", from],
    ["Token Program, read", TOKEN_PROGRAM],
    ["Account 6, written", B],
  ]);
  const foreign = await said(getDepositInstruction({ payer, escrow: B, vault: A, from: B, amount: IO }));
  expect(foreign.changes[0]).toMatchObject({ name: "Amount in base units of the escrow's token", after: "100,000,000" });
  expect(decode({ programAddress: B, accounts: [], data: Uint8Array.of(1) })).toBeNull();
  // Too few accounts, or data that is not a call.
  expect(decode({ ...release, accounts: [{ address: A, role: AccountRole.READONLY }] } as never)).toBeNull();
  expect(decode({ programAddress: A, accounts: [], data: new Uint8Array(8) })).toBeNull();
});

const LOADER = address("BPFLoaderUpgradeab1e11111111111111111111111");
const OTHER = address("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");

/** A chain with these accounts: owner and data by address. */
const holding = (accounts: Record<string, [owner: string, bytes: number[]]>) => {
  const value = (at: string) => {
    const [owner, bytes] = accounts[at] ?? [];
    return owner && bytes ? { owner, data: [btoa(String.fromCharCode(...bytes)), "base64"] } : null;
  };
  return { rpc: { getAccountInfo: (at: string) => ({ send: async () => ({ value: value(at) }) }) } } as never;
};
const bytesOf = (of: Address) => [...getAddressEncoder().encode(of)];

test("an address with only lamports is not a token account", async () => {
  const SYSTEM = "11111111111111111111111111111111";
  const there = (accounts: Parameters<typeof holding>[0]) => takesTokens(holding(accounts), A);
  expect(await Promise.all([there({}), there({ [A]: [SYSTEM, []] }), there({ [A]: [TOKEN_PROGRAM, []] })])).toEqual([false, false, true]);
});

test("a payment names its recipient only if the account cannot change hands", async () => {
  const { mint } = state.governance;
  const [from, theirs] = await Promise.all([A, OTHER].map((holder) => tokenAccount(holder, mint)));
  const tokens = (holder: Address) => [...bytesOf(mint), ...bytesOf(holder), ...new Array<number>(101).fill(0)];
  const paid = async (to: string, accounts: Parameters<typeof holding>[0]) => {
    const data = Uint8Array.of(3, ...new Uint8Array(new BigUint64Array([IO]).buffer));
    const pay = { programAddress: TOKEN_PROGRAM, accounts: [from, to, A].map((at) => ({ address: at, role: AccountRole.WRITABLE })), data };
    const words = await describe(holding(accounts), pay as never, state);
    expect(words.what).toBe("Pay 1 $IO out of the treasury");
    return words.changes[0]?.after;
  };
  expect(await paid(theirs as string, { [theirs as string]: [TOKEN_PROGRAM, tokens(OTHER)] })).toBe(OTHER);
  const unnamed = (to: unknown) => `token account ${to as string}, whose owner may change before the payment`;
  // Owned by another program, at another address, given away, or missing.
  expect(await paid(B, { [B]: [A, tokens(OTHER)] })).toBe(unnamed(B));
  expect(await paid(B, { [B]: [TOKEN_PROGRAM, tokens(OTHER)] })).toBe(unnamed(B));
  expect(await paid(theirs as string, { [theirs as string]: [TOKEN_PROGRAM, tokens(B)] })).toBe(unnamed(theirs));
  expect(await paid(theirs as string, {})).toBe(unnamed(theirs));
});

test("an upgrade names the code that is voted on, and whether its buffer holds it", async () => {
  const [code, other] = [[1, 2, 3], [1, 2, 4]];
  const hashes = await Promise.all([code, other].map(async (bytes) => hex(await sha256(Uint8Array.from(bytes)))));
  const upgrade = await getUpgradeProgramInstructionAsync({
    authority: createNoopSigner(A),
    config: A,
    programData: B,
    program: address("AMdJx3EceGTZb6SR5bhP6pXJEAbcE9mU3VSJNN9RLK5H"),
    buffer: OTHER,
    loader: LOADER,
    sha256: await sha256(Uint8Array.from(code)),
  });
  const said = (owner?: string, authority?: Address, bytes: number[] = []) => {
    const accounts: Parameters<typeof holding>[0] = owner && authority ? { [OTHER]: [owner, [1, 0, 0, 0, 1, ...bytesOf(authority), ...bytes]] } : {};
    return describe(holding(accounts), parse(encode(upgrade)) as Whole, state);
  };
  expect(await said(LOADER, A, code)).toMatchObject({
    what: "Replace the code of governance",
    replacesCode: true,
    changes: [{ after: hashes[0] }, { after: OTHER }],
    standing: { sentence: "The buffer holds this code and belongs to governance.", isStuck: false },
  });
  const stuck = (sentence: string) => ({ changes: [{ after: hashes[0] }, { after: OTHER }], standing: { sentence, isStuck: true } });
  expect(await said(LOADER, B, code)).toMatchObject(stuck(`The buffer holds this code and belongs to ${B}, who can change it.`));
  expect(await said(LOADER, A, other)).toMatchObject(stuck(`The buffer holds different code, with SHA-256 ${hashes[1]}, and belongs to governance.`));
  // An account that only looks like a buffer, and none.
  expect(await said(B, A, code)).toMatchObject(stuck("The buffer no longer exists."));
  expect(await said()).toMatchObject(stuck("The buffer no longer exists."));
});
