//! Weight matrices of a GGUF file, in the two formats that the kernels read.
//!
//! `Q4_1` and `Q8_0` are used in place in the mapped file. `Q4_0` becomes `Q4_1`, which is exact.
//! Every other type is widened by candle and rounded to `Q8_0` when the model is loaded.

use std::{ops::Range, sync::Arc};

use candle_core::{
    Device,
    quantized::{GgmlDType, ggml_file::qtensor_from_ggml},
};
use half::f16;
use memmap2::Mmap;
use notebook_core::Result;
use rayon::prelude::*;

use super::file::{Gguf, TensorInfo};
use crate::kernels::{
    Matrix, MatrixMut, multiply,
    quant::{BLOCK, Format, Rounded, row_products, to_q8_0, widen},
};

/// Rows that are converted, or widened for a product, at a time.
const PANEL: usize = 512;

#[derive(Debug)]
enum Data {
    Mapped(Arc<Mmap>, Range<usize>),
    Owned(Vec<u8>),
}

/// A matrix of `rows` rows (outputs) of `columns` weights (inputs).
#[derive(Debug)]
pub(super) struct Weight {
    pub(super) rows: usize,
    pub(super) columns: usize,
    format: Format,
    data: Data,
}

/// The file while it is being taken apart.
pub(super) struct Source<'a> {
    pub(super) gguf: &'a Gguf,
    pub(super) map: &'a Arc<Mmap>,
}

fn dtype(kind: u32) -> Option<GgmlDType> {
    Some(match kind {
        0 => GgmlDType::F32,
        1 => GgmlDType::F16,
        2 => GgmlDType::Q4_0,
        3 => GgmlDType::Q4_1,
        6 => GgmlDType::Q5_0,
        7 => GgmlDType::Q5_1,
        8 => GgmlDType::Q8_0,
        10 => GgmlDType::Q2K,
        11 => GgmlDType::Q3K,
        12 => GgmlDType::Q4K,
        13 => GgmlDType::Q5K,
        14 => GgmlDType::Q6K,
        30 => GgmlDType::BF16,
        _ => return None,
    })
}

impl Source<'_> {
    fn find(&self, name: &str, shape: &[usize]) -> Result<(&TensorInfo, GgmlDType, Range<usize>)> {
        let tensor = self
            .gguf
            .tensor(name)
            .ok_or_else(|| self.gguf.corrupt(name, "there is no such tensor"))?;
        if tensor.shape != shape {
            return Err(self
                .gguf
                .corrupt(name, format!("its shape is {:?}, not {shape:?}", tensor.shape)));
        }
        let dtype = dtype(tensor.kind).ok_or_else(|| {
            self.gguf.unsupported(name, format!("its type is number {} of GGUF", tensor.kind))
        })?;
        let columns = shape.first().copied().unwrap_or(0);
        if !columns.is_multiple_of(dtype.block_size()) {
            return Err(self
                .gguf
                .corrupt(name, format!("a row of {columns} is not whole blocks of {dtype:?}")));
        }
        let length = shape.iter().product::<usize>() / dtype.block_size() * dtype.type_size();
        let place = self.gguf.place(name, tensor, length, self.map.len())?;
        Ok((tensor, dtype, place))
    }

    /// The vector `name` of `length` numbers.
    pub(super) fn vector(&self, name: &str, length: usize) -> Result<Vec<f32>> {
        let (_, dtype, place) = self.find(name, &[length])?;
        self.floats(name, dtype, self.map.get(place).unwrap_or_default(), vec![length])
    }

    /// The matrix `name`.
    pub(super) fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Weight> {
        let (_, dtype, place) = self.find(name, &[columns, rows])?;
        if !columns.is_multiple_of(BLOCK) {
            return Err(self
                .gguf
                .unsupported(name, format!("a row of {columns} is not whole blocks of {BLOCK}")));
        }
        let mapped = |place| Data::Mapped(Arc::clone(self.map), place);
        let (format, data) = match dtype {
            GgmlDType::Q4_1 => (Format::Q4_1, mapped(place)),
            GgmlDType::Q8_0 => (Format::Q8_0, mapped(place)),
            GgmlDType::Q4_0 => {
                (Format::Q4_1, Data::Owned(with_minimum(self.map.get(place).unwrap_or_default())))
            }
            _ => (Format::Q8_0, Data::Owned(self.rounded(name, dtype, place, columns)?)),
        };
        Ok(Weight { rows, columns, format, data })
    }

    fn rounded(
        &self,
        name: &str,
        dtype: GgmlDType,
        place: Range<usize>,
        columns: usize,
    ) -> Result<Vec<u8>> {
        let row = columns / dtype.block_size() * dtype.type_size();
        let mut out = Vec::new();
        for panel in self.map.get(place).unwrap_or_default().chunks(row * PANEL) {
            out.extend(to_q8_0(&self.floats(
                name,
                dtype,
                panel,
                vec![panel.len() / row, columns],
            )?));
        }
        Ok(out)
    }

    fn floats(
        &self,
        name: &str,
        dtype: GgmlDType,
        bytes: &[u8],
        shape: Vec<usize>,
    ) -> Result<Vec<f32>> {
        qtensor_from_ggml(dtype, bytes, shape, &Device::Cpu)
            .and_then(|tensor| tensor.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1())
            .map_err(|error| self.gguf.corrupt(name, error.to_string()))
    }
}

