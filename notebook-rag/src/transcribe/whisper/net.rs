//! The network: an encoder that listens and a decoder that writes, both of transformer blocks.

use notebook_core::{Error, ErrorKind, Result};

use super::{file::Weights, mel::FRAMES};
use crate::kernels::{self, Matrix, MatrixMut, multiply};

const EPSILON: f32 = 1e-5;
/// Places of the encoder.
pub(super) const PLACES: usize = FRAMES / 2;

pub(super) struct Linear {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Linear {
    fn products(&self, rows: &[f32], threads: usize) -> Result<Vec<f32>> {
        let count = rows.len() / self.from;
        let weight = Matrix::new(&self.weight, self.to, self.from, self.from).transposed();
        product(Matrix::new(rows, count, self.from, self.from), weight, count, self.to, threads)
    }

    fn apply(&self, rows: &[f32], threads: usize) -> Result<Vec<f32>> {
        let mut out = self.products(rows, threads)?;
        for row in out.chunks_exact_mut(self.to) {
            row.iter_mut().zip(&self.bias).for_each(|(value, bias)| *value += bias);
        }
        Ok(out)
    }

    fn apply_gelu(&self, rows: &[f32], threads: usize) -> Result<Vec<f32>> {
        let mut out = self.products(rows, threads)?;
        kernels::bias_gelu(&mut out, &self.bias);
        Ok(out)
    }
}

fn product(
    a: Matrix<'_>,
    b: Matrix<'_>,
    rows: usize,
    columns: usize,
    threads: usize,
) -> Result<Vec<f32>> {
    let mut out = vec![0.0; rows * columns];
    if multiply(MatrixMut::new(&mut out, rows, columns, columns), a, b, threads) {
        return Ok(out);
    }
    Err(Error::new(ErrorKind::Internal, "run speech model")
        .with("reason", "shapes that do not agree"))
}

/// A convolution over time, three wide.
pub(super) struct Conv {
    pub(super) linear: Linear,
    pub(super) stride: usize,
}

impl Conv {
    pub(super) const WIDTH: usize = 3;

    /// `rows` are moments, each of as many numbers as there are channels.
    fn apply_gelu(&self, rows: &[f32], threads: usize) -> Result<Vec<f32>> {
        let channels = self.linear.from / Self::WIDTH;
        let moments = rows.len() / channels;
        let mut seen = Vec::with_capacity(moments / self.stride * self.linear.from);
        for moment in (0..moments).step_by(self.stride) {
            for channel in 0..channels {
                for near in 0..Self::WIDTH {
                    let at = (moment + near).checked_sub(1).filter(|at| *at < moments);
                    seen.push(
                        at.and_then(|at| rows.get(at * channels + channel)).copied().unwrap_or(0.0),
                    );
                }
            }
        }
        self.linear.apply_gelu(&seen, threads)
    }
}

pub(super) struct Norm {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

impl Norm {
    fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let width = self.weight.len();
        let mut out = Vec::with_capacity(rows.len());
        for row in rows.chunks_exact(width) {
            let mean = row.iter().sum::<f32>() / width as f32;
            let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / width as f32;
            let factor = 1.0 / (variance + EPSILON).sqrt();
            let scaled = row.iter().zip(&self.weight).zip(&self.bias);
            out.extend(scaled.map(|((x, weight), bias)| (x - mean) * factor * weight + bias));
        }
        out
    }
}

fn add(rows: &mut [f32], more: &[f32]) {
    rows.iter_mut().zip(more).for_each(|(row, more)| *row += more);
}

/// Attention by heads.
struct Heads {
    count: usize,
    width: usize,
}

impl Heads {
    /// Of `rows` queries over `seen` keys and values, each of which come with how far apart their rows are.
    fn attend(
        &self,
        queries: (&[f32], usize),
        keys: (&[f32], usize),
        values: (&[f32], usize),
        (rows, seen): (usize, usize),
        threads: usize,
    ) -> Result<Vec<f32>> {
        let head = self.width / self.count;
        let scale = 1.0 / (head as f32).sqrt();
        let mut out = vec![0.0; rows * self.width];
        for number in 0..self.count {
            let from = number * head;
            let queries =
                Matrix::new(queries.0.get(from..).unwrap_or_default(), rows, head, queries.1);
            let keys = Matrix::new(keys.0.get(from..).unwrap_or_default(), seen, head, keys.1);
            let mut scores = product(queries, keys.transposed(), rows, seen, threads)?;
            kernels::softmax(&mut scores, seen, scale);
            let values =
                Matrix::new(values.0.get(from..).unwrap_or_default(), seen, head, values.1);
            let scores = Matrix::new(&scores, rows, seen, seen);
            let out =
                MatrixMut::new(out.get_mut(from..).unwrap_or_default(), rows, head, self.width);
            if !multiply(out, scores, values, threads) {
                return Err(Error::new(ErrorKind::Internal, "run speech model"));
            }
        }
        Ok(out)
    }
}

struct SelfAttention {
    norm: Norm,
    /// Queries, keys and values in one.
    all: Linear,
    out: Linear,
}

struct Forward {
    norm: Norm,
    up: Linear,
    down: Linear,
}

impl Forward {
    fn load(weights: &Weights, name: &str, width: usize) -> Result<Self> {
        Ok(Self {
            norm: weights.norm(&format!("{name}/ffn/layer_norm"), width)?,
            up: weights.linear(&format!("{name}/ffn/linear_0"), width, 4 * width)?,
            down: weights.linear(&format!("{name}/ffn/linear_1"), 4 * width, width)?,
        })
    }

