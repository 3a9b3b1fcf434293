import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { findEscrowPda } from "../../generated/jobs";
import { findOne } from "../../lib/accounts";
import { explain } from "../../lib/errors";
import { IO, io, many, parseAmount } from "../../lib/format";
import { useMarket } from "../../lib/market";
import { mustCover, useSending, type Action } from "../../lib/send";
import { useWallet } from "../../lib/wallet";
import { Button, Card, Field, Figure, Figures, Io, Problem } from "../../ui";
import { ESCROW } from "./accounts";
import { closing, depositing, withdrawing } from "./instructions";

/** The wallet's escrow; `null` if it has none yet. */
export function useEscrow() {
  const market = useMarket();
  const { address } = useWallet();
  return useQuery({
    queryKey: ["escrow", address],
    queryFn: async () => {
      if (!address) return null;
      const [at] = await findEscrowPda({ owner: address, mint: market.config.mint });
      return findOne(market, ESCROW, at);
    },
    enabled: address !== null,
  });
}

/** The wallet's escrow, with deposits and withdrawals. Dots stand for amounts still loading, so that nothing moves when they arrive. */
export function EscrowCard() {
  const market = useMarket();
  const { mint } = market.config;
  const { signer, address } = useWallet();
  const { send } = useSending();
  const escrow = useEscrow();
  const [text, setText] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  if (!address || !signer) return null;
  const action = async (what: "deposit" | "withdraw" | "close"): Promise<Action> => {
    if (what === "close") return { title: "Close the escrow", instructions: await closing(signer, mint) };
    const amount = parseAmount(text, IO);
    if (amount === 0n) throw new Error("enter an amount above zero");
    if (what === "deposit") {
      await mustCover(market, address, amount);
      return { title: `Deposit ${io(amount)}`, instructions: await depositing(signer, mint, amount, !!escrow.data) };
    }
    const free = escrow.data?.free ?? 0n;
    if (amount > free) throw new Error(`only ${io(free)} is available; the rest is locked for open jobs`);
    return { title: `Withdraw ${io(amount)}`, instructions: await withdrawing(signer, mint, amount) };
  };
  const act = async (what: "deposit" | "withdraw" | "close") => {
    setError(null);
    setBusy(true);
    try {
      await send(await action(what));
      setText("");
    } catch (failure) {
      setError(explain(failure));
    } finally {
      setBusy(false);
    }
  };
  const { data: found } = escrow;
  const amount = (of: bigint) => (found === undefined ? "…" : <Io of={of} />);
  return (
    <Card title="Your escrow">
      {escrow.error && found === undefined ? (
        <Problem error={escrow.error} retry={() => void escrow.refetch()} />
      ) : (
        <>
          <Figures>
            <Figure name="Available">{amount(found?.free ?? 0n)}</Figure>
            <Figure name="Locked for open jobs" note={many(found?.openJobs ?? 0, "open job")}>
              {amount(found?.locked ?? 0n)}
            </Figure>
          </Figures>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              void act("deposit");
            }}
          >
            <Field
              label="Amount"
              unit="$IO"
              inputMode="decimal"
              value={text}
              error={error}
              onChange={(event) => setText(event.target.value)}
              hint="You can withdraw the available balance at any time."
            />
            <footer>
              <Button kind="primary" type="submit" disabled={found === undefined} busy={busy}>
                Deposit
              </Button>
              <Button disabled={!found || found.free === 0n} busy={busy} onClick={() => void act("withdraw")}>
                Withdraw
              </Button>
              {found && found.free + found.locked + found.fees === 0n && (
                <Button busy={busy} onClick={() => void act("close")}>
                  Close escrow
                </Button>
              )}
            </footer>
          </form>
        </>
      )}
    </Card>
  );
}
