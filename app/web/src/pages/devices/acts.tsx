import { isAddress } from "@solana/kit";
import { useState } from "react";
import type { Device, RewardBlock } from "../../generated/staking";
import { findAll, type Found } from "../../lib/accounts";
import { io, moment, percent, sol } from "../../lib/format";
import { useMarket } from "../../lib/market";
import { mustCover, useBalances } from "../../lib/send";
import { useWallet } from "../../lib/wallet";
import { Card, Field, Key } from "../../ui";
import { Act } from "../../ui/act";
import { AmountField, given, useAmount } from "../../ui/amount";
import { DEVICE_AT, OFFER, useCostaking } from "../costaking/accounts";
import * as costake from "../costaking/instructions";
import { afterSharing } from "../costaking/shares";
import { addressBytes } from "./accounts";
import * as make from "./instructions";
import { KeyFile, useKeyFile } from "./keyfile";
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
import { Offering, overflow, TERMINATED } from "./stake";

type Own = Standing & { device: Found<Device> };
interface Props {
  standing: Own;
  blocks: readonly RewardBlock[];
}

/** What the owner of a device can do with it. */
export function OwnerActs({ standing, blocks }: Props) {
  const market = useMarket();
  const { signer } = useWallet();
  const { data: balance } = useBalances();
  const staking = useAmount();
  const taking = useAmount();
  if (!signer) return null;
  const { device, least, now } = standing;
  const { mint } = market.config;
  const at = device.address;
  const free = overflow(device, least);
  const held = balance?.io ?? 0n;
  const ends = moment(now + standing.config.cooldown);
  return (
    <>
      <Card title="Stake and rewards">
        <div className="acts">
          <Act
            name="Stake"
            says={`Adds to your stake. Below ${io(least)} in all it takes no jobs and earns nothing; a stake counts for hours that begin after it.`}
            label="Stake"
            kind="primary"
            why={whyNotStake(standing)}
            done={() => staking.setText("")}
            deed={async () => {
              const amount = given(staking);
              await mustCover(market, signer.address, amount);
              return { title: `stake ${io(amount)} on device ${at}`, instructions: await make.stake(signer, at, mint, amount) };
            }}
          >
            <AmountField
              label="Amount to stake"
              typed={staking}
              most={least > device.ownStake + device.coStake ? least - device.ownStake - device.coStake : undefined}
              hint={`The wallet holds ${io(held)}.`}
            />
          </Act>
          <ClaimDevice device={device} standing={standing} blocks={blocks} />
          <Act
            name="Withdraw overflow"
            says="Takes out what lies above the minimum and outside bonds, at once."
            label="Withdraw overflow"
            why={whyNotOverflow(standing)}
            done={() => taking.setText("")}
            deed={async () => {
              const amount = given(taking);
              if (amount > free) throw new Error(`at most ${io(free)} can leave at once; unstake the whole for the rest`);
              return { title: `withdraw an overflow of ${io(amount)} from device ${at}`, instructions: await make.withdrawOverflow(signer, device, mint, amount) };
            }}
          >
            <AmountField label="Amount to take out" typed={taking} most={free} />
          </Act>
        </div>
      </Card>
      <OfferAct {...standing} />
      {device.status !== TERMINATED && (
        <Card title="Key and payments">
          <div className="acts">
            <RotateAct device={device} />
            <PayoutAct device={device} />
          </div>
        </Card>
      )}
      <Card title="Leaving">
        <div className="acts">
          <Act
            name="Unstake everything"
            says={`The whole own stake, ${io(device.ownStake)}, stops counting now and cools down for ${standing.config.cooldown / 86_400} days, until ${ends}. It cannot be called back. Co-stakers leave with you.`}
            label="Unstake everything"
            kind="danger"
            why={whyNotUnstake(standing)}
            deed={async () => ({ title: `start the cooldown of ${io(device.ownStake)} on device ${at}`, instructions: await make.unstake(signer, at) })}
          />
          <Act
            name="Withdraw"
            says="Pays out what has cooled down."
            label={device.cooling > 0n ? `Withdraw ${io(device.cooling)}` : "Withdraw"}
            why={whyNotWithdraw(standing)}
            deed={async () => ({ title: `withdraw ${io(device.cooling)} from device ${at}`, instructions: await make.withdraw(signer, at, mint) })}
          />
          {device.status === TERMINATED ? (
            <Act
              name="Close"
              says="Closes the retired, empty device and returns the rents. Its key can never be used again."
              label="Close the device"
              kind="danger"
              why={whyNotClose(standing)}
              deed={async () => ({ title: `close device ${at}`, instructions: await make.close(signer, at, mint) })}
            />
          ) : (
            <Act
              name="Retire"
              says="The device takes no more jobs and earns no more, for ever. Its stake stays until you unstake it."
              label="Retire the device"
              kind="danger"
              why={whyNotTerminate(standing)}
              deed={() => ({ title: `retire device ${at}`, instructions: make.terminate(signer, at) })}
            />
          )}
        </div>
      </Card>
    </>
  );
}

