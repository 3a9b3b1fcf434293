import { useState } from "react";
import { COSTAKING_OFFER_AT } from "../../generated/offsets";
import type { Device, RewardBlock } from "../../generated/staking";
import { findAll, withAddress, type Found } from "../../lib/accounts";
import { io, many, moment, percent, PERCENT, short, sol } from "../../lib/format";
import { useMarket } from "../../lib/market";
import { recipient } from "../../lib/recipient";
import { mustCover, useBalances } from "../../lib/send";
import { Card, Field, Key } from "../../ui";
import { Act } from "../../ui/act";
import { AmountField, given, useAmount } from "../../ui/amount";
import { OFFER, useCostaking } from "../costaking/accounts";
import * as costake from "../costaking/instructions";
import { afterSharing } from "../costaking/shares";
import * as make from "./instructions";
import { KeyFile, useKeyFile } from "./keyfile";
import { interruption } from "./presence";
import { workerFlags } from "./register";
import {
  termsError,
  whyNotClaim,
  whyNotClose,
  whyNotOffer,
  whyNotOverflow,
  whyNotStake,
  whyNotTerminate,
  whyNotUnstake,
  whyNotWithdraw,
  type Standing,
} from "./rules";
import { coStakeLimit, Offering, overflow, TERMINATED } from "./stake";

interface Props {
  standing: Standing;
  blocks: readonly RewardBlock[];
}

/** The actions of a device's owner. */
export function OwnerActs({ standing, blocks }: Props) {
  const { device } = standing;
  return (
    <>
      <StakeActs standing={standing} blocks={blocks} />
      <OfferAct {...standing} />
      {device.status !== TERMINATED && (
        <Card title="Device key and payments">
          <div className="acts">
            <RotateAct device={device} />
            <PayoutAct device={device} />
          </div>
        </Card>
      )}
      <LeavingActs {...standing} />
    </>
  );
}

/** Staking, claiming rewards and withdrawing excess stake. */
function StakeActs({ standing, blocks }: Props) {
  const market = useMarket();
  const { data: balance } = useBalances();
  const staking = useAmount();
  const taking = useAmount();
  const { device, least } = standing;
  const { mint } = market.config;
  const at = device.address;
  const free = overflow(device, least);
  const interrupts = taking.amount !== null && taking.amount <= free ? interruption(standing, taking.amount) : null;
  const held = balance?.io ?? 0n;
  return (
    <Card title="Stake and rewards">
      <div className="acts">
        <Act
          name="Stake"
          note={`Adds to your stake. With less than ${io(least)} in total, the device takes no jobs and earns no rewards. New stake counts from the next full hour.`}
          label="Stake"
          kind="primary"
          why={whyNotStake(standing)}
          done={() => staking.setText("")}
          action={async (signer) => {
            const amount = given(staking);
            await mustCover(market, signer.address, amount);
            return { title: `Stake ${io(amount)} on device ${at}`, instructions: await make.stake(signer, at, mint, amount) };
          }}
        >
          <AmountField
            label="Amount to stake"
            typed={staking}
            most={least > device.ownStake + device.coStake ? least - device.ownStake - device.coStake : undefined}
            hint={`Your wallet holds ${io(held)}.`}
          />
        </Act>
        <ClaimDevice standing={standing} blocks={blocks} />
        <Act
          name="Withdraw excess stake"
          note="Withdraws stake that is above the minimum and not locked in bonds, without a cooldown."
          label="Withdraw excess"
          why={whyNotOverflow(standing)}
          done={() => taking.setText("")}
          action={async (signer) => {
            const amount = given(taking);
            if (amount > free) throw new Error(`only ${io(free)} can be withdrawn at once; for the rest, unstake everything`);
            const consequence = interruption(standing, amount);
            return {
              title: `Withdraw ${io(amount)} of excess stake from device ${at}${consequence ? `, which ${consequence}` : ""}`,
              instructions: await make.withdrawOverflow(signer, device, mint, amount),
            };
          }}
        >
          <AmountField label="Amount to withdraw" typed={taking} most={free} />
          {interrupts && (
            <p className="wrong small" role="status">
              This {interrupts}.
            </p>
          )}
        </Act>
      </div>
    </Card>
  );
}

