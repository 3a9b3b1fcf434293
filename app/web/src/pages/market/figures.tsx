import type { ReactNode } from "react";
import { useAnswer, type Network } from "../../lib/api";
import { count } from "../../lib/format";
import { Figures, Io, Problem } from "../../ui";

/** Formats a figure of the market. */
type Show<Shown> = (name: keyof Network) => Shown;

/** Figures of the whole market. Dots stand for those still loading, so that nothing moves when they arrive. */
export function NetworkFigures({ children }: { children: (number: Show<string>, amount: Show<ReactNode>) => ReactNode }) {
  const { data, error, refetch } = useAnswer<Network>("network");
  if (error && !data) return <Problem error={error} retry={() => void refetch()} />;
  const number: Show<string> = (name) => (data ? count(data[name]) : "…");
  const amount: Show<ReactNode> = (name) => (data ? <Io of={data[name]} rough /> : "…");
  return <Figures>{children(number, amount)}</Figures>;
}
