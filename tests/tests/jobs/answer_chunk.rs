use super::demands::{Asked, chunk, ops, page};
use ::jobs::error::JobsError;
use protocol::demand::{MAX_PREIMAGE, leaf_of_chunk};
use tests::PARAMETERS;

fn preimage(asked: &Asked, unit: usize, op: usize, index: u32) -> Vec<u8> {
    let run = &asked.run;
    run.layout(op).preimage(op as u32 + 1, index, &run.units[unit][op + 1]).unwrap()
}

fn asked_for_a_chunk() -> Asked {
    let mut asked = Asked::new();
    asked.shown(ops(1));
    asked.shown(page(1, 2));
    asked.ask(chunk(1, 2, 3));
    asked
}

#[test]
fn the_bytes_of_a_chunk_answer() {
    let mut asked = asked_for_a_chunk();
    let item = chunk(1, 2, 3);
    let answers = asked.answers(item);
    asked.world.sweep(&answers[0], &[&asked.worker.key], &[]);
    let before = asked.world.lamports(&asked.worker.wallet());
    asked.answer(item);
    assert_eq!(
        asked.world.lamports(&asked.worker.wallet()) - before,
        u64::from(PARAMETERS.demand_fee)
    );
    let demand = asked.world.demand(&chain::market::demand::address(&asked.job, item));
    assert_eq!(
        (demand.answered.get(), demand.shown),
        (true, leaf_of_chunk(&preimage(&asked, 1, 2, 3)))
    );
    // The last chunk of a tensor is shorter.
    let last = chunk(1, 2, 4);
    let address = asked.shown(last);
    assert!(asked.world.demand(&address).answered.get());
    asked
        .world
        .refuse(answers[0].clone(), &[&asked.worker.key], JobsError::DemandAnswered);
}

#[test]
fn fails_out_of_order_too_long_altered_or_for_another_chunk() {
    let mut asked = asked_for_a_chunk();
    let item = chunk(1, 2, 3);
    let (by, job, key) = (asked.answerer(), asked.job, asked.worker.key.clone());
    let bytes = preimage(&asked, 1, 2, 3);
    let leaves = asked.run.layout(2).leaves(3, &asked.run.units[1][3]);
    let path = protocol::merkle::path(&leaves, 3);
    let world = &mut asked.world;
    world.refuse(
        by.chunk(&job, item, 1, bytes[1..500].to_vec(), None),
        &[&key],
        JobsError::AnswerOutOfOrder,
    );
    world.send(by.chunk(&job, item, 0, bytes[..500].to_vec(), None), &[&key]);
    world.refuse(
        by.chunk(&job, item, 500, Vec::new(), Some(path.clone())),
        &[&key],
        JobsError::AnswerMismatch,
    );
    let too_long = vec![0; MAX_PREIMAGE - 500 + 1];
    world.refuse(by.chunk(&job, item, 500, too_long, None), &[&key], JobsError::AnswerMismatch);
    let mut altered = bytes[500..].to_vec();
    altered[77] ^= 1;
    world.refuse(
        by.chunk(&job, item, 500, altered, Some(path.clone())),
        &[&key],
        JobsError::AnswerMismatch,
    );
    // The neighbouring chunk, with the path from its own place in the page, is refused.
    let beside = preimage(&asked, 1, 2, 2);
    let world = &mut asked.world;
    world.send(by.chunk(&job, item, 0, beside[..500].to_vec(), None), &[&key]);
    let its_path = protocol::merkle::path(&leaves, 2);
    world.refuse(
        by.chunk(&job, item, 500, beside[500..].to_vec(), Some(its_path)),
        &[&key],
        JobsError::AnswerMismatch,
    );
    world.refuse(
        by.chunk(&job, ops(1), 500, Vec::new(), Some(Vec::new())),
        &[&key],
        JobsError::WrongDemand,
    );
    world.send(by.chunk(&job, item, 0, bytes[..500].to_vec(), None), &[&key]);
    world.send(by.chunk(&job, item, 500, bytes[500..].to_vec(), Some(path)), &[&key]);
}