    fn add_to(&self, rows: &mut [f32], threads: usize) -> Result<()> {
        let inner = self.up.apply_gelu(&self.norm.apply(rows), threads)?;
        add(rows, &self.down.apply(&inner, threads)?);
        Ok(())
    }
}

impl SelfAttention {
    fn load(weights: &Weights, name: &str, width: usize) -> Result<Self> {
        let name = format!("{name}/self_attention");
        Ok(Self {
            norm: weights.norm(&format!("{name}/layer_norm"), width)?,
            all: weights.linear(&format!("{name}/linear_0"), width, 3 * width)?,
            out: weights.linear(&format!("{name}/linear_1"), width, width)?,
        })
    }
}

/// Listens: bands of sound to what the decoder looks at.
pub(super) struct Encoder {
    first: Conv,
    second: Conv,
    places: Vec<f32>,
    layers: Vec<(SelfAttention, Forward)>,
    norm: Norm,
    heads: Heads,
}

impl Encoder {
    pub(super) fn load(weights: &Weights) -> Result<Self> {
        let shape = weights.shape("encoder/conv1/weight")?;
        let (width, bands) = match shape {
            [width, bands, _] => (*width, *bands),
            _ => (0, 0),
        };
        let heads = Heads::load(weights, "encoder/num_heads", width)?;
        let mut layers = Vec::new();
        while weights.has(&format!("encoder/layer_{}/self_attention/linear_0/weight", layers.len()))
        {
            let name = format!("encoder/layer_{}", layers.len());
            layers.push((
                SelfAttention::load(weights, &name, width)?,
                Forward::load(weights, &name, width)?,
            ));
        }
        Ok(Self {
            first: weights.conv("encoder/conv1", bands, width, 1)?,
            second: weights.conv("encoder/conv2", width, width, 2)?,
            places: weights.matrix("encoder/position_encodings/encodings", PLACES, width)?,
            layers,
            norm: weights.norm("encoder/layer_norm", width)?,
            heads,
        })
    }

    pub(super) fn bands(&self) -> usize {
        self.first.linear.from / Conv::WIDTH
    }

