import type { Event } from "../../lib/api";
import { Card, Empty, Io, Key, Moment, Table } from "../../ui";

/** Words of an event's name: StakeMoved is "stake moved". */
const words = (name: string) => name.replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();

/** Of the amounts that events tell, the one it is about. */
const AMOUNTS = ["amount", "reward", "bond", "penalty", "part"];

function amountOf({ data }: Event): number | null {
  const name = AMOUNTS.find((name) => typeof data[name] === "number");
  return name === undefined ? null : (data[name] as number);
}

const kindOf = ({ data }: Event) => (typeof data.kind === "string" ? `: ${words(data.kind)}` : "");

/** Events that name something, the newest first; beacons answered are left out. */
export function History({ events }: { events: Event[] }) {
  const rows = events.filter(({ name }) => name !== "CallAnswered").reverse();
  return (
    <Card title="History">
      {rows.length === 0 ? (
        <Empty>Nothing has happened yet.</Empty>
      ) : (
        <Table
          caption="History"
          rows={rows.slice(0, 200)}
          rowKey={({ id }) => id}
          columns={[
            { name: "When", cell: ({ time }) => <Moment at={time} /> },
            { name: "What", cell: (event) => `${words(event.name)}${kindOf(event)}` },
            { name: "Amount", number: true, cell: (event) => <Io of={amountOf(event)} /> },
            { name: "Transaction", wide: true, cell: ({ signature }) => <Key of={signature} /> },
          ]}
        />
      )}
    </Card>
  );
}
