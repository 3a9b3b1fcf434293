import { queryOptions, useQuery } from "@tanstack/react-query";
import type { Proposal } from "../../generated/governance";
import { findSome, type Found } from "../../lib/accounts";
import { useMarket, type Market } from "../../lib/market";
import { Answer, Badge, Card, Empty, Table } from "../../ui";
import { PAYLOAD, parse, payloadAddress, type Whole } from "./payload";
import { Status } from "./rules";
import type { State } from "./settings";
import { describe, type Change, type Words } from "./words";

/** An instruction of a proposal and its description. */
export interface Written {
  index: number;
  instruction: Whole;
  words: Words;
}

async function written(market: Market, proposal: Found<Proposal>, state: State): Promise<Written[]> {
  const places = await Promise.all(Array.from({ length: proposal.instructions }, (_, index) => payloadAddress(proposal.address, index)));
  const payloads = await findSome(market, PAYLOAD, places);
  const all = await Promise.all(
    payloads.map(async ({ header, bytes }): Promise<Written[]> => {
      const instruction = header.complete ? parse(bytes) : null;
      return instruction ? [{ index: header.index, instruction, words: await describe(market, instruction, state) }] : [];
    }),
  );
  return all.flat().sort((a, b) => a.index - b.index);
}

/** Milliseconds before a step that could not be read is read again, unless an event triggers that earlier. */
const AGAIN = 10_000;

/** The query for a proposal's steps. The key has its number, because another proposal may be created at the same address. */
export const asking = (market: Market, proposal: Found<Proposal>, state: State | null | undefined) =>
  queryOptions({
    queryKey: [
      "written",
      proposal.address,
      proposal.index.toString(),
      proposal.instructions,
      proposal.executed,
      state && JSON.stringify(state, plain),
    ],
    queryFn: () => (state ? written(market, proposal, state) : []),
    enabled: !!state,
    refetchInterval: ({ state: { data } }) => data?.some(({ words }) => words.standing?.isUnread) && AGAIN,
  });

/** The complete instructions of a proposal, in order, compared with the current values. */
export const useWritten = (proposal: Found<Proposal>, state: State | null | undefined) => useQuery(asking(useMarket(), proposal, state));

/** Counters in the configs, which change all the time and which no step shows: with them in its key, the query might never finish. */
const COUNTERS = ["owed", "nextHour", "proposals", "deposits"];

const plain = (key: string, value: unknown) => {
  if (COUNTERS.includes(key)) return undefined;
  return typeof value === "bigint" ? value.toString() : value;
};

/** A table of changes, with old and new values. */
export function ChangeTable({ changes, caption }: { changes: Change[]; caption: string }) {
  const changing = changes.some(({ before }) => before !== undefined);
  return (
    <Table
      caption={caption}
      rows={changes}
      rowKey={({ key }) => key}
      columns={[
        { name: changing ? "Setting" : "Name", cell: ({ name }) => <span className="wrap">{name}</span> },
        ...(changing ? [{ name: "Current", cell: ({ before }: Change) => <span className="wrap">{before ?? "–"}</span> }] : []),
        { name: changing ? "New" : "Value", cell: ({ after }) => <b className="wrap">{after}</b> },
      ]}
    />
  );
}

/** A proposal's steps in words. */
export function Steps({ proposal, steps }: { proposal: Found<Proposal>; steps: ReturnType<typeof useWritten> }) {
  return (
    <Card title={proposal.status === Status.Executed ? "Executed steps" : "Steps to execute"}>
      {proposal.instructions === 0 ? (
        <Empty>No steps have been written yet.</Empty>
      ) : (
        <Answer of={steps} empty="The proposal has ended and its steps have been closed.">
          {(all) => (
            <ol className="acts-list">
              {all.map(({ index, words }) => (
                <li key={index}>
                  <Step words={words} number={index + 1} done={index < proposal.executed} />
                </li>
              ))}
            </ol>
          )}
        </Answer>
      )}
    </Card>
  );
}

function Step({ words, number, done }: { words: Words; number: number; done: boolean }) {
  const standing = done ? null : words.standing;
  const changes: Change[] = done ? words.changes.map(({ before: _, ...change }) => change) : words.changes;
  return (
    <>
      <h3>
        {number}. {words.what} {done && <Badge tone="good">done</Badge>}
      </h3>
      {(words.isUnknown || standing?.isUnread) && (
        <p className="wrong small">Do not vote for what you cannot read: ask the proposer to explain this step and to prove it.</p>
      )}
      {standing && (
        <p className={standing.isStuck ? "wrong small" : "small"}>
          {standing.isStuck && "This step cannot be executed at the moment. "}
          {standing.sentence}
        </p>
      )}
      {words.isEmpty && <p className="small">This step {done ? "changed" : "changes"} nothing.</p>}
      {!done && changes.length > 0 && changes.every(({ before, after }) => before === after) && <p className="small">These values are already set.</p>}
      {changes.length > 0 && <ChangeTable changes={changes} caption={`Step ${number}`} />}
    </>
  );
}