/** Gives a device another key, made as at its registration. */
function RotateAct({ device }: { device: Found<Device> }) {
  const { config } = useMarket();
  const { signer } = useWallet();
  const file = useKeyFile();
  const [rotated, setRotated] = useState<string | null>(null);
  const { key, why } = file;
  const at = device.address;
  const rest = `The new one gets ${sol(make.FUND)} for its fees. Jobs in progress go on if the worker keeps its data folder.`;
  return (
    <Act
      name="Replace the device key"
      says={`For one that is lost, or not yours alone: it signs nothing any more. ${rest}`}
      label="Replace the key"
      why={why}
      always
      deed={async () => {
        if (!signer || !key) throw new Error("make the device key first");
        const title = `replace the key of device ${at} by ${key.signer.address}`;
        return { title, instructions: await make.rotate(signer, at, key.signer) };
      }}
      done={() => {
        setRotated(key?.name ?? null);
        file.drop();
      }}
    >
      {rotated && (
        <div role="status">
          <p>The key was replaced. Start the worker again with it, in the folder where its file lies:</p>
          <pre className="text">
            ionet-worker {workerFlags(config, rotated)} --device {at}
          </pre>
        </div>
      )}
      <KeyFile of={file} />
    </Act>
  );
}

/** Has a device's jobs paid to another wallet. */
function PayoutAct({ device: { address: at, payout } }: { device: Found<Device> }) {
  const { signer } = useWallet();
  const [text, setText] = useState("");
  return (
    <Act
      name="Have jobs paid elsewhere"
      says={
        <>
          Jobs are paid to <Key of={payout} /> now. Whatever is paid from now on, for jobs in progress too, goes to the wallet that you name
          instead. Rewards of hours and the stake stay yours.
        </>
      }
      label="Name the wallet"
      why={null}
      deed={() => {
        const wallet = text.trim();
        if (!signer) throw new Error("connect the owner's wallet");
        if (!isAddress(wallet)) throw new Error(`“${text}” is not an address; paste that of a wallet`);
        if (wallet === payout) throw new Error("jobs are paid to this wallet already; name another one");
        return { title: `pay jobs of device ${at} to ${wallet}`, instructions: make.setPayout(signer, at, wallet) };
      }}
      done={() => setText("")}
    >
      <Field
        label="Wallet to pay"
        value={text}
        onChange={(event) => setText(event.target.value)}
        hint="The wallet's own address, not that of its token account."
        spellCheck={false}
        autoComplete="off"
      />
    </Act>
  );
}

/** Pays out a device's rewards, with those collected that can be. */
export function ClaimDevice({ device, standing, blocks }: Props & { device: Found<Device> }) {
  const market = useMarket();
  const { signer } = useWallet();
  const ready = make.collectable(device, blocks);
  const shared = device.offering !== Offering.Nothing;
  const brings = ready.reduce((sum, { reward }) => sum + reward, 0n);
  const collects = ready.length > 0 ? ` Collects ${ready.length} h first that wait${shared ? ", shared with co-stakers" : ""}.` : "";
  const alone = `collect ${ready.length} h of device ${device.address}, which bring you nothing`;
  return (
    <Act
      name="Claim rewards"
      says={
        device.rewards + brings === 0n && ready.length > 0
          ? `Collects ${ready.length} h that wait, which bring nothing.`
          : `Pays everything collected to your wallet: ${io(device.rewards)}.${collects}`
      }
      label="Claim rewards"
      why={whyNotClaim(standing, ready.length)}
      deed={async () => {
        if (!signer) throw new Error("connect the owner's wallet");
        const collect = shared ? await share(market, device, blocks) : { instructions: await make.collect(device, blocks), owners: brings };
        // The chain refuses a claim of nothing.
        if (device.rewards + collect.owners === 0n) return { title: alone, instructions: collect.instructions };
        const claim = await make.claim(signer, device.address, market.config.mint);
        return { title: `claim the rewards of device ${device.address}`, instructions: [...collect.instructions, ...claim] };
      }}
    />
  );
}

