import { isAddress, type Address } from "@solana/kit";
import type { ReactNode } from "react";
import { useParams } from "wouter";
import type { Config, Exit, Offer, Position } from "../../generated/costaking";
import type { Device, GpuModel, StakingConfig } from "../../generated/staking";
import { useOne, type Found } from "../../lib/accounts";
import { useList, type ShareRow } from "../../lib/api";
import { count, io, IO, moment, percent, roughly, short, span } from "../../lib/format";
import { gpuName, useGpuModels } from "../../lib/gpus";
import { useMarket, useNow } from "../../lib/market";
import { balances, useBalances } from "../../lib/send";
import { useWallet } from "../../lib/wallet";
import { Answer, Badge, Card, Empty, Facts, Figure, Figures, Io, Key, Loading, Moment, Table, Title } from "../../ui";
import { Act } from "../../ui/act";
import { AmountField, given, useAmount } from "../../ui/amount";
import { DEVICE, useStaking } from "../devices/accounts";
import { collectable } from "../devices/instructions";
import { minimumOf, pending } from "../devices/stake";
import { OFFER, useCostaking } from "./accounts";
import { closed, useGpuOf, useHoldings, useOutlook } from "./hooks";
import * as make from "./instructions";
import { amountError, room, sharesFor, whyNotClose, whyNotCool, whyNotEnd, whyNotJoin, whyNotRetract, whyNotWithdraw } from "./rules";
import { afterSharing, backAt, claimable, earning, exitDates, exitRewards, exitStake, forcedEnd, stakeOf, Status, worth } from "./shares";

const UP: [string, string] = ["/co-staking", "All offers"];

/** All that is known of an offer. */
interface Standing {
  offer: Found<Offer>;
  device: Found<Device>;
  gpu: Found<GpuModel>;
  staking: StakingConfig;
  config: Config;
  least: bigint;
}

/** One offer to co-stakers: its terms and books, joining it, and what the visitor has in it. */
export function OfferPage() {
  const { address } = useParams<{ address: string }>();
  if (!address || !isAddress(address)) return <Empty>This is no address of an offer.</Empty>;
  return <Page address={address} />;
}

