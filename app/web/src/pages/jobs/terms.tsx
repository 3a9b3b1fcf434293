import { useState, type ChangeEvent } from "react";
import { count, many, percent, PERCENT } from "../../lib/format";
import { nameOf, useGpuModels } from "../../lib/gpus";
import { Answer, Choice, Facts, Field, Io } from "../../ui";
import { AmountField, useAmount } from "../../ui/amount";
import { useCandidates } from "./candidates";
import { TIMES } from "./open";
import { ANY_GPU, asked, match, POLICIES, quote, shortage, type Order, type Parameters, type Policy } from "./rules";

/** State of a field for a number that a job requires of its device. */
function useRequirement() {
  const [text, setText] = useState("0");
  return { text, setText, ...asked(text) };
}

/** State of the fields of an order's terms, the resulting order of `units`, and what is wrong with a field. */
export function useTerms(units: number) {
  const [start, most, risk, audit] = [useAmount("0.001"), useAmount("0.002"), useAmount("0"), useAmount("0", PERCENT)];
  const [memory, jobs] = [useRequirement(), useRequirement()];
  const [policy, setPolicy] = useState<Policy>(POLICIES[0]);
  const [gpu, setGpu] = useState(String(ANY_GPU));
  const order: Order = {
    units,
    startPrice: start.amount ?? 0n,
    maxPrice: most.amount ?? 0n,
    policy,
    gpuModel: Number(gpu),
    minVramGb: memory.number,
    minJobsDone: jobs.number,
    valueAtRisk: risk.amount ?? 0n,
    auditBps: policy.replicas > 1 ? 0 : Number(audit.amount ?? 0n),
  };
  const shown = [start, most, risk, ...(policy.replicas > 1 ? [] : [audit])];
  const empty = shown.some(({ text }) => text.trim() === "") ? "fill in all amounts" : null;
  const error = memory.error ?? jobs.error ?? shown.find((typed) => typed.error)?.error ?? empty;
  return { start, most, risk, audit, memory, jobs, policy, setPolicy, gpu, setGpu, order, error };
}

type Terms = ReturnType<typeof useTerms>;

/** The fields of an order's terms. */
export function TermFields(terms: Terms) {
  const { start, most, risk, audit, policy, setPolicy } = terms;
  return (
    <>
      <div className="columns">
        <AmountField label="Starting price per unit" typed={start} />
        <AmountField
          label="Maximum price per unit"
          typed={most}
          hint={`The price rises from the starting price to this within ${TIMES.auctionSeconds} s, until a device claims the job.`}
        />
      </div>
      <fieldset>
        <legend>How the result is checked</legend>
        {POLICIES.map((one) => (
          <label key={one.id} className="radio">
            <input type="radio" name="policy" checked={one === policy} onChange={() => setPolicy(one)} />
            <span>
              <b>{one.name}.</b> {one.note}
            </span>
          </label>
        ))}
        {policy.replicas === 1 && (
          <Field
            label="Chance of an audit"
            unit="%"
            inputMode="decimal"
            autoComplete="off"
            value={audit.text}
            onChange={(event) => audit.setText(event.target.value)}
            error={audit.error}
            hint="Besides the audits that the market draws: a second device recomputes the result before you get it. It is paid out of the price, so workers ask for a higher one."
          />
        )}
      </fieldset>
      <Requirements {...terms} />
      <details>
        <summary>Value at risk</summary>
        <AmountField
          label="Cost of a wrong result to you"
          typed={risk}
          hint="Raises the bond that the device must post, and rules out deliberate test errors, which only results checked as Standard may contain. Workers decline bonds that are out of proportion to the price, so raise the price as well."
        />
      </details>
    </>
  );
}

function Requirements({ gpu, setGpu, memory, jobs }: Terms) {
  const gpus = useGpuModels();
  const listed = (gpus.data ?? []).filter(({ listed }) => listed).map((gpu): [string, string] => [String(gpu.id), nameOf(gpu)]);
  const field = ({ text, setText, error }: typeof memory) => ({
    value: text,
    error,
    inputMode: "numeric" as const,
    onChange: (event: ChangeEvent<HTMLInputElement>) => setText(event.target.value),
  });
  return (
    <details>
      <summary>Device requirements</summary>
      <div className="columns">
        <Choice
          label="GPU model"
          value={gpu}
          onChange={setGpu}
          options={[[String(ANY_GPU), "Any"], ...listed.sort(([, a], [, b]) => a.localeCompare(b))]}
        />
        <Field label="Minimum GPU memory" unit="GiB" {...field(memory)} />
        <Field label="Minimum jobs completed" {...field(jobs)} />
      </div>
    </details>
  );
}

/** How many devices can take an order with this bond, and why the others cannot. */
export function Takers({ order, bond }: { order: Order; bond: bigint }) {
  const candidates = useCandidates();
  return (
    <Answer of={candidates}>
      {(devices) => {
        const matched = match(devices, order, bond);
        const { able, reasons } = matched;
        const short = shortage(matched, order);
        return (
          <div role="status">
            <p>
              {able === 0 ? (
                <b className="wrong">No device can take this job now.</b>
              ) : (
                `${count(able)} of ${many(devices.length, "device")} can take this job.`
              )}
            </p>
            {short && <p className="wrong">{short}</p>}
            {reasons.length > 0 && (
              <ul className="small muted">
                {reasons.map(([reason, number]) => (
                  <li key={reason}>
                    {many(number, "device")}: {reason}
                  </li>
                ))}
              </ul>
            )}
          </div>
        );
      }}
    </Answer>
  );
}

/** The most that an order can cost. */
export function Costs({ order, parameters }: { order: Order; parameters: Parameters }) {
  const { work, fees, locked, bond } = quote(order, parameters);
  return (
    <Facts
      of={[
        ["Units", count(order.units)],
        ["Work, at most", <Io of={work} />],
        [`Fees (${percent(parameters.feeBps)} of the work)`, <Io of={fees} />],
        ["Locked in your escrow", <b><Io of={locked} /></b>],
        ["Bond of each device, at most", <Io of={bond} />],
      ]}
    />
  );
}
