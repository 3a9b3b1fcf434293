import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { findProposalPda } from "../../generated/governance";
import { findSome } from "../../lib/accounts";
import { capital, count, io, many, percent, span } from "../../lib/format";
import { nameOf } from "../../lib/gpus";
import { useMarket, useNow } from "../../lib/market";
import { mustCover } from "../../lib/send";
import { useWallet } from "../../lib/wallet";
import { Answer, Button, Card, Choice, Facts, Field, Problem, Title, Wrong } from "../../ui";
import { useAttempt } from "../../ui/act";
import { governs, PROPOSAL, useInForce } from "./accounts";
import { forget, recallAll, remember, type Draft } from "./draft";
import { check, initial, payment, settingIn, titleProblem, type Chosen } from "./form";
import { encode, MAX_INSTRUCTIONS, parse, type Whole } from "./payload";
import { kindName, KIND_NOTES } from "./rules";
import { isRow, SETTINGS, type Field as Value, type State } from "./settings";
import { MAX_TEXT } from "./text";
import { senseOf, UNITS } from "./units";
import { describeSetting, takesTokens } from "./words";
import { ChangeTable } from "./steps";
import { Writing } from "./writing";

const WHAT: [string, string][] = [...SETTINGS.map(({ id, name }): [string, string] => [id, `Set ${name}`]), ["pay", "Pay out of the treasury"]];
const FIRST = SETTINGS[0]?.id ?? "pay";

/** The form for a new proposal. */
export default function NewProposalPage() {
  const state = useInForce();
  const [draft, setDraft] = useState<Draft | null>(null);
  return (
    <>
      <Title note="A proposal has a text that explains it, and steps that the chain executes exactly as they were voted on.">New proposal</Title>
      <Answer of={state}>
        {(found) => {
          if (!found) return <Problem error={new Error("governance is not set up on this cluster; run its migrations")} />;
          if (!governs(found)) return <Problem error={new Error("governance is not in control yet; the last migration hands the authorities over")} />;
          return draft ? (
            <Writing draft={draft} state={found} />
          ) : (
            <>
              <Drafts resume={setDraft} />
              <Form state={found} onDone={setDraft} />
            </>
          );
        }}
      </Answer>
    </>
  );
}

/** The wallet's drafts in this browser that are not on the chain yet; one that is there in part is in the list of proposals. */
function Drafts({ resume }: { resume: (draft: Draft) => void }) {
  const market = useMarket();
  const { address: me } = useWallet();
  const drafts = useQuery({
    queryKey: ["drafts", me],
    queryFn: async () => {
      if (!me) return [];
      const all = recallAll();
      const places = await Promise.all(all.map(async ({ id }) => (await findProposalPda({ proposer: me, id }))[0]));
      const mine = all.filter(({ address }, place) => address === places[place]);
      const there = await findSome(market, PROPOSAL, mine.map(({ address }) => address));
      return mine.filter(({ address }) => !there.some((proposal) => proposal.address === address));
    },
  });
  if (!drafts.data?.length) return null;
  const discard = (draft: Draft) => {
    forget(draft.address);
    void drafts.refetch();
  };
  return (
    <Card title="Drafts in this browser">
      <div className="acts">
        {drafts.data.map((draft) => (
          <article key={draft.address} className="act" aria-label={draft.title}>
            <h3 className="wrap">{draft.title}</h3>
            <p className="muted small">{many(draft.instructions.length, "step")}, not on the chain yet.</p>
            <div className="actions">
              <Button onClick={() => resume(draft)}>Continue</Button>
              <Button kind="danger" onClick={() => discard(draft)}>
                Discard
              </Button>
            </div>
          </article>
        ))}
      </div>
    </Card>
  );
}

/** The key of the next step. */
let keys = 0;
const fresh = (): Chosen => ({ key: keys++, what: FIRST, gpu: "", texts: {} });

