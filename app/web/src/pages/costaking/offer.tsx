import type { Address } from "@solana/kit";
import type { ReactNode } from "react";
import type { Config, Exit, Offer, Position } from "../../generated/costaking";
import type { Device, GpuModel, StakingConfig } from "../../generated/staking";
import { trouble, useOne, type Found } from "../../lib/accounts";
import { useList, type ShareRow } from "../../lib/api";
import { count, io, IO, many, moment, percent, roughly, short, span } from "../../lib/format";
import { gpuWith, nameOf, useGpuModels } from "../../lib/gpus";
import { useMarket, useNow } from "../../lib/market";
import { balances, useBalances } from "../../lib/send";
import { useWallet } from "../../lib/wallet";
import { Answer, Badge, Card, Empty, Facts, Figure, Figures, Io, Key, List, Loading, Moment, Title } from "../../ui";
import { Act } from "../../ui/act";
import { AmountField, given, useAmount } from "../../ui/amount";
import { DEVICE, useStaking } from "../devices/accounts";
import { collectable } from "../devices/instructions";
import { uptimeText } from "../devices/presence";
import { minimumOf, pending } from "../devices/stake";
import { OFFER, useCostaking } from "./accounts";
import { closed, useHoldings, useOutlook } from "./hooks";
import * as make from "./instructions";
import { amountError, room, sharesFor, whyNotClose, whyNotCool, whyNotEnd, whyNotJoin, whyNotRetract, whyNotWithdraw } from "./rules";
import { afterSharing, backAt, claimable, earning, exitDates, exitRewards, exitStake, forcedEnd, stakeOf, Status, worth } from "./shares";

const UP: [string, string] = ["/co-staking", "All offers"];

/** An offer with everything its page needs. */
interface Standing {
  offer: Found<Offer>;
  device: Found<Device>;
  gpu: Found<GpuModel>;
  staking: StakingConfig;
  config: Config;
  least: bigint;
}

/** An offer to co-stakers: its terms and current state, joining it, and the wallet's positions in it. */
export default function OfferPage({ address }: { address: Address }) {
  const offer = useOne(OFFER, address);
  const device = useOne(DEVICE, offer.data?.device ?? null);
  const gpus = useGpuModels();
  const staking = useStaking();
  const config = useCostaking();
  const now = useNow();
  const { address: me } = useWallet();
  if (offer.data === null) {
    return (
      <>
        <Title up={UP}>Offer</Title>
        <Empty>There is no offer at {short(address)}, or it has been closed.</Empty>
      </>
    );
  }
  if (offer.data && device.data === null) {
    const of = { offer: offer.data, device: closed(offer.data.device) };
    return (
      <>
        <Title up={UP} note={<Key of={address} />}>
          Offer
        </Title>
        <Empty>
          The device of this offer is closed and holds no more stake. Rewards that were already distributed can still be claimed or withdrawn.
        </Empty>
        {me && (
          <Mine {...of} holder={me}>
            {(position) => <ClaimPosition {...of} position={position} />}
          </Mine>
        )}
        {me === of.offer.owner && <OwnerActs {...of} />}
        <SharesTable offer={address} />
      </>
    );
  }
  const gpu = device.data && gpuWith(gpus.data, device.data.gpuModel);
  const known: Standing | undefined =
    offer.data && device.data && gpu && staking.data && config.data
      ? {
          offer: offer.data,
          device: device.data,
          gpu,
          staking: staking.data,
          config: config.data,
          least: minimumOf(device.data, gpu, staking.data, now),
        }
      : undefined;
  return (
    <Answer of={{ data: known, ...trouble(offer, device, gpus, staking, config) }}>
      {(of) => (
        <>
          <Title
            up={UP}
            note={
              <>
                Offer <Key of={address} /> of device <Key of={of.device.address} to={`/devices/${of.device.address}`} />
              </>
            }
          >
            {percent(of.offer.shareBps)} of {of.device.quantity} × {nameOf(of.gpu)} <State of={of.offer.status} />
          </Title>
          <Overview {...of} />
          <Join {...of} />
          {me && (
            <Mine {...of} holder={me}>
              {(position) => <PositionPart {...of} position={position} />}
            </Mine>
          )}
          <Sharing {...of} />
          {me === of.offer.owner && <OwnerActs {...of} />}
          <SharesTable offer={address} />
        </>
      )}
    </Answer>
  );
}

function State({ of }: { of: number }) {
  if (of === Status.Open) return <Badge tone="good">open</Badge>;
  return <Badge>{of === Status.Closed ? "closed to newcomers" : of === Status.Forced ? "owner has left" : "ended"}</Badge>;
}

