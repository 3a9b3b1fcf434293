import { useLayoutEffect, useRef, useState, type ReactNode } from "react";
import { networkOf } from "../lib/config";
import { count, decimal, IO, short, sol, SOL } from "../lib/format";
import { useSending, type Effect } from "../lib/send";
import { useWallet } from "../lib/wallet";
import { useMarket } from "../lib/market";
import { Button, Facts, Key, Loading, Wrong } from ".";
import { useAttempt } from "./act";

/** A dialog over the page. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  const dialog = useRef<HTMLDialogElement>(null);
  // Escape closes it whatever this page does, so a dialog that goes on with something else is shown again.
  useLayoutEffect(() => {
    if (!dialog.current?.open) dialog.current?.showModal();
  });
  // Closing the dialog before it is removed returns the focus to the element that opened it.
  useLayoutEffect(() => {
    const element = dialog.current;
    return () => element?.close();
  }, []);
  return (
    <dialog ref={dialog} aria-label={title} onClose={() => dialog.current?.open || onClose()}>
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

/** The dialog of a transaction, from the simulation to its outcome. */
export function SendDialog() {
  const { stage, answer, close } = useSending();
  const { name } = useWallet();
  if (!stage) return null;
  const cancel = () => (stage.at === "sent" || stage.at === "done" || stage.at === "failed" ? close() : answer(false));
  const ended = (
    <footer>
      <Button kind="primary" autoFocus onClick={close}>
        Close
      </Button>
    </footer>
  );
  return (
    <Dialog title={stage.action.title} onClose={cancel}>
      {stage.at === "asking" && (
        <>
          <p>A simulation on the chain shows these changes:</p>
          <EffectFacts effect={stage.effect} />
          <footer>
            <Button onClick={() => answer(false)}>Cancel</Button>
            <Button kind="primary" autoFocus onClick={() => answer(true)}>
              Sign and send
            </Button>
          </footer>
        </>
      )}
      {stage.at === "preparing" && <Loading what="Preparing; nothing has been signed yet" />}
      {stage.at === "signing" && <Loading what={`Sign the transaction in ${name ?? "your wallet"}`} />}
      {stage.at === "sent" && (
        <>
          <Loading what="Sent; waiting for confirmation" />
          <Signed as={stage.signature} />
        </>
      )}
      {stage.at === "done" && (
        <>
          <p role="status">
            Done. Transaction <Key of={stage.signature} />
          </p>
          {ended}
        </>
      )}
      {stage.at === "unknown" && (
        <>
          <Wrong>The transaction was signed and sent, but the node does not report its outcome. It may still land: check again before you send another.</Wrong>
          <Signed as={stage.signature} />
          <footer>
            <Button onClick={() => answer(false)}>Close</Button>
            <Button kind="primary" autoFocus onClick={() => answer(true)}>
              Check again
            </Button>
          </footer>
        </>
      )}
      {stage.at === "failed" && (
        <>
          <Wrong>{stage.sentence}</Wrong>
          {stage.signature && <Signed as={stage.signature} />}
          {ended}
        </>
      )}
    </Dialog>
  );
}

/** The signature of a transaction that was sent. */
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
        ["$IO balance", `${signed(effect.io, IO)} $IO`],
        ["SOL balance", `${signed(effect.lamports, SOL)} SOL, including fees and rent`],
        ["Compute units", count(effect.computeUnits)],
      ]}
    />
  );
}

/** The button and dialog for connecting a wallet, or for the connected one. */
export function WalletMenu({ balance }: { balance?: { lamports: bigint; io: bigint } }) {
  const { usable, foreign, address, name, connect, disconnect } = useWallet();
  const { config } = useMarket();
  const network = networkOf(config);
  const [open, setOpen] = useState(false);
  const [chosen, setChosen] = useState("");
  const { attempt, busy, error } = useAttempt();
  const choose = (wallet: (typeof usable)[number]) =>
    attempt(async () => {
      setChosen(wallet.name);
      await connect(wallet);
      setOpen(false);
    });
  return (
    <>
      <Button kind={address ? "plain" : "primary"} onClick={() => setOpen(true)}>
        {address ? short(address) : "Connect wallet"}
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
              {busy && <Loading what={`Waiting for ${chosen}`} />}
              {usable.length === 0 && <p>No wallet in this browser supports {network}. Install one, or switch its network.</p>}
              {foreign.length > 0 && (
                <p className="muted small">
                  On another network: {foreign.map(({ name }) => name).join(", ")}. Switch to {network} in the wallet to use it here.
                </p>
              )}
              <Wrong>{error}</Wrong>
            </>
          )}
        </Dialog>
      )}
    </>
  );
}