/** Unstaking, withdrawing, and retiring or closing the device. */
function LeavingActs(standing: Standing) {
  const { mint } = useMarket().config;
  const { device, now } = standing;
  const at = device.address;
  const ends = moment(now + standing.config.cooldown);
  return (
    <Card title="Leaving">
      <div className="acts">
        <Act
          name="Unstake everything"
          note={`Your whole stake, ${io(device.ownStake)}, stops counting at once and cools down for ${many(standing.config.cooldown / 86_400, "day")}, until ${ends}. Hours that the device has not checked in to, such as the current one, go unpaid. This cannot be undone. Co-stakers leave with you.`}
          label="Unstake everything"
          kind="danger"
          why={whyNotUnstake(standing)}
          action={async (signer) => ({ title: `Unstake ${io(device.ownStake)} from device ${at}`, instructions: await make.unstake(signer, at) })}
        />
        <Act
          name="Withdraw"
          note="Pays stake that has cooled down to your wallet."
          label={device.cooling > 0n ? `Withdraw ${io(device.cooling)}` : "Withdraw"}
          why={whyNotWithdraw(standing)}
          action={async (signer) => ({ title: `Withdraw ${io(device.cooling)} from device ${at}`, instructions: await make.withdraw(signer, at, mint) })}
        />
        {device.status === TERMINATED ? (
          <Act
            name="Close"
            note="Closes the retired, empty device and returns its rent. Its key can never be registered again."
            label="Close the device"
            kind="danger"
            why={whyNotClose(standing)}
            action={async (signer) => ({ title: `Close device ${at}`, instructions: await make.close(signer, at, mint) })}
          />
        ) : (
          <Act
            name="Retire"
            note="The device stops taking jobs and earning rewards. This cannot be undone. Its stake stays until you unstake it."
            label="Retire the device"
            kind="danger"
            why={whyNotTerminate(standing)}
            action={(signer) => ({ title: `Retire device ${at}`, instructions: make.terminate(signer, at) })}
          />
        )}
      </div>
    </Card>
  );
}

/** Replaces a device's key by a new one, made in the same way as at the registration. */
function RotateAct({ device }: { device: Found<Device> }) {
  const { config } = useMarket();
  const file = useKeyFile();
  const [rotated, setRotated] = useState<string | null>(null);
  const { key, why } = file;
  const at = device.address;
  const funding = `The new key gets ${sol(make.FUND)} for its fees. Jobs in progress continue if the worker keeps its data folder.`;
  return (
    <Act
      name="Replace the device key"
      note={`Use this if the key is lost or exposed: the old key stops working at once. ${funding}`}
      label="Replace the key"
      why={why}
      always
      action={async (signer) => {
        if (!key) throw new Error("create the device key first");
        const title = `Replace the key of device ${at} by ${key.signer.address}`;
        return { title, instructions: await make.rotate(signer, at, key.signer) };
      }}
      done={() => {
        setRotated(key?.name ?? null);
        file.drop();
      }}
    >
      {rotated && (
        <div role="status">
          <p>The key was replaced. Restart the worker with the new key, in the folder that contains its file:</p>
          <pre className="text">
            ionet-worker {workerFlags(config, rotated)} --device {at}
          </pre>
        </div>
      )}
      <KeyFile of={file} />
    </Act>
  );
}

/** Sets the wallet that receives a device's job payments. */
function PayoutAct({ device: { address: at, payout } }: { device: Found<Device> }) {
  const market = useMarket();
  const [text, setText] = useState("");
  return (
    <Act
      name="Change the payout wallet"
      note={
        <>
          All job payments from now on, including those for jobs in progress, will go to the new wallet. Hourly rewards and stake still go to
          you. Current wallet: <Key of={payout} />
        </>
      }
      label="Change wallet"
      action={async (signer) => {
        const { wallet, doubt } = await recipient(market, text);
        if (wallet === payout) throw new Error("job payments already go to this wallet; enter another one");
        return { title: `Pay the jobs of device ${at} to ${wallet}${doubt}`, instructions: make.setPayout(signer, at, wallet) };
      }}
      done={() => setText("")}
    >
      <Field
        label="Payout wallet"
        value={text}
        onChange={(event) => setText(event.target.value)}
        hint="The wallet's address, not the address of a token account."
        spellCheck={false}
        autoComplete="off"
      />
    </Act>
  );
}

