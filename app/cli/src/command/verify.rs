//! `ionet verify`: one job recomputed for a person, and what was found explained.

use crate::{
    amount::{SOL, span},
    context::Context,
    error::{Result, code, refuse},
    output::{Answer, count, fields},
    photo::{check_free, check_name, write_png},
    send::{Sent, confirm},
    story,
};
use bytes::Bytes;
use chain::{Pending, market};
use clap::Args;
use engine::Package;
use image::{GenericImage, Rgba, RgbaImage};
use jobs::{Job, Status};
use protocol::batch::BatchHeader;
use protocol::demand::{Item, Kind};
use protocol::hash::Hash;
use protocol::referee::Verdict;
use protocol::tensor::{Shape, from_code};
use serde::Serialize;
use solana_address::Address;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};
use watchtower::{
    Case, Finding, Opinion, Served,
    check::{check, examine},
    dispute::{Challenger, Charge, DisputeOutcome},
    question::{Purse, QuestionEvent, Questioner, Spent},
};
use worker::Model;

/// Pixels between two pictures.
const GAP: u32 = 8;

/// Names the file of pictures.
const PICTURES: &str = "--pictures";

#[derive(Args, Debug)]
pub struct Arguments {
    /// The job, which must be revealed
    job: Address,
    /// Folder of the job's model package [default: the one below `models` that is registered there]
    #[arg(long, value_name = "FOLDER")]
    package: Option<PathBuf>,
    /// Where to write the picture as it must be, the worker's, and where they differ, side by side [default: none is written]
    #[arg(long, value_name = "FILE")]
    pictures: Option<PathBuf>,
    /// Replace a file that exists
    #[arg(long, requires = "pictures")]
    force: bool,
    /// If the result is wrong, post the evidence and have the worker's bond slashed; what its blobs do not show is demanded on the chain
    #[arg(long)]
    convict: bool,
    /// Most lamports that demands may cost and lock
    #[arg(long, value_name = "N", default_value_t = 500_000_000)]
    max_demand_lamports: u64,
}

/// What was found.
#[derive(Serialize)]
struct Report {
    job: String,
    model: String,
    device: String,
    units: u32,
    /// right or wrong.
    result: &'static str,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    wrong: Option<Wrong>,
    /// What the worker keeps back.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<String>,
    /// Side by side: as it must be, as delivered, where they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pictures: Option<PathBuf>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pictures_error: Option<String>,
    /// The exit code of that.
    #[serde(skip)]
    pictures_code: u8,
    /// Transactions of the conviction.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    transactions: Vec<Deed>,
    /// How the dispute ended: convicted, beaten, convicted_by_another, too_dear or too_late.
    #[serde(skip_serializing_if = "Option::is_none")]
    ending: Option<&'static str>,
}

/// A difference, explained.
#[derive(Serialize)]
struct Wrong {
    /// element, output, malformed or padding.
    fault: &'static str,
    unit: u32,
    op: u32,
    op_name: String,
    /// Row-major index within the op's output.
    element: u32,
    row: u32,
    column: u32,
    channel: u32,
    /// What the op makes of its inputs.
    expected: i8,
    /// What the worker committed to.
    claimed: i8,
    evidence_bytes: usize,
}

#[derive(Serialize)]
struct Deed {
    what: &'static str,
    #[serde(flatten)]
    sent: Sent,
}

