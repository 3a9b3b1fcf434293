//! How the findings are printed.

use crate::{
    error::{Result, code},
    output::{Answer, count, fields},
    send::Sent,
    story,
};
use engine::Package;
use jobs::Job;
use protocol::{
    referee::Verdict,
    tensor::{Shape, from_code},
};
use serde::Serialize;
use solana_address::Address;
use std::{fmt, path::PathBuf};
use watchtower::Finding;

/// The findings.
#[derive(Serialize)]
pub struct Report {
    job: String,
    model: String,
    device: String,
    units: u32,
    /// right or wrong.
    result: &'static str,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrong: Option<Wrong>,
    /// What the worker withholds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// File with the right picture, the worker's, and where they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pictures: Option<PathBuf>,
    /// Why no pictures were written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pictures_error: Option<String>,
    /// Exit code of that error.
    #[serde(skip)]
    pictures_code: u8,
    /// Transactions sent to convict.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transactions: Vec<Deed>,
    /// How the dispute ended: convicted, beaten, convicted_by_another, too_dear or too_late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ending: Option<&'static str>,
}

/// Where the result is wrong.
#[derive(Serialize)]
pub struct Wrong {
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
    /// What the op computes from its inputs.
    expected: i8,
    /// What the worker committed to.
    claimed: i8,
    evidence_bytes: usize,
}

#[derive(Serialize)]
pub struct Deed {
    pub what: &'static str,
    #[serde(flatten)]
    pub sent: Sent,
}

impl Wrong {
    pub fn new(package: &Package, verdict: &Verdict, evidence_bytes: usize) -> Self {
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
                 the op computes {} from its inputs, the worker committed to {}",
                self.row, self.column, self.channel, self.expected, self.claimed
            ),
            "output" => write!(
                f,
                "unit {unit}: the output delivered is not the one that the worker's own trace ends with"
            ),
            _ => write!(f, "unit {unit}, op {op} ({op_name}): the worker's commitment is malformed"),
        }
    }
}

impl Report {
    /// The report of a finding, before anything is done about it.
    pub fn new(address: &Address, job: &Job, model: &str, finding: &Finding) -> Self {
        Self {
            job: address.to_string(),
            model: model.to_owned(),
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
        }
    }

    /// Records the pictures, or why there are none: their failure hides neither the finding nor a conviction.
    pub fn add_pictures(&mut self, path: PathBuf, written: Result<()>) {
        match written {
            Ok(()) => self.pictures = Some(path),
            Err(error) => {
                self.pictures_error = Some(error.to_string());
                self.pictures_code = error.code();
            }
        }
    }

    /// The answer, with an exit code that tells scripts the result.
    pub fn answer(&self) -> Answer {
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
                "the result is right: everything the worker committed to is what the model computes from the input"
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
                    None => "; add --convict to demand it on the chain, where silence costs the worker its bond too",
                    Some(_) => "",
                };
                writeln!(
                    f,
                    "the result is wrong, but the worker withholds {missing}, which would show where{next}"
                )?;
            }
        }
        if let Some(path) = &self.pictures {
            let shown = path.display();
            writeln!(f, "wrote {shown}: the right picture, the worker's, and where they differ")?;
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
                 next: `ionet job award {}` pays the reward, once the time for earlier seals is over",
                self.job
            ),
            Some("beaten") => writeln!(f, "somebody else sealed evidence earlier and gets the conviction"),
            Some("convicted_by_another") => writeln!(f, "somebody else has convicted the job meanwhile"),
            Some("too_dear") => writeln!(
                f,
                "the next demand would exceed --max-demand-lamports; raise it and run this again before the job's challenge window ends"
            ),
            Some(_) => writeln!(f, "the job's challenge window passed before it could be convicted"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{error::refuse, testing};

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
    fn failed_pictures_are_in_the_answer() {
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

    #[test]
    fn after_demands_the_answer_does_not_suggest_them() {
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
}
