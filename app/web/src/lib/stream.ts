/** Milliseconds before a stream that was refused is opened again, at first and at most; twice as many after each refusal. */
const PAUSE = 1_000;
const LONGEST = 30_000;

/** What is done about a stream. */
export interface Listener {
  opened: () => void;
  heard: () => void;
  lost: () => void;
}

/** What is needed of an `EventSource`. */
export type Source = Pick<EventSource, "readyState" | "onopen" | "onmessage" | "onerror" | "close">;

/**
 * Follows a stream until the function that it returns is called. A browser connects again by itself after a loss, but gives up for good at an answer
 * that is a refusal, as of a server that is busy or starting: then a new one is opened after a pause.
 */
export function follow(open: () => Source, { opened, heard, lost }: Listener): () => void {
  let source: Source;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let pause = PAUSE;
  const start = () => {
    source = open();
    source.onopen = () => {
      pause = PAUSE;
      opened();
    };
    source.onmessage = heard;
    source.onerror = () => {
      lost();
      if (source.readyState !== EventSource.CLOSED) return;
      timer = setTimeout(start, pause);
      pause = Math.min(2 * pause, LONGEST);
    };
  };
  start();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}