impl Wrong {
    fn new(package: &Package, verdict: &Verdict, evidence_bytes: usize) -> Self {
        let op = package.ops.get(verdict.op as usize);
        let Shape { w, c, .. } = op.map(|op| op.descriptor.output).unwrap_or_default();
        let (width, channels) = (u32::from(w.max(1)), u32::from(c.max(1)));
        let pixel = verdict.index / channels;
        Self {
            fault: story::fault(verdict.fault as u8),
            unit: verdict.unit,
            op: verdict.op,
            op_name: op.map(|op| op.name.clone()).unwrap_or_default(),
            element: verdict.index,
            row: pixel / width,
            column: pixel % width,
            channel: verdict.index % channels,
            expected: from_code(verdict.expected),
            claimed: from_code(verdict.claimed),
            evidence_bytes,
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            unit,
            op,
            op_name,
            element,
            ..
        } = self;
        match self.fault {
            "element" => write!(
                f,
                "unit {unit}, op {op} ({op_name}), element {element} (row {}, column {}, channel {}): \
                 the op makes {} of its inputs, the worker committed to {}",
                self.row, self.column, self.channel, self.expected, self.claimed
            ),
            "output" => write!(f, "unit {unit}: the output delivered is not the one the worker's own trace ends in"),
            _ => write!(
                f,
                "unit {unit}, op {op} ({op_name}): the worker's commitment is not built as the protocol says"
            ),
        }
    }
}

impl Report {
    /// Tells of the pictures, or why there are none: neither the finding nor a conviction is lost with them.
    fn add_pictures(&mut self, path: PathBuf, written: Result<()>) {
        match written {
            Ok(()) => self.pictures = Some(path),
            Err(error) => {
                self.pictures_error = Some(error.to_string());
                self.pictures_code = error.code();
            }
        }
    }

    /// As an answer that scripts tell by its exit code.
    fn answer(&self) -> Answer {
        let code = match self.result {
            "right" => self.pictures_code,
            _ => code::WRONG,
        };
        Answer::new(self).with_code(code)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [
            ("job", self.job.clone()),
            ("model", self.model.clone()),
            ("device", self.device.clone()),
            ("recomputed", count(self.units, "unit")),
        ];
        fields(f, &lines)?;
        match (&self.wrong, &self.missing) {
            (None, None) => writeln!(
                f,
                "the result is right: all that was committed to is what the model makes of the input"
            )?,
            (Some(wrong), _) => {
                writeln!(f, "the result is wrong. {wrong}")?;
                if self.transactions.is_empty() {
                    let bytes = wrong.evidence_bytes;
                    writeln!(
                        f,
                        "{bytes} bytes of evidence prove it; add --convict to post them and have the worker's bond slashed"
                    )?;
                }
            }
            (None, Some(missing)) => {
                let next = match self.ending {
                    None => "; add --convict to ask for it on the chain: who stays silent loses the bond too",
                    Some(_) => "",
                };
                writeln!(
                    f,
                    "the result is wrong, but its worker does not show {missing}, which would say where{next}"
                )?;
            }
        }
        if let Some(path) = &self.pictures {
            let shown = path.display();
            writeln!(f, "wrote {shown}: as it must be, as delivered, and where they differ")?;
        }
        if let Some(error) = &self.pictures_error {
            writeln!(f, "no pictures were made: {error}")?;
        }
        for Deed { what, sent } in &self.transactions {
            writeln!(f, "{what}: {sent}")?;
        }
        match self.ending {
            Some("convicted") => writeln!(
                f,
                "the job is convicted: its bond is slashed and its consumer refunded\n\
                 next: `ionet job award {}` pays the reward, once nobody can have sealed evidence earlier",
                self.job
            ),
            Some("beaten") => writeln!(f, "somebody else sealed evidence earlier, and the job is convicted by that"),
            Some("convicted_by_another") => writeln!(f, "somebody else has convicted the job meanwhile"),
            Some("too_dear") => writeln!(
                f,
                "the next question would exceed --max-demand-lamports; raise it and call again while the job's window lasts"
            ),
            Some(_) => writeln!(f, "the job's window passed before it could be convicted"),
            None => Ok(()),
        }
    }
}

