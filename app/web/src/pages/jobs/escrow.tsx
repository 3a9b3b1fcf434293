import { useQuery } from "@tanstack/react-query";
import { findEscrowPda } from "../../generated/jobs";
import { findOne } from "../../lib/accounts";
import { io, many } from "../../lib/format";
import { useMarket } from "../../lib/market";
import { mustCover } from "../../lib/send";
import { useWallet, type Signer } from "../../lib/wallet";
import { Button, Card, Figure, Figures, Io, Problem } from "../../ui";
import { useActs } from "../../ui/act";
import { AmountField, given, useAmount } from "../../ui/amount";
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
  const { address } = useWallet();
  const escrow = useEscrow();
  const typed = useAmount();
  const { act, busy, error } = useActs();
  if (!address) return null;
  const { data: found } = escrow;
  const done = () => typed.setText("");
  const deposit = async (signer: Signer) => {
    const amount = given(typed);
    await mustCover(market, address, amount);
    return { title: `Deposit ${io(amount)}`, instructions: await depositing(signer, mint, amount, !!found) };
  };
  const withdraw = async (signer: Signer) => {
    const amount = given(typed);
    const free = found?.free ?? 0n;
    if (amount > free) throw new Error(`only ${io(free)} is available; the rest is locked for open jobs`);
    return { title: `Withdraw ${io(amount)}`, instructions: await withdrawing(signer, mint, amount) };
  };
  const close = async (signer: Signer) => ({ title: "Close the escrow", instructions: await closing(signer, mint) });
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
              void act(deposit, done);
            }}
          >
            <AmountField label="Amount" typed={typed} error={error} hint="You can withdraw the available balance at any time." />
            <footer>
              <Button kind="primary" type="submit" disabled={found === undefined} busy={busy}>
                Deposit
              </Button>
              <Button disabled={!found || found.free === 0n} busy={busy} onClick={() => void act(withdraw, done)}>
                Withdraw
              </Button>
              {found && found.free + found.locked + found.fees === 0n && (
                <Button busy={busy} onClick={() => void act(close)}>
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
