import type { Event } from "../../lib/api";
import { count, words } from "../../lib/format";
import { Card, Empty, Io, Key, Moment, Table } from "../../ui";

/** Of the amounts that events tell, the one it is about. */
const AMOUNTS = ["amount", "reward", "bond", "penalty", "part"];

function amountOf({ data }: Event) {
  const name = AMOUNTS.find((name) => typeof data[name] === "number");
  return name && <Io of={data[name] as number} />;
}

/** A move of stake says by itself what it was. */
const what = ({ name, data }: Event) => words(typeof data.kind === "string" ? data.kind : name);

/** What a worker does each hour, which would bury the rest; paid hours have a list of their own. */
const HOURLY = new Set(["CallAnswered", "CheckedIn", "RewardCollected"]);
/** Events shown at once. */
const SHOWN = 20;
/** Most events that the indexer sends of one address: its newest. */
const SENT = 1_000;

/** Events that name something, oldest first as the indexer sends them, shown the newest first and without those of every hour. */
export function History({ events }: { events: Event[] }) {
  const rows = events.filter(({ name }) => !HOURLY.has(name)).reverse();
  return (
    <Card title="History">
      {rows.length === 0 ? (
        <Empty>Nothing has happened yet.</Empty>
      ) : (
        <Table
          caption="History"
          rows={rows}
          rowKey={({ id }) => id}
          step={SHOWN}
          columns={[
            { name: "When", cell: ({ time }) => <Moment at={time} /> },
            { name: "What", cell: what },
            { name: "Amount", number: true, cell: amountOf },
            { name: "Transaction", wide: true, cell: ({ signature }) => <Key of={signature} /> },
          ]}
        />
      )}
      {events.length >= SENT && <p className="muted small">What happened before the last {count(SENT)} events, those of every hour among them, is not shown.</p>}
    </Card>
  );
}