function Page({ address }: { address: Address }) {
  const offer = useOne(OFFER, address);
  const device = useOne(DEVICE, offer.data?.device ?? null);
  const gpus = useGpuModels();
  const gpuOf = useGpuOf();
  const staking = useStaking();
  const config = useCostaking();
  const now = useNow();
  const { address: me } = useWallet();
  if (offer.data === null) {
    return (
      <>
        <Title up={UP}>Offer</Title>
        <Empty>There is no offer at {short(address)} (any more).</Empty>
      </>
    );
  }
  if (offer.data && device.data === null) {
    const of = { offer: offer.data, device: closed(offer.data.device) };
    return (
      <>
        <Title up={UP} says={<Key of={address} />}>
          Offer
        </Title>
        <Empty>
          The device of this offer is closed, and nothing is at stake in it any more. Rewards that were shared before can still be claimed and
          withdrawn.
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
  const asked = [offer, device, gpus, staking, config].find(({ error, data }) => error && !data);
  const gpu = device.data && gpuOf(device.data);
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
    <Answer of={{ data: known, error: asked?.error, isPending: !known, refetch: asked?.refetch }}>
      {(of) => (
        <>
          <Title
            up={UP}
            says={
              <>
                Offer <Key of={address} /> of device <Key of={of.device.address} to={`/devices/${of.device.address}`} />
              </>
            }
          >
            {percent(of.offer.shareBps)} of {of.device.quantity} × {gpuName(gpus.data, of.gpu.id)} <State of={of.offer.status} />
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
  return <Badge>{of === Status.Closed ? "closed to newcomers" : of === Status.Forced ? "its owner has left" : "ended"}</Badge>;
}

function Overview({ offer, device, gpu, staking, config, least }: Standing) {
  const { outlook } = useOutlook();
  const taken = offer.forcedAt === 0n ? device.coStake : 0n;
  const whole = outlook.weekly(offer.capacity, offer, device, gpu);
  return (
    <>
      <Figures>
        <Figure name="Room" says={`of ${io(offer.capacity)}`}>
          <Io of={room(offer, device, least, config)} rough />
        </Figure>
        <Figure name="A week brings, for 100 $IO" says={outlook.hours > 0 ? `about, by ${count(outlook.hours)} hours` : "no hour is settled yet"}>
          {outlook.hours > 0 ? roughly(outlook.weekly(100n * IO, offer, device, gpu)) : "–"}
        </Figure>
        <Figure name="Hours rewarded">{count(offer.distributed)}</Figure>
        <Figure name="Rewards of co-stakers" says={`${roughly(offer.paid)} paid out`}>
          <Io of={offer.received} rough />
        </Figure>
        <Figure name="Convicted" says={`of ${count(device.jobsDone)} jobs done`}>
          {count(device.jobsConvicted)}
        </Figure>
      </Figures>
      <div className="columns">
        <Card title="Terms, which never change">
          <Facts
            of={[
              ["Co-stakers' share when full", percent(offer.shareBps)],
              ["Capacity", io(offer.capacity)],
              ["Ticket, the least of one", io(offer.ticket)],
              ["Earns from", "the first whole hour after joining"],
              ["Leaving", `counts for ${span(config.wait)} more, then cools down for ${span(staking.cooldown)}`],
              ["A full offer brings in a week", outlook.hours > 0 ? `about ${roughly(whole)}` : "not known yet"],
            ]}
          />
        </Card>
        <Card title="Books">
          <Facts
            of={[
              ["Co-stake in it", io(taken)],
              ["Shares", count(offer.shares)],
              ["1,000,000 shares are worth", offer.shares > 0n ? io(stakeOf(1_000_000n < offer.shares ? 1_000_000n : offer.shares, offer, device)) : "–"],
              ["Owner's own stake", `${io(device.ownStake)} of a minimum of ${io(least)}`],
              ["Positions and exits", count(offer.holders)],
              ["Slashes", device.escrowed > 0n ? `${io(device.escrowed)} are set aside` : "none open"],
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
  const { signer, address } = useWallet();
  const { data: balance } = useBalances();
  const { outlook } = useOutlook();
  const typed = useAmount();
  const now = useNow();
  const left = room(offer, device, least, config);
  const held = balance?.io ?? 0n;
  const wrong = typed.amount === null ? null : amountError(typed.amount, offer.ticket, left, held);
  const dates = exitDates(now, config.wait, staking.cooldown);
  const most = left < held ? left : held;
  return (
    <Card title="Join">
      <Act
        name="Stake through this offer"
        says={`Your stake is at stake with the device: a slash takes a part of it. It earns from the first whole hour after joining. You may ask for it back at any time: asked for today, it counts until ${moment(dates.coolsAt)} and is yours again ${moment(dates.endsAt)}.`}
        label="Join"
        kind="primary"
        why={whyNotJoin(offer, device, least, config, staking, address)}
        done={() => typed.setText("")}
        deed={async () => {
          if (!signer) throw new Error("connect a wallet first");
          const amount = given(typed);
          const error = amountError(amount, offer.ticket, left, (await balances(market, signer.address)).io);
          if (error) throw new Error(error);
          const slot = await market.rpc.getSlot().send();
          const id = Number(slot & 0xffff_ffffn);
          return {
            title: `stake ${io(amount)} on device ${device.address} for a part of ${percent(offer.shareBps)} of its rewards; it is back ${span(config.wait + staking.cooldown)} after you ask for it`,
            instructions: await make.join(signer, offer, device, market.config.mint, id, amount),
          };
        }}
      >
        <AmountField label="Amount to stake" typed={typed} most={most} error={wrong} hint={`At least ${io(offer.ticket)}, room for ${io(left)}. The wallet holds ${io(held)}.`} />
        {typed.amount !== null && !wrong && outlook.hours > 0 && (
          <p className="small" role="status">
            A week brings about {roughly(outlook.weekly(typed.amount, offer, device, gpu))}, by the {count(outlook.hours)} settled hours of the last 7 days. It is
            no promise.
          </p>
        )}
      </Act>
    </Card>
  );
}

/** An offer with its device. */
type Pair = Pick<Standing, "offer" | "device">;

/** What a wallet has in an offer: its positions as they are shown, and its exits. */
function Mine({ holder, offer, device, children }: Pair & { holder: Address; children: (position: Found<Position>) => ReactNode }) {
  const holdings = useHoldings(holder);
  if (!holdings.known) return holdings.error ? null : <Loading what="Looking for your positions" />;
  const positions = holdings.positions.filter((position) => position.offer === offer.address);
  const exits = holdings.exits.filter((exit) => exit.offer === offer.address);
  if (positions.length === 0 && exits.length === 0) return null;
  return (
    <Card title="Yours in it">
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
  const { signer } = useWallet();
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
          ["Set aside by slashes", <Io of={worth(position.shares, offer.shares, device.coEscrowed)} />],
          ["Rewards to claim", <Io of={claimable(position, offer)} />],
          ["A week brings", outlook.hours > 0 ? `about ${roughly(brings)}` : "not known yet"],
          ["Earns since", <Moment at={position.fromHour * 3_600} />],
        ]}
      />
      <div className="acts">
        <ClaimPosition position={position} offer={offer} device={device} />
        <Act
          name="Leave"
          says={
            forced !== null
              ? `The device's owner has left, and your stake with it: it is back ${back}. Turning the position into an exit changes no date.`
              : `It earns nothing more from now on, counts until ${moment(dates.coolsAt)} and is back ${back}. This cannot be called back. Rewards that you have not claimed come with it.`
          }
          label="Ask for it back"
          kind="danger"
          why={null}
          done={() => typed.setText("")}
          deed={async () => {
            if (!signer) throw new Error("connect the wallet that holds it");
            if (typed.error) throw new Error(typed.error);
            const amount = typed.amount ?? stake;
            if (amount === 0n && stake > 0n) throw new Error("type an amount above zero");
            if (amount > stake) throw new Error(`the position is worth ${io(stake)}; take at most that`);
            const shares = sharesFor(amount, position.shares, stake);
            return { title: `take ${io(amount)} out; this cannot be called back`, instructions: await make.leave(signer, position, offer, device, shares) };
          }}
        >
          <AmountField label="Amount" typed={typed} hint="All of it when left empty." error={typed.amount !== null && typed.amount > stake ? `at most ${io(stake)}` : null} />
        </Act>
      </div>
    </>
  );
}

/** Pays a position's rewards, with those shared first that can be. */
export function ClaimPosition({ position, offer, device }: Pair & { position: Found<Position> }) {
  const market = useMarket();
  const { signer } = useWallet();
  const { blocks } = useOutlook();
  const ready = collectable(device, blocks);
  const sum = claimable(position, offer);
  // The chain refuses a claim of nothing: hours before its first bring it none, nor do those whose part is too small.
  const more = offer.status !== Status.Ended && claimable(position, afterSharing(offer, device, ready)) > sum;
  const waiting = pending(device).length - ready.length;
  const why =
    sum > 0n || more
      ? null
      : waiting > 0
        ? `hours wait to be settled (${waiting}), which happens from two hours after each began on`
        : "no reward has come in since the last claim";
  return (
    <Act
      name="Claim rewards"
      says={`Pays ${io(sum)} to your wallet.${more ? ` Shares ${ready.length} h that wait first, which bring more.` : ""}`}
      label="Claim rewards"
      why={why}
      deed={async () => {
        if (!signer) throw new Error("connect the wallet that holds it");
        const first = more ? await make.distribute(offer, device, blocks) : [];
        return { title: `claim the rewards of position ${position.address}`, instructions: [...first, ...(await make.claim(signer, position, market.config.mint))] };
      }}
    />
  );
}

function ExitPart({ exit, offer, device }: Pair & { exit: Found<Exit> }) {
  const market = useMarket();
  const { signer } = useWallet();
  const now = useNow();
  const whyNot = whyNotWithdraw(exit, offer, device, now);
  const stake = exitStake(exit, offer, device);
  const back = backAt(exit, offer, device);
  return (
    <section aria-label={`Exit ${short(exit.address)}`} className="part">
      <Facts
        of={[
          ["On its way out", <Key of={exit.address} />],
          ["Stake", <Io of={stake} />],
          ["Rewards with it", <Io of={exitRewards(exit, offer)} />],
          ["Counts", exit.cooling || forcedEnd(offer, device) !== null ? "no more" : `until ${moment(exit.coolsAt)}`],
          ["Back", now < back ? `${moment(back)} (${span(Number(back) - now)})` : "now"],
        ]}
      />
      <div className="acts">
        <Act
          name="Withdraw"
          says="Pays stake and rewards to your wallet."
          label="Withdraw"
          kind="primary"
          why={whyNot}
          deed={async () => {
            if (!signer) throw new Error("connect the wallet that holds it");
            return { title: `withdraw exit ${exit.address}`, instructions: await make.withdraw(signer, exit, offer, device, market.config.mint) };
          }}
        />
        {!exit.cooling && (
          <Act
            name="Start the cooldown"
            says="Anybody can once the wait is over, or the device's owner has left; the end stays. From then on the stake counts for the device no more."
            label="Start the cooldown"
            why={whyNotCool(exit, offer, device, now)}
            deed={async () => {
              if (!signer) throw new Error("connect the wallet that holds it");
              return { title: `start the cooldown of exit ${exit.address}`, instructions: await make.cool(exit, offer, device) };
            }}
          />
        )}
      </div>
    </section>
  );
}

/** Hours that wait to be shared: anybody may. */
function Sharing({ offer, device }: Standing) {
  const { signer } = useWallet();
  const { blocks } = useOutlook();
  const ready = collectable(device, blocks);
  if (pending(device).length === 0 || offer.status === Status.Ended) return null;
  return (
    <Card title="Hours that wait">
      <Act
        name="Share the rewards"
        says={`Hours whose reward is not shared yet: ${pending(device).length}, of which ${ready.length} are settled. Cranks share them; anybody may, for the fee.`}
        label="Share the rewards"
        why={ready.length === 0 ? "none of them is settled yet, which happens from two hours after each began on" : signer ? null : "connect a wallet, which pays the fee"}
        deed={async () => ({ title: `share the rewards of ${ready.length} h`, instructions: await make.distribute(offer, device, blocks) })}
      />
    </Card>
  );
}

function OwnerActs({ offer, device }: Pair) {
  const market = useMarket();
  const { signer } = useWallet();
  if (!signer) return null;
  return (
    <Card title="What its owner can do">
      <div className="acts">
        <Act
          name="Retract"
          says="Nobody joins any more. Who is in stays and shares, until you unstake."
          label="Retract the offer"
          why={whyNotRetract(offer)}
          deed={async () => ({ title: `let nobody join offer ${offer.address}`, instructions: await make.retract(signer, offer) })}
        />
        <Act
          name="End"
          says="All rewards are yours again, and you may make another offer. Exits on their way go on."
          label="End the offer"
          why={whyNotEnd(offer, device)}
          deed={async () => ({ title: `end sharing by offer ${offer.address}`, instructions: await make.end(signer, offer, device) })}
        />
        <Act
          name="Close"
          says="Returns the rents and what rounding left, when everybody has left."
          label="Close the offer"
          why={whyNotClose(offer)}
          deed={async () => ({ title: `close offer ${offer.address}`, instructions: await make.close(signer, offer, market.config.mint) })}
        />
      </div>
    </Card>
  );
}

function SharesTable({ offer }: { offer: Address }) {
  const shares = useList<ShareRow>("shares", { offer, limit: 50 });
  return (
    <Card title="Hours shared">
      <Answer of={{ ...shares, data: shares.rows }} empty="No hour has been shared yet.">
        {(rows) => (
          <Table
            caption="Hours shared"
            rows={rows}
            rowKey={({ id }) => id}
            more={shares}
            columns={[
              { name: "Hour", cell: ({ hour }) => <Moment at={hour} /> },
              { name: "Device's reward", number: true, cell: ({ reward }) => <Io of={reward} /> },
              { name: "To co-stakers", number: true, cell: ({ part }) => <Io of={part} /> },
              { name: "Shares that earned", number: true, wide: true, cell: ({ shares }) => count(BigInt(shares)) },
            ]}
          />
        )}
      </Answer>
    </Card>
  );
}
