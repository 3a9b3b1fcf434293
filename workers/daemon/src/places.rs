//! A limit on what is held at a time, and on each peer's share of it.

use parking_lot::Mutex;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

/// A limited number of places, of which no peer may hold more than its share.
#[derive(Clone, Debug)]
pub struct Places {
    all: usize,
    share: usize,
    held: Arc<Mutex<HashMap<Option<IpAddr>, usize>>>,
}

/// A place, freed when this is dropped.
#[derive(Debug)]
pub struct Place {
    of: Places,
    peer: Option<IpAddr>,
}

impl Places {
    /// Allows `all` places at a time, `share` of them to one peer.
    pub fn new(all: usize, share: usize) -> Self {
        Self {
            all,
            share,
            held: Arc::default(),
        }
    }

    /// Takes a place for a peer, if one is free. All peers without an address count as one.
    pub fn take(&self, peer: Option<SocketAddr>) -> Option<Place> {
        let peer = peer.map(|address| host(address.ip()));
        let mut held = self.held.lock();
        let all: usize = held.values().sum();
        if all >= self.all || held.get(&peer).is_some_and(|own| *own >= self.share) {
            return None;
        }
        let own = held.entry(peer).or_default();
        *own = own.saturating_add(1);
        Some(Place { of: self.clone(), peer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.of.held.lock();
        if let Some(own) = held.get_mut(&self.peer) {
            *own = own.saturating_sub(1);
        }
        held.retain(|_, own| *own > 0);
    }
}

/// The peer behind an address: in IPv6 its /64 network, within which the peer chooses addresses freely.
pub fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_peer_gets_its_share_and_dropped_places_are_free() {
        let places = Places::new(3, 2);
        let take = |address: &str| places.take(Some(address.parse().unwrap()));
        let first = take("192.0.2.1:1");
        let mapped = take("[::ffff:192.0.2.1]:2");
        assert!(first.is_some() && mapped.is_some() && take("192.0.2.1:3").is_none());
        let third = take("[2001:db8::1]:1");
        assert!(third.is_some() && places.take(None).is_none(), "all are taken");
        drop(first);
        let fourth = take("[2001:db8::2:1]:1");
        assert!(fourth.is_some());
        drop(mapped);
        assert!(take("[2001:db8::3:1]:1").is_none(), "its owner has two already");
        assert!(take("[2001:db8:0:1::1]:1").is_some());
    }
}
