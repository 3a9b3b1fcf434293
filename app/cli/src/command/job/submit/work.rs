//! Turns a photo or a prompt into the inputs of a job.

use super::Order;
use crate::{
    command::job::deliver::Delivery,
    context::Context,
    error::{Result, refuse},
    photo::open_photo,
    record::{Content, JobRecord},
};
use engine::Package;
use protocol::batch::MAX_UNITS;
use solana_address::Address;
use std::path::{Path, PathBuf};
use task::{Layout, Task, inputs_blob};

/// A job that is ready to be submitted.
pub struct Prepared {
    pub package: Package,
    pub blob: Vec<u8>,
    pub record: JobRecord,
    /// Whether to replace existing files.
    pub force: bool,
}

impl Prepared {
    pub fn delivery<'a>(&'a self, context: &'a Context, job: Address) -> Delivery<'a> {
        Delivery {
            context,
            package: &self.package,
            record: &self.record,
            force: self.force,
            job,
        }
    }
}

/// Loads the package that the order names, or the one called `name` in the models folder.
fn package(context: &Context, order: &Order, name: &str) -> Result<(PathBuf, Package)> {
    let models = &context.settings.models;
    let folder = order.package.clone().unwrap_or_else(|| models.join(name));
    if order.package.is_none() && !folder.exists() {
        return refuse(format!(
            "there is no {name} in the models folder, {}; name its folder with --package, or set another models folder with \
             `ionet config set models FOLDER`",
            models.display()
        ));
    }
    let package = Package::load(&folder)?;
    // Absolute, so that the job can be fetched from any folder.
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    Ok((folder, package))
}

fn wrong_task<T>(folder: &Path, wanted: &str) -> Result<T> {
    refuse(format!(
        "the model in {} does not {wanted}; choose another with --package",
        folder.display()
    ))
}

pub fn upscale(context: &Context, photo: &Path, order: &Order) -> Result<Prepared> {
    let (folder, package) = package(context, order, "upscale")?;
    let Task::Upscale(upscale) = Task::of(&package)? else {
        return wrong_task(&folder, "enlarge photos");
    };
    let output = order.output.path.clone().unwrap_or_else(|| {
        let stem = photo.file_stem().unwrap_or_default().to_string_lossy();
        format!("{stem}-{}x.png", upscale.scale).into()
    });
    let image = open_photo(photo)?;
    let layout = Layout::of(&image);
    let (units, most) = (upscale.units(&layout), upscale.most_units(blobs::MAX_BLOB));
    if units > most.min(MAX_UNITS.into()) {
        let pixels = most * u64::from(upscale.core).pow(2) / (1 + u64::from(layout.alpha));
        return refuse(format!(
            "{} has {}×{} pixels{} and one job takes about {:.1} megapixels; shrink or crop it first",
            photo.display(),
            layout.width,
            layout.height,
            if layout.alpha { " with transparency" } else { "" },
            pixels as f64 / 1e6
        ));
    }
    // At most 2^20.
    let units = units as u32;
    Ok(Prepared {
        blob: inputs_blob(&package, units, &upscale.cut(&image))?,
        record: JobRecord {
            package: folder,
            units,
            content: Content::Photo(layout),
            output: std::path::absolute(&output).unwrap_or(output),
        },
        force: order.output.force,
        package,
    })
}

pub fn imagine(context: &Context, prompt: &str, seed: u64, count: u32, order: &Order) -> Result<Prepared> {
    let (folder, package) = package(context, order, "imagine")?;
    let Task::Imagine(imagine) = Task::of(&package)? else {
        return wrong_task(&folder, "paint pictures");
    };
    let picture = u64::from(package.output_shape().elements().unwrap_or_default()).max(1);
    let most = blobs::MAX_BLOB.saturating_sub(protocol::batch::BatchHeader::BYTES as u64) / picture;
    if u64::from(count) > most {
        return refuse(format!(
            "one job paints at most {most} pictures; submit several jobs with different --seed"
        ));
    }
    let seeds = (0..u64::from(count)).map(|unit| seed.wrapping_add(unit));
    let codes = seeds.map(|seed| imagine.encode(prompt, seed)).collect::<task::Result<Vec<_>>>()?;
    let output = order.output.path.clone().unwrap_or_else(|| match count {
        1 => format!("imagine-{seed}.png").into(),
        _ => "imagine.png".into(),
    });
    Ok(Prepared {
        blob: inputs_blob(&package, count, &codes.concat())?,
        record: JobRecord {
            package: folder,
            units: count,
            content: Content::Pictures { seed },
            output: std::path::absolute(&output).unwrap_or(output),
        },
        force: order.output.force,
        package,
    })
}
