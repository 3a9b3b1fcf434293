//! What was found about a result, as it is printed.

use crate::{
    error::{Result, code},
    output::{Answer, count, fields},
    send::Sent,
    story,
};
use engine::Package;
use protocol::{
    referee::Verdict,
    tensor::{Shape, from_code},
};
use serde::Serialize;
use std::{fmt, path::PathBuf};

/// What was found.
#[derive(Serialize)]
pub struct Report {
    pub job: String,
    pub model: String,
    pub device: String,
    pub units: u32,
    /// right or wrong.
    pub result: &'static str,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrong: Option<Wrong>,
    /// What the worker keeps back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// Side by side: as it must be, as delivered, where they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pictures: Option<PathBuf>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pictures_error: Option<String>,
    /// The exit code of that.
    #[serde(skip)]
    pub pictures_code: u8,
    /// Transactions of the conviction.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transactions: Vec<Deed>,
    /// How the dispute ended: convicted, beaten, convicted_by_another, too_dear or too_late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ending: Option<&'static str>,
}

/// A difference, explained.
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
    /// What the op makes of its inputs.
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
    pub fn add_pictures(&mut self, path: PathBuf, written: Result<()>) {
        match written {
            Ok(()) => self.pictures = Some(path),
            Err(error) => {
                self.pictures_error = Some(error.to_string());
                self.pictures_code = error.code();
            }
        }
    }

    /// As an answer that scripts tell by its exit code.
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
}
