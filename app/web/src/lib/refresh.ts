import type { Query, QueryClient } from "@tanstack/react-query";

/** Milliseconds for which events are collected before a refresh. */
const GATHER = 250;
/** Milliseconds between refreshes, however many events arrive. */
const PAUSE = 1_000;

/** Whether events can change a query's answer. Some answers never change, others are polled. */
export const changes = ({ queryKey }: Query): boolean => !["config", "clock"].includes(String(queryKey[0]));

const isFetching = ({ state }: Query): boolean => state.fetchStatus === "fetching";

/**
 * Refreshes all queries after an event. A query that is in flight is not restarted, or on a busy market it would never finish: it may
 * return data from before the event, so it is refreshed once more when it is done.
 */
export function refresher(queries: QueryClient): { heard: () => void; end: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let due: Query[] = [];
  const refresh = () => {
    const idle = due.filter((query) => !isFetching(query));
    due = due.filter(isFetching);
    void queries.invalidateQueries({ predicate: (query) => idle.includes(query) }, { cancelRefetch: false });
    timer = setTimeout(() => {
      timer = undefined;
      if (due.length > 0) refresh();
    }, PAUSE);
  };
  return {
    heard: () => {
      due = queries.getQueryCache().findAll({ predicate: changes });
      timer ??= setTimeout(refresh, GATHER);
    },
    end: () => clearTimeout(timer),
  };
}