const offersOf = (market: Parameters<typeof findAll>[0], device: Found<Device>) =>
  findAll(market, OFFER, { offset: DEVICE_AT, bytes: addressBytes(device.address) });

/** Shares the hours that wait through the device's offer, and says what the owner gets of them. */
async function share(market: Parameters<typeof findAll>[0], device: Found<Device>, blocks: readonly RewardBlock[]) {
  const live = (await offersOf(market, device)).find(({ status }) => status < 3);
  if (!live) return { instructions: [], owners: 0n };
  const { owners } = afterSharing(live, device, make.collectable(device, blocks));
  return { instructions: await costake.distribute(live, device, blocks), owners };
}

function OfferAct(standing: Own) {
  const market = useMarket();
  const { signer } = useWallet();
  const costaking = useCostaking();
  const capacity = useAmount();
  const ticket = useAmount();
  const [share, setShare] = useState("20");
  const { data: rules } = costaking;
  if (!signer || !rules) return null;
  const { device, least } = standing;
  const most = (least * BigInt(rules.capacityBps)) / 10_000n;
  const number = Number(share.trim());
  const bps = Math.round(number * 100);
  const notNumber = share.trim() === "" || Number.isNaN(number) || Math.abs(number * 100 - bps) > 1e-6;
  const wanted = { capacity: capacity.amount ?? 0n, ticket: ticket.amount ?? smallest(capacity.amount), shareBps: notNumber ? 0 : bps };
  const wrong = termsError(wanted, least, rules);
  return (
    <Card title="Co-stakers">
      <Act
        name="Offer co-stakers a share"
        says={`Others may stake on your device, up to half of its minimum, for a share of its rewards. Terms never change; you can retract the offer so that nobody joins any more, and end it when everybody has left. While it is there, half of the minimum stays yours.`}
        label="Make the offer"
        why={whyNotOffer(standing, rules)}
        deed={async () => {
          given(capacity);
          if (ticket.error) throw new Error(ticket.error);
          const error = wrong.capacity ?? wrong.ticket ?? wrong.share;
          if (error) throw new Error(`these terms cannot be offered: ${error}`);
          const used = (await offersOf(market, device)).map(({ index }) => index);
          const index = used.length > 0 ? Math.max(...used) + 1 : 0;
          return {
            title: `offer ${percent(bps)} of device ${device.address}'s rewards for a co-stake of up to ${io(wanted.capacity)}`,
            instructions: await costake.create(signer, device, market.config.mint, index, wanted),
          };
        }}
      >
        <div className="filters">
          <AmountField
            label="Capacity"
            typed={capacity}
            most={most}
            hint="Most that all co-stakers together may stake."
            error={capacity.amount === null ? null : wrong.capacity}
          />
          <Field
            label="Share of the rewards"
            unit="%"
            inputMode="decimal"
            value={share}
            onChange={(event) => setShare(event.target.value)}
            hint={`Theirs when the offer is full, in proportion below; at least ${percent(rules.minShareBps)}.`}
            error={notNumber ? "a number with at most two digits behind the point" : wrong.share}
          />
          <AmountField
            label="Ticket"
            typed={ticket}
            hint="Least that one may stake; a hundredth of the capacity when left empty."
            error={ticket.amount === null ? null : wrong.ticket}
          />
        </div>
      </Act>
    </Card>
  );
}

const smallest = (capacity: bigint | null): bigint => (capacity && capacity > 100n ? capacity / 100n : 1n);