function Overview({ offer, device, gpu, staking, config, least }: Standing) {
  const { outlook } = useOutlook();
  const now = useNow();
  const idle = outlook.idle(device, gpu);
  const basis = outlook.hours > 0 ? `based on ${many(outlook.hours, "hour")}` : "no hour is settled yet";
  const taken = offer.forcedAt === 0n ? device.coStake : 0n;
  const whole = outlook.weekly(offer.capacity, offer, device, gpu);
  return (
    <>
      <Figures>
        <Figure name="Capacity left" note={`of ${io(offer.capacity)}`}>
          <Io of={room(offer, device, least, config)} rough />
        </Figure>
        <Figure name="Est. weekly per 100 $IO" note={idle ? `the device is ${idle}` : basis}>
          {outlook.hours > 0 ? roughly(outlook.weekly(100n * IO, offer, device, gpu)) : "–"}
        </Figure>
        <Figure name="Hours distributed">{count(offer.distributed)}</Figure>
        <Figure name="Rewards of co-stakers" note={`${roughly(offer.paid)} claimed`}>
          <Io of={offer.received} rough />
        </Figure>
        <Figure name="Convictions" note={`${many(device.jobsDone, "job")} completed`}>
          {count(device.jobsConvicted)}
        </Figure>
      </Figures>
      <div className="columns">
        <Card title="Terms (fixed)">
          <Facts
            of={[
              ["Co-stakers' share of rewards, when full", percent(offer.shareBps)],
              ["Capacity", io(offer.capacity)],
              ["Minimum per co-staker", io(offer.ticket)],
              ["Rewards start", "with the first full hour after joining"],
              ["Leaving takes", `${span(config.wait)} of notice, then ${span(staking.cooldown)} of cooldown`],
              ["Est. weekly rewards, when full", outlook.hours > 0 ? roughly(whole) : "not known yet"],
            ]}
          />
        </Card>
        <Card title="Current state">
          <Facts
            of={[
              ["Co-stake", io(taken)],
              ["Shares", count(offer.shares)],
              ["Value of 1,000,000 shares", offer.shares > 0n ? io(stakeOf(1_000_000n < offer.shares ? 1_000_000n : offer.shares, offer, device)) : "–"],
              ["Uptime of the device", uptimeText(device, now)],
              ["Owner's stake", `${io(device.ownStake)} (minimum ${io(least)})`],
              ["Positions and exits", count(offer.holders)],
              ["Set aside by slashes", device.aside > 0n ? io(device.aside) : "nothing"],
              ["Owner", <Key of={offer.owner} />],
            ]}
          />
        </Card>
      </div>
    </>
  );
}

function Join({ offer, device, gpu, staking, config, least }: Standing) {
  const market = useMarket();
  const { address } = useWallet();
  const { data: balance } = useBalances();
  const { outlook } = useOutlook();
  const typed = useAmount();
  const now = useNow();
  const idle = outlook.idle(device, gpu);
  const left = room(offer, device, least, config);
  const held = balance?.io ?? 0n;
  const wrong = typed.amount === null ? null : amountError(typed.amount, offer.ticket, left, held);
  const dates = exitDates(now, config.wait, staking.cooldown);
  const most = left < held ? left : held;
  return (
    <Card title="Join">
      <Act
        name="Stake through this offer"
        note={`You earn rewards from the first full hour after joining, and lose part of your stake if the device is slashed. You can leave at any time: if you requested your exit today, your stake would count until ${moment(dates.coolsAt)} and could be withdrawn from ${moment(dates.endsAt)}.`}
        label="Join"
        kind="primary"
        why={whyNotJoin(offer, device, least, config, staking, address)}
        done={() => typed.setText("")}
        action={async (signer) => {
          const amount = given(typed);
          const error = amountError(amount, offer.ticket, left, (await balances(market, signer.address)).io);
          if (error) throw new Error(error);
          const slot = await market.rpc.getSlot().send();
          const id = Number(slot & 0xffff_ffffn);
          return {
            title: `Stake ${io(amount)} on device ${device.address} for part of ${percent(offer.shareBps)} of its rewards; withdrawable ${span(config.wait + staking.cooldown)} after you request your exit`,
            instructions: await make.join(signer, offer, device, market.config.mint, id, amount),
          };
        }}
      >
        <AmountField label="Amount to stake" typed={typed} most={most} error={wrong} hint={`At least ${io(offer.ticket)}, at most ${io(left)}. Your wallet holds ${io(held)}.`} />
        {typed.amount !== null && !wrong && outlook.hours > 0 && (
          <p className="small" role="status">
            Estimated weekly rewards: {roughly(outlook.weekly(typed.amount, offer, device, gpu))},{" "}
            {idle ? `while the device is ${idle}` : `based on ${many(outlook.hours, "settled hour")}. This is not a promise`}.
          </p>
        )}
      </Act>
    </Card>
  );
}