impl Arguments {
    pub async fn run(self, context: &Context) -> Result<Answer> {
        let address = self.job;
        let job = context.live(&address).await?;
        if job.status == Status::Convicted {
            return refuse(format!(
                "the result of job {address} was proved wrong already; `ionet job show {address}` tells where"
            ));
        }
        if job.status != Status::Revealed {
            return refuse(format!(
                "the result of job {address} is not public, for the job is {}; verify it within its challenge window",
                story::status(&job)
            ));
        }
        let folder = match &self.package {
            Some(folder) => folder.clone(),
            None => find_package(&context.settings.models, &job.model)?,
        };
        let model = Arc::new(Model::load(&folder, 0)?);
        if market::job::model(&model.hash) != job.model {
            return refuse(format!(
                "{} is another model than the one of job {address}, which is registered at {}",
                folder.display(),
                job.model
            ));
        }
        if let Some(path) = &self.pictures {
            if !makes_pictures(model.engine().package()) {
                return refuse(format!("model {} makes no pictures; omit --pictures", model.name));
            }
            check_name(path, PICTURES)?;
            check_free(path, PICTURES, self.force)?;
        }
        let stores = [context.blobs()?];
        let inputs = model.fetch(&stores, &job).await?;
        let served = Served {
            stores: &stores,
            traces: job.traces,
            outputs: job.outputs,
            checkpoints: model.engine().package().checkpoints(),
        };
        let Opinion { finding, computed } = check(&model, &address, &job, inputs, &served).await?;
        let package = model.engine().package();
        let mut report = Report {
            job: address.to_string(),
            model: model.name.clone(),
            device: job.device.to_string(),
            units: job.units.get(),
            result: match finding {
                Finding::Right => "right",
                Finding::Wrong(_) | Finding::Hidden(_) => "wrong",
            },
            wrong: None,
            missing: None,
            pictures: None,
            pictures_error: None,
            pictures_code: 0,
            transactions: Vec::new(),
            ending: None,
        };
        let mut transactions = Vec::new();
        let mut agreed = context.settings.yes;
        let finding = match finding {
            Finding::Hidden(_) if self.convict => {
                let inputs = model.fetch(&stores, &job).await?;
                let asked = Questioned {
                    model: &model,
                    address: &address,
                    job: &job,
                    served,
                    budget: self.max_demand_lamports,
                };
                let (finding, ending) = asked.examine(context, inputs, &computed.tensors, &mut transactions).await?;
                report.ending = ending;
                agreed = true;
                finding
            }
            finding => finding,
        };
        let case = match finding {
            Finding::Right => None,
            Finding::Hidden(missing) => {
                report.missing = Some(missing.to_string());
                None
            }
            Finding::Wrong(case) => {
                report.wrong = Some(Wrong::new(package, &case.verdict, case.evidence.len()));
                Some(case)
            }
        };
        if let Some(case) = case.filter(|_| self.convict) {
            let (convicting, ending) = convict(context, &address, &job, &case, agreed).await?;
            transactions.extend(convicting);
            report.ending = Some(match ending {
                DisputeOutcome::Convicted => "convicted",
                DisputeOutcome::Beaten => "beaten",
                DisputeOutcome::TooLate => "too_late",
            });
        }
        report.transactions = transactions;
        // Last, since the window passes: a worker that serves no outputs is convicted all the same.
        if let Some(path) = self.pictures {
            let [store] = &stores;
            let written = match store.get(&job.outputs).await {
                Ok(delivered) => side_by_side(package, job.units.get(), &computed.outputs, &delivered, &path, self.force),
                Err(error) => Err(error.into()),
            };
            report.add_pictures(path, written);
        }
        Ok(report.answer())
    }
}

/// Name of the step that convicts without evidence.
const SILENCE: &str = "convict silence";

/// A wrong result whose worker is to be asked what shows it.
struct Questioned<'a> {
    model: &'a Arc<Model>,
    address: &'a Address,
    job: &'a Job,
    served: Served<'a>,
    budget: u64,
}

