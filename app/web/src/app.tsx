import { isAddress, type Address } from "@solana/kit";
import { Component, lazy, Suspense, useEffect, useRef, type ComponentType, type ErrorInfo, type ReactNode } from "react";
import { Link, Route, Switch, useLocation, useParams } from "wouter";
import { useConnection } from "./lib/live";
import { useMarket } from "./lib/market";
import { useBalances } from "./lib/send";
import { useWallet } from "./lib/wallet";
import { Empty, Io, Loading, Problem } from "./ui";
import { SendDialog, WalletMenu } from "./ui/dialogs";

/** A page whose code is loaded when it is opened. */
const page = <Props,>(load: () => Promise<{ default: ComponentType<Props> }>) =>
  lazy(() => load().catch((cause: unknown) => Promise.reject(new Error("this page cannot be loaded; the app may have been updated since, so try again", { cause }))));

/** Such a page about the account whose address is in its path. */
const pageAt = (load: () => Promise<{ default: ComponentType<{ address: Address }> }>) => {
  const Page = page(load);
  return function At() {
    const { address = "" } = useParams<{ address: string }>();
    return isAddress(address) ? <Page address={address} /> : <Problem error={new Error(`“${address}” is not a valid address`)} />;
  };
};

/** Pages by path; those with a name are in the menu. */
const PAGES: { path: string; name?: string; page: ComponentType }[] = [
  { path: "/", name: "Market", page: page(() => import("./pages/market")) },
  { path: "/jobs", name: "Jobs", page: page(() => import("./pages/jobs")) },
  { path: "/jobs/new", page: page(() => import("./pages/jobs/new")) },
  { path: "/jobs/:address", page: pageAt(() => import("./pages/jobs/job")) },
  { path: "/devices", name: "Devices", page: page(() => import("./pages/devices")) },
  { path: "/devices/:address", page: pageAt(() => import("./pages/devices/device")) },
  { path: "/co-staking", name: "Co-staking", page: page(() => import("./pages/costaking")) },
  { path: "/co-staking/:address", page: pageAt(() => import("./pages/costaking/offer")) },
  { path: "/rewards", name: "Rewards", page: page(() => import("./pages/rewards")) },
  { path: "/governance", name: "Governance", page: page(() => import("./pages/governance")) },
  { path: "/governance/new", page: page(() => import("./pages/governance/new")) },
  { path: "/governance/:address", page: pageAt(() => import("./pages/governance/proposal")) },
  { path: "/disputes", name: "Disputes", page: page(() => import("./pages/disputes")) },
  { path: "/disputes/:address", page: pageAt(() => import("./pages/disputes/dispute")) },
];

/** Whether a page of the menu is the current one, or the current one is below it. */
const isIn = (menu: string, path: string) => (menu === "/" ? path === "/" : path.startsWith(menu));

/** The app: menu, current page and transaction dialog. */
export function App() {
  const [path] = useLocation();
  const market = useMarket();
  const { address } = useWallet();
  const connection = useConnection();
  const { data: balance, error, errorUpdateCount } = useBalances();
  // Without data, every new attempt clears the error.
  const isNodeLost = balance ? error !== null : errorUpdateCount > 0;
  const main = useRef<HTMLElement>(null);
  const shown = useRef(path);
  useEffect(() => {
    const section = PAGES.find((page) => page.name && isIn(page.path, path));
    document.title = section?.name ? `${section.name} · ionet` : "ionet";
    if (shown.current === path) return;
    shown.current = path;
    window.scrollTo(0, 0);
    // As after loading a document: a screen reader goes on with the new page, and so does the Tab key.
    main.current?.focus({ preventScroll: true });
  }, [path]);
  return (
    <>
      <a
        className="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to content
      </a>
      <header className="top">
        <Link href="/" className="brand">
          <img src="/icon.svg" alt="" width="28" height="28" /> ionet
        </Link>
        <nav aria-label="Pages">
          {PAGES.filter(({ name }) => name).map(({ name, path: to }) => (
            <Link key={to} href={to} aria-current={isIn(to, path) ? "page" : undefined}>
              {name}
            </Link>
          ))}
        </nav>
        <div className="who">
          {address && balance && (
            <span className="balance">
              <Io of={balance.io} rough />
            </span>
          )}
          <WalletMenu balance={balance ?? undefined} />
        </div>
      </header>
      {connection === "lost" && (
        <p className="banner" role="status">
          The indexer is unreachable, so this page may be out of date. Reconnecting…
        </p>
      )}
      {address && isNodeLost && (
        <p className="banner" role="status">
          The Solana node is unreachable; you cannot send transactions until it responds. Retrying…
        </p>
      )}
      <main id="main" ref={main} tabIndex={-1}>
        <Boundary key={path}>
          <Suspense fallback={<Loading />}>
            <Switch>
              {PAGES.map(({ path: at, page }) => (
                <Route key={at} path={at} component={page} />
              ))}
              <Route>
                <Empty>
                  This page does not exist. <Link href="/">Back to the market</Link>
                </Empty>
              </Route>
            </Switch>
          </Suspense>
        </Boundary>
      </main>
      <footer className="bottom">
        <span>
          Cluster <b>{market.config.cluster}</b>
        </span>
        <a href="/v1/openapi.json">API</a>
      </footer>
      <SendDialog />
    </>
  );
}

/** Keeps an error in one page from taking down the app. */
class Boundary extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state = { error: null };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override componentDidCatch(error: Error, info: ErrorInfo) {
    console.error(error, info.componentStack);
  }

  override render() {
    return this.state.error ? <Problem error={this.state.error} retry={() => location.reload()} /> : this.props.children;
  }
}
