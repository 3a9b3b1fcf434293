import type { Query, QueryClient } from "@tanstack/react-query";

/** Milliseconds in which events are gathered before anything is asked for again. */
const GATHER = 250;
/** Milliseconds between two rounds of questions, however many events come. */
const PAUSE = 1_000;

/** Whether what is asked for changes with events: some of it never changes, and some is asked for on its own. */
export const changes = ({ queryKey }: Query): boolean => !["config", "clock"].includes(String(queryKey[0]));

const isAsked = ({ state }: Query): boolean => state.fetchStatus === "fetching";

/**
 * Asks again for what is shown once something was heard. What is being asked for is never asked for twice at a time: its answer may be
 * older than the event, so it is asked for again when the answer is there. Begun anew at each event it would never be answered on a busy
 * market.
 */
export function refresher(queries: QueryClient): { heard: () => void; end: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let due: Query[] = [];
  const refresh = () => {
    const idle = due.filter((query) => !isAsked(query));
    due = due.filter(isAsked);
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
