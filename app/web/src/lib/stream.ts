/** Milliseconds before a refused stream is opened again: the first pause, doubled after each refusal, and the longest. */
const PAUSE = 1_000;
const LONGEST = 30_000;

/** Callbacks for a stream's events. */
export interface Listener {
  opened: () => void;
  heard: () => void;
  lost: () => void;
}

/** The part of `EventSource` that is used here. */
export type Source = Pick<EventSource, "readyState" | "onopen" | "onmessage" | "onerror" | "close">;

/**
 * Follows a stream until the returned function is called. After a lost connection the browser reconnects on its own, but it gives up if the
 * server responds with an error, as one does that is busy or starting. Then a new stream is opened after a pause.
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
