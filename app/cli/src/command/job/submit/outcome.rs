//! What became of an order, as it is printed.

use crate::{
    amount::Unit,
    output::fields,
    send::Sent,
    story::{Step, Story},
};
use serde::Serialize;
use std::{fmt, path::PathBuf};

/// What became of an order.
#[derive(Serialize)]
pub struct Submitted {
    pub job: String,
    pub escrow: String,
    pub model: String,
    pub inputs: String,
    pub units: u32,
    /// Locked in the escrow: the highest cost, fees included.
    pub locked: u64,
    pub opened: Sent,
    /// Files written; empty when detached.
    pub files: Vec<PathBuf>,
    /// Steps of the job's life; empty when detached.
    pub story: Story,
    /// The other replicas, and what became of them; empty for a job without replicas.
    pub replicas: Vec<Replica>,
    /// The command that fetches the result later.
    #[serde(skip)]
    pub next: String,
    #[serde(skip)]
    pub unit: Unit,
}

/// Another replica of a job.
#[derive(Serialize)]
pub struct Replica {
    pub job: String,
    /// Steps of its life; empty when detached.
    pub story: Story,
}

impl Submitted {
    /// Adds the files written, and the stories of all replicas in order.
    pub fn add(&mut self, files: Vec<PathBuf>, stories: Vec<Story>) {
        let own = std::iter::once(&mut self.story);
        let all = own.chain(self.replicas.iter_mut().map(|replica| &mut replica.story));
        all.zip(stories).for_each(|(place, story)| *place = story);
        self.files = files;
    }

    /// The job and its other replicas.
    fn all(&self) -> impl Iterator<Item = (&str, &Story)> {
        let others = self.replicas.iter().map(|replica| (replica.job.as_str(), &replica.story));
        std::iter::once((self.job.as_str(), &self.story)).chain(others)
    }

    /// Outputs of the replicas that were paid.
    fn results(&self) -> Vec<&str> {
        let paid = self.all().filter_map(|(_, story)| match story.ending() {
            Some(Step::Settled { outputs, .. }) => Some(outputs.as_str()),
            _ => None,
        });
        paid.collect()
    }

    /// What comparing the replicas' results shows; `None` for a job without replicas, and before any is paid.
    fn compared(&self) -> Option<String> {
        let all = self.all().count();
        let results = self.results();
        match (all, results.as_slice()) {
            (1, _) | (_, []) => None,
            (_, [_]) => Some(format!("only 1 of {all} computed it: nothing was compared")),
            (_, [first, others @ ..]) if others.iter().all(|other| other == first) => {
                Some(format!("{} of {all} computed it, and they agree", results.len()))
            }
            _ => Some("the results differ, and nobody proved one wrong; `ionet verify` could have, within the challenge window".to_owned()),
        }
    }

    /// What the consumer paid, what suppliers got and the fees, of all replicas; `None` before any is paid.
    fn paid(&self) -> Option<[u64; 3]> {
        let paid = self.all().filter_map(|(_, story)| story.paid());
        paid.reduce(|[a, b, c], [x, y, z]| [a.saturating_add(x), b.saturating_add(y), c.saturating_add(z)])
    }
}

impl fmt::Display for Submitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![("job", self.job.clone()), ("units", self.units.to_string())];
        lines.extend(self.files.iter().map(|file| ("file", file.display().to_string())));
        if !self.replicas.is_empty() {
            lines.extend(self.all().map(|(job, story)| {
                let ending = story.ending().map(|step| format!(": {}", step.describe(self.unit)));
                ("replica", format!("{job}{}", ending.unwrap_or_default()))
            }));
        }
        lines.extend(self.compared().map(|compared| ("compared", compared)));
        match self.paid() {
            Some([consumer_pays, suppliers_get, fees]) => lines.extend([
                ("you paid", self.unit.show(consumer_pays)),
                (
                    if self.replicas.is_empty() {
                        "supplier got"
                    } else {
                        "suppliers got"
                    },
                    self.unit.show(suppliers_get),
                ),
                ("fees", self.unit.show(fees)),
            ]),
            _ => lines.extend([("locked", self.unit.show(self.locked)), ("next", self.next.clone())]),
        }
        fields(f, &lines)?;
        // Of several replicas, tell the story of the one whose result was written.
        let told = self.all().find(|(_, story)| matches!(story.ending(), Some(Step::Settled { .. })));
        match told {
            Some((_, story)) => write!(f, "\n{}", story.tell(self.unit)),
            None => write!(f, "{}", self.opened),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{amount::SOL, story::Chapter};

    fn story(step: Step) -> Story {
        Story(vec![Chapter {
            step,
            signature: String::new(),
            slot: 0,
            time: None,
            fee: 0,
            compute_units: 0,
        }])
    }

    fn settled(outputs: &str) -> Story {
        story(Step::Settled {
            consumer_pays: 3,
            supplier_gets: 2,
            fees: 1,
            outputs: outputs.to_owned(),
        })
    }

    fn expired() -> Story {
        story(Step::Refunded {
            reason: "expired",
            refund: 3,
            penalty: 0,
        })
    }

    fn submitted(stories: Vec<Story>) -> Submitted {
        let mut stories = stories.into_iter();
        Submitted {
            job: "first".to_owned(),
            escrow: String::new(),
            model: String::new(),
            inputs: String::new(),
            units: 1,
            locked: 9,
            opened: Sent {
                signature: String::new(),
                slot: 0,
                fee: 0,
                compute_units: None,
            },
            files: Vec::new(),
            story: stories.next().unwrap(),
            replicas: stories
                .map(|story| Replica {
                    job: "other".to_owned(),
                    story,
                })
                .collect(),
            next: String::new(),
            unit: SOL,
        }
    }

    #[test]
    fn the_comparison_of_replicas_is_told() {
        let cases = [
            (vec![settled("a")], None),
            (vec![expired(), expired()], None),
            (vec![expired(), settled("a")], Some("only 1 of 2")),
            (
                vec![settled("a"), expired(), settled("a")],
                Some("2 of 3 computed it, and they agree"),
            ),
            (vec![settled("a"), settled("b")], Some("differ")),
        ];
        for (stories, words) in cases {
            let said = submitted(stories).compared();
            assert_eq!(said.is_some(), words.is_some(), "{said:?}");
            assert!(words.is_none_or(|words| said.as_ref().unwrap().contains(words)), "{said:?}");
        }
    }

    #[test]
    fn the_answer_lists_the_files() {
        let mut submitted = submitted(vec![settled("a")]);
        submitted.files = vec!["a.png".into(), "b.png".into()];
        let said = submitted.to_string();
        let files: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("file ")).map(str::trim).collect();
        assert_eq!(files, ["a.png", "b.png"], "{said}");
        // That was said when it was done.
        assert!(!said.contains("wrote"), "{said}");
    }

    #[test]
    fn the_story_of_the_paid_replica_is_told() {
        let said = submitted(vec![expired(), settled("a")]).to_string();
        let (facts, told) = said.split_once("\n\n").unwrap();
        assert!(facts.contains("first: expired") && facts.contains("other: settled"), "{said}");
        assert!(told.starts_with("settled"), "{said}");
    }
}