impl Questioned<'_> {
    /// Asks step by step, says so to standard error, and convicts silence. Says how it ended where that leaves nothing to convict by.
    async fn examine(
        &self,
        context: &Context,
        inputs: Bytes,
        tensors: &[Hash],
        transactions: &mut Vec<Deed>,
    ) -> Result<(Finding, Option<&'static str>)> {
        let wallet = context.wallet()?;
        if !context.settings.yes {
            let effect = format!(
                "wallet {} pays a fee for each answer, locks rent that returns, up to {} in all, and earns the reward",
                wallet.pubkey(),
                SOL.show(self.budget)
            );
            confirm(
                &format!("ask the worker of job {} what its blobs do not show, and convict it", self.address),
                &effect,
            )?;
        }
        let config: jobs::Config = context.chain.fetch(&market::job::config()).await?;
        context.note(&format!(
            "asking the worker for what its blobs do not show; an answer may take it {}",
            span(config.answer_seconds.get().into())
        ));
        let (said, too_dear) = (Mutex::new(Vec::new()), AtomicBool::new(false));
        let did = |what, receipt: &chain::Receipt| {
            if let Ok(mut said) = said.lock() {
                said.push(Deed {
                    what,
                    sent: receipt.clone().into(),
                });
            }
        };
        let on_event = |event: QuestionEvent<'_>| match event {
            QuestionEvent::Asked(item, receipt) => {
                context.note(&format!("asked for {}", part(&item)));
                did("open demand", receipt);
            }
            QuestionEvent::Shown(item) => context.note(&format!("the worker has shown {}", part(&item))),
            QuestionEvent::Silent(item) => {
                context.note(&format!("the worker did not show {} in time", part(&item)));
            }
            QuestionEvent::Convicted(_, receipt) => did(SILENCE, receipt),
            QuestionEvent::TooDear(item) => {
                too_dear.store(true, Ordering::Relaxed);
                context.note(&format!("asking for {} exceeds --max-demand-lamports", part(&item)));
            }
            QuestionEvent::Poor(item) => context.note(&format!(
                "asking for {} takes more SOL than wallet {} has; send it some, it is tried again",
                part(&item),
                wallet.pubkey()
            )),
            QuestionEvent::Failed(error) => context.note(&format!("{error}; trying again")),
        };
        let questioner = Questioner {
            served: self.served.clone(),
            chain: &context.chain,
            key: &wallet,
            options: &context.options,
            address: *self.address,
            job: *self.job,
            budget: self.budget,
            purse: &Purse::default(),
            convicts_silence: true,
            on_event: &on_event,
            spent: &Spent::default(),
            answers: Mutex::default(),
        };
        let finding = examine(self.model, self.address, self.job, inputs, tensors, &questioner).await?;
        let deeds = said.into_inner().unwrap_or_default();
        let is_ours = deeds.iter().any(|deed| deed.what == SILENCE);
        transactions.extend(deeds);
        let ending = match finding {
            Finding::Hidden(_) if is_ours => Some("convicted"),
            Finding::Hidden(_) if too_dear.into_inner() => Some("too_dear"),
            Finding::Hidden(_) => Some(unasked(self.job, context.chain.try_fetch(self.address).await.ok().flatten())),
            Finding::Right | Finding::Wrong(_) => None,
        };
        Ok((finding, ending))
    }
}

/// Why nothing more can be asked about a job, by what is at its address `now`.
fn unasked(job: &Job, now: Option<Job>) -> &'static str {
    match now {
        Some(now) if now.job_hash == job.job_hash && now.status == Status::Convicted => "convicted_by_another",
        _ => "too_late",
    }
}

fn part(item: &Item) -> String {
    let Item { unit, op, index, .. } = item;
    match item.kind {
        Kind::Traces => format!("the hashes of its units, page {index}"),
        Kind::Outputs => format!("the hashes of its outputs, page {index}"),
        Kind::Ops => format!("the hashes of the op outputs of unit {unit}"),
        Kind::Page => format!("the chunk hashes of op {op} in unit {unit}, page {index}"),
        Kind::Chunk => format!("chunk {index} of op {op} in unit {unit}"),
    }
}

