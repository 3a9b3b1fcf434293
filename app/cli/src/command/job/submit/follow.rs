//! Follows a job to its end and writes its result.

use super::work::Prepared;
use crate::{
    amount::{Unit, span},
    context::Context,
    error::{Error, Result, refuse},
    progress::Progress,
    story::{Follower, State, Step, Story},
};
use futures_util::{
    StreamExt,
    future::{OptionFuture, try_join_all},
};
use jobs::{Job, Status};
use solana_address::Address;
use std::{path::PathBuf, pin::pin};

/// Waits for a job's end; writes its output as soon as it is public.
pub async fn follow(
    context: &Context,
    prepared: &Prepared,
    address: Address,
    unit: Unit,
    if_expired: &str,
) -> Result<(Vec<PathBuf>, Vec<Story>)> {
    let delivery = &prepared.delivery(context, address);
    let progress = &Progress::spinner(context);
    progress.say(&format!("job {address} is open"));
    let flags = &context.settings.flags;
    progress.say(&format!("if this command is interrupted: ionet{flags} job fetch {address}"));
    let mut states = pin!(Follower::new(context, address).states());
    let (mut files, mut delivering) = (Vec::new(), None);
    let story = loop {
        let state = tokio::select! {
            Some(state) = states.next() => state?,
            Some(delivered) = OptionFuture::from(delivering.as_mut()) => {
                files = delivered?;
                delivering = None;
                continue;
            }
        };
        match state {
            State::Live(job) if job.status == Status::Convicted => {
                return refuse(format!(
                    "the result of job {address} was proved wrong, so nothing is paid for it and the escrow has its money back; {} \
                     (`ionet job show {address}` says what was wrong)",
                    again(&files)
                ));
            }
            State::Live(job) => {
                if job.status == Status::Revealed && files.is_empty() && delivering.is_none() {
                    let (outputs, window) = (job.outputs, span(job.window_seconds.get().into()));
                    delivering = Some(Box::pin(async move {
                        let files = delivery.make_when_served(&outputs, progress).await?;
                        wrote(progress, &files);
                        progress.say(&format!(
                            "revealed: the result will be paid once its challenge window of {window} has passed"
                        ));
                        progress.say(&format!("anyone may then settle it: ionet{flags} job settle {address}"));
                        Ok::<_, Error>(files)
                    }));
                }
                progress.wait(waiting(&job, unit));
            }
            State::Silent(reason) => progress.wait(silent(&reason)),
            State::Ended(story) => break story,
        }
    };
    match story.ending() {
        Some(Step::Settled { outputs, .. }) if files.is_empty() => {
            files = delivery.make(&blobs::parse_address(outputs)?).await?;
            wrote(progress, &files);
        }
        Some(Step::Awarded { .. }) => {
            return refuse(format!(
                "the result of job {address} was proved wrong, so nothing was paid for it; {}",
                again(&files)
            ));
        }
        Some(step @ Step::Refunded { reason, .. }) => {
            let next = match *reason {
                "expired" => if_expired,
                _ => "submit it again",
            };
            return refuse(format!("job {address} {}; {next}", step.describe(unit)));
        }
        _ => {}
    }
    Ok((files, vec![story]))
}

/// Waits for the end of all replicas of a job, or for a conviction; writes the output of one that was paid.
pub async fn follow_all(context: &Context, prepared: &Prepared, addresses: &[Address], unit: Unit) -> Result<(Vec<PathBuf>, Vec<Story>)> {
    let progress = Progress::spinner(context);
    for (number, address) in (1..).zip(addresses) {
        progress.say(&format!("replica {number} is job {address}"));
    }
    let flags = &context.settings.flags;
    progress.say(&format!(
        "if this command is interrupted, with any of these jobs: ionet{flags} job fetch JOB"
    ));
    let following = (1..).zip(addresses).map(|(number, address)| {
        let progress = &progress;
        async move {
            let mut follower = Follower::new(context, *address);
            loop {
                match follower.next().await? {
                    State::Live(job) if job.status == Status::Convicted => {
                        progress.say(&format!("replica {number}: its result was proved wrong; nothing is paid for it"));
                        return Story::read(context, address).await;
                    }
                    State::Live(job) => progress.say(&format!("replica {number}: {}", waiting(&job, unit))),
                    State::Silent(reason) => progress.say(&format!("replica {number}: {}", silent(&reason))),
                    State::Ended(story) => return Ok(story),
                }
            }
        }
    });
    let stories = try_join_all(following).await?;
    let paid = addresses.iter().zip(&stories).find_map(|(job, story)| match story.ending() {
        Some(Step::Settled { outputs, .. }) => Some((*job, outputs)),
        _ => None,
    });
    let Some((job, outputs)) = paid else {
        return refuse("none of the replicas was paid, so there is no result, and the escrow has its money back; submit it again");
    };
    let files = prepared.delivery(context, job).make(&blobs::parse_address(outputs)?).await?;
    wrote(&progress, &files);
    Ok((files, stories))
}

/// Names the files as soon as they are written: the job may yet be followed for long, or be interrupted.
fn wrote(progress: &Progress<'_>, files: &[PathBuf]) {
    files.iter().for_each(|file| progress.say(&format!("wrote {}", file.display())));
}

