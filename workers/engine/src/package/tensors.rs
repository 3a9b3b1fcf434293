//! The tensors of a package, from `tensors.safetensors`.

use super::MAX_MANIFEST_BYTES;
use crate::error::Error;
use protocol::requantise::{Channel, MAX_BIAS};
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, Metadata, TensorView};
use std::collections::HashSet;

/// The tensors of a package, and which of them have been used. No tensor may be used twice, so the constants together are no larger than
/// the file.
pub(super) struct Tensors<'a> {
    header: Metadata,
    data: &'a [u8],
    used: HashSet<String>,
}

/// Names the tensor and the op that uses it, for error messages.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    pub op: &'a str,
    pub tensor: &'a str,
}

impl<'a> Tensors<'a> {
    /// Parses the file: the length of its header, the header, and the tensors' bytes without gaps. (`SafeTensors::deserialize` panics if the
    /// tensors of a header end shortly before 2^64.)
    pub fn read(file: &'a [u8]) -> Result<Self, Error> {
        let (length, rest) = file.split_first_chunk().ok_or(SafeTensorError::HeaderTooSmall)?;
        let length = u64::from_le_bytes(*length);
        // It names the same tensors as the manifest, so it is about as long.
        if length > MAX_MANIFEST_BYTES {
            return Err(SafeTensorError::HeaderTooLarge.into());
        }
        let (header, data) = rest.split_at_checked(length as usize).ok_or(SafeTensorError::InvalidHeaderLength)?;
        let header: Metadata = serde_json::from_slice(header).map_err(SafeTensorError::InvalidHeaderDeserialization)?;
        if header.data_len() != data.len() {
            return Err(SafeTensorError::MetadataIncompleteBuffer.into());
        }
        Ok(Self {
            header,
            data,
            used: HashSet::new(),
        })
    }

    /// The first tensor that no op has used.
    pub fn unused(&self) -> Option<String> {
        self.header.offset_keys().into_iter().find(|name| !self.used.contains(name))
    }

    pub fn get(&mut self, field: Field<'_>, dtype: Dtype, rank: usize) -> Result<TensorView<'a>, Error> {
        let Field { op, tensor } = field;
        let info = self.header.info(tensor).ok_or_else(|| Error::MissingTensor {
            op: op.to_owned(),
            tensor: tensor.to_owned(),
        })?;
        let (start, end) = info.data_offsets;
        let view = TensorView::new(info.dtype, info.shape.clone(), self.data.get(start..end).unwrap_or(&[]))?;
        if !self.used.insert(tensor.to_owned()) {
            return Err(Error::SharedTensor {
                op: op.to_owned(),
                tensor: tensor.to_owned(),
            });
        }
        if view.dtype() != dtype || view.shape().len() != rank {
            return Err(wrong_type(
                field,
                view.dtype(),
                view.shape(),
                format!("{dtype:?} with {rank} dimensions"),
            ));
        }
        Ok(view)
    }

    /// Weights and their dimensions.
    pub fn weights<const RANK: usize>(&mut self, field: Field<'_>) -> Result<([usize; RANK], Vec<i8>), Error> {
        let view = self.get(field, Dtype::I8, RANK)?;
        let dims = <[usize; RANK]>::try_from(view.shape()).map_err(|_| Error::Internal("the rank of a tensor"))?;
        let weights: Vec<i8> = view.data().iter().map(|byte| *byte as i8).collect();
        match weights.iter().position(|weight| *weight == i8::MIN) {
            Some(index) => Err(Error::Weight {
                op: field.op.to_owned(),
                tensor: field.tensor.to_owned(),
                index,
            }),
            None => Ok((dims, weights)),
        }
    }

    fn words(&mut self, field: Field<'_>, count: usize) -> Result<Vec<i32>, Error> {
        let view = self.get(field, Dtype::I32, 1)?;
        if view.shape() != [count] {
            return Err(wrong_type(field, Dtype::I32, view.shape(), format!("I32 [{count}]")));
        }
        Ok(view.data().as_chunks().0.iter().map(|word| i32::from_le_bytes(*word)).collect())
    }

    pub fn channels(&mut self, op: &str, bias: &str, multiplier: &str, count: usize) -> Result<Vec<Channel>, Error> {
        let biases = self.words(Field { op, tensor: bias }, count)?;
        let multipliers = self.words(Field { op, tensor: multiplier }, count)?;
        let channels = biases
            .into_iter()
            .zip(multipliers)
            .map(|(bias, multiplier)| Channel { bias, multiplier });
        let checked = channels.enumerate().map(|(channel, record)| {
            if record.bias.unsigned_abs() > MAX_BIAS.unsigned_abs() {
                return Err(Error::Bias {
                    op: op.to_owned(),
                    tensor: bias.to_owned(),
                    channel,
                    value: record.bias,
                });
            }
            if record.multiplier < 0 {
                return Err(Error::Multiplier {
                    op: op.to_owned(),
                    tensor: multiplier.to_owned(),
                    channel,
                    value: record.multiplier,
                });
            }
            Ok(record)
        });
        checked.collect()
    }
}

pub(super) fn wrong_type(Field { op, tensor }: Field<'_>, dtype: Dtype, dims: &[usize], expected: String) -> Error {
    Error::TensorType {
        op: op.to_owned(),
        tensor: tensor.to_owned(),
        found: format!("{dtype:?} {dims:?}"),
        expected,
    }
}