/** An offer with its device. */
type Pair = Pick<Standing, "offer" | "device">;

/** A wallet's positions and exits in an offer; `children` shows a position. */
function Mine({ holder, offer, device, children }: Pair & { holder: Address; children: (position: Found<Position>) => ReactNode }) {
  const holdings = useHoldings(holder);
  if (!holdings.known) return holdings.error ? null : <Loading what="Looking for your positions" />;
  const positions = holdings.positions.filter((position) => position.offer === offer.address);
  const exits = holdings.exits.filter((exit) => exit.offer === offer.address);
  if (positions.length === 0 && exits.length === 0) return null;
  return (
    <Card title="Your co-stake">
      {positions.map((position) => (
        <section key={position.address} aria-label={`Position ${short(position.address)}`} className="part">
          {children(position)}
        </section>
      ))}
      {exits.map((exit) => (
        <ExitPart key={exit.address} exit={exit} offer={offer} device={device} />
      ))}
    </Card>
  );
}

function PositionPart({ position, ...of }: Standing & { position: Found<Position> }) {
  const { offer, device, gpu, staking, config } = of;
  const { outlook } = useOutlook();
  const now = useNow();
  const typed = useAmount();
  const stake = stakeOf(position.shares, offer, device);
  const brings = outlook.weekly(earning(position.shares, offer, device), offer, device, gpu);
  const dates = exitDates(now, config.wait, staking.cooldown);
  const forced = forcedEnd(offer, device);
  const back = moment(forced ?? dates.endsAt);
  return (
    <>
      <Facts
        of={[
          ["Position", <Key of={position.address} />],
          ["Stake", <Io of={stake} />],
          ["Set aside by slashes", <Io of={worth(position.shares, offer.shares, device.coAside)} />],
          ["Claimable rewards", <Io of={claimable(position, offer)} />],
          ["Est. weekly rewards", outlook.hours > 0 ? roughly(brings) : "not known yet"],
          ["Earning since", <Moment at={position.fromHour * 3_600} />],
        ]}
      />
      <div className="acts">
        <ClaimPosition position={position} offer={offer} device={device} />
        <Act
          name="Leave the offer"
          note={
            forced !== null
              ? `The device's owner has left, so your stake is leaving too and can be withdrawn from ${back}. Requesting an exit does not change that date.`
              : `The stake stops earning at once, counts until ${moment(dates.coolsAt)} and can be withdrawn from ${back}. This cannot be undone. Unclaimed rewards are paid with it.`
          }
          label="Request exit"
          about={`position ${short(position.address)}`}
          kind="danger"
          done={() => typed.setText("")}
          action={async (signer) => {
            if (typed.error) throw new Error(typed.error);
            const amount = typed.amount ?? stake;
            if (amount === 0n && stake > 0n) throw new Error("enter an amount above zero");
            if (amount > stake) throw new Error(`the position holds ${io(stake)}; enter at most that`);
            const shares = sharesFor(amount, position.shares, stake);
            return { title: `Request the exit of ${io(amount)}; this cannot be undone`, instructions: await make.leave(signer, position, offer, device, shares) };
          }}
        >
          <AmountField label="Amount" typed={typed} hint="If empty, the whole position." error={typed.amount !== null && typed.amount > stake ? `at most ${io(stake)}` : null} />
        </Act>
      </div>
    </>
  );
}

/** Claims a position's rewards, after distributing those that can be. */
export function ClaimPosition({ position, offer, device }: Pair & { position: Found<Position> }) {
  const market = useMarket();
  const { blocks } = useOutlook();
  const ready = collectable(device, blocks);
  const sum = claimable(position, offer);
  // The program rejects a claim of zero: hours before the position's first and shares too small to round to anything add nothing.
  const more = offer.status !== Status.Ended && claimable(position, afterSharing(offer, device, ready)) > sum;
  const waiting = pending(device).length - ready.length;
  const why =
    sum > 0n || more
      ? null
      : waiting > 0
        ? `${many(waiting, "hour")} not settled yet; an hour is settled two hours or more after it began`
        : "there are no new rewards since the last claim";
  return (
    <Act
      name="Claim rewards"
      note={`Pays ${io(sum)} to your wallet.${more ? ` Distributes ${many(ready.length, "pending hour")} first, which adds to it.` : ""}`}
      label="Claim rewards"
      about={`position ${short(position.address)}`}
      why={why}
      action={async (signer) => {
        const first = more ? await make.distribute(offer, device, blocks) : [];
        return { title: `Claim the rewards of position ${position.address}`, instructions: [...first, ...(await make.claim(signer, position, market.config.mint))] };
      }}
    />
  );
}

