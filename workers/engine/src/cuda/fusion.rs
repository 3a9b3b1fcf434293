//! Decides which ops share a launch: a product, and element-wise ops on its result.

use crate::package::{Op, Package};
use protocol::ops::OpKind;

/// Most ops that may follow a product in its launch.
pub(crate) const FOLLOWERS: usize = 2;

/// The steps at which the ops of a package are computed.
pub(crate) struct Fusion {
    /// Chains of ops that are computed together, at the step of their last op: by then all their inputs exist, and no other op needs their
    /// results earlier. Indexed by that step.
    chains: Vec<Vec<usize>>,
    /// For each op, the step at which it is computed: the last op of its chain.
    places: Vec<usize>,
}

impl Fusion {
    /// Extends each product by its only reader, and by the only reader of that, if these are tables or element-wise sums or products.
    pub(crate) fn new(package: &Package) -> Self {
        let ops = package.ops.len();
        let mut readers = vec![Vec::new(); ops];
        for (step, op) in package.ops.iter().enumerate() {
            for id in op.descriptor.inputs.as_slice() {
                let made = usize::from(*id).checked_sub(package.inputs.len());
                if let Some(readers) = made.and_then(|made| readers.get_mut(made)) {
                    readers.push(step);
                }
            }
        }
        let mut taken = vec![false; ops];
        let mut fusion = Self {
            chains: vec![Vec::new(); ops],
            places: (0..ops).collect(),
        };
        for (first, op) in package.ops.iter().enumerate() {
            if taken.get(first) == Some(&true) {
                continue;
            }
            let (mut chain, mut last) = (vec![first], first);
            while is_product(op) && chain.len() <= FOLLOWERS {
                let Some([reader]) = readers.get(last).map(Vec::as_slice) else {
                    break;
                };
                let follows = |reader: &Op| is_by_element(reader, package.inputs.len() + last);
                // A sum of two products is computed with the first of them.
                if taken.get(*reader) == Some(&true) || !package.ops.get(*reader).is_some_and(follows) {
                    break;
                }
                chain.push(*reader);
                last = *reader;
            }
            for member in &chain {
                if let (Some(taken), Some(place)) = (taken.get_mut(*member), fusion.places.get_mut(*member)) {
                    (*taken, *place) = (true, last);
                }
            }
            if let Some(at) = fusion.chains.get_mut(last) {
                *at = chain;
            }
        }
        fusion
    }

    /// The ops that are computed at a step: the op of that step, preceded by the rest of its chain, or none.
    pub(crate) fn chain(&self, step: usize) -> &[usize] {
        self.chains.get(step).map_or(&[], Vec::as_slice)
    }

    /// The step at which an op is computed: its own or a later one.
    pub(crate) fn place(&self, step: usize) -> usize {
        self.places.get(step).copied().unwrap_or(step)
    }
}

fn is_product(op: &Op) -> bool {
    match op.descriptor.kind {
        OpKind::Conv2d { .. } => !op.is_depthwise(),
        OpKind::Matmul { .. } | OpKind::MatmulAct { .. } => true,
        _ => false,
    }
}

/// Whether each element of an op's output depends on the element of `value` in the same place, and on at most one other element, in the
/// same place or channel.
fn is_by_element(op: &Op, value: usize) -> bool {
    match op.descriptor.kind {
        OpKind::Table8 { .. } => true,
        OpKind::Add { .. } | OpKind::Mul { .. } => {
            let own = op.descriptor.inputs.as_slice().iter().position(|id| usize::from(*id) == value);
            // A repeated second operand does not have the output's shape.
            own.and_then(|own| op.inputs.get(own)) == Some(&op.descriptor.output)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Network;

    #[test]
    fn the_ops_of_networks_share_launches() {
        let chains = |network: Network| {
            network.package().map(|package| {
                let fusion = Fusion::new(&package);
                let chains: Vec<Vec<usize>> = (0..package.ops.len()).map(|step| fusion.chain(step).to_vec()).collect();
                for (step, chain) in chains.iter().enumerate() {
                    assert!(chain.iter().all(|op| fusion.place(*op) == step), "{chains:?}");
                }
                let mut all = chains.concat();
                all.sort_unstable();
                assert_eq!(all, (0..package.ops.len()).collect::<Vec<_>>(), "each op once");
                chains.into_iter().filter(|chain| !chain.is_empty()).collect::<Vec<_>>()
            })
        };
        assert_eq!(chains(Network::Gemm), Ok(vec![vec![0]]));
        // Scores with their table; residual sums; a table between two wide products.
        let block: [&[usize]; 8] = [&[0], &[1], &[2], &[3, 4], &[5], &[6, 7], &[8, 9], &[10, 11]];
        assert_eq!(chains(Network::Transformer), Ok(block.map(<[usize]>::to_vec).to_vec()));
        // The four ops of a residual part take two launches; upsampling and concatenation are launched alone.
        let shared = chains(Network::Unet).map(|chains| chains.iter().filter(|chain| chain.len() > 1).count());
        assert_eq!(shared, Ok(2 * 6));
    }
}