/// Transactions of this wallet that may be on their way.
fn pending(context: &Context, wallet: &Keypair) -> Result<Pending> {
    let name = format!("verify-{}.jsonl", wallet.pubkey());
    Ok(Pending::open(&context.settings.data.join(name))?)
}

/// The package below `models` that is registered at `model`.
fn find_package(models: &Path, model: &Address) -> Result<PathBuf> {
    let folders = std::fs::read_dir(models).into_iter().flatten().flatten().map(|entry| entry.path());
    for folder in folders.filter(|folder| folder.join("model.json").is_file()) {
        if market::job::model(&Package::load(&folder)?.model) == *model {
            return Ok(folder);
        }
    }
    refuse(format!(
        "no package in {} is the model registered at {model}; fetch it and name its folder with --package",
        models.display()
    ))
}

/// Whether a model's outputs can be shown.
fn makes_pictures(package: &Package) -> bool {
    task::Task::of(package).is_ok() && package.output_shape().c == 3
}

/// Writes the first unit whose output differs, or else the first: as it must be, as delivered, and the pixels that differ, in white.
fn side_by_side(package: &Package, units: u32, right: &[u8], delivered: &Bytes, path: &Path, force: bool) -> Result<()> {
    let theirs = task::outputs(package, units, delivered)?;
    let (_, ours) = BatchHeader::parse(right).map_err(task::Error::from)?;
    let mut pairs = ours.iter().zip(theirs);
    let first = pairs.clone().next();
    let Some((ours, theirs)) = pairs.find(|(ours, theirs)| ours != theirs).or(first) else {
        return refuse("the job has no unit to show; omit --pictures");
    };
    let Shape { h, w, .. } = package.output_shape();
    let (width, height) = (u32::from(w), u32::from(h));
    let panel = |pixel: &dyn Fn([u8; 3], [u8; 3]) -> [u8; 3]| {
        let pairs = ours.as_chunks::<3>().0.iter().zip(theirs.as_chunks::<3>().0);
        let bytes = pairs.flat_map(|(ours, theirs)| {
            let [r, g, b] = pixel(*ours, *theirs);
            [r, g, b, u8::MAX]
        });
        RgbaImage::from_raw(width, height, bytes.collect()).unwrap_or_default()
    };
    let panels = [
        panel(&|ours, _| ours),
        panel(&|_, theirs| theirs),
        panel(&|ours, theirs| if ours == theirs { [0; 3] } else { [u8::MAX; 3] }),
    ];
    let mut sheet = RgbaImage::from_pixel(3 * width + 2 * GAP, height, Rgba([128, 128, 128, u8::MAX]));
    for (x, panel) in (0..).step_by((width + GAP) as usize).zip(&panels) {
        // Each panel lies within the sheet.
        let _ = sheet.copy_from(panel, x, 0);
    }
    Ok(write_png(path, &sheet, false, force)?)
}

