import { useQueryClient } from "@tanstack/react-query";
import { createContext, useContext, useEffect, useState, type ReactNode } from "react";
import { refresher } from "./refresh";
import { follow } from "./stream";

/** State of the connection to the indexer's event stream. */
export type Connection = "connecting" | "live" | "lost";

const Context = createContext<Connection>("connecting");

/** State of the connection to the indexer's event stream. */
export const useConnection = (): Connection => useContext(Context);

/** Refreshes what is shown when an event arrives. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const queries = useQueryClient();
  const [connection, setConnection] = useState<Connection>("connecting");
  useEffect(() => {
    const { heard, end } = refresher(queries);
    const unfollow = follow(() => new EventSource("/v1/stream"), {
      opened: () => {
        setConnection("live");
        heard();
      },
      heard,
      lost: () => setConnection("lost"),
    });
    return () => {
      unfollow();
      end();
    };
  }, [queries]);
  return <Context.Provider value={connection}>{children}</Context.Provider>;
}
