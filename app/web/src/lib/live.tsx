import { useQueryClient } from "@tanstack/react-query";
import { createContext, useContext, useEffect, useState, type ReactNode } from "react";
import { follow } from "./stream";

/** How the page hears of what happens. */
export type Connection = "connecting" | "live" | "lost";

const Context = createContext<Connection>("connecting");
/** Milliseconds in which events are gathered before anything is asked for again. */
const GATHER = 250;

/** Whether the page hears of new events. */
export const useConnection = (): Connection => useContext(Context);

/** Asks again for what is shown when an event has come. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const queries = useQueryClient();
  const [connection, setConnection] = useState<Connection>("connecting");
  useEffect(() => {
    let gathering: ReturnType<typeof setTimeout> | undefined;
    const refresh = () => {
      gathering = undefined;
      void queries.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== "config" && queryKey[0] !== "clock" });
    };
    const gather = () => {
      gathering ??= setTimeout(refresh, GATHER);
    };
    const end = follow(() => new EventSource("/v1/stream"), {
      opened: () => {
        setConnection("live");
        gather();
      },
      heard: gather,
      lost: () => setConnection("lost"),
    });
    return () => {
      clearTimeout(gathering);
      end();
    };
  }, [queries]);
  return <Context.Provider value={connection}>{children}</Context.Provider>;
}