/// Brings a case, once that is agreed to, and returns its transactions.
async fn convict(context: &Context, address: &Address, job: &Job, case: &Case, agreed: bool) -> Result<(Vec<Deed>, DisputeOutcome)> {
    let wallet = context.wallet()?;
    if !agreed {
        let effect = format!(
            "wallet {} posts {} bytes of evidence, whose rent returns, and earns the reward",
            wallet.pubkey(),
            case.evidence.len()
        );
        confirm(&format!("convict job {address}"), &effect)?;
    }
    let pending = pending(context, &wallet)?;
    let challenger = Challenger {
        chain: &context.chain,
        pending: &pending,
        key: &wallet,
        options: &context.options,
    };
    let mut charge = Charge {
        job: address,
        hash: &job.job_hash,
        evidence: &case.evidence,
        since: job.since_slot.get(),
    };
    let mut transactions = Vec::new();
    let ending = challenger
        .bring(&mut charge, |action, receipt| {
            transactions.push(Deed {
                what: action.name(),
                sent: receipt.clone().into(),
            });
        })
        .await?;
    Ok((transactions, ending))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing;
    use anchor_lang::bytemuck::Zeroable;
    use chain::fake::Fake;

    fn report(result: &'static str, missing: Option<&str>) -> Report {
        Report {
            job: String::new(),
            model: String::new(),
            device: String::new(),
            units: 1,
            result,
            wrong: None,
            missing: missing.map(str::to_owned),
            pictures: None,
            pictures_error: None,
            pictures_code: 0,
            transactions: Vec::new(),
            ending: None,
        }
    }

    #[test]
    fn a_wrong_result_has_an_exit_code_of_its_own() {
        assert_eq!(report("right", None).answer().code(), 0);
        assert_eq!(report("wrong", None).answer().code(), code::WRONG);
        assert_eq!(report("wrong", Some("a chunk")).answer().code(), code::WRONG);
    }

    #[test]
    fn pictures_that_could_not_be_made_are_in_the_answer() {
        for (result, code) in [("right", code::REFUSED), ("wrong", code::WRONG)] {
            let mut report = report(result, None);
            report.add_pictures("pictures.png".into(), refuse("the outputs are gone"));
            assert_eq!(report.answer().code(), code, "{result}");
            let shown = testing::json(&report.answer());
            let told = (shown.get("pictures"), shown.get("pictures_error"));
            assert_eq!(told, (None, Some(&"the outputs are gone".into())));
            assert!(
                report.to_string().contains("no pictures were made: the outputs are gone"),
                "{report}"
            );
        }
    }

    #[tokio::test]
    async fn of_a_convicted_job_it_is_told_that_it_is() {
        let (folder, fake) = (tempfile::tempdir().unwrap(), Arc::new(Fake::default()));
        let (context, _) = testing::context(&fake, folder.path());
        let job = Address::new_unique();
        let convicted = Job {
            status: Status::Convicted as u8,
            ..Job::zeroed()
        };
        fake.set_account(job, testing::account(&convicted));
        let arguments = Arguments {
            job,
            package: None,
            pictures: None,
            force: false,
            convict: false,
            max_demand_lamports: 0,
        };
        let refusal = arguments.run(&context).await.unwrap_err().to_string();
        assert!(
            refusal.contains("was proved wrong") && refusal.contains("ionet job show"),
            "{refusal}"
        );
    }

    #[test]
    fn who_has_asked_is_not_told_to_ask() {
        let told = |ending| {
            let report = Report {
                ending,
                ..report("wrong", Some("a chunk"))
            };
            (report.to_string(), testing::json(&report.answer()))
        };
        assert!(told(None).0.contains("add --convict"));
        for (ending, said) in [
            ("convicted", "`ionet job award "),
            ("convicted_by_another", "somebody else"),
            ("too_dear", "--max-demand-lamports"),
            ("too_late", "window passed"),
        ] {
            let (words, json) = told(Some(ending));
            assert!(words.contains(said) && !words.contains("add --convict"), "{words}");
            assert_eq!(json.get("ending"), Some(&ending.into()));
        }
    }

    #[test]
    fn a_job_about_which_nothing_more_can_be_asked_tells_why() {
        let job = |hash: u8, status| Job {
            job_hash: [hash; 32],
            status: status as u8,
            ..Job::zeroed()
        };
        let asked = job(1, Status::Revealed);
        assert_eq!(unasked(&asked, Some(job(1, Status::Convicted))), "convicted_by_another");
        assert_eq!(
            unasked(&asked, Some(job(2, Status::Convicted))),
            "too_late",
            "another job has the address"
        );
        assert_eq!(unasked(&asked, Some(asked)), "too_late");
        assert_eq!(unasked(&asked, None), "too_late");
    }
}