function ExitPart({ exit, offer, device }: Pair & { exit: Found<Exit> }) {
  const market = useMarket();
  const now = useNow();
  const whyNot = whyNotWithdraw(exit, offer, device, now);
  const stake = exitStake(exit, offer, device);
  const back = backAt(exit, offer, device);
  return (
    <section aria-label={`Exit ${short(exit.address)}`} className="part">
      <Facts
        of={[
          ["Exit", <Key of={exit.address} />],
          ["Stake", <Io of={stake} />],
          ["Rewards paid with it", <Io of={exitRewards(exit, offer)} />],
          ["Counts as stake", exit.cooling || forcedEnd(offer, device) !== null ? "no longer" : `until ${moment(exit.coolsAt)}`],
          ["Can be withdrawn", now < back ? `${moment(back)} (${span(Number(back) - now)})` : "now"],
        ]}
      />
      <div className="acts">
        <Act
          name="Withdraw"
          note="Pays the stake and its rewards to your wallet."
          label="Withdraw"
          about={`exit ${short(exit.address)}`}
          kind="primary"
          why={whyNot}
          action={async (signer) => ({
            title: `Withdraw exit ${exit.address}`,
            instructions: await make.withdraw(signer, exit, offer, device, market.config.mint),
          })}
        />
        {!exit.cooling && (
          <Act
            name="Start the cooldown"
            note="Anyone can do this once the notice period is over or the device's owner has left. The stake then stops counting for the device; the withdrawal date stays the same."
            label="Start the cooldown"
            about={`exit ${short(exit.address)}`}
            why={whyNotCool(exit, offer, device, now)}
            action={async () => ({ title: `Start the cooldown of exit ${exit.address}`, instructions: await make.cool(exit, offer, device) })}
          />
        )}
      </div>
    </section>
  );
}

/** Distributing pending hours, which anyone may do. */
function Sharing({ offer, device }: Standing) {
  const { blocks } = useOutlook();
  const ready = collectable(device, blocks);
  if (pending(device).length === 0 || offer.status === Status.Ended) return null;
  return (
    <Card title="Pending rewards">
      <Act
        name="Distribute rewards"
        note={`${many(pending(device).length, "hour")} not distributed yet, ${count(ready.length)} of them settled. Cranks distribute rewards automatically; anyone may do it for the transaction fee.`}
        label="Distribute"
        why={ready.length === 0 ? "none of these hours is settled yet; an hour is settled two hours or more after it began" : null}
        action={async () => ({ title: `Distribute the rewards of ${many(ready.length, "hour")}`, instructions: await make.distribute(offer, device, blocks) })}
      />
    </Card>
  );
}

function OwnerActs({ offer, device }: Pair) {
  const market = useMarket();
  return (
    <Card title="Owner's actions">
      <div className="acts">
        <Act
          name="Retract the offer"
          note="Nobody else can join. Current co-stakers keep their share until they leave or you unstake."
          label="Retract"
          why={whyNotRetract(offer)}
          action={async (signer) => ({ title: `Retract offer ${offer.address}`, instructions: await make.retract(signer, offer) })}
        />
        <Act
          name="End the offer"
          note="All rewards are yours again, and you can make another offer. Pending exits continue."
          label="End"
          why={whyNotEnd(offer, device)}
          action={async (signer) => ({ title: `End offer ${offer.address}`, instructions: await make.end(signer, offer, device) })}
        />
        <Act
          name="Close the offer"
          note="Once everybody has left: returns its rent and rounding remainders to you."
          label="Close"
          why={whyNotClose(offer)}
          action={async (signer) => ({ title: `Close offer ${offer.address}`, instructions: await make.close(signer, offer, market.config.mint) })}
        />
      </div>
    </Card>
  );
}

function SharesTable({ offer }: { offer: Address }) {
  const shares = useList<ShareRow>("shares", { offer, limit: 50 });
  return (
    <Card title="Distributed rewards">
      <List
        of={shares}
        empty="No rewards have been distributed yet."
        caption="Distributed rewards"
        rowKey={({ id }) => id}
        columns={[
          { name: "Hour", cell: ({ hour }) => <Moment at={hour} /> },
          { name: "Device's reward", number: true, cell: ({ reward }) => <Io of={reward} /> },
          { name: "To co-stakers", number: true, cell: ({ part }) => <Io of={part} /> },
          { name: "Shares that earned", number: true, wide: true, cell: ({ shares }) => count(BigInt(shares)) },
        ]}
      />
    </Card>
  );
}
