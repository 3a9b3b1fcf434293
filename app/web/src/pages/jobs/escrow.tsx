import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Address, Instruction, TransactionSigner } from "@solana/kit";
import { findEscrowPda, getDepositInstructionAsync, getOpenEscrowInstructionAsync, getWithdrawInstructionAsync } from "../../generated/jobs";
import { findOne } from "../../lib/accounts";
import { explain } from "../../lib/errors";
import { decimal, IO, parseAmount } from "../../lib/format";
import { useMarket } from "../../lib/market";
import { tokenAccount, useSending } from "../../lib/send";
import { useWallet } from "../../lib/wallet";
import { Answer, Button, Card, Field, Figure, Figures, Io } from "../../ui";
import { ESCROW } from "./accounts";

/** The visitor's escrow; `null` when there is none yet. */
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

/** Instructions that put money into a wallet's escrow, making it where there is none. */
export async function depositing(owner: TransactionSigner, mint: Address, amount: bigint, exists: boolean): Promise<Instruction[]> {
  const [escrow] = await findEscrowPda({ owner: owner.address, mint });
  const deposit = await getDepositInstructionAsync({ payer: owner, escrow, from: await tokenAccount(owner.address, mint), amount });
  return exists ? [deposit] : [await getOpenEscrowInstructionAsync({ owner, mint }), deposit];
}

/** What the visitor has set aside for jobs. */
export function EscrowCard() {
  const { config } = useMarket();
  const { signer, address } = useWallet();
  const { send } = useSending();
  const escrow = useEscrow();
  const [text, setText] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  if (!address || !signer) return null;
  const act = async (what: "deposit" | "withdraw") => {
    setError(null);
    setBusy(true);
    try {
      const amount = parseAmount(text, IO);
      if (amount === 0n) throw new Error("type an amount above zero");
      const free = escrow.data?.free ?? 0n;
      if (what === "withdraw" && amount > free) throw new Error(`only ${decimal(free, IO)} $IO is free; the rest is set aside for open jobs`);
      const instructions =
        what === "deposit"
          ? await depositing(signer, config.mint, amount, !!escrow.data)
          : [
              await getWithdrawInstructionAsync({
                owner: signer,
                escrow: (await findEscrowPda({ owner: address, mint: config.mint }))[0],
                to: await tokenAccount(address, config.mint),
                amount,
              }),
            ];
      await send({ title: `${what === "deposit" ? "Deposit" : "Withdraw"} ${decimal(amount, IO)} $IO`, instructions });
      setText("");
    } catch (failure) {
      setError(explain(failure));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Card title="Your escrow">
      <Answer of={escrow}>
        {(found) => (
          <>
            <Figures>
              <Figure name="Free">
                <Io of={found?.free ?? 0n} />
              </Figure>
              <Figure name="Set aside for open jobs" says={`${found?.openJobs ?? 0} open`}>
                <Io of={found?.locked ?? 0n} />
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
                hint="Free money can be taken out at any time."
              />
              <footer>
                <Button disabled={!found || found.free === 0n} busy={busy} onClick={() => void act("withdraw")}>
                  Withdraw
                </Button>
                <Button kind="primary" type="submit" busy={busy}>
                  Deposit
                </Button>
              </footer>
            </form>
          </>
        )}
      </Answer>
    </Card>
  );
}