/// `Q4_0` as `Q4_1`: (nibble - 8) * scale = nibble * scale + (-8 * scale).
fn with_minimum(blocks: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(blocks.len() / 18 * 20);
    for [a, b, nibbles @ ..] in blocks.as_chunks::<18>().0 {
        let minimum = f16::from_f32(f16::from_le_bytes([*a, *b]).to_f32() * -8.0);
        out.extend([*a, *b]);
        out.extend(minimum.to_le_bytes());
        out.extend(nibbles);
    }
    out
}

impl Weight {
    fn bytes(&self, rows: Range<usize>) -> &[u8] {
        let all = match &self.data {
            Data::Mapped(map, place) => map.get(place.clone()).unwrap_or_default(),
            Data::Owned(bytes) => bytes,
        };
        let row = self.format.row_bytes(self.columns);
        all.get(rows.start * row..rows.end * row).unwrap_or_default()
    }

    /// Row `index` as numbers, appended to `out`. False when there is no such row.
    pub(super) fn append_row(&self, index: usize, out: &mut Vec<f32>) -> bool {
        let start = out.len();
        out.resize(start + self.columns, 0.0);
        let row = self.bytes(index..index.saturating_add(1));
        widen(self.format, row, out.get_mut(start..).unwrap_or_default());
        !row.is_empty()
    }

    /// `out = x W^T` for `x` of many rows: panels of weights are widened and multiplied, on all
    /// threads of the current rayon pool. False when the shapes disagree.
    pub(super) fn apply(&self, x: &[f32], out: &mut Vec<f32>, panel: &mut Vec<f32>) -> bool {
        let (count, threads) = (x.len() / self.columns, rayon::current_num_threads());
        out.resize(count * self.rows, 0.0);
        for first in (0..self.rows).step_by(PANEL) {
            let rows = PANEL.min(self.rows - first);
            panel.resize(rows * self.columns, 0.0);
            let share = rows.div_ceil(threads).max(1);
            panel
                .par_chunks_mut(share * self.columns)
                .zip(
                    self.bytes(first..first + rows)
                        .par_chunks(share * self.format.row_bytes(self.columns)),
                )
                .for_each(|(out, bytes)| widen(self.format, bytes, out));
            let Some(out) = out.get_mut(first..) else { return false };
            let done = multiply(
                MatrixMut::new(out, count, rows, self.rows),
                Matrix::new(x, count, self.columns, self.columns),
                Matrix::new(panel, rows, self.columns, self.columns).transposed(),
                threads,
            );
            if !done {
                return false;
            }
        }
        true
    }
}

/// Rows of a matrix, and where their products go.
type Rows<'a, 'b> = (Format, &'a [u8], &'b mut [f32]);

/// Products of several matrices with one vector, on all threads of the current rayon pool. Each
/// output is resized to its matrix's rows.
pub(super) fn products(x: &Rounded, jobs: &mut [(&Weight, &mut Vec<f32>)]) {
    let threads = rayon::current_num_threads();
    let mut parts: Vec<Vec<Rows<'_, '_>>> = (0..threads).map(|_| Vec::new()).collect();
    for (weight, out) in jobs {
        out.resize(weight.rows, 0.0);
        let share = weight.rows.div_ceil(threads).max(1);
        let mut first = 0;
        for (part, out) in parts.iter_mut().zip(out.chunks_mut(share)) {
            let rows = first..first + out.len();
            first = rows.end;
            part.push((weight.format, weight.bytes(rows), out));
        }
    }
    parts.into_par_iter().with_max_len(1).for_each(|part| {
        for (format, bytes, out) in part {
            row_products(format, bytes, x, out);
        }
    });
}
