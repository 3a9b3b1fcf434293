/** Another action is in progress. */
export class Busy extends Error {
  constructor() {
    super("another transaction is still being signed or sent; wait until it is done");
  }
}

/** Runs one action at a time; fails with [`Busy`] while another is running. */
export function oneAtATime(): <Result>(run: () => Promise<Result>) => Promise<Result> {
  let busy = false;
  return async (run) => {
    if (busy) throw new Busy();
    busy = true;
    try {
      return await run();
    } finally {
      busy = false;
    }
  };
}