/// What to do about a wrong result of which `files` were already written.
fn again(files: &[PathBuf]) -> String {
    match files.split_first() {
        None => "submit it again".to_owned(),
        Some((file, [])) => format!("submit it again with --force, as {} holds the wrong result", file.display()),
        Some((file, _)) => format!(
            "submit it again with --force, as {} and the files next to it hold the wrong result",
            file.display()
        ),
    }
}

/// What to show while a node does not answer.
fn silent(reason: &str) -> String {
    format!("trying again: {reason}")
}

/// What the job is waiting for.
fn waiting(job: &Job, unit: Unit) -> String {
    let price = || unit.show(job.price.get());
    match Status::from_code(job.status) {
        Some(Status::Open) => "open: waiting for a device to claim it".to_owned(),
        Some(Status::Assigned) => format!("claimed by device {} at {} a unit: computing", job.device, price()),
        _ if job.awaits_siblings() => "committed: waiting for the other replicas".to_owned(),
        _ if job.awaits_auditor() => "committed: drawn for an audit, waiting for an auditor".to_owned(),
        Some(Status::Committed) => "committed: waiting for the result to be revealed".to_owned(),
        _ => "revealed: in its challenge window; then anyone may settle it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        amount::SOL,
        command::job::submit::{What, tests::consumer, work::imagine},
        testing,
    };
    use anchor_lang::bytemuck::Zeroable;
    use jobs::events::JobSettled;
    use protocol::{batch::BatchHeader, hash::Hash};
    use solana_account::Account;
    use solana_instruction::{AccountMeta, Instruction};
    use std::{
        io::{BufRead, BufReader, Write},
        net::TcpListener,
    };
    use tempfile::TempDir;

    /// A store that first refuses, then lacks the blob for longer than one attempt lasts, then serves it and calls `served`.
    fn late_store(blob: Vec<u8>, served: impl Fn() + Send + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/blobs", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let lines = BufReader::new(&stream).lines();
                lines
                    .map_while(std::result::Result::ok)
                    .take_while(|line| !line.is_empty())
                    .for_each(drop);
                let (status, body) = match number {
                    0 => ("403 Forbidden", &[][..]),
                    1..20 => ("404 Not Found", &[][..]),
                    _ => ("200 OK", blob.as_slice()),
                };
                write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                )
                .unwrap();
                stream.write_all(body).unwrap();
                if !body.is_empty() {
                    served();
                }
            }
        });
        url
    }

    /// Follows a job of one picture that is settled as soon as the store has served its result, which has this many pictures.
    async fn followed(pictures: u32) -> (TempDir, Result<(Vec<PathBuf>, Vec<Story>)>, Context, Prepared, Address, Hash) {
        let (folder, fake, mut context, what) = consumer();
        let What::Imagine { prompt, order, .. } = what else {
            unreachable!("a picture was ordered")
        };
        let prepared = imagine(&context, &prompt, 0, 1, &order).unwrap();
        let (package, address) = (&prepared.package, Address::new_unique());
        let header = BatchHeader::outputs(pictures, package.output_id(), package.output_shape()).unwrap();
        let mut blob = header.encode().to_vec();
        blob.resize(header.blob_bytes() as usize, 128);
        let outputs = blobs::address(&blob).unwrap();
        let paid = JobSettled {
            job: address,
            device: Address::default(),
            consumer_pays: 3,
            supplier_gets: 2,
            fees: 1,
            auditor_gets: 0,
            outputs,
        };
        fake.on_send(move |_| Some(testing::landed(&testing::said(&paid))));
        let names = Instruction::new_with_bytes(jobs::ID, &[], vec![AccountMeta::new(address, false)]);
        let wallet = context.wallet().unwrap();
        context.chain.send(&[names], &[&wallet], &context.options).await.unwrap();

        let revealed = Job {
            status: Status::Revealed as u8,
            outputs,
            ..Job::zeroed()
        };
        fake.set_account(address, testing::account(&revealed));
        let ending = fake.clone();
        context.settings.blobs = late_store(blob, move || ending.set_account(address, Account::default()));
        let followed = follow(&context, &prepared, address, SOL, "").await;
        (folder, followed, context, prepared, address, outputs)
    }

    #[tokio::test]
    async fn a_result_that_is_served_late_is_written() {
        let (_folder, followed, context, prepared, address, outputs) = followed(1).await;
        let (files, stories) = followed.unwrap();
        assert_eq!(files.as_slice(), std::slice::from_ref(&prepared.record.output));
        assert!(crate::photo::open_photo(&prepared.record.output).is_ok());
        assert!(matches!(stories.first().unwrap().ending(), Some(Step::Settled { .. })));

        // A file that appeared in its place meanwhile is left alone, and the error says what to do.
        let clash = prepared.delivery(&context, address).make(&outputs).await.unwrap_err().to_string();
        assert!(
            clash.contains(&format!("`ionet{} job fetch {address} -o FILE`", context.settings.flags)),
            "{clash}"
        );
    }

    #[tokio::test]
    async fn a_result_of_another_shape_is_for_the_chain_to_judge() {
        // The job is followed to its end nevertheless, when the store serves the result again.
        let (_folder, followed, _, _, address, _) = followed(2).await;
        let error = followed.unwrap_err().to_string();
        assert!(error.contains(&format!("`ionet verify {address} --convict`")), "{error}");
        assert!(!error.contains("job fetch"), "{error}");
    }
}
