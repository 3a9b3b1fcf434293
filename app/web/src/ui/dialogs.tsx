import { useLayoutEffect, useRef, useState, type ReactNode } from "react";
import { networkOf } from "../lib/config";
import { explain } from "../lib/errors";
import { decimal, IO, sol, SOL } from "../lib/format";
import { useSending, type Effect } from "../lib/send";
import { useWallet } from "../lib/wallet";
import { useMarket } from "../lib/market";
import { Button, Facts, Key, Loading } from ".";

/** A dialog over the page. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  const dialog = useRef<HTMLDialogElement>(null);
  // Closed before it is removed, it gives the focus back to where it came from.
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  return (
    <dialog ref={dialog} aria-label={title} onCancel={(event) => (event.preventDefault(), onClose())}>
      <header>
        <h2>{title}</h2>
        <Button aria-label="Close" className="close" onClick={onClose}>
          ×
        </Button>
      </header>
      {children}
    </dialog>
  );
}

/** What a transaction is about to do, is doing and did. */
export function SendDialog() {
  const { stage, answer, close } = useSending();
  const { name } = useWallet();
  if (!stage) return null;
  const cancel = () => (stage.at === "sent" || stage.at === "done" || stage.at === "failed" ? close() : answer(false));
  return (
    <Dialog title={stage.deed.title} onClose={cancel}>
      {stage.at === "asking" && (
        <>
          <p>Run on the chain without being sent, this is what it would change:</p>
          <EffectFacts effect={stage.effect} />
          <footer>
            <Button onClick={() => answer(false)}>Cancel</Button>
            <Button kind="primary" autoFocus onClick={() => answer(true)}>
              Sign and send
            </Button>
          </footer>
        </>
      )}
      {stage.at === "preparing" && <Loading what="Preparing; nothing is signed yet" />}
      {stage.at === "signing" && <Loading what={`Waiting for ${name ?? "the wallet"} to sign`} />}
      {stage.at === "sent" && (
        <>
          <Loading what="Sent; waiting for the chain to confirm" />
          <Signed as={stage.signature} />
        </>
      )}
      {stage.at === "done" && (
        <>
          <p role="status">
            Done. Transaction <Key of={stage.signature} />
          </p>
          <footer>
            <Button kind="primary" autoFocus onClick={close}>
              Close
            </Button>
          </footer>
        </>
      )}
      {stage.at === "unknown" && (
        <>
          <p className="wrong" role="alert">
            It was signed and sent, but the chain's node does not say what became of it. It may still land: look at it before you send it again.
          </p>
          <Signed as={stage.signature} />
          <footer>
            <Button onClick={() => answer(false)}>Close</Button>
            <Button kind="primary" autoFocus onClick={() => answer(true)}>
              Look again
            </Button>
          </footer>
        </>
      )}
      {stage.at === "failed" && (
        <>
          <p className="wrong" role="alert">
            {stage.sentence}
          </p>
          {stage.signature && <Signed as={stage.signature} />}
          <footer>
            <Button kind="primary" autoFocus onClick={close}>
              Close
            </Button>
          </footer>
        </>
      )}
    </Dialog>
  );
}

/** By what a transaction that was sent is found again. */
const Signed = ({ as }: { as: string }) => (
  <p className="small">
    Transaction <Key of={as} />
  </p>
);

const signed = (amount: bigint, unit: bigint) => `${amount > 0n ? "+" : ""}${decimal(amount, unit)}`;

function EffectFacts({ effect }: { effect: Effect }) {
  return (
    <Facts
      of={[
        ["$IO of the wallet", `${signed(effect.io, IO)} $IO`],
        ["SOL of the wallet", `${signed(effect.lamports, SOL)} SOL, fee and rents included`],
        ["Compute units", effect.computeUnits.toLocaleString("en")],
      ]}
    />
  );
}

/** Chooses a wallet, or shows the one that is connected. */
export function WalletMenu({ balance }: { balance?: { lamports: bigint; io: bigint } }) {
  const { usable, foreign, address, name, connect, disconnect } = useWallet();
  const { config } = useMarket();
  const network = networkOf(config);
  const [open, setOpen] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const choose = async (wallet: (typeof usable)[number]) => {
    setError(null);
    try {
      await connect(wallet);
      setOpen(false);
    } catch (failure) {
      setError(explain(failure));
    }
  };
  return (
    <>
      <Button kind={address ? "plain" : "primary"} onClick={() => setOpen(true)}>
        {address ? `${address.slice(0, 4)}…${address.slice(-4)}` : "Connect wallet"}
      </Button>
      {open && (
        <Dialog title={address ? (name ?? "Wallet") : "Connect a wallet"} onClose={() => setOpen(false)}>
          {address ? (
            <>
              <Facts
                of={[
                  ["Address", <Key of={address} />],
                  ["$IO", balance ? `${decimal(balance.io, IO)} $IO` : "–"],
                  ["SOL", balance ? sol(balance.lamports) : "–"],
                  ["Cluster", config.cluster],
                ]}
              />
              <footer>
                <Button
                  onClick={() => {
                    disconnect();
                    setOpen(false);
                  }}
                >
                  Disconnect
                </Button>
              </footer>
            </>
          ) : (
            <>
              <ul className="wallets">
                {usable.map((wallet) => (
                  <li key={wallet.name}>
                    <Button onClick={() => void choose(wallet)}>
                      <img src={wallet.icon} alt="" width="24" height="24" /> {wallet.name}
                    </Button>
                  </li>
                ))}
              </ul>
              {usable.length === 0 && <p>No wallet of this browser can sign for {network}. Install one, or switch its network.</p>}
              {foreign.length > 0 && (
                <p className="muted small">
                  On other chains only: {foreign.map(({ name }) => name).join(", ")}. Switch their network to {network} to use them.
                </p>
              )}
              {error && (
                <p className="wrong" role="alert">
                  {error}
                </p>
              )}
            </>
          )}
        </Dialog>
      )}
    </>
  );
}
