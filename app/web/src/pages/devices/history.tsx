import type { Event } from "../../lib/api";
import { capital, count, words } from "../../lib/format";
import { Card, Empty, Io, Key, Moment, Table } from "../../ui";

/** Names of the main amount of an event, in order of preference. */
const AMOUNTS = ["amount", "reward", "bond", "penalty", "part"];

function amountOf({ data }: Event) {
  const name = AMOUNTS.find((name) => typeof data[name] === "number");
  return name && <Io of={data[name] as number} />;
}

/** An event in words; a move of stake has a kind that says more than its name. */
const what = ({ name, data }: Event) => capital(words(typeof data.kind === "string" ? data.kind : name));

/** Hourly events of a worker, left out because they would bury all others; rewards have a list of their own. */
const HOURLY = new Set(["CallAnswered", "CheckedIn", "RewardCollected"]);
/** Events shown at first. */
const SHOWN = 20;
/** Most events that the indexer sends for one address: its newest. */
const SENT = 1_000;

/** The events of an address, which come oldest first from the indexer: shown newest first, without the hourly ones. */
export function History({ events }: { events: Event[] }) {
  const rows = events.filter(({ name }) => !HOURLY.has(name)).reverse();
  return (
    <Card title="History">
      {rows.length === 0 ? (
        <Empty>No events yet.</Empty>
      ) : (
        <Table
          caption="History"
          rows={rows}
          rowKey={({ id }) => id}
          step={SHOWN}
          columns={[
            { name: "When", cell: ({ time }) => <Moment at={time} /> },
            { name: "Event", cell: what },
            { name: "Amount", number: true, cell: amountOf },
            { name: "Transaction", wide: true, cell: ({ signature }) => <Key of={signature} /> },
          ]}
        />
      )}
      {events.length >= SENT && <p className="muted small">Only the last {count(SENT)} events are listed, not counting hourly ones among them.</p>}
    </Card>
  );
}