function Form({ state, onDone }: { state: State; onDone: (draft: Draft) => void }) {
  const market = useMarket();
  const now = useNow();
  const { signer } = useWallet();
  const [title, setTitle] = useState("");
  const [text, setText] = useState("");
  const [steps, setSteps] = useState<Chosen[]>(() => [fresh()]);
  const { attempt, busy, error } = useAttempt();
  const checked = steps.map((step) => check(step, state, now));
  const kind = Math.max(...checked.map((step) => step.kind));
  const { governance } = state;
  const textBytes = new TextEncoder().encode(text).length;
  const wrong =
    titleProblem(title) ??
    (text.trim() === "" ? "explain why" : textBytes > MAX_TEXT ? `the text has ${count(textBytes)} bytes, and the limit is ${count(MAX_TEXT)}; shorten it` : null) ??
    checked.map(({ sentence }, place) => sentence && `step ${place + 1}: ${sentence}`).find((sentence) => sentence !== null) ??
    null;
  const change = (key: number, what: Partial<Chosen>) => setSteps((all) => all.map((step) => (step.key === key ? { ...step, ...what } : step)));
  const submit = () =>
    attempt(async () => {
      if (wrong || !signer) throw new Error(wrong ?? "connect a wallet first");
      await mustCover(market, signer.address, governance.deposit);
      const instructions: Uint8Array[] = [];
      for (const [place, step] of steps.entries()) instructions.push(encode(checked[place]?.instruction ?? (await pay(step))));
      const [id = 0n] = crypto.getRandomValues(new BigUint64Array(1));
      const [address] = await findProposalPda({ proposer: signer.address, id });
      const draft = { address, id, title, text, instructions };
      remember(draft);
      onDone(draft);
    });
  const pay = async (step: Chosen) => {
    const { instruction, to } = await payment(step, state);
    if (!(await takesTokens(market, to))) throw new Error(`${step.texts["to"] ?? ""} has no $IO token account yet; send it some $IO, or ask its owner to create one`);
    return instruction;
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
      noValidate
    >
      <Card title="Proposal">
        <div className="rows">
          <Field label="Title" value={title} maxLength={64} onChange={(event) => setTitle(event.target.value)} hint="At most 64 ASCII characters." />
          <div className="field">
            <label htmlFor="text">Why</label>
            <textarea id="text" rows={6} value={text} aria-describedby="text-hint" onChange={(event) => setText(event.target.value)} />
            <p id="text-hint" className="muted small">
              The text is published in the market's blob store, and its SHA-256 on the chain. It cannot be changed later.
            </p>
          </div>
        </div>
      </Card>
      {steps.map((step, place) => (
        <StepCard
          key={step.key}
          step={step}
          number={place + 1}
          state={state}
          now={now}
          change={(what) => change(step.key, what)}
          remove={steps.length > 1 ? () => setSteps((all) => all.filter(({ key }) => key !== step.key)) : undefined}
        />
      ))}
      {steps.length < MAX_INSTRUCTIONS && (
        <div className="actions">
          <Button onClick={() => setSteps((all) => [...all, fresh()])}>Add a step</Button>
        </div>
      )}
      <Card title="Requirements">
        <Requirements kind={kind} governance={governance} />
        <p className="muted small">You get the deposit back once the proposal has ended, whether it passed or not. If the proposal is vetoed, the deposit is burned.</p>
        <Wrong>{error}</Wrong>
        {!error && wrong && <p role="status">To continue, {wrong}.</p>}
        <footer className="actions">
          <Button kind="primary" type="submit" disabled={!signer || wrong !== null} busy={busy}>
            {signer ? "Continue to signing" : "Connect a wallet first"}
          </Button>
          <Link className="button" href="/governance">
            Cancel
          </Link>
        </footer>
      </Card>
    </form>
  );
}

/** What a proposal of a kind needs to pass. */
function Requirements({ kind, governance }: { kind: number; governance: State["governance"] }) {
  return (
    <Facts
      of={[
        ["Kind", `${capital(kindName(kind))}: ${KIND_NOTES[kind] ?? ""}`],
        ["Quorum", `${percent(governance.quorumBps[kind] ?? 0)} of the circulating $IO`],
        ["Approval", percent(governance.approvalBps[kind] ?? 0)],
        ["Voting period", span(governance.voting)],
        ["Timelock", governance.timelock[kind] ? span(governance.timelock[kind] ?? 0) : "none"],
        ["Deposit", io(governance.deposit)],
      ]}
    />
  );
}

function StepCard({
  step,
  number,
  state,
  now,
  change,
  remove,
}: {
  step: Chosen;
  number: number;
  state: State;
  now: number;
  change: (what: Partial<Chosen>) => void;
  remove?: () => void;
}) {
  const setting = settingIn(step);
  const checked = check(step, state, now);
  const before = initial(step, state, now);
  const value = (key: string) => step.texts[key] ?? before[key] ?? "";
  const put = (key: string, text: string) => change({ texts: { ...step.texts, [key]: text } });
  const rows = [...state.gpus].sort((a, b) => a.id - b.id).map((gpu): [string, string] => [gpu.address, nameOf(gpu)]);
  const words = checked.instruction && describeSetting(parse(encode(checked.instruction)) as Whole, state);
  // Only fields that the setting has now.
  const known = setting?.fields.filter(({ key }) => key in before) ?? [];
  return (
    <Card title={`Step ${number}`} actions={remove && <Button onClick={remove}>Remove step {number}</Button>}>
      <div className="rows">
        <Choice label="Action" value={step.what} options={WHAT} onChange={(what) => change({ what, gpu: "", texts: {} })} />
        {setting && isRow(setting) && <Choice label="GPU model" value={step.gpu} options={[["", "Choose one"], ...rows]} onChange={(gpu) => change({ gpu, texts: {} })} />}
        {setting && known.length > 0 && <p className="muted small">The fields show the current values. Values that you do not change stay as they are.</p>}
        <div className="values">
          {setting
            ? known.map((field) => (
                <ValueField key={field.key} field={field} value={value(field.key)} isChanged={field.key in checked.changes} error={checked.errors[field.key]} put={(text) => put(field.key, text)} />
              ))
            : PAYMENT.map(({ key, label, unit }) => (
                <Field key={key} label={label} unit={unit} value={value(key)} error={checked.errors[key]} onChange={(event) => put(key, event.target.value)} spellCheck={false} autoComplete="off" />
              ))}
        </div>
        {words && words.changes.length > 0 && <ChangeTable changes={words.changes} caption={`What step ${number} changes`} />}
      </div>
    </Card>
  );
}

const PAYMENT = [
  { key: "to", label: "Recipient's wallet", unit: undefined },
  { key: "amount", label: "Amount", unit: "$IO" },
];

function ValueField({ field, value, isChanged, error, put }: { field: Value; value: string; isChanged: boolean; error?: string; put: (text: string) => void }) {
  const sense = senseOf(field.key);
  const label = isChanged ? `${field.name} (changed)` : field.name;
  if (sense === "yes") {
    return (
      <Choice
        label={label}
        value={value}
        options={[
          ["true", "yes"],
          ["false", "no"],
        ]}
        onChange={put}
      />
    );
  }
  return <Field label={label} unit={UNITS[sense]} value={value} error={error} onChange={(event) => put(event.target.value)} spellCheck={false} autoComplete="off" />;
}
