import { AccountRole, address, createNoopSigner, type Instruction } from "@solana/kit";
import { expect, test } from "vitest";
import { getReleaseDepositInstruction } from "../../generated/governance";
import { getDepositInstruction } from "../../generated/jobs";
import { IO } from "../../lib/format";
import { tokenAccount } from "../../lib/send";
import { encode, parse, type Whole } from "./payload";
import { instruct, SETTINGS, type State, type Values } from "./settings";
import { codeIn, decode, say, saySetting } from "./words";

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
/** As the chain would keep it. */
const kept = (id: string, changes: Values) => parse(encode(instruct(named(id), state, changes, GPU as never))) as Whole;

test("only what changes is said, from what to what", () => {
  expect(saySetting(kept("staking.gpu_model", { multiplierX100: 150 }), state)).toMatchObject({
    what: "Set GPU model RTX 4090",
    changes: [{ name: "Earning multiplier", before: "1.25 ×", after: "1.5 ×" }],
  });
  expect(saySetting(kept("jobs.paused", { paused: true }), state)).toMatchObject({ what: "Set pause of jobs", changes: [{ before: "yes", after: "yes" }] });
  expect(saySetting(kept("staking.authorities", { guardian: A }), state)?.changes).toEqual([
    { key: "guardian", name: "Guardian", before: B, after: A },
  ]);
});

test("a row that is not known is named, and so is a setting of nothing", () => {
  const none = { ...state, gpus: [] };
  expect(saySetting(kept("staking.gpu_model", { multiplierX100: 150 }), none)).toMatchObject({
    what: "Call “update gpu model” of staking",
    changes: [{ name: "Row of the GPU table", after: B }, { name: "Earning multiplier", after: "1.5 ×" }],
    isEmpty: false,
  });
  expect(saySetting(kept("staking.gpu_model", {}), none)).toMatchObject({ changes: [{ after: B }], isEmpty: true });
  expect(saySetting(kept("staking.gpu_model", {}), state)).toMatchObject({ what: "Set GPU model RTX 4090", changes: [], isEmpty: true });
  expect(saySetting(kept("jobs.paused", { paused: true }), state)?.isEmpty).toBe(false);
});

test("what is no setting is said with its name, its values and whom it is about", async () => {
  const release = getReleaseDepositInstruction({ config: A, proposal: B, deposits: B, to: A, mint: B });
  expect(decode(release as never)).toMatchObject({ program: "governance", name: "release deposit", values: {} });
  const said = (instruction: Instruction) => say(null as never, parse(encode(instruction)) as Whole, state);
  expect(await said(release)).toMatchObject({ what: "Call “release deposit” of governance", isEmpty: false, isUnknown: false });
  // Whoever owns the escrow has the money.
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
  // Too few accounts, or bytes that are no call.
  expect(decode({ ...release, accounts: [{ address: A, role: AccountRole.READONLY }] } as never)).toBeNull();
  expect(decode({ programAddress: A, accounts: [], data: new Uint8Array(8) })).toBeNull();
});

test("code stands behind a buffer's head", () => {
  const buffer = new Uint8Array(40);
  buffer[0] = 1;
  buffer.set([7, 8, 9], 37);
  expect(codeIn(buffer)).toEqual(Uint8Array.of(7, 8, 9));
  expect(codeIn(new Uint8Array(40))).toBeNull();
});