    /// `mel` is of a whole window.
    pub(super) fn listen(&self, mel: &[f32], threads: usize) -> Result<Vec<f32>> {
        let width = self.heads.width;
        let rows = self.first.apply_gelu(mel, threads)?;
        let mut rows = self.second.apply_gelu(&rows, threads)?;
        add(&mut rows, &self.places);
        for (attention, forward) in &self.layers {
            let all = attention.all.apply(&attention.norm.apply(&rows), threads)?;
            let part = |number: usize| (all.get(number * width..).unwrap_or_default(), 3 * width);
            let sizes = (PLACES, PLACES);
            let seen = self.heads.attend(part(0), part(1), part(2), sizes, threads)?;
            add(&mut rows, &attention.out.apply(&seen, threads)?);
            forward.add_to(&mut rows, threads)?;
        }
        Ok(self.norm.apply(&rows))
    }
}

impl Heads {
    fn load(weights: &Weights, name: &str, width: usize) -> Result<Self> {
        let count = weights.count(name)?;
        if width == 0 || !width.is_multiple_of(count) {
            return Err(Error::new(ErrorKind::Corrupt, "load speech model")
                .with("reason", "heads of no whole width"));
        }
        Ok(Self { count, width })
    }
}

struct Layer {
    own: SelfAttention,
    norm: Norm,
    query: Linear,
    /// Keys and values of what was heard.
    heard: Linear,
    out: Linear,
    forward: Forward,
}

/// Writes: what was heard and the tokens so far to what comes next.
pub(super) struct Decoder {
    words: Vec<f32>,
    places: Vec<f32>,
    layers: Vec<Layer>,
    norm: Norm,
    heads: Heads,
    vocabulary: usize,
    longest: usize,
}

/// What the decoder keeps of a window: keys and values of the sound, and of the tokens so far.
#[derive(Clone)]
pub(super) struct Memory {
    heard: std::sync::Arc<Vec<Vec<f32>>>,
    written: Vec<Vec<f32>>,
    count: usize,
}

impl Decoder {
    pub(super) fn load(weights: &Weights) -> Result<Self> {
        let (vocabulary, width) = match weights.shape("decoder/embeddings/weight")? {
            [vocabulary, width] => (*vocabulary, *width),
            _ => (0, 0),
        };
        let longest =
            weights.shape("decoder/position_encodings/encodings")?.first().copied().unwrap_or(0);
        let heads = Heads::load(weights, "decoder/num_heads", width)?;
        let mut layers = Vec::new();
        while weights.has(&format!("decoder/layer_{}/self_attention/linear_0/weight", layers.len()))
        {
            let name = format!("decoder/layer_{}", layers.len());
            let across = format!("{name}/attention");
            layers.push(Layer {
                own: SelfAttention::load(weights, &name, width)?,
                norm: weights.norm(&format!("{across}/layer_norm"), width)?,
                query: weights.linear(&format!("{across}/linear_0"), width, width)?,
                heard: weights.linear(&format!("{across}/linear_1"), width, 2 * width)?,
                out: weights.linear(&format!("{across}/linear_2"), width, width)?,
                forward: Forward::load(weights, &name, width)?,
            });
        }
        Ok(Self {
            words: weights.matrix("decoder/embeddings/weight", vocabulary, width)?,
            places: weights.matrix("decoder/position_encodings/encodings", longest, width)?,
            layers,
            norm: weights.norm("decoder/layer_norm", width)?,
            heads,
            vocabulary,
            longest,
        })
    }

    pub(super) fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// The most tokens of a window.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Before the first token.
    pub(super) fn begin(&self, heard: &[f32], threads: usize) -> Result<Memory> {
        let keys = self.layers.iter().map(|layer| layer.heard.apply(heard, threads));
        let heard = std::sync::Arc::new(keys.collect::<Result<_>>()?);
        Ok(Memory { heard, written: vec![Vec::new(); self.layers.len()], count: 0 })
    }

    /// What comes after one more token: a number for each of the vocabulary.
    pub(super) fn step(&self, memory: &mut Memory, token: u32) -> Result<Vec<f32>> {
        let width = self.heads.width;
        let row = |rows: &[f32], at: usize| {
            rows.get(at * width..(at + 1) * width).map(<[f32]>::to_vec).ok_or_else(|| {
                Error::new(ErrorKind::Internal, "run speech model")
                    .with("reason", "a token beyond the end")
            })
        };
        let mut x = row(&self.words, token as usize)?;
        add(&mut x, &row(&self.places, memory.count)?);
        memory.count += 1;
        for ((layer, heard), written) in
            self.layers.iter().zip(memory.heard.iter()).zip(&mut memory.written)
        {
            let all = layer.own.all.apply(&layer.own.norm.apply(&x), 1)?;
            written.extend_from_slice(all.get(width..).unwrap_or_default());
            let keys = (written.as_slice(), 2 * width);
            let values = (written.get(width..).unwrap_or_default(), 2 * width);
            let seen = self.heads.attend((&all, width), keys, values, (1, memory.count), 1)?;
            add(&mut x, &layer.own.out.apply(&seen, 1)?);
            let query = layer.query.apply(&layer.norm.apply(&x), 1)?;
            let keys = (heard.as_slice(), 2 * width);
            let values = (heard.get(width..).unwrap_or_default(), 2 * width);
            let seen = self.heads.attend((&query, width), keys, values, (1, PLACES), 1)?;
            add(&mut x, &layer.out.apply(&seen, 1)?);
            layer.forward.add_to(&mut x, 1)?;
        }
        let x = self.norm.apply(&x);
        let words = Matrix::new(&self.words, self.vocabulary, width, width).transposed();
        product(Matrix::new(&x, 1, width, width), words, 1, self.vocabulary, 1)
    }
}