/** Claims a device's rewards, after collecting those that can be. */
export function ClaimDevice({ standing, blocks }: Props) {
  const market = useMarket();
  const { device } = standing;
  const ready = make.collectable(device, blocks);
  const shared = device.offering !== Offering.Nothing;
  const brings = ready.reduce((sum, { reward }) => sum + reward, 0n);
  const collects = ready.length > 0 ? ` Collects ${many(ready.length, "pending hour")} first${shared ? ", shared with co-stakers" : ""}.` : "";
  const alone = `Collect ${many(ready.length, "hour")} of device ${device.address}, without a reward for you`;
  return (
    <Act
      name="Claim rewards"
      note={
        device.rewards + brings === 0n && ready.length > 0
          ? `Collects ${many(ready.length, "pending hour")} without a reward.`
          : `Pays ${io(device.rewards)} of collected rewards to your wallet.${collects}`
      }
      label="Claim rewards"
      about={`device ${short(device.address)}`}
      why={whyNotClaim(standing, ready.length)}
      action={async (signer) => {
        const collect = shared ? await share(market, device, blocks) : { instructions: await make.collect(device, blocks), owners: brings };
        // The program rejects a claim of zero.
        if (device.rewards + collect.owners === 0n) return { title: alone, instructions: collect.instructions };
        const claim = await make.claim(signer, device.address, market.config.mint);
        return { title: `Claim the rewards of device ${device.address}`, instructions: [...collect.instructions, ...claim] };
      }}
    />
  );
}

const offersOf = (market: Parameters<typeof findAll>[0], device: Found<Device>) =>
  findAll(market, OFFER, withAddress(COSTAKING_OFFER_AT.device, device.address));

/** Distributes pending hours through the device's offer; `owners` is the owner's part. */
async function share(market: Parameters<typeof findAll>[0], device: Found<Device>, blocks: readonly RewardBlock[]) {
  const live = (await offersOf(market, device)).find(({ status }) => status < 3);
  if (!live) return { instructions: [], owners: 0n };
  const { owners } = afterSharing(live, device, make.collectable(device, blocks));
  return { instructions: await costake.distribute(live, device, blocks), owners };
}

function OfferAct(standing: Standing) {
  const market = useMarket();
  const costaking = useCostaking();
  const capacity = useAmount();
  const ticket = useAmount();
  const share = useAmount("20", PERCENT);
  const { data: rules } = costaking;
  if (!rules) return null;
  const { device, least } = standing;
  const most = coStakeLimit(least, rules);
  const wanted = { capacity: capacity.amount ?? 0n, ticket: ticket.amount ?? leastTicket(capacity.amount), shareBps: Number(share.amount ?? 0n) };
  const wrong = termsError(wanted, least, rules);
  return (
    <Card title="Co-staking">
      <Act
        name="Make an offer to co-stakers"
        note={`Let others stake up to ${io(most)} on your device, for a share of its rewards. The terms cannot be changed later. You can retract the offer so that nobody else joins, and end it once everybody has left. Until then, half of the minimum must be your own stake.`}
        label="Make offer"
        why={whyNotOffer(standing, rules)}
        action={async (signer) => {
          given(capacity);
          const error = ticket.error ?? share.error ?? wrong.capacity ?? wrong.ticket ?? wrong.share;
          if (error) throw new Error(`check the terms: ${error}`);
          const used = (await offersOf(market, device)).map(({ index }) => index);
          const index = used.length > 0 ? Math.max(...used) + 1 : 0;
          return {
            title: `Offer ${percent(wanted.shareBps)} of the rewards of device ${device.address} for a co-stake of up to ${io(wanted.capacity)}`,
            instructions: await costake.create(signer, device, market.config.mint, index, wanted),
          };
        }}
      >
        <div className="filters">
          <AmountField
            label="Capacity"
            typed={capacity}
            most={most}
            hint="Maximum that all co-stakers together may stake."
            error={capacity.amount === null ? null : wrong.capacity}
          />
          <Field
            label="Co-stakers' share of rewards"
            unit="%"
            inputMode="decimal"
            value={share.text}
            onChange={(event) => share.setText(event.target.value)}
            hint={`Paid in full when the offer is full, otherwise in proportion. At least ${percent(rules.minShareBps)}.`}
            error={share.error ?? wrong.share}
          />
          <AmountField
            label="Minimum per co-staker"
            typed={ticket}
            hint="If empty, a hundredth of the capacity."
            error={ticket.amount === null ? null : wrong.ticket}
          />
        </div>
      </Act>
    </Card>
  );
}

/** The minimum per co-staker unless the owner sets one. */
const leastTicket = (capacity: bigint | null): bigint => (capacity && capacity > 100n ? capacity / 100n : 1n);
