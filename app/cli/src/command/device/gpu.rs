//! The market's GPU models.

use crate::{
    amount::Unit,
    context::{Context, Market},
    error::{Result, refuse},
    output::{Answer, Table},
};
use serde::Serialize;
use staking::{GpuModel, state::POOL_ENTERPRISE};
use std::fmt;

#[derive(Serialize)]
struct Gpu {
    id: u16,
    name: String,
    multiplier_x100: u16,
    vram_gb: u16,
    pool: &'static str,
    listed: bool,
    minimum_stake: u64,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Gpus {
    gpus: Vec<Gpu>,
    #[serde(skip)]
    unit: Unit,
}

impl fmt::Display for Gpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["id", "GPU", "multiplier", "GiB", "pool", "minimum stake", ""]);
        for gpu in &self.gpus {
            table.row([
                gpu.id.to_string(),
                gpu.name.clone(),
                format!("{:.2}", f64::from(gpu.multiplier_x100) / 100.0),
                gpu.vram_gb.to_string(),
                gpu.pool.to_owned(),
                self.unit.show(gpu.minimum_stake),
                if gpu.listed { "" } else { "not listed" }.to_owned(),
            ]);
        }
        write!(f, "{table}")
    }
}

/// Name of a GPU model.
pub fn gpu_name(gpu: &GpuModel) -> String {
    String::from_utf8_lossy(&gpu.name).trim_end_matches('\0').to_owned()
}

/// Finds the GPU model by its id or name, or by an unambiguous part of its name.
pub async fn find_gpu(context: &Context, text: &str) -> Result<GpuModel> {
    let models = gpu_models(context).await?;
    let wanted = text.to_lowercase();
    let exact = models
        .iter()
        .find(|gpu| gpu.id.get().to_string() == wanted || gpu_name(gpu).to_lowercase() == wanted);
    let close: Vec<&GpuModel> = models.iter().filter(|gpu| gpu_name(gpu).to_lowercase().contains(&wanted)).collect();
    match (exact, close.as_slice()) {
        (Some(gpu), _) | (None, &[gpu]) => Ok(*gpu),
        (None, []) => refuse(format!(
            "the market has no GPU model '{text}'; `ionet device list-models` lists them"
        )),
        (None, several) => {
            let names: Vec<String> = several.iter().map(|gpu| gpu_name(gpu)).collect();
            refuse(format!("'{text}' could be {}; give the whole name or the id", names.join(" or ")))
        }
    }
}

pub async fn gpu_models(context: &Context) -> Result<Vec<GpuModel>> {
    let mut models: Vec<GpuModel> = context.chain.find(&[]).await?.into_iter().map(|(_, gpu)| gpu).collect();
    models.sort_by_key(|gpu| gpu.id.get());
    Ok(models)
}

pub async fn list_models(context: &Context, market: &Market, unit: Unit) -> Result<Answer> {
    let now = context.now().await?.unix;
    let gpus = gpu_models(context).await?;
    let gpus = gpus.iter().map(|gpu| Gpu {
        id: gpu.id.get(),
        name: gpu_name(gpu),
        multiplier_x100: gpu.multiplier_x100.get(),
        vram_gb: gpu.vram_gb.get(),
        pool: if gpu.pool == POOL_ENTERPRISE { "enterprise" } else { "community" },
        listed: gpu.listed.get(),
        minimum_stake: minimum(market, gpu, 1, now),
    });
    Ok(Answer::new(&Gpus {
        gpus: gpus.collect(),
        unit,
    }))
}

/// The minimum stake of `quantity` GPUs of a model, in base units; 0 if it cannot be computed.
pub fn minimum(market: &Market, gpu: &GpuModel, quantity: u8, now: i64) -> u64 {
    let minimum = protocol::stake::minimum(market.staking.required_base(now), gpu.required_multiplier(now), quantity);
    minimum.map_or(0, |minimum| minimum.0)
}
