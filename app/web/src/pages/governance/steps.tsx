import { queryOptions, useQuery } from "@tanstack/react-query";
import type { Proposal } from "../../generated/governance";
import { findSome, type Found } from "../../lib/accounts";
import { useMarket, type Market } from "../../lib/market";
import { Answer, Badge, Card, Empty, Table } from "../../ui";
import { PAYLOAD, parse, payloadAddress, type Whole } from "./payload";
import { Status } from "./rules";
import type { State } from "./settings";
import { say, type Change, type Words } from "./words";

/** An instruction of a proposal with what it does. */
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
      return instruction ? [{ index: header.index, instruction, words: await say(market, instruction, state) }] : [];
    }),
  );
  return all.flat().sort((a, b) => a.index - b.index);
}

/** Milliseconds after which what could not be read is read again, where no event comes before. */
const AGAIN = 10_000;

/** The question what is in a proposal. Another may come to the same address; its number is its own. */
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

/** The instructions of a proposal that are there, in order, with what they change now. */
export const useWritten = (proposal: Found<Proposal>, state: State | null | undefined) => useQuery(asking(useMarket(), proposal, state));

/** Books of the configs, which change with whatever anybody does and which no step shows: a question that changed with them might never be answered. */
const BOOKS = ["owed", "nextHour", "proposals", "deposits"];

const plain = (key: string, value: unknown) => {
  if (BOOKS.includes(key)) return undefined;
  return typeof value === "bigint" ? value.toString() : value;
};

/** Values from what to what. */
export function ChangeTable({ changes, caption }: { changes: Change[]; caption: string }) {
  const changing = changes.some(({ before }) => before !== undefined);
  return (
    <Table
      caption={caption}
      rows={changes}
      rowKey={({ key }) => key}
      columns={[
        { name: changing ? "Value" : "What", cell: ({ name }) => <span className="wrap">{name}</span> },
        ...(changing ? [{ name: "Now", cell: ({ before }: Change) => <span className="wrap">{before ?? "–"}</span> }] : []),
        { name: changing ? "Then" : "Value", cell: ({ after }) => <b className="wrap">{after}</b> },
      ]}
    />
  );
}

/** What a proposal would do, in words. */
export function Steps({ proposal, steps }: { proposal: Found<Proposal>; steps: ReturnType<typeof useWritten> }) {
  return (
    <Card title={proposal.status === Status.Executed ? "What it did" : "What it would do"}>
      {proposal.instructions === 0 ? (
        <Empty>No step of it is written yet.</Empty>
      ) : (
        <Answer of={steps} empty="Its steps have been cleared away: it has ended.">
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
        <p className="wrong small">Do not vote for what you cannot read: ask its proposer what this does, and have it shown to you.</p>
      )}
      {standing && (
        <p className={standing.isStuck ? "wrong small" : "small"}>
          {standing.isStuck && "It cannot be executed as it is now. "}
          {standing.says}
        </p>
      )}
      {words.isEmpty && <p className="small">It {done ? "changed" : "changes"} nothing.</p>}
      {!done && changes.length > 0 && changes.every(({ before, after }) => before === after) && <p className="small">Everything is set so already.</p>}
      {changes.length > 0 && <ChangeTable changes={changes} caption={`Step ${number}`} />}
    </>
  );
}
