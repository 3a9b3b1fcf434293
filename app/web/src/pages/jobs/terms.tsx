import { useState, type ChangeEvent } from "react";
import { explain } from "../../lib/errors";
import { count, IO, many, parseAmount, percent } from "../../lib/format";
import { nameOf, useGpuModels } from "../../lib/gpus";
import { Answer, Choice, Facts, Field, Io } from "../../ui";
import { useCandidates } from "./candidates";
import { TIMES } from "./open";
import { ANY_GPU, asked, match, POLICIES, quote, shortage, type Order, type Parameters } from "./rules";

const INITIAL = { start: "0.001", most: "0.002", policy: POLICIES[0].id, gpu: String(ANY_GPU), memory: "0", jobs: "0", risk: "0" };

/** Parses an amount in a field. */
function amountIn(text: string): { amount: bigint; error: string | null } {
  try {
    return { amount: parseAmount(text, IO), error: null };
  } catch (failure) {
    return { amount: 0n, error: explain(failure) };
  }
}

/** State of the fields of an order's terms, and the resulting order of `units`. */
export function useTerms(units: number) {
  const [texts, setTexts] = useState(INITIAL);
  const put = (name: keyof typeof INITIAL, text: string) => setTexts((all) => ({ ...all, [name]: text }));
  const [start, most, risk] = [amountIn(texts.start), amountIn(texts.most), amountIn(texts.risk)];
  const [memory, jobs] = [asked(texts.memory), asked(texts.jobs)];
  const order: Order = {
    units,
    startPrice: start.amount,
    maxPrice: most.amount,
    policy: POLICIES.find(({ id }) => id === texts.policy) ?? POLICIES[0],
    gpuModel: Number(texts.gpu),
    minVramGb: memory.number,
    minJobsDone: jobs.number,
    valueAtRisk: risk.amount,
  };
  const errors = { start: start.error, most: most.error, memory: memory.error, jobs: jobs.error, risk: risk.error };
  /** What connects a text field to the terms. */
  const field = (name: keyof typeof errors) => ({
    value: texts[name],
    error: errors[name],
    onChange: (event: ChangeEvent<HTMLInputElement>) => put(name, event.target.value),
  });
  return { texts, put, field, order, errors };
}

type Terms = ReturnType<typeof useTerms>;

/** The fields of an order's terms. */
export function TermFields({ texts, put, field }: Terms) {
  return (
    <>
      <div className="columns">
        <Field label="Starting price per unit" unit="$IO" inputMode="decimal" {...field("start")} />
        <Field
          label="Maximum price per unit"
          unit="$IO"
          inputMode="decimal"
          hint={`The price rises from the starting price to this within ${TIMES.auctionSeconds} s, until a device claims the job.`}
          {...field("most")}
        />
      </div>
      <fieldset>
        <legend>How the result is checked</legend>
        {POLICIES.map(({ id, name, note }) => (
          <label key={id} className="radio">
            <input type="radio" name="policy" value={id} checked={texts.policy === id} onChange={() => put("policy", id)} />
            <span>
              <b>{name}.</b> {note}
            </span>
          </label>
        ))}
      </fieldset>
      <Requirements texts={texts} put={put} field={field} />
      <details>
        <summary>Value at risk</summary>
        <Field
          label="Cost of a wrong result to you"
          unit="$IO"
          inputMode="decimal"
          hint="Raises the bond that the device must post. Jobs with a value at risk never contain deliberate test errors. Workers decline bonds that are out of proportion to the price, so raise the price as well."
          {...field("risk")}
        />
      </details>
    </>
  );
}

function Requirements({ texts, put, field }: Pick<Terms, "texts" | "put" | "field">) {
  const gpus = useGpuModels();
  const listed = (gpus.data ?? []).filter(({ listed }) => listed).map((gpu): [string, string] => [String(gpu.id), nameOf(gpu)]);
  return (
    <details>
      <summary>Device requirements</summary>
      <div className="columns">
        <Choice
          label="GPU model"
          value={texts.gpu}
          onChange={(gpu) => put("gpu", gpu)}
          options={[[String(ANY_GPU), "Any"], ...listed.sort(([, a], [, b]) => a.localeCompare(b))]}
        />
        <Field label="Minimum GPU memory" unit="GiB" inputMode="numeric" {...field("memory")} />
        <Field label="Minimum jobs completed" inputMode="numeric" {...field("jobs")} />
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
