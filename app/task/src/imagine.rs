//! Encodes a prompt and a seed as the input of an image model, and decodes its output into a picture.
//!
//! The rules are data in `model.json`. `models/prompt.py` is the reference implementation; `prompts.json` in the model's folder holds its
//! answers, against which this module is tested.

use super::{Error, Result};
use engine::Package;
use image::RgbaImage;
use protocol::tensor::Shape;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The task of an image model, from `model.json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imagine {
    width: u16,
    height: u16,
    /// Input code where a word is chosen; 0 elsewhere.
    on: i8,
    latent: Latent,
    vocabulary: Vec<Entry>,
    /// The word for each group that the prompt does not mention.
    defaults: BTreeMap<String, String>,
    stop_words: Vec<String>,
    rebind: Rebind,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Latent {
    count: u32,
    tag: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    word: String,
    index: usize,
    synonyms: Vec<String>,
    group: String,
}

/// When a word of one group (a colour) means another (the background).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rebind {
    from: String,
    to: String,
    after: Vec<String>,
    before: Vec<String>,
    barrier: String,
    cancel: Vec<String>,
    otherwise: BTreeMap<String, String>,
}

impl Imagine {
    pub(super) fn fits(&self, package: &Package) -> bool {
        let codes = u16::try_from(self.vocabulary.len() + self.latent.count as usize);
        package.inputs.len() == 1
            && codes.is_ok_and(|codes| package.input_shapes() == [Shape::new(1, 1, codes)])
            && package.output_shape() == Shape::new(self.height, self.width, 3)
            && self.vocabulary.iter().enumerate().all(|(index, entry)| entry.index == index)
    }

    /// The graph input of one unit, as stored bytes (`x + 128`).
    pub fn encode(&self, prompt: &str, seed: u64) -> Result<Vec<u8>> {
        let choice = self.parse(prompt)?;
        let on = |entry: &Entry| choice.get(entry.group.as_str()).is_some_and(|word| *word == entry.word);
        let words = self.vocabulary.iter().map(|entry| if on(entry) { self.on } else { 0 });
        Ok(words.chain(self.codes(seed)).map(|code| (code as u8) ^ 0x80).collect())
    }

    /// Latent codes of a seed: the sum of eight hash bytes, which is nearly normal, centred and scaled in integers.
    fn codes(&self, seed: u64) -> impl Iterator<Item = i8> {
        (0..self.latent.count).map(move |index| {
            let digest = Sha256::new()
                .chain_update(&self.latent.tag)
                .chain_update(seed.to_le_bytes())
                .chain_update(index.to_le_bytes())
                .finalize();
            let sum: i32 = digest.iter().take(8).map(|byte| i32::from(*byte)).sum();
            ((sum - 1020) * 39).div_euclid(256).clamp(-128, 127) as i8
        })
    }

    /// The chosen word of every group.
    ///
    /// Words are runs of the letters a–z of the lower-cased prompt, read in order. Stop words are skipped. A word of `rebind.from`
    /// (a colour) is taken for `rebind.to` (the background) in two cases:
    /// * it is the first one after a word of `after` ("on blue"), unless a word of a `cancel` group came between ("on the left, a red
    ///   star" is about the left);
    /// * a word of `before` follows it with no word of the `barrier` group between ("blue striped background").
    ///
    /// A word of `before` that finds no such colour, while no background is given yet, acts like a word of `after`.
    ///
    /// Groups that the prompt does not mention take their default. If that gives shape and background the same colour although the prompt
    /// names only one of them, the other takes its word of `otherwise`.
    fn parse(&self, prompt: &str) -> Result<BTreeMap<&str, &str>> {
        let rule = &self.rebind;
        let mut chosen: Vec<(&str, &str)> = Vec::new();
        // Whether the next colour is the background's, and the index of the colour that a word of `before` would rebind.
        let (mut pending, mut last) = (false, None);
        let prompt = prompt.to_lowercase();
        for word in prompt.split(|c: char| !c.is_ascii_lowercase()).filter(|word| !word.is_empty()) {
            let is_in = |list: &[String]| list.iter().any(|entry| entry == word);
            if is_in(&self.stop_words) {
                continue;
            } else if is_in(&rule.after) {
                pending = true;
            } else if is_in(&rule.before) {
                match last.take().and_then(|index: usize| chosen.get_mut(index)) {
                    Some((group, _)) => *group = &rule.to,
                    None => pending = !chosen.iter().any(|(group, _)| *group == rule.to),
                }
            } else if let Some(entry) = self.find(word) {
                let (group, name) = (entry.group.as_str(), entry.word.as_str());
                if group != rule.from {
                    chosen.push((group, name));
                    if group == rule.barrier {
                        last = None;
                    }
                    pending &= !rule.cancel.iter().any(|cancel| cancel == group);
                } else if pending {
                    chosen.push((&rule.to, name));
                    (pending, last) = (false, None);
                } else {
                    last = Some(chosen.len());
                    chosen.push((group, name));
                }
            } else {
                return self.refuse(format!("the model does not know the word \"{word}\""));
            }
        }
        if chosen.is_empty() {
            return self.refuse("the prompt has no word that describes the picture".to_owned());
        }
        let mut given: BTreeMap<&str, &str> = BTreeMap::new();
        for (group, name) in chosen {
            let first = *given.entry(group).or_insert(name);
            if first != name {
                return self.refuse(format!("the prompt gives two words for {group}: \"{first}\" and \"{name}\""));
            }
        }
        let mut choice: BTreeMap<&str, &str> = self.defaults.iter().map(|(group, word)| (group.as_str(), word.as_str())).collect();
        choice.extend(&given);
        if choice.get(rule.from.as_str()) == choice.get(rule.to.as_str()) {
            for group in [rule.from.as_str(), rule.to.as_str()] {
                if let (false, Some(other)) = (given.contains_key(group), rule.otherwise.get(group)) {
                    choice.insert(group, other);
                }
            }
        }
        Ok(choice)
    }

    /// The vocabulary entry for a word. Entries of `rebind.to` are never found: `parse` makes them from words of `rebind.from`.
    fn find(&self, word: &str) -> Option<&Entry> {
        let means = |entry: &&Entry| entry.word == word || entry.synonyms.iter().any(|synonym| synonym == word);
        self.vocabulary.iter().filter(|entry| entry.group != self.rebind.to).find(means)
    }

    fn refuse<T>(&self, reason: String) -> Result<T> {
        let words = self.vocabulary.iter().filter(|entry| entry.group != self.rebind.to);
        let known: Vec<&str> = words.map(|entry| entry.word.as_str()).collect();
        Err(Error::Prompt {
            reason,
            known: known.join(", "),
        })
    }

    /// The picture in a unit's output.
    pub fn picture(&self, unit: &[u8]) -> Result<RgbaImage> {
        let (pixels, _) = unit.as_chunks::<3>();
        let rgba: Vec<u8> = pixels.iter().flat_map(|[r, g, b]| [*r, *g, *b, u8::MAX]).collect();
        RgbaImage::from_raw(self.width.into(), self.height.into(), rgba)
            .filter(|_| unit.len() == pixels.len() * 3)
            .ok_or_else(|| Error::Output(format!("{} bytes for one picture", unit.len())))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::Task;
    use std::path::{Path, PathBuf};

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/imagine")
    }

    fn imagine() -> Imagine {
        let package = Package::load(&folder()).unwrap();
        match Task::of(&package).unwrap() {
            Task::Imagine(imagine) => *imagine,
            Task::Upscale(_) => panic!("imagine does not enlarge photos"),
        }
    }

    fn cases<T: for<'de> Deserialize<'de>>(name: &str) -> Vec<T> {
        serde_json::from_slice(&std::fs::read(folder().join(name)).unwrap()).unwrap()
    }

    #[test]
    fn prompts_encode_as_the_reference_does() {
        #[derive(Deserialize)]
        struct Case {
            prompt: String,
            seed: u64,
            input: Vec<i8>,
        }
        let imagine = imagine();
        for Case { prompt, seed, input } in cases("prompts.json") {
            let stored: Vec<u8> = input.iter().map(|code| (i16::from(*code) + 128) as u8).collect();
            assert_eq!(imagine.encode(&prompt, seed).unwrap(), stored, "{prompt} {seed}");
        }
    }

    #[test]
    fn what_the_reference_rejects_is_rejected_by_name() {
        #[derive(Deserialize)]
        struct Case {
            prompt: String,
            names: String,
        }
        let imagine = imagine();
        for Case { prompt, names } in cases("rejected.json") {
            let error = imagine.encode(&prompt, 0).unwrap_err().to_string();
            let (reason, known) = error.split_once(';').unwrap();
            assert!(
                reason.contains(&names) && known.contains("circle") && !error.contains('\n'),
                "{prompt}: {error}"
            );
        }
    }

    #[test]
    fn a_unit_is_a_picture() {
        let imagine = imagine();
        let unit: Vec<u8> = (0..64 * 64 * 3).map(|i| i as u8).collect();
        let picture = imagine.picture(&unit).unwrap();
        assert_eq!(picture.get_pixel(1, 0).0, [3, 4, 5, 255]);
        assert!(imagine.picture(unit.get(1..).unwrap()).is_err());
    }
}
